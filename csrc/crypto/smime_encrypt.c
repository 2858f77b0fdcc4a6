/* Envelopes, see smime.h: written in BER of indefinite length while the content
 * passes. */
#include "crypto/smime_internal.h"

#include <string.h>

#include <openssl/ec.h>
#include <openssl/err.h>

struct smtp_smime_encryptor {
  CMS_ContentInfo *cms;
  BIO *out;     /* memory, emptied after every step */
  BIO *content; /* a chain that ends in `out`; NULL before the first byte */
  bool has_recipient, done;
};

/* clang-format off */
static const struct {
  const char *name;
  const EVP_CIPHER *(*cipher)(void);
} ciphers[] = {
  {"aes-128-cbc", EVP_aes_128_cbc},
  {"aes-192-cbc", EVP_aes_192_cbc},
  {"aes-256-cbc", EVP_aes_256_cbc},
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  {"aes-128-gcm", EVP_aes_128_gcm},
  {"aes-192-gcm", EVP_aes_192_gcm},
  {"aes-256-gcm", EVP_aes_256_gcm},
#endif
};
/* clang-format on */

static const EVP_CIPHER *find_cipher(const char *name) {
  size_t i;

  for (i = 0; i < sizeof ciphers / sizeof *ciphers; i++)
    if (strcmp(name, ciphers[i].name) == 0) return ciphers[i].cipher();
  return NULL;
}

smtp_smime_encryptor *smtp_smime_encryptor_new(const char *cipher,
                                               smtp_error *e, smtp_buf *why) {
  const EVP_CIPHER *found = find_cipher(cipher);
  smtp_smime_encryptor *s;

  *e = SMTP_ERR_SMIME;
  if (!found) {
    smtp_buf_adds(why, "cipher: this OpenSSL encrypts no mail with ");
    smtp_buf_adds(why, cipher);
    return NULL;
  }
  ERR_clear_error();
  s = smtp_allocate(sizeof *s);
  *e = s ? SMTP_OK : SMTP_ERR_NOMEM;
  if (s) s->out = BIO_new(BIO_s_mem());
  if (s) s->cms = CMS_encrypt(NULL, NULL, found, CMS_STREAM | CMS_BINARY);
  if (s && s->out && s->cms) return s;
  if (s) *e = smtp_smime_explain(why, "encrypting");
  smtp_smime_encryptor_free(s);
  return NULL;
}

void smtp_smime_encryptor_free(smtp_smime_encryptor *s) {
  if (!s) return;
  smtp_smime_close(s->content, s->out);
  BIO_free(s->out);
  CMS_ContentInfo_free(s->cms);
  smtp_release(s);
}

/* RFC 8551 section 2.3 wants SHA-256 to derive the key of ECDH; OpenSSL's own
 * choice is SHA-1. */
static int add_recipient(smtp_smime_encryptor *s, X509 *cert) {
  CMS_RecipientInfo *info =
      CMS_add1_recipient_cert(s->cms, cert, CMS_KEY_PARAM);

  if (!info) return 0;
  if (EVP_PKEY_base_id(X509_get0_pubkey(cert)) != EVP_PKEY_EC) return 1;
  return EVP_PKEY_CTX_set_ecdh_kdf_md(CMS_RecipientInfo_get0_pkey_ctx(info),
                                      EVP_sha256()) > 0;
}

smtp_error smtp_smime_encryptor_add(smtp_smime_encryptor *s, const char *pem,
                                    size_t len, smtp_buf *why) {
  smtp_error e = SMTP_OK;
  STACK_OF(X509) *certs = smtp_smime_read_certs("certs", pem, len, &e, why);
  int i;

  for (i = 0; !e && i < sk_X509_num(certs); i++) {
    X509 *cert = sk_X509_value(certs, i);

    e = smtp_smime_check(cert, SMTP_SMIME_ENCRYPT, why);
    if (!e && !add_recipient(s, cert))
      e = smtp_smime_explain(why, "certs: cannot encrypt to one of them");
    if (!e) s->has_recipient = true;
  }
  smtp_smime_free_certs(certs);
  return e;
}

static smtp_error begin(smtp_smime_encryptor *s, smtp_buf *why) {
  if (s->done || !s->has_recipient) return SMTP_ERR_STATE;
  ERR_clear_error();
  if (s->content) return SMTP_OK;
  s->content = BIO_new_CMS(s->out, s->cms);
  return s->content ? SMTP_OK : smtp_smime_explain(why, "encrypting");
}

smtp_error smtp_smime_encryptor_update(smtp_smime_encryptor *s,
                                       const void *bytes, size_t len,
                                       smtp_buf *out, smtp_buf *why) {
  smtp_error e = begin(s, why);

  if (!e) e = smtp_smime_write(s->content, bytes, len, "encrypting", why);
  smtp_smime_drain(s->out, out);
  return !e && out->failed ? SMTP_ERR_NOMEM : e;
}

smtp_error smtp_smime_encryptor_final(smtp_smime_encryptor *s, smtp_buf *out,
                                      smtp_buf *why) {
  smtp_error e = begin(s, why);

  if (!e && BIO_flush(s->content) <= 0)
    e = smtp_smime_explain(why, "encrypting");
  smtp_smime_close(s->content, s->out);
  s->content = NULL;
  s->done = true;
  smtp_smime_drain(s->out, out);
  ERR_clear_error();
  return !e && out->failed ? SMTP_ERR_NOMEM : e;
}
