/* SCRAM (RFC 5802, 7677) with and without channel binding.
 *
 * The iteration count is bounded on both sides: too few would give the password
 * away to whoever recorded the exchange, too many would keep this process busy
 * on behalf of a hostile server. */
#include "base/base64.h"
#include "engine/auth_mechanism.h"

#include <string.h>

#define ITERATIONS_MIN 4096
#define ITERATIONS_MAX 1000000
#define NONCE_BYTES 18

/* "p=tls-exporter,a=authzid,": what is bound, and in which way (RFC 5801 §4).
 * "y" claims that we could bind but were not offered to, so that a server
 * which did offer it sees that somebody took the offer away. */
static void add_gs2_header(smtp_auth *a, smtp_buf *out) {
  if (a->mechanism->plus) {
    smtp_buf_adds(out, "p=");
    smtp_buf_add(out, a->c.binding_type.s, a->c.binding_type.len);
  } else {
    smtp_buf_addc(out, a->c.binding.len && !a->c.binding_offered ? 'y' : 'n');
  }
  smtp_buf_addc(out, ',');
  if (a->c.authzid.len) {
    smtp_buf_adds(out, "a=");
    smtp_auth_add_saslname(out, a->c.authzid);
  }
  smtp_buf_addc(out, ',');
}

static smtp_error add_nonce(smtp_auth *a, smtp_buf *out) {
  unsigned char random[NONCE_BYTES];
  smtp_error e;

  if (a->c.nonce.len) {
    smtp_buf_add(out, a->c.nonce.s, a->c.nonce.len);
    return SMTP_OK;
  }
  e = smtp_hash_random(random, sizeof random);
  if (e == SMTP_OK) smtp_base64_encode(out, (char *)random, sizeof random);
  return e;
}

static smtp_error client_first(smtp_auth *a, smtp_buf *out) {
  smtp_scram *s = &a->scram;
  smtp_error e;

  smtp_buf_adds(&s->first, "n=");
  smtp_auth_add_saslname(&s->first, a->c.user);
  smtp_buf_adds(&s->first, ",r=");
  s->nonce_at = smtp_buf_len(&s->first);
  e = add_nonce(a, &s->first);
  if (e != SMTP_OK) return e;
  s->nonce_len = smtp_buf_len(&s->first) - s->nonce_at;
  add_gs2_header(a, out);
  smtp_buf_add(out, smtp_buf_data(&s->first), smtp_buf_len(&s->first));
  return s->first.failed ? SMTP_ERR_NOMEM : SMTP_OK;
}

/* The value of "k=value" at the start of *rest, up to the next comma, which is
 * skipped. */
static bool take_attribute(smtp_span *rest, char key, smtp_span *value) {
  const char *comma = memchr(rest->s, ',', rest->len);
  size_t len = comma ? (size_t)(comma - rest->s) : rest->len;

  if (len < 2 || rest->s[0] != key || rest->s[1] != '=') return false;
  value->s = rest->s + 2;
  value->len = len - 2;
  rest->s += len + (comma != NULL);
  rest->len -= len + (comma != NULL);
  return true;
}

static bool take_number(smtp_span s, unsigned *n) {
  size_t i;

  *n = 0;
  if (!s.len || s.len > 9) return false;
  for (i = 0; i < s.len; i++) {
    if (s.s[i] < '0' || s.s[i] > '9') return false;
    *n = *n * 10 + (unsigned)(s.s[i] - '0');
  }
  return true;
}

typedef struct server_first {
  smtp_span nonce, salt;
  unsigned iterations;
} server_first;

/* A nonce that does not go on from ours is somebody else's exchange. */
static bool read_server_first(const smtp_auth *a, smtp_span challenge,
                              server_first *f) {
  const smtp_scram *s = &a->scram;
  smtp_span rest = challenge, iterations;

  return take_attribute(&rest, 'r', &f->nonce) &&
         take_attribute(&rest, 's', &f->salt) &&
         take_attribute(&rest, 'i', &iterations) &&
         take_number(iterations, &f->iterations) &&
         f->iterations >= ITERATIONS_MIN && f->iterations <= ITERATIONS_MAX &&
         f->nonce.len > s->nonce_len &&
         memcmp(f->nonce.s, smtp_buf_data(&s->first) + s->nonce_at,
                s->nonce_len) == 0;
}

/* proof = ClientKey xor ClientSignature; the server's signature is kept for
 * the last message (RFC 5802 §3). */
