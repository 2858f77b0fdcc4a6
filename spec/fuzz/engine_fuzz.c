/* Invariant: whatever a server says, in pieces of any size, a session comes to
 * an end: idle, waiting, or with one error that stays; and its commands are
 * whole lines without control characters. */
#include "engine/engine.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define SPAN(text) ((smtp_span){(text), sizeof(text) - 1})

typedef struct smtp_script {
  const char *bytes; /* what the server still has to say */
  size_t len, step;
  bool ended;
} smtp_script;

static void check_output(const char *s, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (s[i] == '\n' && (i == 0 || s[i - 1] != '\r')) abort();
}

static void queue_transaction(smtp_engine *e) {
  unsigned serial;

  if (smtp_engine_begin(e, SPAN("FROM:<a@example.org>"), &serial)) return;
  if (smtp_engine_recipient(e, SPAN("TO:<b@example.org>"))) return;
  if (smtp_engine_recipient(e, SPAN("TO:<c@example.org>"))) return;
  smtp_engine_commit(e);
}

/* What a client would do next, after a reply. */
static void react(smtp_engine *e, const smtp_event *event) {
  if (event->type == SMTP_EVENT_CHALLENGE) {
    smtp_engine_respond(e, SPAN("secret"));
  } else if (event->type == SMTP_EVENT_DONE) {
    smtp_engine_command(e, SMTP_CMD_QUIT, SPAN("QUIT"), SPAN(""));
  } else if (event->command == SMTP_CMD_GREETING) {
    smtp_engine_command(e, SMTP_CMD_EHLO, SPAN("EHLO"), SPAN("me.example"));
  } else if (event->command == SMTP_CMD_EHLO) {
    smtp_engine_auth_by_hand(e, SPAN("LOGIN"), (smtp_span){NULL, 0});
    queue_transaction(e);
    queue_transaction(e);
  } else if (event->command == SMTP_CMD_AUTH) {
    queue_transaction(e);
  }
}

static void receive(smtp_engine *e, smtp_script *server) {
  size_t n = server->len < server->step ? server->len : server->step;

  if (n) {
    smtp_engine_input(e, server->bytes, n);
    server->bytes += n;
    server->len -= n;
  } else {
    server->ended = true;
    smtp_engine_input_end(e);
  }
}

static void send_all(smtp_engine *e) {
  size_t len;
  const char *s = smtp_engine_output(e, &len);

  check_output(s, len);
  smtp_engine_sent(e, len);
}

static void give_content(smtp_engine *e) {
  static const char message[] = "Subject: x\n\n.\nbody";

  smtp_engine_content(e, message, sizeof message - 1);
  smtp_engine_content_end(e);
}

static void check_failure(smtp_engine *e) {
  smtp_event event;
  smtp_error error = smtp_engine_failure(e, NULL);

  if (!error || smtp_engine_next(e, &event) != SMTP_NEXT_FAILED) abort();
  if (smtp_engine_failure(e, NULL) != error) abort();
}

/* False when there is nothing left to do. */
static bool take_step(smtp_engine *e, smtp_script *server) {
  smtp_event event;

  memset(&event, 0, sizeof event);
  switch (smtp_engine_next(e, &event)) {
  case SMTP_NEXT_SEND:
    send_all(e);
    return true;
  case SMTP_NEXT_RECEIVE:
    if (server->ended) abort();
    receive(e, server);
    return true;
  case SMTP_NEXT_CONTENT:
    give_content(e);
    return true;
  case SMTP_NEXT_EVENT:
    react(e, &event);
    return true;
  case SMTP_NEXT_IDLE:
    return false;
  case SMTP_NEXT_FAILED:
    check_failure(e);
    return false;
  }
  return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  smtp_engine_options options = {0};
  smtp_script server = {(const char *)bytes, len, 1, false};
  smtp_engine *e;
  size_t steps = 0;

  if (len) {
    options.lmtp = bytes[0] & 1;
    server.step = (size_t)(bytes[0] >> 1) + 1;
    server.bytes++;
    server.len--;
  }
  e = smtp_engine_new(&options);
  if (!e) return 0;
  while (take_step(e, &server))
    if (++steps > 64 * len + 1024) abort();
  smtp_engine_free(e);
  return 0;
}
