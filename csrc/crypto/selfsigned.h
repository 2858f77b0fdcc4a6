/* A key and a certificate that vouches for itself, for the sink: a test server
 * needs TLS, and its client something to verify it by. Not for production. */
#ifndef SMTP_CRYPTO_SELFSIGNED_H
#define SMTP_CRYPTO_SELFSIGNED_H

#include "base/buf.h"
#include "base/error.h"

/* Append a certificate and its P-256 key, both as PEM. It is valid for thirty
 * days from yesterday, for localhost, 127.0.0.1, ::1 and `name` (a host name;
 * NULL or "" for none), and may serve as the CA file that trusts it.
 * SMTP_ERR_TLS_SETUP when OpenSSL fails or `name` is not a name. */
smtp_error smtp_selfsigned(const char *name, smtp_buf *certificate,
                           smtp_buf *key);

#endif