static smtp_error compute(smtp_auth *a, const server_first *f,
                          const smtp_buf *salt,
                          unsigned char proof[SMTP_HASH_MAX]) {
  smtp_hash h = a->mechanism->digest;
  size_t n = smtp_hash_size(h), i;
  unsigned char salted[SMTP_HASH_MAX], key[SMTP_HASH_MAX];
  unsigned char stored[SMTP_HASH_MAX], signature[SMTP_HASH_MAX];
  const char *message = smtp_buf_data(&a->scram.first);
  size_t len = smtp_buf_len(&a->scram.first);
  smtp_error e;

  e = smtp_hash_pbkdf2(h, a->c.password.s, a->c.password.len,
                       smtp_buf_data(salt), smtp_buf_len(salt), f->iterations,
                       salted);
  if (e == SMTP_OK) e = smtp_hash_hmac(h, salted, n, "Client Key", 10, key);
  if (e == SMTP_OK) e = smtp_hash_digest(h, key, n, stored);
  if (e == SMTP_OK) e = smtp_hash_hmac(h, stored, n, message, len, signature);
  for (i = 0; e == SMTP_OK && i < n; i++)
    proof[i] = key[i] ^ signature[i];
  if (e == SMTP_OK) e = smtp_hash_hmac(h, salted, n, "Server Key", 10, key);
  if (e == SMTP_OK)
    e = smtp_hash_hmac(h, key, n, message, len, a->scram.server_signature);
  smtp_hash_cleanse(salted, sizeof salted);
  smtp_hash_cleanse(key, sizeof key);
  smtp_hash_cleanse(stored, sizeof stored);
  return e;
}

/* "c=…,r=…": what was said about binding again, with the bound bytes. */
static void add_without_proof(smtp_auth *a, const server_first *f,
                              smtp_buf *out) {
  smtp_buf bound;

  smtp_buf_init(&bound);
  add_gs2_header(a, &bound);
  if (a->mechanism->plus)
    smtp_buf_add(&bound, a->c.binding.s, a->c.binding.len);
  if (bound.failed) out->failed = true;
  smtp_buf_adds(out, "c=");
  smtp_base64_encode(out, smtp_buf_data(&bound), smtp_buf_len(&bound));
  smtp_buf_adds(out, ",r=");
  smtp_buf_add(out, f->nonce.s, f->nonce.len);
  smtp_buf_free(&bound);
}

static smtp_error client_final(smtp_auth *a, smtp_span challenge,
                               smtp_buf *out) {
  unsigned char proof[SMTP_HASH_MAX];
  smtp_buf *message = &a->scram.first;
  size_t at = smtp_buf_len(out);
  server_first f;
  smtp_buf salt;
  smtp_error e;

  if (!read_server_first(a, challenge, &f)) return SMTP_ERR_FORGED;
  add_without_proof(a, &f, out);
  smtp_buf_addc(message, ',');
  smtp_buf_add(message, challenge.s, challenge.len);
  smtp_buf_addc(message, ',');
  smtp_buf_add(message, smtp_buf_data(out) + at, smtp_buf_len(out) - at);
  if (message->failed || out->failed) return SMTP_ERR_NOMEM;
  smtp_buf_init(&salt);
  e = smtp_base64_decode(&salt, f.salt.s, f.salt.len);
  if (e == SMTP_ERR_ENCODING || !f.salt.len) e = SMTP_ERR_FORGED;
  if (e == SMTP_OK) e = compute(a, &f, &salt, proof);
  smtp_buf_free(&salt);
  if (e != SMTP_OK) return e;
  smtp_buf_adds(out, ",p=");
  smtp_base64_encode(out, (char *)proof, smtp_hash_size(a->mechanism->digest));
  smtp_hash_cleanse(proof, sizeof proof);
  return SMTP_OK;
}

/* "v=signature" proves that the server knows the password too; "e=…" tells why
 * it refuses, which its reply will say as well. */
static smtp_error check_server_final(smtp_auth *a, smtp_span challenge) {
  smtp_span rest = challenge, verifier;
  size_t n = smtp_hash_size(a->mechanism->digest);
  smtp_buf signature;
  smtp_error e;

  if (take_attribute(&rest, 'e', &verifier)) return SMTP_OK;
  rest = challenge;
  if (!take_attribute(&rest, 'v', &verifier)) return SMTP_ERR_FORGED;
  smtp_buf_init(&signature);
  e = smtp_base64_decode(&signature, verifier.s, verifier.len);
  if (e == SMTP_OK)
    a->scram.proven = smtp_buf_len(&signature) == n &&
                      smtp_hash_equal(smtp_buf_data(&signature),
                                      a->scram.server_signature, n);
  smtp_buf_free(&signature);
  if (e == SMTP_ERR_NOMEM) return e;
  return a->scram.proven ? SMTP_OK : SMTP_ERR_FORGED;
}

smtp_error smtp_scram_step(smtp_auth *a, smtp_span challenge, smtp_buf *out) {
  switch (a->turn) {
  case 0:
    return client_first(a, out);
  case 1:
    return client_final(a, challenge, out);
  case 2:
    return check_server_final(a, challenge);
  default:
    return SMTP_ERR_CHALLENGE;
  }
}
