/* The session: bytes of the network in and out, events for the caller. It opens
 * no socket, knows no clock and calls nobody: it is asked.
 *
 *   loop: smtp_engine_next()
 *     SEND     hand smtp_engine_output() to the network, report with _sent()
 *     RECEIVE  wait for the network, hand what came to smtp_engine_input()
 *     CONTENT  the message is wanted: smtp_engine_content(), _content_end()
 *     EVENT    something happened: a reply, the end of a transaction, …
 *     IDLE     nothing is under way
 *     FAILED   for good: smtp_engine_failure() tells why
 *
 * Commands are queued and leave as soon as the protocol allows: one by one, or
 * in one flight where the server offers PIPELINING (RFC 2920). Any number of
 * transactions may be queued; replies come back in order. Outstanding replies
 * are bounded, so that a peer that writes before it reads cannot block one
 * that does the same. TLS is a filter underneath, in place from _start_tls. */
#ifndef SMTP_ENGINE_ENGINE_H
#define SMTP_ENGINE_ENGINE_H

#include "base/buf.h"
#include "base/error.h"
#include "crypto/tls.h"
#include "engine/auth.h"
#include "engine/extension.h"
#include "engine/reply.h"
#include "engine/state.h"
#include "engine/trace.h"
#include "engine/transaction.h"

typedef struct smtp_engine smtp_engine;

typedef struct smtp_engine_options {
  bool lmtp;         /* RFC 2033: one reply per recipient */
  size_t reply_line; /* limits, 0: default (reply.h) */
  size_t reply_lines;
} smtp_engine_options;

typedef enum smtp_next {
  SMTP_NEXT_SEND,
  SMTP_NEXT_RECEIVE,
  SMTP_NEXT_CONTENT,
  SMTP_NEXT_EVENT,
  SMTP_NEXT_IDLE,
  SMTP_NEXT_FAILED
} smtp_next;

typedef enum smtp_event_type {
  SMTP_EVENT_REPLY,     /* to `command` */
  SMTP_EVENT_CHALLENGE, /* AUTH wants a response: reply.text, decoded */
  SMTP_EVENT_DONE,      /* `transaction` is over: `outcome` */
  SMTP_EVENT_TLS        /* the handshake is done */
} smtp_event_type;

typedef struct smtp_event {
  smtp_event_type type;
  smtp_command command;
  unsigned transaction;
  unsigned recipient; /* RCPT, and LMTP's replies to the message: from 1 */
  bool moot;          /* the transaction had been decided before */
  smtp_reply reply;   /* borrowed until the next call */
  smtp_outcome outcome;
} smtp_event;

/* Expects the greeting first. NULL when there is no memory. */
smtp_engine *smtp_engine_new(const smtp_engine_options *options);
void smtp_engine_free(smtp_engine *e);

smtp_next smtp_engine_next(smtp_engine *e, smtp_event *event);

/* The wire. */

/* Bytes to send, borrowed; report how many went out with _sent. */
const char *smtp_engine_output(const smtp_engine *e, size_t *len);
void smtp_engine_sent(smtp_engine *e, size_t n);
/* Bytes that came, all taken; and the end of them. */
void smtp_engine_input(smtp_engine *e, const char *bytes, size_t len);
void smtp_engine_input_end(smtp_engine *e);

/* Commands. */

/* Queue one command that gets one reply. `secret` masks it in the trace. On an
 * error nothing is queued: STATE (in the midst of a message or an AUTH
 * exchange, or closed), and those of smtp_command_write. */
smtp_error smtp_engine_command(smtp_engine *e, smtp_command c, smtp_span verb,
                               smtp_span args);
/* Write one command at once, whatever is awaited, and await its reply behind
 * the others. Only for callers who pipeline by hand. Errors as above. */
smtp_error smtp_engine_put(smtp_engine *e, smtp_span verb, smtp_span args);
/* Await one more reply without sending anything for it, unless one is awaited
 * already. */
