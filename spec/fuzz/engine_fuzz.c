/* Whatever the server's bytes and however they are cut, whatever the caller
 * asks for and when: the engine yields events, or one sticky error, the same
 * ones whole as byte by byte; it comes to rest; and no bare CR or LF leaves it
 * unless the caller sent it raw.
 *
 * (Where bytes came that nobody had asked for, the time at which they came
 * matters by design: then what came before is the same. So it does for a full
 * reply window, which is left to spec/engine.) */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool claim) {
  if (!claim) abort();
}

/* The caller's program, read from the front. */
typedef struct program {
  const uint8_t *at, *end;
} program;

typedef struct run {
  smtp_engine *e;
  bool bytewise, raw;
  smtp_next rests;
  smtp_buf events, wire;
} run;

static unsigned take(program *p) {
  return p->at < p->end ? *p->at++ : 0;
}

static smtp_span take_bytes(program *p) {
  size_t len = take(p), left = (size_t)(p->end - p->at);
  smtp_span s = {(const char *)p->at, len < left ? len : left};

  p->at += s.len;
  return s;
}

static void record(run *r, const smtp_event *event) {
  unsigned numbers[5] = {event->type, event->command, event->transaction,
                         event->recipient, event->moot};

  if (event->type == SMTP_EVENT_DONE) numbers[1] = event->outcome;
  smtp_buf_add(&r->events, numbers, sizeof numbers);
  if (event->type != SMTP_EVENT_REPLY && event->type != SMTP_EVENT_CHALLENGE)
    return;
  smtp_buf_addu(&r->events, (unsigned)event->reply.code);
  smtp_buf_adds(&r->events, event->reply.enhanced);
  smtp_buf_add(&r->events, event->reply.text, event->reply.text_len);
}

static void send_some(run *r) {
  size_t len;
  const char *s = smtp_engine_output(r->e, &len);

  require(len > 0);
  if (r->bytewise && len > 100) len = 100;
  smtp_buf_add(&r->wire, s, len);
  smtp_engine_sent(r->e, len);
}

/* Until it rests; what it shows is recorded. */
static void settle(run *r) {
  smtp_event event;
  unsigned steps = 0;

  for (;;) {
    memset(&event, 0, sizeof event);
    r->rests = smtp_engine_next(r->e, &event);
    require(++steps < 100000);
    if (r->rests == SMTP_NEXT_SEND)
      send_some(r);
    else if (r->rests == SMTP_NEXT_EVENT)
      record(r, &event);
    else
      break;
  }
  if (smtp_engine_failure(r->e, NULL) != SMTP_OK)
    require(r->rests == SMTP_NEXT_FAILED);
}

static void input(run *r, smtp_span s) {
  size_t i;

  if (!r->bytewise) {
    smtp_engine_input(r->e, s.s, s.len);
    settle(r);
    return;
  }
  for (i = 0; i < s.len; i++) {
    smtp_engine_input(r->e, s.s + i, 1);
    settle(r);
  }
}

static smtp_span text(const char *s) {
  smtp_span t = {s, strlen(s)};

  return t;
}

static const char *const replies[] = {
    "250 2.1.0 ok\r\n",
    "354 go\r\n",
    "334 \r\n",
    "235 2.7.0 ok\r\n",
    "550 5.1.1 no\r\n",
    "421 4.3.2 closing\r\n",
    "220 hi\r\n",
    "250-mx\r\n250-AUTH PLAIN\r\n250 PIPELINING\r\n",
    "451 later\r\n",
    "250-one\r\n",
    "250-mx\r\n250 SIZE 10\r\n",
    "503 5.5.1 no\r\n",
    "334 VXNlcm5hbWU6\r\n",
    "334 cj1meWtvMDEscz1RU1hDUitRNnNlazhiZjkyLGk9NDA5Ng==\r\n",
    "221 bye\r\n",
    "250 ok\r\n250 ok\r\n354 go\r\n"};
static const char *const verbs[] = {"EHLO", "HELO", "LHLO", "STARTTLS",
                                    "MAIL", "RCPT", "RSET", "NOOP",
                                    "VRFY", "QUIT", "HELP", "X"};
static const char *const mechanisms[] = {"PLAIN",       "LOGIN",   "CRAM-MD5",
                                         "SCRAM-SHA-1", "XOAUTH2", "EXTERNAL"};
#define PICK(list, n) text((list)[(n) % (sizeof(list) / sizeof *(list))])

static void command(run *r, program *p) {
  smtp_span verb = PICK(verbs, take(p));

  smtp_engine_command(r->e, smtp_state_command(verb.s, verb.len), verb,
                      take_bytes(p));
}

static void transaction(run *r, program *p) {
  unsigned how = take(p), serial = 0, i;

  if (smtp_engine_begin(r->e, text("FROM:<a@x>"), how & 32, &serial) != SMTP_OK)
    return;
  for (i = 0; i < how % 16; i++)
    smtp_engine_recipient(r->e, text("TO:<b@x>"));
  if (how & 16) smtp_engine_recipient(r->e, take_bytes(p));
  if (how & 64) return;
  smtp_engine_commit(r->e);
}

