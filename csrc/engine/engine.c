/* The session as its callers see it, see engine.h: what is done where is told
 * by the names of the other files; this one connects them. */
#include "engine/engine.h"

#include "engine/command.h"
#include "engine/session.h"

#include <string.h>

static const smtp_span nothing = {NULL, 0};

smtp_engine *smtp_engine_new(const smtp_engine_options *options) {
  smtp_engine *e = smtp_allocate(sizeof *e);
  smtp_item greeting = {SMTP_CMD_GREETING, 0, 0, 0, false, false};

  if (!e) return NULL;
  e->lmtp = options->lmtp;
  e->state = SMTP_STATE_GREETING;
  smtp_reply_init(&e->parser, options->reply_line, options->reply_lines);
  smtp_extension_init(&e->extensions);
  smtp_queue_init(&e->queue);
  smtp_body_init(&e->body);
  smtp_trace_init(&e->trace);
  smtp_queue_add(&e->queue, greeting);
  e->queue.sent = 1;
  if (e->queue.items.failed) {
    smtp_engine_free(e);
    return NULL;
  }
  return e;
}

void smtp_engine_free(smtp_engine *e) {
  if (!e) return;
  smtp_session_auth_end(e);
  smtp_tls_free(e->tls);
  smtp_buf_free(&e->failure_text);
  smtp_buf_wipe(&e->in);
  smtp_buf_wipe(&e->plain);
  smtp_reply_free(&e->parser);
  smtp_extension_free(&e->extensions);
  smtp_queue_free(&e->queue);
  smtp_buf_free(&e->transactions);
  smtp_buf_free(&e->accepted_list);
  smtp_body_free(&e->body);
  smtp_trace_free(&e->trace);
  smtp_release(e);
}

smtp_error smtp_session_fail(smtp_engine *e, smtp_error why, smtp_span text) {
  if (e->failure != SMTP_OK) return e->failure;
  e->failure = why;
  e->state = SMTP_STATE_CLOSED;
  e->content_open = false;
  smtp_buf_add(&e->failure_text, text.s, text.len);
  return why;
}

smtp_transaction *smtp_session_transaction(const smtp_engine *e,
                                           unsigned serial) {
  size_t n = smtp_buf_len(&e->transactions) / sizeof(smtp_transaction), i;
  smtp_transaction *t;

  if (!n) return NULL;
  t = (smtp_transaction *)(void *)(e->transactions.base +
                                   e->transactions.start);
  for (i = 0; serial && i < n; i++)
    if (t[i].serial == serial) return &t[i];
  return NULL;
}

smtp_error smtp_session_out_of_memory(smtp_engine *e) {
  if (e->building) smtp_engine_abandon(e);
  return smtp_session_fail(e, SMTP_ERR_NOMEM, nothing);
}

/* The handshake has the wire for itself. */
static bool handshake_is_over(smtp_engine *e, smtp_event *event) {
  if (!e->tls || e->tls_announced) return false;
  if (smtp_tls_current(e->tls) == SMTP_TLS_HANDSHAKE) return false;
  e->tls_announced = true;
  if (smtp_session_tls_failed(e)) return false;
  memset(event, 0, sizeof *event);
  event->type = SMTP_EVENT_TLS;
  return true;
}

static smtp_next next_on_wire(smtp_engine *e) {
  size_t waiting;

  (void)smtp_engine_output(e, &waiting);
  if (e->failure != SMTP_OK) return SMTP_NEXT_FAILED;
  if (waiting) return SMTP_NEXT_SEND;
  if (e->tls && !e->tls_announced) return SMTP_NEXT_RECEIVE;
  return e->queue.sent ? SMTP_NEXT_RECEIVE : SMTP_NEXT_IDLE;
}

/* Bytes that no command asked for, found before the next one is sent: never to
 * be taken for its answer. */
static bool was_interrupted(const smtp_engine *e) {
  return !e->queue.sent && smtp_queue_unsent(&e->queue) &&
         smtp_reply_is_partial(&e->parser, &e->in);
}

