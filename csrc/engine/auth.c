/* The simple mechanisms, and the table of all, see auth.h. */
#include "engine/auth.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "engine/auth_mechanism.h"

#include <string.h>

static void add_span(smtp_buf *out, smtp_span s) {
  smtp_buf_add(out, s.s, s.len);
}

static smtp_error step_plain(smtp_auth *a, smtp_span challenge, smtp_buf *out) {
  (void)challenge;
  if (a->turn) return SMTP_ERR_CHALLENGE;
  add_span(out, a->c.authzid);
  smtp_buf_addc(out, '\0');
  add_span(out, a->c.user);
  smtp_buf_addc(out, '\0');
  add_span(out, a->c.password);
  return SMTP_OK;
}

/* Prompts differ between servers ("Username:", "User Name", nothing at all):
 * only their order counts. */
static smtp_error step_login(smtp_auth *a, smtp_span challenge, smtp_buf *out) {
  (void)challenge;
  if (a->turn > 1) return SMTP_ERR_CHALLENGE;
  add_span(out, a->turn ? a->c.password : a->c.user);
  return SMTP_OK;
}

static smtp_error step_cram(smtp_auth *a, smtp_span challenge, smtp_buf *out) {
  static const char hex[] = "0123456789abcdef";
  unsigned char mac[SMTP_HASH_MAX];
  smtp_error e;
  size_t i;

  if (a->turn || !challenge.s) return SMTP_ERR_CHALLENGE;
  e = smtp_hash_hmac(SMTP_HASH_MD5, a->c.password.s, a->c.password.len,
                     challenge.s, challenge.len, mac);
  if (e != SMTP_OK) return e;
  add_span(out, a->c.user);
  smtp_buf_addc(out, ' ');
  for (i = 0; i < smtp_hash_size(SMTP_HASH_MD5); i++) {
    smtp_buf_addc(out, hex[mac[i] >> 4]);
    smtp_buf_addc(out, hex[mac[i] & 15]);
  }
  return SMTP_OK;
}

static smtp_error step_external(smtp_auth *a, smtp_span challenge,
                                smtp_buf *out) {
  (void)challenge;
  if (a->turn) return SMTP_ERR_CHALLENGE;
  add_span(out, a->c.authzid.len ? a->c.authzid : a->c.user);
  return SMTP_OK;
}

/* A further challenge tells why the token was refused; an empty response lets
 * the server say so in its reply. */
static smtp_error step_xoauth2(smtp_auth *a, smtp_span challenge,
                               smtp_buf *out) {
  (void)challenge;
  if (a->turn > 1) return SMTP_ERR_CHALLENGE;
  if (a->turn) return SMTP_OK;
  smtp_buf_adds(out, "user=");
  add_span(out, a->c.user);
  smtp_buf_adds(out, "\001auth=Bearer ");
  add_span(out, a->c.token);
  smtp_buf_adds(out, "\001\001");
  return SMTP_OK;
}

void smtp_auth_add_saslname(smtp_buf *out, smtp_span name) {
  size_t i;

  for (i = 0; i < name.len; i++) {
    if (name.s[i] == '=')
      smtp_buf_adds(out, "=3D");
    else if (name.s[i] == ',')
      smtp_buf_adds(out, "=2C");
    else
      smtp_buf_addc(out, name.s[i]);
  }
}

static smtp_error step_oauthbearer(smtp_auth *a, smtp_span challenge,
                                   smtp_buf *out) {
  (void)challenge;
  if (a->turn > 1) return SMTP_ERR_CHALLENGE;
  if (a->turn) { /* RFC 7628 §3.2.3 */
    smtp_buf_addc(out, '\001');
    return SMTP_OK;
  }
  smtp_buf_adds(out, "n,a=");
  smtp_auth_add_saslname(out, a->c.user);
  smtp_buf_adds(out, ",\001");
  if (a->c.host.len) {
    smtp_buf_adds(out, "host=");
    add_span(out, a->c.host);
    smtp_buf_adds(out, "\001port=");
    add_span(out, a->c.port);
    smtp_buf_addc(out, '\001');
  }
  smtp_buf_adds(out, "auth=Bearer ");
  add_span(out, a->c.token);
  smtp_buf_adds(out, "\001\001");
  return SMTP_OK;
}

#define FIRST true
#define LATER false
#define EXPOSES true
#define HIDES false

