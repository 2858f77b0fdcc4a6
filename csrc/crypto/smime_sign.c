/* Signatures, see smime.h: of a detached one the content passes through a
 * digest and goes nowhere; else through the CMS around it. */
#include "crypto/smime_internal.h"

#include <openssl/err.h>

struct smtp_smime_signer {
  CMS_ContentInfo *cms;
  BIO *out;     /* memory, emptied after every step; NULL when detached */
  BIO *content; /* NULL until the first byte, and after _final */
  bool done;
};

/* Everything that could change the bytes is off: they are MIME already. */
#define FLAGS (CMS_STREAM | CMS_PARTIAL | CMS_BINARY)

static smtp_error begin(smtp_smime_signer *s, bool is_detached,
                        STACK_OF(X509) * certs, EVP_PKEY *key, smtp_buf *why) {
  unsigned int flags = is_detached ? FLAGS | CMS_DETACHED : FLAGS;
  int i, ok;

  s->cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
  if (!is_detached) s->out = BIO_new(BIO_s_mem());
  ok = s->cms && (is_detached || s->out) &&
       CMS_add1_signer(s->cms, sk_X509_value(certs, 0), key, EVP_sha256(),
                       flags);
  for (i = 1; ok && i < sk_X509_num(certs); i++)
    ok = CMS_add1_cert(s->cms, sk_X509_value(certs, i));
  return ok ? SMTP_OK : smtp_smime_explain(why, "signing");
}

smtp_smime_signer *smtp_smime_signer_new(const smtp_smime_identity *id,
                                         bool is_detached, smtp_error *e,
                                         smtp_buf *why) {
  smtp_smime_signer *s = smtp_allocate(sizeof *s);
  STACK_OF(X509) *certs = NULL;
  EVP_PKEY *key = NULL;

  *e = s ? smtp_smime_read_identity(id, &certs, &key, why) : SMTP_ERR_NOMEM;
  if (!*e) *e = smtp_smime_check(sk_X509_value(certs, 0), SMTP_SMIME_SIGN, why);
  if (!*e) *e = begin(s, is_detached, certs, key, why);
  smtp_smime_free_certs(certs);
  EVP_PKEY_free(key);
  if (!*e) return s;
  smtp_smime_signer_free(s);
  return NULL;
}

static void close_content(smtp_smime_signer *s) {
  if (s->out)
    smtp_smime_close(s->content, s->out);
  else
    BIO_free_all(s->content);
  s->content = NULL;
}

void smtp_smime_signer_free(smtp_smime_signer *s) {
  if (!s) return;
  close_content(s);
  BIO_free(s->out);
  CMS_ContentInfo_free(s->cms);
  smtp_release(s);
}

smtp_error smtp_smime_signer_add(smtp_smime_signer *s, const char *pem,
                                 size_t len, smtp_buf *why) {
  smtp_error e = SMTP_OK;
  STACK_OF(X509) *certs = smtp_smime_read_certs("chain", pem, len, &e, why);
  int i;

  for (i = 0; !e && i < sk_X509_num(certs); i++) {
    X509 *cert = sk_X509_value(certs, i);

    /* One that is there already is no fault. */
    if (!CMS_add1_cert(s->cms, cert) && ERR_GET_REASON(ERR_peek_last_error()) !=
                                            CMS_R_CERTIFICATE_ALREADY_PRESENT)
      e = smtp_smime_explain(why, "chain");
    ERR_clear_error();
  }
  smtp_smime_free_certs(certs);
  return e;
}

smtp_error smtp_smime_signer_update(smtp_smime_signer *s, const void *bytes,
                                    size_t len, smtp_buf *out, smtp_buf *why) {
  smtp_error e;

  if (s->done) return SMTP_ERR_STATE;
  ERR_clear_error();
  if (!s->content)
    s->content = s->out ? BIO_new_CMS(s->out, s->cms) : CMS_dataInit(s->cms, 0);
  if (!s->content) return smtp_smime_explain(why, "signing");
  e = smtp_smime_write(s->content, bytes, len, "signing", why);
  if (s->out) smtp_smime_drain(s->out, out);
  return !e && out->failed ? SMTP_ERR_NOMEM : e;
}

/* BIO_new_CMS writes the signature itself when it is flushed. */
static bool finish(smtp_smime_signer *s, smtp_buf *out) {
  BIO *der = s->out ? s->out : BIO_new(BIO_s_mem());
  bool ok = der && BIO_flush(s->content) > 0;

  if (ok && !s->out)
    ok = CMS_dataFinal(s->cms, s->content) && i2d_CMS_bio(der, s->cms);
  close_content(s);
  if (ok) smtp_smime_drain(der, out);
  if (!s->out) BIO_free(der);
  return ok;
}

smtp_error smtp_smime_signer_final(smtp_smime_signer *s, smtp_buf *out,
                                   smtp_buf *why) {
  smtp_error e = smtp_smime_signer_update(s, "", 0, out, why);

  s->done = true;
  if (!e && !finish(s, out)) e = smtp_smime_explain(why, "signing");
  close_content(s);
  ERR_clear_error();
  return !e && out->failed ? SMTP_ERR_NOMEM : e;
}
