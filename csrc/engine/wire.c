/* The engine's two ends: wire bytes, with or without TLS in between. */
#include "engine/session.h"

/* TLS plain text is taken out in pieces of this size. */
#define PIECE 16384

size_t smtp_session_pending(const smtp_engine *e) {
  size_t len = 0;

  if (!e->tls) return smtp_buf_len(&e->plain);
  (void)smtp_tls_output(e->tls, &len);
  return len + smtp_buf_len(&e->plain);
}

static void tls_failed(smtp_engine *e, smtp_error why) {
  const char *reason = smtp_tls_reason(e->tls);
  smtp_span text = {reason, 0};

  while (reason[text.len])
    text.len++;
  smtp_session_fail(e, why, text);
}

bool smtp_session_tls_failed(smtp_engine *e) {
  if (smtp_tls_current(e->tls) != SMTP_TLS_FAILED) return false;
  tls_failed(e, smtp_tls_failure(e->tls));
  return true;
}

void smtp_session_push(smtp_engine *e) {
  smtp_error why;

  if (!e->tls || !smtp_buf_len(&e->plain) ||
      smtp_tls_current(e->tls) == SMTP_TLS_HANDSHAKE)
    return;
  why =
      smtp_tls_write(e->tls, smtp_buf_data(&e->plain), smtp_buf_len(&e->plain));
  smtp_buf_clear(&e->plain);
  if (why == SMTP_ERR_CLOSED)
    e->ended = true;
  else if (why != SMTP_OK)
    tls_failed(e, why);
}

const char *smtp_engine_output(const smtp_engine *e, size_t *len) {
  if (e->tls) return smtp_tls_output(e->tls, len);
  *len = smtp_buf_len(&e->plain);
  return smtp_buf_data(&e->plain);
}

void smtp_engine_sent(smtp_engine *e, size_t n) {
  e->sent += n;
  if (e->tls)
    smtp_tls_sent(e->tls, n);
  else
    smtp_buf_consume(&e->plain, n);
}

/* All plain text that TLS has made of the bytes so far. */
static void take_plain(smtp_engine *e) {
  size_t got = 0;
  smtp_error why;

  do {
    char *room = smtp_buf_reserve(&e->in, PIECE);

    if (!room) {
      smtp_session_out_of_memory(e);
      return;
    }
    why = smtp_tls_read(e->tls, room, PIECE, &got);
    smtp_buf_extend(&e->in, got);
  } while (why == SMTP_OK && got);
  if (smtp_tls_current(e->tls) == SMTP_TLS_CLOSED) e->ended = true;
  /* A peer that just goes away is an end like any other: a reply is whole or
   * it is not, so nothing can be hidden by cutting it off. */
  if (why == SMTP_ERR_TLS_TRUNCATED)
    e->ended = true;
  else if (why != SMTP_OK)
    tls_failed(e, why);
}

void smtp_engine_input(smtp_engine *e, const char *bytes, size_t len) {
  smtp_error why;

  if (!e->tls) {
    smtp_buf_add(&e->in, bytes, len);
    if (e->in.failed) smtp_session_out_of_memory(e);
    return;
  }
  why = smtp_tls_input(e->tls, bytes, len);
  if (why != SMTP_OK) {
    tls_failed(e, why);
    return;
  }
  if (smtp_tls_current(e->tls) != SMTP_TLS_HANDSHAKE) take_plain(e);
}

void smtp_engine_input_end(smtp_engine *e) {
  smtp_error why;

  if (e->tls) {
    why = smtp_tls_input_end(e->tls);
    if (why != SMTP_OK && why != SMTP_ERR_TLS_TRUNCATED) tls_failed(e, why);
  }
  e->ended = true;
}
