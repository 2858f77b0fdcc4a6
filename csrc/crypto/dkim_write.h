/* The field DKIM-Signature as it is written, RFC 6376 section 3.5: folded, its
 * values checked, so that none of them can end a tag, a line or the header. l=
 * is never written. */
#ifndef SMTP_CRYPTO_DKIM_WRITE_H
#define SMTP_CRYPTO_DKIM_WRITE_H

#include "base/buf.h"
#include "base/error.h"
#include "crypto/dkim.h"
#include "crypto/dkim_key.h"

typedef struct smtp_dkim_signature {
  smtp_dkim_kind kind;
  smtp_dkim_canon header, body;
  const char *domain; /* A-labels */
  size_t domain_len;
  const char *selector;
  size_t selector_len;
  const char *identity; /* "local@domain", "@domain"; NULL: none */
  size_t identity_len;
  long long time, expiry;    /* seconds since the epoch; negative: none */
  const unsigned char *hash; /* of the body, SMTP_DKIM_HASH_SIZE */
  const char *names;         /* "From:To:Subject" */
  size_t names_len;
} smtp_dkim_signature;

/* Append the field up to and with "b=". SMTP_ERR_HEADER and a static sentence:
 * a value is refused. */
smtp_error smtp_dkim_write(smtp_buf *out, const smtp_dkim_signature *s,
                           const char **why);
/* Append the value of b=: base64, folded. */
void smtp_dkim_write_signature(smtp_buf *out, const char *bytes, size_t len);

#endif
