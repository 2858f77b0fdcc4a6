/* Certificates and keys for S/MIME: read, and refused before they are used for
 * what they are not good for (RFC 8550 section 4.4). */
#include "crypto/smime_internal.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

smtp_error smtp_smime_explain(smtp_buf *why, const char *what) {
  unsigned long last = ERR_peek_last_error();
  const char *reason = last ? ERR_reason_error_string(last) : NULL;

  ERR_clear_error();
  if (ERR_GET_REASON(last) == ERR_R_MALLOC_FAILURE) return SMTP_ERR_NOMEM;
  smtp_buf_adds(why, what);
  if (reason) {
    smtp_buf_adds(why, ": ");
    smtp_buf_adds(why, reason);
  }
  return SMTP_ERR_SMIME;
}

void smtp_smime_add_name(smtp_buf *out, X509_NAME *name) {
  /* Control characters stay escaped; UTF-8 is shown as it is. */
  unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
  BIO *text = BIO_new(BIO_s_mem());

  if (!text || X509_NAME_print_ex(text, name, 0, flags) < 0)
    out->failed = true;
  else
    smtp_smime_drain(text, out);
  BIO_free(text);
}

smtp_error smtp_smime_refuse(smtp_buf *why, const char *what, X509 *cert,
                             const char *complaint) {
  ERR_clear_error();
  smtp_buf_adds(why, what);
  smtp_buf_adds(why, " (");
  smtp_smime_add_name(why, X509_get_subject_name(cert));
  smtp_buf_adds(why, "): ");
  smtp_buf_adds(why, complaint);
  return SMTP_ERR_SMIME;
}

void smtp_smime_drain(BIO *from, smtp_buf *out) {
  char *bytes;
  long len = BIO_get_mem_data(from, &bytes);

  if (len <= 0) return;
  smtp_buf_add(out, bytes, (size_t)len);
  (void)BIO_reset(from);
}

BIO *smtp_smime_memory(const void *bytes, size_t len) {
  return len > INT_MAX ? NULL : BIO_new_mem_buf(len ? bytes : "", (int)len);
}

smtp_error smtp_smime_write(BIO *to, const void *bytes, size_t len,
                            const char *what, smtp_buf *why) {
  const char *at = bytes;

  while (len) {
    int n = len > INT_MAX ? INT_MAX : (int)len;

    if (BIO_write(to, at, n) != n) return smtp_smime_explain(why, what);
    at += n;
    len -= (size_t)n;
  }
  return SMTP_OK;
}

void smtp_smime_close(BIO *first, BIO *end) {
  while (first && first != end) {
    BIO *next = BIO_pop(first);

    BIO_free(first);
    first = next;
  }
}

void smtp_smime_free_certs(STACK_OF(X509) * certs) {
  sk_X509_pop_free(certs, X509_free);
}

/* Nobody is asked at the terminal for the password of a certificate. */
static int give_nothing(char *buf, int size, int writing, void *arg) {
  (void)buf, (void)size, (void)writing, (void)arg;
  return -1;
}

/* Reading stops at the first bad one, which stays in the error queue. */
static STACK_OF(X509) * read_all(BIO *text) {
  STACK_OF(X509) *certs = sk_X509_new_null();
  X509 *cert;

  while (certs && (cert = PEM_read_bio_X509(text, NULL, give_nothing, NULL)))
    if (!sk_X509_push(certs, cert)) {
      X509_free(cert);
      break;
    }
  return certs;
}

STACK_OF(X509) * smtp_smime_read_certs(const char *what, const char *pem,
                                       size_t len, smtp_error *e,
                                       smtp_buf *why) {
  BIO *text = smtp_smime_memory(pem, len);
  STACK_OF(X509) * certs;
  unsigned long last;

  ERR_clear_error();
  certs = text ? read_all(text) : NULL;
  BIO_free(text);
  last = ERR_peek_last_error();
  *e = SMTP_OK;
  /* A PEM text ends with "no start line", which is no fault behind the first.
   */
  if (certs && sk_X509_num(certs) &&
      ERR_GET_REASON(last) == PEM_R_NO_START_LINE) {
    ERR_clear_error();
    return certs;
  }
  smtp_smime_free_certs(certs);
  if (last && ERR_GET_REASON(last) != PEM_R_NO_START_LINE) {
    *e = smtp_smime_explain(why, what);
    return NULL;
  }
  ERR_clear_error();
  smtp_buf_adds(why, what);
  smtp_buf_adds(why, ": no certificate in it (PEM expected)");
  *e = SMTP_ERR_SMIME;
  return NULL;
}