static smtp_next fail_next(smtp_engine *e, smtp_error why) {
  smtp_span text = {smtp_buf_data(&e->in), smtp_buf_len(&e->in)};

  if (text.len > 200) text.len = 200;
  while (text.len &&
         (text.s[text.len - 1] == '\n' || text.s[text.len - 1] == '\r'))
    text.len--;
  smtp_session_fail(e, why, text);
  return SMTP_NEXT_FAILED;
}

/* What the failure left to be sent (a TLS alert), then the failure. */
static smtp_next after_failure(const smtp_engine *e) {
  size_t waiting;

  (void)smtp_engine_output(e, &waiting);
  return waiting && e->tls && !e->ended ? SMTP_NEXT_SEND : SMTP_NEXT_FAILED;
}

/* Nothing has come: let out what may leave. */
static smtp_next next_to_send(smtp_engine *e, smtp_event *event) {
  if (was_interrupted(e)) return fail_next(e, SMTP_ERR_UNSOLICITED);
  if (e->ended && (smtp_queue_count(&e->queue) || smtp_session_pending(e)))
    return fail_next(e, SMTP_ERR_CLOSED);
  while (smtp_session_produce(e))
    if (smtp_session_take_done(e, event)) return SMTP_NEXT_EVENT;
  if (e->failure == SMTP_OK && e->content_open &&
      smtp_session_pending(e) < SMTP_HIGH_WATER)
    return SMTP_NEXT_CONTENT;
  return next_on_wire(e);
}

static smtp_next find_next(smtp_engine *e, smtp_event *event) {
  if (e->failure != SMTP_OK) return after_failure(e);
  if (handshake_is_over(e, event)) return SMTP_NEXT_EVENT;
  if (e->failure != SMTP_OK) return after_failure(e);
  if (e->tls && !e->tls_announced && !e->ended) return next_on_wire(e);
  if (smtp_session_take_done(e, event)) return SMTP_NEXT_EVENT;
  if (e->state == SMTP_STATE_CLOSED) return SMTP_NEXT_IDLE;
  if (smtp_session_take_event(e, event)) return SMTP_NEXT_EVENT;
  if (e->failure != SMTP_OK) return after_failure(e);
  return next_to_send(e, event);
}

smtp_next smtp_engine_next(smtp_engine *e, smtp_event *event) {
  smtp_next next = find_next(e, event);

  if (next == SMTP_NEXT_SEND) e->wrote = true;
  if (next == SMTP_NEXT_RECEIVE && e->wrote) {
    e->turns++;
    e->wrote = false;
  }
  return next;
}

static smtp_error check_state(const smtp_engine *e, smtp_command c) {
  if (e->failure != SMTP_OK) return SMTP_ERR_BROKEN;
  return smtp_state_is_legal(e->state, c) ? SMTP_OK : SMTP_ERR_STATE;
}

static smtp_error queue_line(smtp_engine *e, smtp_item item, smtp_span verb,
                             smtp_span args, size_t limit) {
  size_t before = smtp_buf_len(&e->queue.lines);
  smtp_error why = smtp_command_write(&e->queue.lines, verb.s, verb.len, args.s,
                                      args.len, limit);

  if (why == SMTP_ERR_NOMEM) return smtp_session_out_of_memory(e);
  if (why != SMTP_OK) return why;
  item.line = smtp_buf_len(&e->queue.lines) - before;
  smtp_queue_add(&e->queue, item);
  return e->queue.items.failed ? smtp_session_out_of_memory(e) : SMTP_OK;
}

smtp_error smtp_engine_command(smtp_engine *e, smtp_command c, smtp_span verb,
                               smtp_span args) {
  smtp_item item = {c, 0, 0, 0, false, false};
  smtp_error why = check_state(e, c);

  if (why != SMTP_OK || e->building) return why ? why : SMTP_ERR_STATE;
  item.secret = e->masked || smtp_trace_is_auth(verb.s, verb.len);
  return queue_line(e, item, verb, args,
                    item.secret ? SMTP_COMMAND_AUTH_LIMIT : SMTP_COMMAND_LIMIT);
}

