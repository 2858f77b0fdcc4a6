/* A small store of resumable sessions, see tls_session.h. */
#include "crypto/tls_session.h"

#include "base/buf.h"

#include <string.h>

static void drop(smtp_tls_sessions *s, size_t i) {
  smtp_release(s->places[i].key);
  SSL_SESSION_free(s->places[i].session);
  memset(&s->places[i], 0, sizeof s->places[i]);
}

void smtp_tls_session_free_all(smtp_tls_sessions *s) {
  size_t i;

  for (i = 0; i < SMTP_TLS_SESSIONS; i++)
    drop(s, i);
}

static bool holds(const smtp_tls_sessions *s, size_t i, const char *key) {
  return s->places[i].key && strcmp(s->places[i].key, key) == 0;
}

static bool is_older(const smtp_tls_sessions *s, size_t i, size_t than) {
  return than == SMTP_TLS_SESSIONS ||
         s->places[i].stored < s->places[than].stored;
}

/* Where the next session of the key goes: over its own oldest once it has its
 * share (a TLS 1.2 session can be used again, so one is enough), else into a
 * free place, else over the oldest of all. */
static size_t choose(const smtp_tls_sessions *s, const char *key,
                     size_t share) {
  size_t i, own = 0, own_oldest = SMTP_TLS_SESSIONS, oldest = SMTP_TLS_SESSIONS;

  for (i = 0; i < SMTP_TLS_SESSIONS; i++) {
    if (is_older(s, i, oldest)) oldest = i;
    if (!holds(s, i, key)) continue;
    own++;
    if (is_older(s, i, own_oldest)) own_oldest = i;
  }
  return own >= share ? own_oldest : oldest;
}

static bool is_used_once(const SSL_SESSION *session) {
  return SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
}

bool smtp_tls_session_put(smtp_tls_sessions *s, const char *key,
                          SSL_SESSION *session) {
  size_t len = strlen(key) + 1, i;
  char *copy;

  if (!SSL_SESSION_is_resumable(session)) return false;
  copy = smtp_allocate(len);
  if (!copy) return false;
  memcpy(copy, key, len);
  i = choose(s, key, is_used_once(session) ? SMTP_TLS_SESSIONS_PER_KEY : 1);
  drop(s, i);
  s->places[i].key = copy;
  s->places[i].session = session;
  s->places[i].stored = ++s->clock;
  return true;
}

SSL_SESSION *smtp_tls_session_take(smtp_tls_sessions *s, const char *key) {
  size_t i, newest = SMTP_TLS_SESSIONS;
  SSL_SESSION *session;

  for (i = 0; i < SMTP_TLS_SESSIONS; i++) {
    if (holds(s, i, key) &&
        (newest == SMTP_TLS_SESSIONS || !is_older(s, i, newest)))
      newest = i;
  }
  if (newest == SMTP_TLS_SESSIONS) return NULL;
  session = s->places[newest].session;
  SSL_SESSION_up_ref(session);
  if (is_used_once(session)) drop(s, newest);
  return session;
}
