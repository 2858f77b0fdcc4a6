/* What leaves next, and what comes back: the two cursors of the queue moved by
 * the rules of pipelining (RFC 2920) and by the replies. */
#include "engine/command.h"
#include "engine/session.h"

#include <string.h>

static const smtp_span out_of_step = {
    "the server wants a message that was not offered to it", 53};

static bool offers(const smtp_engine *e, smtp_extension x) {
  return (e->extensions.offered & (unsigned)x) != 0;
}

static bool window_is_open(smtp_engine *e) {
  if (e->queue.sent >= SMTP_REPLY_WINDOW) e->throttled = true;
  if (e->queue.sent <= SMTP_REPLY_WINDOW / 2) e->throttled = false;
  return !e->throttled;
}

/* A message may be followed by the next envelope once its final dot is written
 * (RFC 2920 §3.1); a command that ends its group by nothing. */
static bool may_send(smtp_engine *e) {
  const smtp_item *last = smtp_queue_last_sent(&e->queue);

  if (!last) return true;
  if (!offers(e, SMTP_EXT_PIPELINING) || !window_is_open(e)) return false;
  if (last->command == SMTP_CMD_CONTENT) return e->content_ended;
  return !last->dropped && !smtp_state_ends_group(last->command);
}

static void write_dot(smtp_engine *e) {
  smtp_buf_adds(&e->plain, ".\r\n");
  if (e->plain.failed) {
    smtp_session_out_of_memory(e);
    return;
  }
  smtp_trace_bytes(&e->trace, SMTP_DIRECTION_SENT, ".\r\n", 3);
  smtp_session_push(e);
  e->dot_at = e->sent + smtp_session_pending(e);
  e->content_open = false;
  e->content_ended = true;
}

/* 354 came: ask for the message, or send an empty one to nobody. To somebody it
 * must not go: who refuses the sender and takes recipients has another envelope
 * in mind. */
static void open_content(smtp_engine *e, smtp_transaction *t) {
  e->content_ended = false;
  e->queue.sent++;
  if (t && smtp_transaction_is_void(t)) {
    if (t->accepted) {
      smtp_session_fail(e, SMTP_ERR_REPLY_MALFORMED, out_of_step);
      return;
    }
    t->empty = true;
    write_dot(e);
    return;
  }
  e->content_open = true;
  smtp_body_begin(&e->body, true);
}

static void send_line(smtp_engine *e, const smtp_item *item) {
  size_t at = smtp_buf_len(&e->plain);
  bool secret = item->secret;

  smtp_queue_send(&e->queue, &e->plain);
  smtp_trace_command(&e->trace, smtp_buf_data(&e->plain) + at,
                     smtp_buf_len(&e->plain) - at, secret);
}

/* The unsent item is let out; false when it was left out instead. */
static bool let_out(smtp_engine *e, const smtp_item *item) {
  smtp_transaction *t = smtp_session_transaction(e, item->transaction);

  if (t && !t->resetting && smtp_transaction_is_void(t) &&
      e->state != SMTP_STATE_CONTENT) {
    smtp_queue_drop(&e->queue);
    t->left--;
    return false;
  }
  if (item->command == SMTP_CMD_CONTENT)
    open_content(e, t);
  else
    send_line(e, item);
  return true;
}

bool smtp_session_produce(smtp_engine *e) {
  bool dropped = false;
  smtp_item *item;

  /* What is left out may end a transaction, and RSET may have to go first. */
  while (!dropped && !e->content_open && !e->building &&
         (item = smtp_queue_unsent(&e->queue)) && may_send(e) &&
         smtp_session_pending(e) < SMTP_HIGH_WATER)
    dropped = !let_out(e, item);
  smtp_session_push(e);
  if (e->plain.failed) smtp_session_out_of_memory(e);
  return dropped;
}

static bool is_last_of_lmtp(const smtp_engine *e, const smtp_transaction *t) {
  return !e->lmtp || !t || t->empty ||
         t->confirmed >= smtp_buf_len(&e->accepted_list) / sizeof(unsigned);
}