smtp_error smtp_engine_expect(smtp_engine *e);
/* Bytes as they are. Only for callers who know what they do. */
smtp_error smtp_engine_raw(smtp_engine *e, const char *bytes, size_t len);

/* Queue a whole transaction (RFC 5321 §3.3): MAIL, RCPTs, DATA, the message;
 * `behind` allows it in the midst of another one's message, to follow it.
 * Begin with the arguments of MAIL ("FROM:<…> …"), add those of every RCPT
 * ("TO:<…> …"), end with _commit, which queues DATA; or drop it all with
 * _abandon. An error abandons it as well. `*serial` names it in events. */
smtp_error smtp_engine_begin(smtp_engine *e, smtp_span mail, bool behind,
                             unsigned *serial);
smtp_error smtp_engine_recipient(smtp_engine *e, smtp_span rcpt);
smtp_error smtp_engine_commit(smtp_engine *e);
void smtp_engine_abandon(smtp_engine *e);
/* DATA and a message within a transaction that the caller built himself. */
smtp_error smtp_engine_data(smtp_engine *e, unsigned *serial);

/* Give the message, when asked for CONTENT. Returns how many bytes were taken:
 * no more than fit under the high-water mark. */
size_t smtp_engine_content(smtp_engine *e, const char *bytes, size_t len);
smtp_error smtp_engine_content_end(smtp_engine *e);

/* AUTH (RFC 4954). */

/* Log in by a conversation, which is the engine's from now on, even if it
 * fails. `initial` lets the first response go along with the command. STATE
 * while another exchange is under way. */
smtp_error smtp_engine_auth(smtp_engine *e, smtp_auth *a, bool initial);
/* The same with responses by the caller: `initial.s` NULL for none; then answer
 * each CHALLENGE event with _respond or _cancel. */
smtp_error smtp_engine_auth_by_hand(smtp_engine *e, smtp_span mechanism,
                                    smtp_span initial);
smtp_error smtp_engine_respond(smtp_engine *e, smtp_span response);
smtp_error smtp_engine_cancel(smtp_engine *e);
/* Why the last exchange was cancelled by the engine itself; SMTP_OK if not. */
smtp_error smtp_engine_auth_failure(const smtp_engine *e);

/* TLS. */

/* Put a filter between session and wire. Fails with INJECTED when plain bytes
 * are waiting: they came before TLS and are not the server's (RFC 3207 §6).
 * The handshake then runs; EVENT_TLS tells its end. STATE when there is TLS
 * already. Takes `tls` over, even if it fails. */
smtp_error smtp_engine_start_tls(smtp_engine *e, smtp_tls *tls);
const smtp_tls *smtp_engine_tls(const smtp_engine *e);
/* Say goodbye on the TLS layer (close_notify). */
void smtp_engine_stop_tls(smtp_engine *e);

/* What is known. */

smtp_state smtp_engine_state(const smtp_engine *e);
const smtp_extensions *smtp_engine_extensions(const smtp_engine *e);
/* Forget the server's extensions: after STARTTLS, HELO and QUIT. */
void smtp_engine_forget(smtp_engine *e);
/* The command whose reply is awaited, SMTP_CMD_OTHER when none. */
smtp_command smtp_engine_awaited(const smtp_engine *e);
/* SMTP_OK, or why nothing works any more; `text` (may be NULL) gets what the
 * server said, or a reason. */
smtp_error smtp_engine_failure(const smtp_engine *e, smtp_span *text);
/* No more bytes will come. */
bool smtp_engine_has_ended(const smtp_engine *e);
/* Round trips so far: how often something was sent, then waited for; and bytes
 * on the wire. */
unsigned smtp_engine_turns(const smtp_engine *e);
unsigned long long smtp_engine_bytes_sent(const smtp_engine *e);
/* The server may have taken the transaction's message although no reply told
 * so: all of it, and the final dot, went out. */
bool smtp_engine_may_be_delivered(const smtp_engine *e, unsigned serial);
smtp_trace *smtp_engine_trace(smtp_engine *e);

#endif
