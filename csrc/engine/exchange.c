/* The AUTH exchange (RFC 4954 §4): base64 on the wire, a bounded number of
 * challenges, "*" to give up. Whatever is sent here is secret. */
#include "base/base64.h"
#include "crypto/hash.h"
#include "engine/command.h"
#include "engine/session.h"

#include <string.h>

/* With the initial response, the line must not be longer than any command. */
#define INITIAL_LIMIT 512

static const smtp_span nothing = {NULL, 0};

static smtp_span span(const smtp_buf *b) {
  smtp_span s = {smtp_buf_data(b), smtp_buf_len(b)};

  return s;
}

static smtp_error queue_auth(smtp_engine *e, smtp_span mechanism,
                             const smtp_buf *response, bool initial) {
  smtp_item item = {SMTP_CMD_AUTH, 0, 0, 0, true, false};
  size_t before = smtp_buf_len(&e->queue.lines);
  smtp_error why;
  smtp_buf args;

  smtp_buf_init(&args);
  smtp_buf_add(&args, mechanism.s, mechanism.len);
  if (initial) {
    smtp_buf_addc(&args, ' ');
    if (smtp_buf_len(response))
      smtp_base64_encode(&args, smtp_buf_data(response),
                         smtp_buf_len(response));
    else
      smtp_buf_addc(&args, '=');
  }
  why =
      args.failed
          ? SMTP_ERR_NOMEM
          : smtp_command_write(&e->queue.lines, "AUTH", 4, smtp_buf_data(&args),
                               smtp_buf_len(&args), SMTP_COMMAND_AUTH_LIMIT);
  smtp_buf_wipe(&args);
  if (why == SMTP_ERR_NOMEM) return smtp_session_out_of_memory(e);
  if (why != SMTP_OK) return why;
  item.line = smtp_buf_len(&e->queue.lines) - before;
  smtp_queue_add(&e->queue, item);
  return e->queue.items.failed ? smtp_session_out_of_memory(e) : SMTP_OK;
}

/* One exchange at a time: a second one would answer the first one's challenges.
 * Takes `a` over. */
static smtp_error begin(smtp_engine *e, smtp_auth *a, bool first) {
  smtp_error why = e->failure != SMTP_OK ? SMTP_ERR_BROKEN : SMTP_OK;

  if (why == SMTP_OK &&
      (!smtp_state_is_legal(e->state, SMTP_CMD_AUTH) || e->building ||
       smtp_queue_has(&e->queue, SMTP_CMD_AUTH)))
    why = SMTP_ERR_STATE;
  if (why != SMTP_OK) {
    smtp_auth_free(a);
    return why;
  }
  smtp_session_auth_end(e);
  e->exchange.auth = a;
  e->exchange.first = first;
  e->exchange.cancelled = false;
  e->exchange.challenges = 0;
  e->exchange.failure = SMTP_OK;
  return SMTP_OK;
}

void smtp_session_auth_end(smtp_engine *e) {
  smtp_auth_free(e->exchange.auth);
  e->exchange.auth = NULL;
  smtp_buf_wipe(&e->exchange.challenge);
}

static bool fits(smtp_span mechanism, const smtp_buf *response) {
  return mechanism.len + smtp_buf_len(response) / 3 * 4 + 4 + 8 <=
         INITIAL_LIMIT;
}

smtp_error smtp_engine_auth(smtp_engine *e, smtp_auth *a, bool initial) {
  smtp_span name = {smtp_auth_name(a), strlen(smtp_auth_name(a))};
  smtp_error why = begin(e, a, true);
  smtp_buf response;

  if (why != SMTP_OK) return why;
  smtp_buf_init(&response);
  if (initial && smtp_auth_starts(a)) {
    why = smtp_auth_step(a, NULL, 0, &response);
    e->exchange.first = false;
    initial = fits(name, &response);
  } else {
    initial = false;
  }
  /* Too long to go along: kept until the server asks for it. */
  if (why == SMTP_OK && !e->exchange.first && !initial) {
    smtp_buf_add(&e->exchange.challenge, smtp_buf_data(&response),
                 smtp_buf_len(&response));
    if (e->exchange.challenge.failed) why = SMTP_ERR_NOMEM;
    e->exchange.first = true;
  }
  if (why == SMTP_OK) why = queue_auth(e, name, &response, initial);
  smtp_buf_wipe(&response);
  if (why != SMTP_OK) smtp_session_auth_end(e);
  return why;
}

smtp_error smtp_engine_auth_by_hand(smtp_engine *e, smtp_span mechanism,
                                    smtp_span initial) {
  smtp_error why = begin(e, NULL, false);
  smtp_buf response;

  if (why != SMTP_OK) return why;
  smtp_buf_init(&response);
  smtp_buf_add(&response, initial.s, initial.len);
  why = response.failed
            ? SMTP_ERR_NOMEM
            : queue_auth(e, mechanism, &response, initial.s != NULL);
  smtp_buf_wipe(&response);
  return why;
}

