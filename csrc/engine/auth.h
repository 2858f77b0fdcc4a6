/* Mechanisms (RFC 4422) as plain conversations: a challenge in, a response
 * out. Knows nothing of lines or base64; the engine carries the bytes.
 *
 *   PLAIN (RFC 4616) · LOGIN · CRAM-MD5 (RFC 2195) · XOAUTH2 · OAUTHBEARER
 *   (RFC 7628) · EXTERNAL · SCRAM-SHA-1, -256, -512 and -PLUS (RFC 5802, 7677)
 *
 * In SCRAM the server proves itself too: an exchange is good only when
 * smtp_auth_is_proven says so. Secrets are overwritten when it is freed. */
#ifndef SMTP_ENGINE_AUTH_H
#define SMTP_ENGINE_AUTH_H

#include "base/buf.h"
#include "base/error.h"

/* Bytes that need not end in a zero. */
typedef struct smtp_span {
  const char *s;
  size_t len;
} smtp_span;

typedef struct smtp_credentials {
  smtp_span user, password; /* UTF-8 */
  smtp_span authzid;        /* to act for another user; usually empty */
  smtp_span token;          /* XOAUTH2 and OAUTHBEARER */
  smtp_span host, port;     /* of the server, for OAUTHBEARER; may be empty */
  /* SCRAM: "tls-exporter", "tls-unique", … and its bytes, where the connection
   * has one; `offered` tells that the server offers the -PLUS form. */
  smtp_span binding_type, binding;
  bool binding_offered;
  smtp_span nonce; /* for specs; empty: from the system's random source */
} smtp_credentials;

typedef struct smtp_auth smtp_auth;

/* A conversation in the mechanism of this name (any case), everything copied.
 * NULL and `*why`: MECHANISM (unknown, or its digest is missing, or -PLUS
 * without a channel binding), ARGUMENT (control character in the user name,
 * NUL in a secret), NOMEM. */
smtp_auth *smtp_auth_new(smtp_span mechanism, const smtp_credentials *c,
                         smtp_error *why);
void smtp_auth_free(smtp_auth *a);

/* "PLAIN", …: static. */
const char *smtp_auth_name(const smtp_auth *a);
/* The client speaks first, so a response may go along with the command. */
bool smtp_auth_starts(const smtp_auth *a);
/* Who sees an exchange in this mechanism (any case) in clear learns the secret;
 * false for one that is not known here. */
bool smtp_auth_exposes_secret(smtp_span mechanism);

/* Append the next response; `challenge` NULL asks for the initial one. An error
 * ends the conversation: CHALLENGE (malformed), FORGED (server not proven). */
smtp_error smtp_auth_step(smtp_auth *a, const char *challenge, size_t len,
                          smtp_buf *response);
/* The server has shown all the proof that the mechanism knows. */
bool smtp_auth_is_proven(const smtp_auth *a);

#endif
