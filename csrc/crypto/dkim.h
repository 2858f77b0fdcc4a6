/* What DKIM (RFC 6376) needs of a message, read once and in pieces: its header
 * fields, the hash of its body in each canonical form that is asked for, and
 * the bytes that a signature signs. Which fields and which forms, and whether
 * a signature is to be believed, is the caller's to say.
 *
 * Feed the header; then ask for body hashes; then feed the body; then finish.
 * No OpenSSL type shows here. */
#ifndef SMTP_CRYPTO_DKIM_H
#define SMTP_CRYPTO_DKIM_H

#include "base/buf.h"
#include "base/error.h"
#include "crypto/dkim_canonical.h"

#include <stdbool.h>
#include <stddef.h>

/* Larger headers are refused with SMTP_ERR_TOO_LONG: bytes, fields, and names
 * in one signature. */
#define SMTP_DKIM_HEADER_MAX 1048576
#define SMTP_DKIM_FIELDS_MAX 10000
#define SMTP_DKIM_NAMES_MAX 500

#define SMTP_DKIM_HASH_SIZE 32 /* SHA-256, the only one (RFC 8301) */

typedef struct smtp_dkim smtp_dkim;

smtp_dkim *smtp_dkim_new(void);
/* NULL is fine. */
void smtp_dkim_free(smtp_dkim *d);

/* Bytes of the header. *used: how many belong to it, the empty line behind it
 * included; the header is complete when that is less than `len`, or when
 * smtp_dkim_is_complete says so. The others are the body's. */
smtp_error smtp_dkim_header(smtp_dkim *d, const char *bytes, size_t len,
                            size_t *used);
bool smtp_dkim_is_complete(const smtp_dkim *d);

/* Compute the body's hash in that form; asking twice costs nothing. To be asked
 * before the first byte of the body. */
smtp_error smtp_dkim_want(smtp_dkim *d, smtp_dkim_canon canon);
smtp_error smtp_dkim_body_bytes(smtp_dkim *d, const char *bytes, size_t len);
/* The message ends here. SMTP_ERR_STATE: before its empty line. */
smtp_error smtp_dkim_finish(smtp_dkim *d);
/* The hash of the body, and how many bytes its canonical form has.
 * SMTP_ERR_STATE when it was not asked for, or before the end. */
smtp_error smtp_dkim_hash(const smtp_dkim *d, smtp_dkim_canon canon,
                          unsigned char out[SMTP_DKIM_HASH_SIZE],
                          unsigned long long *len);

/* Fields of a complete header, from 0; lines that are none are left out. */
size_t smtp_dkim_field_count(const smtp_dkim *d);
/* From the name to before the line end; borrowed until the next call of
 * smtp_dkim_header. *name_len is without the white space before the colon. */
const char *smtp_dkim_field(const smtp_dkim *d, size_t i, size_t *len,
                            size_t *name_len);
/* Some line, other than an mbox "From " line at the start, is not a field. */
bool smtp_dkim_is_malformed(const smtp_dkim *d);

/* Append what a signature signs (RFC 6376 section 3.7): the fields that `names`
 * lists ("From:To", white space around names is ignored), each name from the
 * last field of that name upwards, and the signature's own field `own` with
 * its b= emptied. `except` is the index of a field that no name means (the
 * signature itself), or field_count. SMTP_ERR_HEADER: `own` has no b=. */
smtp_error smtp_dkim_input(const smtp_dkim *d, const char *names, size_t len,
                           smtp_dkim_canon canon, const char *own,
                           size_t own_len, size_t except, smtp_buf *out);

#endif