smtp_error smtp_engine_put(smtp_engine *e, smtp_span verb, smtp_span args) {
  smtp_item item = {SMTP_CMD_OTHER, 0, 0, 0, false, false};
  smtp_error why = check_state(e, SMTP_CMD_OTHER);
  size_t at = smtp_buf_len(&e->plain);

  if (why != SMTP_OK || e->building || smtp_queue_unsent(&e->queue))
    return why ? why : SMTP_ERR_STATE;
  item.secret = e->masked || smtp_trace_is_auth(verb.s, verb.len);
  why = smtp_command_write(&e->plain, verb.s, verb.len, args.s, args.len,
                           item.secret ? SMTP_COMMAND_AUTH_LIMIT
                                       : SMTP_COMMAND_LIMIT);
  if (why == SMTP_ERR_NOMEM) return smtp_session_out_of_memory(e);
  if (why != SMTP_OK) return why;
  smtp_trace_command(&e->trace, smtp_buf_data(&e->plain) + at,
                     smtp_buf_len(&e->plain) - at, item.secret);
  smtp_queue_add(&e->queue, item);
  if (e->queue.items.failed) return smtp_session_out_of_memory(e);
  e->queue.sent++;
  smtp_session_push(e);
  return SMTP_OK;
}

smtp_error smtp_engine_expect(smtp_engine *e) {
  smtp_item item = {SMTP_CMD_OTHER, 0, 0, 0, false, false};

  if (e->failure != SMTP_OK) return SMTP_ERR_BROKEN;
  if (smtp_queue_count(&e->queue)) return SMTP_OK;
  smtp_queue_add(&e->queue, item);
  if (e->queue.items.failed) return smtp_session_out_of_memory(e);
  e->queue.sent = 1;
  return SMTP_OK;
}

smtp_error smtp_engine_raw(smtp_engine *e, const char *bytes, size_t len) {
  if (e->failure != SMTP_OK) return SMTP_ERR_BROKEN;
  if (e->content_open || e->state == SMTP_STATE_CLOSED) return SMTP_ERR_STATE;
  smtp_buf_add(&e->plain, bytes, len);
  smtp_trace_raw(&e->trace, bytes, len, e->masked);
  smtp_session_push(e);
  return e->plain.failed ? smtp_session_out_of_memory(e) : SMTP_OK;
}

static smtp_error begin(smtp_engine *e, bool bare) {
  smtp_transaction t;

  memset(&t, 0, sizeof t);
  t.serial = ++e->serial;
  t.bare = bare;
  smtp_buf_add(&e->transactions, &t, sizeof t);
  if (e->transactions.failed) return smtp_session_out_of_memory(e);
  e->building = true;
  return SMTP_OK;
}

static smtp_transaction *current(smtp_engine *e) {
  return smtp_session_transaction(e, e->serial);
}

static smtp_error add(smtp_engine *e, smtp_item item, const char *verb,
                      smtp_span args) {
  smtp_span v = {verb, strlen(verb)};
  smtp_transaction *t = current(e);
  smtp_error why;

  if (!e->building) return SMTP_ERR_STATE;
  item.transaction = e->serial;
  why = queue_line(e, item, v, args, SMTP_COMMAND_LIMIT);
  if (why != SMTP_OK)
    smtp_engine_abandon(e);
  else
    t->left++;
  return why;
}

smtp_error smtp_engine_begin(smtp_engine *e, smtp_span mail, bool behind,
                             unsigned *serial) {
  smtp_item item = {SMTP_CMD_MAIL, 0, 0, 0, false, false};
  smtp_error why = check_state(e, SMTP_CMD_MAIL);

  if (behind && e->state == SMTP_STATE_CONTENT) why = SMTP_OK;
  if (why != SMTP_OK || e->building) return why ? why : SMTP_ERR_STATE;
  why = begin(e, false);
  if (why != SMTP_OK) return why;
  *serial = e->serial;
  return add(e, item, "MAIL", mail);
}

