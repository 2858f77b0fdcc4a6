/* The sessions that a client may resume: a small store inside a TLS context.
 *
 * Resumption skips the check of certificate and name, so a session is offered
 * only under the key it was stored with; what is verified is the same for all
 * connections of one context, and the key adds server and name. */
#ifndef SMTP_CRYPTO_TLS_SESSION_H
#define SMTP_CRYPTO_TLS_SESSION_H

#include <openssl/ssl.h>
#include <stdbool.h>

/* Sessions kept in all, and of one key. A TLS 1.3 ticket is used once, so a
 * few of them serve connections that open side by side. */
#define SMTP_TLS_SESSIONS 64
#define SMTP_TLS_SESSIONS_PER_KEY 4

typedef struct smtp_tls_sessions {
  struct {
    char *key; /* owned; NULL: a free place */
    SSL_SESSION *session;
    unsigned long long stored; /* order of storing */
  } places[SMTP_TLS_SESSIONS];
  unsigned long long clock;
} smtp_tls_sessions;

void smtp_tls_session_free_all(smtp_tls_sessions *s);
/* Store a session under a key (copied); takes the reference over if it returns
 * true. The oldest makes room. */
bool smtp_tls_session_put(smtp_tls_sessions *s, const char *key,
                          SSL_SESSION *session);
/* The newest session of the key, with a reference for the caller, or NULL. One
 * of TLS 1.3 leaves the store (RFC 8446 §C.4). */
SSL_SESSION *smtp_tls_session_take(smtp_tls_sessions *s, const char *key);

#endif
