/* Keys of DKIM: RSA (RFC 6376, at least 1024 bits by RFC 8301) and Ed25519 (RFC
 * 8463), for signing and for verifying. No OpenSSL type shows here; nothing is
 * left in its error queue. */
#ifndef SMTP_CRYPTO_DKIM_KEY_H
#define SMTP_CRYPTO_DKIM_KEY_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum smtp_dkim_kind { SMTP_DKIM_RSA, SMTP_DKIM_ED25519 } smtp_dkim_kind;

typedef struct smtp_dkim_key smtp_dkim_key;

/* A private key: PEM (PKCS#8 or PKCS#1; encrypted: with its password, else
 * NULL), or the 32 bytes of an Ed25519 key in base64. NULL and a static
 * sentence when it cannot be used. */
smtp_dkim_key *smtp_dkim_key_read(const char *text, size_t len,
                                  const char *password, size_t password_len,
                                  const char **why);
/* A public key as p= of a key record holds it, base64 undone. */
smtp_dkim_key *smtp_dkim_key_public(smtp_dkim_kind kind, const char *bytes,
                                    size_t len, const char **why);
/* NULL is fine; the secret is overwritten. */
void smtp_dkim_key_free(smtp_dkim_key *k);

smtp_dkim_kind smtp_dkim_key_kind(const smtp_dkim_key *k);
unsigned smtp_dkim_key_bits(const smtp_dkim_key *k);
/* Append p= of the key's record, base64 not done. */
bool smtp_dkim_key_record(const smtp_dkim_key *k, smtp_buf *out);

/* Append the signature over what smtp_dkim_input made. False: failed. */
bool smtp_dkim_key_sign(const smtp_dkim_key *k, const char *input, size_t len,
                        smtp_buf *signature);
bool smtp_dkim_key_verifies(const smtp_dkim_key *k, const char *input,
                            size_t len, const char *signature,
                            size_t signature_len);

#endif
