/* What the files of S/MIME share, with OpenSSL's types: for smime*.c only. */
#ifndef SMTP_CRYPTO_SMIME_INTERNAL_H
#define SMTP_CRYPTO_SMIME_INTERNAL_H

#include "crypto/smime.h"

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

/* "what: why OpenSSL says so" into an empty `why`; clears the error queue and
 * returns SMTP_ERR_NOMEM when memory was the reason, else SMTP_ERR_SMIME. */
smtp_error smtp_smime_explain(smtp_buf *why, const char *what);
/* "what (subject): complaint"; returns SMTP_ERR_SMIME. */
smtp_error smtp_smime_refuse(smtp_buf *why, const char *what, X509 *cert,
                             const char *complaint);

/* All bytes of a memory BIO move to `out`. */
void smtp_smime_drain(BIO *from, smtp_buf *out);
/* Read-only memory; NULL when it is too long for OpenSSL, too. */
BIO *smtp_smime_memory(const void *bytes, size_t len);

/* All bytes into a filter of CMS; `what` begins the sentence. */
smtp_error smtp_smime_write(BIO *to, const void *bytes, size_t len,
                            const char *what, smtp_buf *why);
/* Free the filters of BIO_new_CMS before `end`, which stays. */
void smtp_smime_close(BIO *first, BIO *end);

/* Every certificate of a PEM text, at least one. NULL and *e otherwise; `what`
 * begins the sentence. */
STACK_OF(X509) * smtp_smime_read_certs(const char *what, const char *pem,
                                       size_t len, smtp_error *e,
                                       smtp_buf *why);
void smtp_smime_free_certs(STACK_OF(X509) * certs);

typedef enum smtp_smime_use {
  SMTP_SMIME_SIGN,
  SMTP_SMIME_ENCRYPT
} smtp_smime_use;

/* Dates and purposes of a certificate that is about to be used. */
smtp_error smtp_smime_check(X509 *cert, smtp_smime_use use, smtp_buf *why);

/* The certificates (the first is the identity's own) and its key, which
 * belong together. */
smtp_error smtp_smime_read_identity(const smtp_smime_identity *id,
                                    STACK_OF(X509) * *certs, EVP_PKEY **key,
                                    smtp_buf *why);

/* The subject or issuer as UTF-8 text. */
void smtp_smime_add_name(smtp_buf *out, X509_NAME *name);

#endif