smtp_error smtp_engine_respond(smtp_engine *e, smtp_span response) {
  size_t at = smtp_buf_len(&e->plain);

  if (e->state != SMTP_STATE_AUTH) return SMTP_ERR_STATE;
  if (response.len / 3 * 4 + 6 > SMTP_COMMAND_AUTH_LIMIT)
    return SMTP_ERR_TOO_LONG;
  smtp_base64_encode(&e->plain, response.s, response.len);
  smtp_buf_adds(&e->plain, "\r\n");
  smtp_trace_command(&e->trace, smtp_buf_data(&e->plain) + at,
                     smtp_buf_len(&e->plain) - at, true);
  return e->plain.failed ? smtp_session_out_of_memory(e) : SMTP_OK;
}

smtp_error smtp_engine_cancel(smtp_engine *e) {
  if (e->state != SMTP_STATE_AUTH) return SMTP_ERR_STATE;
  e->exchange.cancelled = true;
  smtp_buf_adds(&e->plain, "*\r\n");
  smtp_trace_bytes(&e->trace, SMTP_DIRECTION_SENT, "*\r\n", 3);
  return e->plain.failed ? smtp_session_out_of_memory(e) : SMTP_OK;
}

smtp_error smtp_engine_auth_failure(const smtp_engine *e) {
  return e->exchange.failure;
}

static void give_up(smtp_engine *e, smtp_error why) {
  e->exchange.failure = why;
  if (smtp_engine_cancel(e) != SMTP_OK) smtp_session_out_of_memory(e);
}

/* The conversation's next response; who cannot prove himself is left. */
static void answer(smtp_engine *e, const smtp_buf *challenge) {
  smtp_exchange *x = &e->exchange;
  smtp_error why = SMTP_OK;
  smtp_buf response;

  smtp_buf_init(&response);
  if (x->first && smtp_buf_len(&x->challenge))
    smtp_buf_add(&response, smtp_buf_data(&x->challenge),
                 smtp_buf_len(&x->challenge));
  else if (x->first && smtp_auth_starts(x->auth))
    why = smtp_auth_step(x->auth, NULL, 0, &response);
  else
    why = smtp_auth_step(x->auth, smtp_buf_data(challenge),
                         smtp_buf_len(challenge), &response);
  x->first = false;
  smtp_buf_wipe(&x->challenge);
  if (why == SMTP_OK) why = smtp_engine_respond(e, span(&response));
  smtp_buf_wipe(&response);
  if (why == SMTP_ERR_FORGED || why == SMTP_ERR_NOMEM)
    smtp_session_fail(e, why, nothing);
  else if (why != SMTP_OK)
    give_up(e, why);
}

static bool take_challenge(smtp_engine *e, smtp_event *event) {
  smtp_exchange *x = &e->exchange;
  smtp_buf challenge;
  smtp_error why;

  e->state = SMTP_STATE_AUTH;
  if (x->cancelled) { /* it does not even let us go */
    smtp_session_fail(e, SMTP_ERR_CHALLENGES, nothing);
    return false;
  }
  if (++x->challenges > SMTP_MAX_CHALLENGES) {
    give_up(e, SMTP_ERR_CHALLENGES);
    return false;
  }
  smtp_buf_init(&challenge);
  why =
      smtp_base64_decode(&challenge, event->reply.text, event->reply.text_len);
  if (why == SMTP_ERR_NOMEM) {
    smtp_session_out_of_memory(e);
  } else if (why != SMTP_OK) {
    give_up(e, SMTP_ERR_CHALLENGE);
  } else if (x->auth) {
    answer(e, &challenge);
  } else {
    smtp_buf_wipe(&x->challenge);
    x->challenge = challenge;
    event->type = SMTP_EVENT_CHALLENGE;
    event->reply.text = smtp_buf_data(&x->challenge);
    event->reply.text_len = smtp_buf_len(&x->challenge);
    return true;
  }
  smtp_buf_wipe(&challenge);
  return false;
}

/* What a reply that ends the exchange is worth. 503 tells that we are logged in
 * already: on a session that never was, no proof of the server's. */
static smtp_error judge(const smtp_engine *e, int code) {
  const smtp_exchange *x = &e->exchange;
  bool proven = !x->auth || smtp_auth_is_proven(x->auth);

  /* Whether it waits for a response or for a command, nobody knows. */
  if (code / 100 == 3) return SMTP_ERR_REPLY_MALFORMED;
  if (code == 503 && !proven && !e->authenticated) return SMTP_ERR_FORGED;
  if (code / 100 != 2) return SMTP_OK;
  /* Success for somebody who had given up is not ours. */
  if (x->cancelled) return x->failure ? x->failure : SMTP_ERR_UNSOLICITED;
  return proven ? SMTP_OK : SMTP_ERR_FORGED;
}

bool smtp_session_auth_reply(smtp_engine *e, smtp_event *event) {
  smtp_span text = {event->reply.text, event->reply.text_len};
  smtp_error why;

  if (event->reply.code == 334) return take_challenge(e, event);
  why = judge(e, event->reply.code);
  if (why != SMTP_OK) {
    smtp_session_fail(e, why, why == SMTP_ERR_FORGED ? nothing : text);
    return false;
  }
  if (event->reply.code / 100 == 2) e->authenticated = true;
  smtp_session_auth_end(e);
  return true;
}