static unsigned lmtp_recipient(const smtp_engine *e,
                               const smtp_transaction *t) {
  unsigned number = 0;
  size_t at = t->confirmed * sizeof number;

  if (at < smtp_buf_len(&e->accepted_list))
    memcpy(&number, smtp_buf_data(&e->accepted_list) + at, sizeof number);
  return number;
}

/* Recipients of the server's open transaction, for LMTP, which answers once for
 * each of them. */
static void note_recipient(smtp_engine *e, const smtp_event *event) {
  bool ok = event->reply.code / 100 == 2;

  if (!e->lmtp) return;
  if (event->command == SMTP_CMD_RCPT && ok) {
    smtp_buf_add(&e->accepted_list, &event->recipient, sizeof(unsigned));
    if (e->accepted_list.failed) smtp_session_out_of_memory(e);
  } else if (event->command == SMTP_CMD_MAIL ||
             (event->command == SMTP_CMD_RSET && ok)) {
    smtp_buf_clear(&e->accepted_list);
  }
}

static void message_confirmed(smtp_engine *e) {
  e->content_ended = false;
  e->dot_at = 0;
  smtp_buf_clear(&e->accepted_list);
}

/* The reply has been understood: move the confirming cursor. */
static void confirm(smtp_engine *e, smtp_transaction *t, smtp_event *event) {
  bool message = event->command == SMTP_CMD_CONTENT;

  if (t) {
    event->moot = t->empty || (smtp_transaction_is_void(t) && !message);
    if (message && e->lmtp) event->recipient = lmtp_recipient(e, t);
    smtp_transaction_reply(t, event->command, event->reply.code);
    if (t->resetting) event->moot = true;
  }
  note_recipient(e, event);
  e->state = smtp_state_after(e->state, event->command, event->reply.code);
  if (message && e->state == SMTP_STATE_READY && !is_last_of_lmtp(e, t)) {
    e->state = SMTP_STATE_CONTENT;
    return;
  }
  if (message) message_confirmed(e);
  smtp_queue_confirm(&e->queue);
  if (t) t->left--;
}

static void learn(smtp_engine *e, const smtp_event *event) {
  bool ok = event->reply.code / 100 == 2;

  if (event->command == SMTP_CMD_EHLO || event->command == SMTP_CMD_LHLO) {
    smtp_extension_clear(&e->extensions);
    if (ok && smtp_extension_read(&e->extensions, event->reply.text,
                                  event->reply.text_len) != SMTP_OK)
      smtp_session_out_of_memory(e);
  } else if (event->command == SMTP_CMD_HELO) {
    smtp_extension_clear(&e->extensions);
  }
}

/* A reply while the message is still going out, its final dot not handed to the
 * network: a refusal is believed, and ends the connection, since the message
 * cannot be taken back; anything else was not asked for. */
static bool is_premature(const smtp_engine *e, const smtp_item *item) {
  return item->command == SMTP_CMD_CONTENT &&
         (!e->content_ended || e->sent < e->dot_at);
}

/* RSET is never refused (RFC 5321 §4.1.1.5): where our own is, the next
 * envelope would mix with what the server kept; where it is answered with 354,
 * be read as a message. A 3yz to the message leaves open whether that was
 * taken. */
static bool is_senseless(const smtp_item *item, int code) {
  if (item->command == SMTP_CMD_CONTENT) return code / 100 == 3;
  return item->command == SMTP_CMD_RSET && item->transaction &&
         code / 100 != 2 && code != 421;
}

static bool is_plain(smtp_command c) {
  return c == SMTP_CMD_GREETING || c == SMTP_CMD_EHLO || c == SMTP_CMD_HELO ||
         c == SMTP_CMD_LHLO;
}

static bool fail_reply(smtp_engine *e, smtp_error why, const smtp_reply *r) {
  smtp_span text = {r->text, r->text_len};

  smtp_session_fail(e, why, text);
  return false;
}

static bool take_premature(smtp_engine *e, smtp_transaction *t,
                           smtp_event *event) {
  if (event->reply.code < 400)
    return fail_reply(e, SMTP_ERR_UNSOLICITED, &event->reply);
  e->content_open = false;
  confirm(e, t, event);
  e->state = SMTP_STATE_CLOSED;
  return true;
}