static const char *fault_of_dates(X509 *cert) {
  int from = X509_cmp_current_time(X509_get0_notBefore(cert));
  int until = X509_cmp_current_time(X509_get0_notAfter(cert));

  if (!from || !until) return "its dates cannot be read";
  if (from > 0) return "it is not valid yet";
  return until < 0 ? "it has expired" : NULL;
}

/* RFC 8551 section 6: an RSA key below 2048 bits is insecure. */
#define SECURITY_BITS_MIN 112

static const char *fault_of_use(X509 *cert, smtp_smime_use use) {
  uint32_t purposes = X509_get_extended_key_usage(cert);
  uint32_t usage = X509_get_key_usage(cert);
  EVP_PKEY *key = X509_get0_pubkey(cert);
  int type = EVP_PKEY_base_id(key);

  if (EVP_PKEY_security_bits(key) < SECURITY_BITS_MIN)
    return "its key is too short: RSA of 2048 bits or more expected";
  /* Both are all ones when the certificate names none. */
  if (!(purposes & (XKU_SMIME | XKU_ANYEKU)))
    return "it is not for mail: its extended key usage lacks emailProtection";
  if (use == SMTP_SMIME_SIGN) {
    if (!(usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)))
      return "it is not for signing: its key usage lacks digitalSignature";
    if (type != EVP_PKEY_RSA && type != EVP_PKEY_EC)
      return "its key can sign no mail: RSA or EC expected";
    return NULL;
  }
  if (type == EVP_PKEY_EC)
    return usage & KU_KEY_AGREEMENT
               ? NULL
               : "it is not for encryption: its key usage lacks keyAgreement";
  if (type != EVP_PKEY_RSA)
    return "mail cannot be encrypted to its key: RSA or EC expected";
  return usage & KU_KEY_ENCIPHERMENT
             ? NULL
             : "it is not for encryption: its key usage lacks keyEncipherment";
}

smtp_error smtp_smime_check(X509 *cert, smtp_smime_use use, smtp_buf *why) {
  const char *fault =
      X509_get0_pubkey(cert) ? fault_of_dates(cert) : "its key cannot be read";

  if (!fault) fault = fault_of_use(cert, use);
  return fault ? smtp_smime_refuse(why, "certificate", cert, fault) : SMTP_OK;
}

typedef struct password {
  const char *bytes;
  size_t len;
  bool asked;
} password;

static int give_password(char *buf, int size, int writing, void *arg) {
  password *p = arg;

  (void)writing;
  p->asked = true;
  if (!p->bytes || p->len > (size_t)size) return -1;
  memcpy(buf, p->bytes, p->len);
  return (int)p->len;
}

static smtp_error read_key(const smtp_smime_identity *id, EVP_PKEY **key,
                           smtp_buf *why) {
  password p = {id->password, id->password_len, false};
  BIO *text = smtp_smime_memory(id->key, id->key_len);

  ERR_clear_error();
  *key = text ? PEM_read_bio_PrivateKey(text, NULL, give_password, &p) : NULL;
  BIO_free(text);
  if (*key) {
    ERR_clear_error();
    return SMTP_OK;
  }
  if (p.asked && !id->password) {
    ERR_clear_error();
    smtp_buf_adds(why, "key: it is encrypted, and key_password is missing");
    return SMTP_ERR_SMIME;
  }
  if (p.asked)
    return smtp_smime_explain(why, "key: key_password does not open it");
  return smtp_smime_explain(why, "key: no private key in it (PEM expected)");
}

smtp_error smtp_smime_read_identity(const smtp_smime_identity *id,
                                    STACK_OF(X509) * *certs, EVP_PKEY **key,
                                    smtp_buf *why) {
  smtp_error e;

  *key = NULL;
  *certs = smtp_smime_read_certs("cert", id->cert, id->cert_len, &e, why);
  if (!*certs) return e;
  e = read_key(id, key, why);
  if (!e && X509_check_private_key(sk_X509_value(*certs, 0), *key) != 1)
    e = smtp_smime_refuse(why, "certificate", sk_X509_value(*certs, 0),
                          "the key is not its own");
  if (!e) return SMTP_OK;
  smtp_smime_free_certs(*certs);
  EVP_PKEY_free(*key);
  *certs = NULL;
  *key = NULL;
  return e;
}