/* clang-format off */
static const smtp_mechanism mechanisms[] = {
  /* name                  step               speaks  secret   digest             -PLUS */
  {"PLAIN",                step_plain,        FIRST,  EXPOSES, SMTP_HASH_SHA256,  false},
  {"LOGIN",                step_login,        FIRST,  EXPOSES, SMTP_HASH_SHA256,  false},
  {"CRAM-MD5",             step_cram,         LATER,  HIDES,   SMTP_HASH_MD5,     false},
  {"XOAUTH2",              step_xoauth2,      FIRST,  EXPOSES, SMTP_HASH_SHA256,  false},
  {"OAUTHBEARER",          step_oauthbearer,  FIRST,  EXPOSES, SMTP_HASH_SHA256,  false},
  {"EXTERNAL",             step_external,     FIRST,  HIDES,   SMTP_HASH_SHA256,  false},
  {"SCRAM-SHA-1",          smtp_scram_step,   FIRST,  HIDES,   SMTP_HASH_SHA1,    false},
  {"SCRAM-SHA-256",        smtp_scram_step,   FIRST,  HIDES,   SMTP_HASH_SHA256,  false},
  {"SCRAM-SHA-512",        smtp_scram_step,   FIRST,  HIDES,   SMTP_HASH_SHA512,  false},
  {"SCRAM-SHA-1-PLUS",     smtp_scram_step,   FIRST,  HIDES,   SMTP_HASH_SHA1,    true},
  {"SCRAM-SHA-256-PLUS",   smtp_scram_step,   FIRST,  HIDES,   SMTP_HASH_SHA256,  true},
  {"SCRAM-SHA-512-PLUS",   smtp_scram_step,   FIRST,  HIDES,   SMTP_HASH_SHA512,  true},
};
/* clang-format on */

static const smtp_mechanism *find(smtp_span name) {
  size_t i;

  for (i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
    if (smtp_text_equals(name.s, name.len, mechanisms[i].name,
                         strlen(mechanisms[i].name)))
      return &mechanisms[i];
  return NULL;
}

static bool has_nul(smtp_span s) {
  return s.len && memchr(s.s, '\0', s.len);
}

static smtp_error check(const smtp_mechanism *m, const smtp_credentials *c) {
  if (!m || !smtp_hash_available(m->digest)) return SMTP_ERR_MECHANISM;
  if (m->plus && !c->binding.len) return SMTP_ERR_MECHANISM;
  if (smtp_text_has_control(c->user.s, c->user.len) ||
      smtp_text_has_control(c->authzid.s, c->authzid.len) ||
      smtp_text_has_control(c->token.s, c->token.len) ||
      smtp_text_has_control(c->host.s, c->host.len) || has_nul(c->password))
    return SMTP_ERR_ARGUMENT;
  return SMTP_OK;
}

/* Move a span's bytes into the block of copies and point the span there. */
static void keep(smtp_auth *a, smtp_span *s) {
  size_t at = smtp_buf_len(&a->copies);

  smtp_buf_add(&a->copies, s->s, s->len);
  s->s = smtp_buf_data(&a->copies) + at;
}

smtp_auth *smtp_auth_new(smtp_span mechanism, const smtp_credentials *c,
                         smtp_error *why) {
  const smtp_mechanism *m = find(mechanism);
  smtp_auth *a;

  *why = check(m, c);
  if (*why != SMTP_OK) return NULL;
  *why = SMTP_ERR_NOMEM;
  a = smtp_allocate(sizeof *a);
  if (!a) return NULL;
  a->mechanism = m;
  a->c = *c;
  /* One reservation, so that no later copy moves the earlier ones. */
  smtp_buf_reserve(&a->copies, c->user.len + c->password.len + c->authzid.len +
                                   c->token.len + c->host.len + c->port.len +
                                   c->binding_type.len + c->binding.len +
                                   c->nonce.len);
  if (a->copies.failed) {
    smtp_auth_free(a);
    return NULL;
  }
  keep(a, &a->c.user);
  keep(a, &a->c.password);
  keep(a, &a->c.authzid);
  keep(a, &a->c.token);
  keep(a, &a->c.host);
  keep(a, &a->c.port);
  keep(a, &a->c.binding_type);
  keep(a, &a->c.binding);
  keep(a, &a->c.nonce);
  *why = SMTP_OK;
  return a;
}

void smtp_auth_free(smtp_auth *a) {
  if (!a) return;
  smtp_buf_wipe(&a->copies);
  smtp_buf_wipe(&a->scram.first);
  smtp_hash_cleanse(a, sizeof *a);
  smtp_release(a);
}

const char *smtp_auth_name(const smtp_auth *a) {
  return a->mechanism->name;
}

bool smtp_auth_starts(const smtp_auth *a) {
  return a->mechanism->starts;
}

bool smtp_auth_exposes_secret(smtp_span mechanism) {
  const smtp_mechanism *m = find(mechanism);

  return m && m->exposes;
}

smtp_error smtp_auth_step(smtp_auth *a, const char *challenge, size_t len,
                          smtp_buf *response) {
  smtp_span span = {challenge, len};
  smtp_error e = a->mechanism->step(a, span, response);

  a->turn++;
  if (e == SMTP_OK && response->failed) e = SMTP_ERR_NOMEM;
  return e;
}

bool smtp_auth_is_proven(const smtp_auth *a) {
  return a->mechanism->step != smtp_scram_step || a->scram.proven;
}