static void show(smtp_engine *e, const smtp_reply *r) {
  smtp_trace_reply(&e->trace, r->code, r->enhanced, r->text, r->text_len);
  e->masked = r->code == 334;
}

bool smtp_session_take_event(smtp_engine *e, smtp_event *event) {
  smtp_item *item = smtp_queue_awaited(&e->queue);
  smtp_transaction *t;
  smtp_error why;
  bool found;

  if (!item || (!smtp_buf_len(&e->in) && !e->ended)) return false;
  why = smtp_reply_take(&e->parser, &e->in, is_plain(item->command),
                        &event->reply, &found);
  if (why != SMTP_OK) return fail_reply(e, why, &event->reply);
  if (!found) return false;
  show(e, &event->reply);
  event->type = SMTP_EVENT_REPLY;
  event->command = item->command;
  event->transaction = item->transaction;
  event->recipient = item->recipient;
  event->moot = false;
  t = smtp_session_transaction(e, item->transaction);
  if (is_premature(e, item)) return take_premature(e, t, event);
  if (is_senseless(item, event->reply.code))
    return fail_reply(e, SMTP_ERR_REPLY_MALFORMED, &event->reply);
  if (item->command == SMTP_CMD_AUTH && !smtp_session_auth_reply(e, event))
    return false;
  if (event->type == SMTP_EVENT_CHALLENGE) return true;
  confirm(e, t, event);
  learn(e, event);
  return e->failure == SMTP_OK;
}

/* RSET goes before whatever waits to be sent. Where the next envelope is on its
 * way already, it went behind a final dot, which ended this transaction. */
static bool reset_first(smtp_engine *e, smtp_transaction *t) {
  smtp_item rset = {SMTP_CMD_RSET, t->serial, 0, 0, false, false};

  if (e->state == SMTP_STATE_CLOSED || e->queue.sent ||
      !smtp_transaction_needs_reset(t))
    return false;
  t->resetting = true;
  t->left++;
  if (!smtp_queue_urgent(&e->queue, rset, "RSET\r\n"))
    smtp_session_out_of_memory(e);
  return true;
}

bool smtp_session_take_done(smtp_engine *e, smtp_event *event) {
  smtp_transaction *t;

  if (!smtp_buf_len(&e->transactions) || e->building) return false;
  t = (smtp_transaction *)(void *)(e->transactions.base +
                                   e->transactions.start);
  if (e->state != SMTP_STATE_CLOSED) {
    if (t->left || (!t->resetting && reset_first(e, t))) return false;
  } else if (t->outcome == SMTP_OUTCOME_OPEN) {
    return false;
  }
  memset(event, 0, sizeof *event);
  event->type = SMTP_EVENT_DONE;
  event->transaction = t->serial;
  event->outcome = t->outcome;
  smtp_buf_consume(&e->transactions, sizeof *t);
  return true;
}

smtp_error smtp_engine_content_end(smtp_engine *e) {
  size_t before = smtp_buf_len(&e->plain);

  if (!e->content_open) return SMTP_ERR_STATE;
  smtp_body_end(&e->body, &e->plain);
  smtp_trace_bytes(&e->trace, SMTP_DIRECTION_SENT,
                   smtp_buf_data(&e->plain) + before,
                   smtp_buf_len(&e->plain) - before);
  if (e->plain.failed) return smtp_session_out_of_memory(e);
  write_dot(e);
  return e->failure;
}

size_t smtp_engine_content(smtp_engine *e, const char *bytes, size_t len) {
  size_t pending = smtp_session_pending(e), before = smtp_buf_len(&e->plain);

  if (!e->content_open || pending >= SMTP_HIGH_WATER) return 0;
  if (len > SMTP_HIGH_WATER - pending) len = SMTP_HIGH_WATER - pending;
  smtp_body_filter(&e->body, bytes, len, &e->plain);
  smtp_trace_bytes(&e->trace, SMTP_DIRECTION_SENT,
                   smtp_buf_data(&e->plain) + before,
                   smtp_buf_len(&e->plain) - before);
  smtp_session_push(e);
  if (e->plain.failed) smtp_session_out_of_memory(e);
  return len;
}
