/* Digests, HMAC, PBKDF2, random bytes and comparison in constant time.
 *
 * No OpenSSL type shows here, so that logins (CRAM-MD5, SCRAM) need not know
 * who computes. Bytes are (pointer, length); a pointer may be NULL when its
 * length is 0. An algorithm can be missing (MD5 under FIPS): then functions
 * return SMTP_ERR_MECHANISM, and a caller goes on to its next mechanism.
 * Nothing is left in the error queue of OpenSSL. */
#ifndef SMTP_CRYPTO_HASH_H
#define SMTP_CRYPTO_HASH_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum smtp_hash {
  SMTP_HASH_MD5,
  SMTP_HASH_SHA1,
  SMTP_HASH_SHA256,
  SMTP_HASH_SHA512
} smtp_hash;

/* Room for the largest digest. */
#define SMTP_HASH_MAX 64

/* Digest length in bytes. */
size_t smtp_hash_size(smtp_hash h);
/* Lower-case name: "md5", "sha1", "sha256", "sha512". Static. */
const char *smtp_hash_name(smtp_hash h);
/* The hash of a name in any case, with or without "-" ("SHA-256"); false when
 * there is none. */
bool smtp_hash_find(const char *name, smtp_hash *h);
/* True if this process's OpenSSL computes it (FIPS may have no MD5). */
bool smtp_hash_available(smtp_hash h);

/* out gets smtp_hash_size(h) bytes. */
smtp_error smtp_hash_digest(smtp_hash h, const void *bytes, size_t len,
                            unsigned char out[SMTP_HASH_MAX]);
/* RFC 2104. out gets smtp_hash_size(h) bytes. */
smtp_error smtp_hash_hmac(smtp_hash h, const void *key, size_t key_len,
                          const void *bytes, size_t len,
                          unsigned char out[SMTP_HASH_MAX]);
/* RFC 8018 §5.2 with HMAC, one block: Hi() of RFC 5802. iterations >= 1; out
 * gets smtp_hash_size(h) bytes. */
smtp_error smtp_hash_pbkdf2(smtp_hash h, const void *password,
                            size_t password_len, const void *salt,
                            size_t salt_len, unsigned iterations,
                            unsigned char out[SMTP_HASH_MAX]);

/* True if the bytes are the same, in a time that depends on len alone. */
bool smtp_hash_equal(const void *a, const void *b, size_t len);
/* Overwrite a secret; not optimised away. */
void smtp_hash_cleanse(void *bytes, size_t len);
/* Unpredictable bytes; SMTP_ERR_SYSTEM when the generator fails, and then
 * `bytes` must not be used. */
smtp_error smtp_hash_random(void *bytes, size_t len);

/* An HMAC in pieces. The digest may be taken at any time, more than once, and
 * updates go on afterwards. */
typedef struct smtp_hmac smtp_hmac;

/* NULL and *why (NOMEM, MECHANISM) on failure. */
smtp_hmac *smtp_hmac_new(smtp_hash h, const void *key, size_t key_len,
                         smtp_error *why);
/* One that has seen the same bytes; NULL when there is no memory. */
smtp_hmac *smtp_hmac_copy(const smtp_hmac *m);
/* NULL is fine. */
void smtp_hmac_free(smtp_hmac *m);
smtp_error smtp_hmac_update(smtp_hmac *m, const void *bytes, size_t len);
/* Of all bytes so far; out gets smtp_hash_size(h) bytes. */
smtp_error smtp_hmac_digest(smtp_hmac *m, unsigned char out[SMTP_HASH_MAX]);
smtp_hash smtp_hmac_hash(const smtp_hmac *m);

#endif