static void auth(run *r, program *p) {
  unsigned how = take(p);
  smtp_credentials c;
  smtp_error why;
  smtp_auth *a;

  memset(&c, 0, sizeof c);
  c.user = text("user");
  c.password = text("secret");
  c.token = take_bytes(p);
  c.nonce = text("fyko");
  a = smtp_auth_new(PICK(mechanisms, how >> 1), &c, &why);
  if (a) smtp_engine_auth(r->e, a, how & 1);
}

static void content(run *r, program *p) {
  smtp_span s = take_bytes(p);

  require(smtp_engine_content(r->e, s.s, s.len) <= s.len);
}

static void raw(run *r, program *p) {
  smtp_span s = take_bytes(p);

  r->raw = true;
  smtp_engine_raw(r->e, s.s, s.len);
}

static void step(run *r, program *p) {
  smtp_span s;
  unsigned serial;

  switch (take(p) % 20) {
  case 0:
    input(r, take_bytes(p));
    break;
  case 1:
  case 2:
  case 3:
    input(r, PICK(replies, take(p)));
    break;
  case 4:
    command(r, p);
    break;
  case 5:
    transaction(r, p);
    break;
  case 6:
    content(r, p);
    break;
  case 7:
    smtp_engine_content_end(r->e);
    break;
  case 8:
    auth(r, p);
    break;
  case 9:
    s = PICK(mechanisms, take(p));
    smtp_engine_auth_by_hand(r->e, s, take_bytes(p));
    break;
  case 10:
    smtp_engine_respond(r->e, take_bytes(p));
    break;
  case 11:
    smtp_engine_cancel(r->e);
    break;
  case 12:
    raw(r, p);
    break;
  case 13:
    smtp_engine_expect(r->e);
    break;
  case 14:
    smtp_engine_data(r->e, &serial);
    break;
  case 15:
    smtp_engine_input_end(r->e);
    break;
  case 16:
    smtp_engine_abandon(r->e);
    break;
  case 17:
    smtp_engine_commit(r->e);
    break;
  case 18:
    smtp_engine_trace(r->e)->on = true;
    break;
  }
  settle(r);
}

static void drain_trace(smtp_engine *e) {
  smtp_direction d;
  const char *s;
  size_t len;

  while (smtp_trace_take(smtp_engine_trace(e), &d, &s, &len))
    require(len > 0 && (s[0] | 1));
}

static void play(run *r, const uint8_t *data, size_t size, bool bytewise) {
  program p = {data, data + size};
  unsigned how = take(&p);
  smtp_engine_options o = {how & 1, how & 2 ? 40 : 0, how & 4 ? 3 : 0};

  memset(r, 0, sizeof *r);
  r->bytewise = bytewise;
  r->e = smtp_engine_new(&o);
  require(r->e != NULL);
  settle(r);
  if (how & 8) input(r, text("220 hi\r\n"));
  if (how & 16) {
    smtp_engine_command(r->e, SMTP_CMD_EHLO, text("EHLO"), text("me"));
    settle(r);
    input(r, text("250-mx\r\n250 PIPELINING\r\n"));
  }
  while (p.at < p.end)
    step(r, &p);
  drain_trace(r->e);
}

static void check_lines(const smtp_buf *wire) {
  const char *s = smtp_buf_data(wire);
  size_t len = smtp_buf_len(wire), i;

  for (i = 0; i < len; i++) {
    if (s[i] == '\n') require(i > 0 && s[i - 1] == '\r');
    if (s[i] == '\r' && i + 1 < len) require(s[i + 1] == '\n');
  }
}

static void check_prefix(const smtp_buf *part, const smtp_buf *whole) {
  require(smtp_buf_len(part) <= smtp_buf_len(whole));
  require(
      !memcmp(smtp_buf_data(part), smtp_buf_data(whole), smtp_buf_len(part)));
}

static void finish(run *r) {
  if (!r->raw) check_lines(&r->wire);
  smtp_engine_free(r->e);
  smtp_buf_free(&r->events);
  smtp_buf_free(&r->wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  run whole, bytewise;

  play(&whole, data, size, false);
  play(&bytewise, data, size, true);
  check_prefix(&whole.events, &bytewise.events);
  check_prefix(&whole.wire, &bytewise.wire);
  if (smtp_engine_failure(whole.e, NULL) != SMTP_ERR_UNSOLICITED) {
    check_prefix(&bytewise.events, &whole.events);
    check_prefix(&bytewise.wire, &whole.wire);
    require(smtp_engine_failure(whole.e, NULL) ==
            smtp_engine_failure(bytewise.e, NULL));
  }
  finish(&whole);
  finish(&bytewise);
  return 0;
}
