/* What the files of the mechanisms share; nobody else includes it. */
#ifndef SMTP_ENGINE_AUTH_MECHANISM_H
#define SMTP_ENGINE_AUTH_MECHANISM_H

#include "crypto/hash.h"
#include "engine/auth.h"

typedef struct smtp_mechanism {
  const char *name;
  /* The next response to `challenge` (s NULL: none yet) at turn a->turn. */
  smtp_error (*step)(smtp_auth *a, smtp_span challenge, smtp_buf *out);
  bool starts;
  bool exposes;
  smtp_hash digest;
  bool plus; /* with channel binding */
} smtp_mechanism;

typedef struct smtp_scram {
  smtp_buf first; /* client-first-bare, then the whole auth message */
  size_t nonce_at, nonce_len, header_len;
  unsigned char server_signature[SMTP_HASH_MAX];
  bool proven;
} smtp_scram;

struct smtp_auth {
  const smtp_mechanism *mechanism;
  smtp_credentials c; /* spans into `copies` */
  smtp_buf copies;
  unsigned turn; /* responses given so far */
  smtp_scram scram;
};

smtp_error smtp_scram_step(smtp_auth *a, smtp_span challenge, smtp_buf *out);
/* A name with "=" and "," escaped (RFC 5801 §4). */
void smtp_auth_add_saslname(smtp_buf *out, smtp_span name);

#endif