smtp_error smtp_engine_recipient(smtp_engine *e, smtp_span rcpt) {
  smtp_item item = {SMTP_CMD_RCPT, 0, 0, 0, false, false};

  if (!e->building) return SMTP_ERR_STATE;
  item.recipient = ++current(e)->recipients;
  return add(e, item, "RCPT", rcpt);
}

smtp_error smtp_engine_commit(smtp_engine *e) {
  smtp_item data = {SMTP_CMD_DATA, 0, 0, 0, false, false};
  smtp_item content = {SMTP_CMD_CONTENT, 0, 0, 0, false, false};
  smtp_error why = add(e, data, "DATA", nothing);

  if (why != SMTP_OK) return why;
  content.transaction = e->serial;
  smtp_queue_add(&e->queue, content);
  if (e->queue.items.failed) return smtp_session_out_of_memory(e);
  current(e)->left++;
  e->building = false;
  return SMTP_OK;
}

void smtp_engine_abandon(smtp_engine *e) {
  if (!e->building) return;
  smtp_queue_withdraw(&e->queue, e->serial);
  smtp_buf_truncate(&e->transactions,
                    smtp_buf_len(&e->transactions) - sizeof(smtp_transaction));
  e->building = false;
}

smtp_error smtp_engine_data(smtp_engine *e, unsigned *serial) {
  smtp_error why = check_state(e, SMTP_CMD_DATA);

  if (why != SMTP_OK || e->building) return why ? why : SMTP_ERR_STATE;
  why = begin(e, true);
  if (why != SMTP_OK) return why;
  *serial = e->serial;
  return smtp_engine_commit(e);
}

smtp_error smtp_engine_start_tls(smtp_engine *e, smtp_tls *tls) {
  if (e->failure != SMTP_OK || e->tls) {
    smtp_tls_free(tls);
    return e->tls ? SMTP_ERR_STATE : SMTP_ERR_BROKEN;
  }
  e->tls = tls;
  e->tls_announced = false;
  smtp_engine_forget(e);
  if (smtp_reply_is_partial(&e->parser, &e->in)) {
    smtp_buf_clear(&e->in);
    return smtp_session_fail(e, SMTP_ERR_INJECTED, nothing);
  }
  return SMTP_OK;
}

const smtp_tls *smtp_engine_tls(const smtp_engine *e) {
  return e->tls;
}

void smtp_engine_stop_tls(smtp_engine *e) {
  if (e->tls) smtp_tls_shutdown(e->tls);
}

smtp_state smtp_engine_state(const smtp_engine *e) {
  return e->state;
}

const smtp_extensions *smtp_engine_extensions(const smtp_engine *e) {
  return &e->extensions;
}

void smtp_engine_forget(smtp_engine *e) {
  smtp_extension_clear(&e->extensions);
}

smtp_command smtp_engine_awaited(const smtp_engine *e) {
  const smtp_item *item = smtp_queue_awaited(&e->queue);

  return item ? item->command : SMTP_CMD_OTHER;
}

smtp_error smtp_engine_failure(const smtp_engine *e, smtp_span *text) {
  if (text) {
    text->s = smtp_buf_data(&e->failure_text);
    text->len = smtp_buf_len(&e->failure_text);
  }
  return e->failure;
}

bool smtp_engine_has_ended(const smtp_engine *e) {
  return e->ended;
}

unsigned smtp_engine_turns(const smtp_engine *e) {
  return e->turns;
}

unsigned long long smtp_engine_bytes_sent(const smtp_engine *e) {
  return e->sent;
}

bool smtp_engine_may_be_delivered(const smtp_engine *e, unsigned serial) {
  const smtp_item *item = smtp_queue_awaited(&e->queue);
  const smtp_transaction *t = smtp_session_transaction(e, serial);

  return item && item->command == SMTP_CMD_CONTENT &&
         item->transaction == serial && t && !t->empty && e->content_ended &&
         e->dot_at && e->sent >= e->dot_at;
}

smtp_trace *smtp_engine_trace(smtp_engine *e) {
  return &e->trace;
}
