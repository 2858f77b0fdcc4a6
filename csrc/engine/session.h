/* The engine's own memory, shared by the files that make up the engine
 * (engine.c, wire.c, flow.c, exchange.c); nobody else includes it. */
#ifndef SMTP_ENGINE_SESSION_H
#define SMTP_ENGINE_SESSION_H

#include "engine/body.h"
#include "engine/engine.h"
#include "engine/queue.h"

/* Output is made until this much waits to be sent. */
#define SMTP_HIGH_WATER 65536
/* Replies that may be outstanding: at some 500 bytes each they fit into the
 * smallest socket buffers, on both sides. */
#define SMTP_REPLY_WINDOW 64
#define SMTP_MAX_CHALLENGES 10

typedef struct smtp_exchange {
  smtp_auth *auth; /* NULL: responses by hand */
  bool first;      /* the initial response has not been given yet */
  bool cancelled;
  unsigned challenges;
  smtp_error failure;
  smtp_buf challenge;
} smtp_exchange;

struct smtp_engine {
  bool lmtp;
  smtp_state state;
  smtp_error failure; /* sticky */
  smtp_buf failure_text;

  smtp_buf in;    /* plain bytes that came */
  smtp_buf plain; /* plain bytes to send */
  bool ended;     /* no more will come */
  smtp_tls *tls;
  bool tls_announced;
  unsigned long long sent; /* wire bytes handed over so far */
  unsigned turns;          /* waits that followed a write */
  bool wrote;              /* since the last of them */

  smtp_reply_parser parser;
  smtp_extensions extensions;
  smtp_queue queue;
  bool throttled; /* the reply window was full; wait until it is half empty */
  bool masked;    /* the last reply was 334: what is sent next is secret */

  smtp_buf transactions; /* smtp_transaction…, in order */
  unsigned serial;       /* of the last one begun */
  bool building;
  smtp_buf accepted_list; /* LMTP: their numbers, unsigned… */

  smtp_body body;
  bool content_open;         /* CONTENT is being asked for */
  bool content_ended;        /* the final dot has been written */
  unsigned long long dot_at; /* wire position behind the final dot */

  smtp_exchange exchange;
  bool authenticated; /* an exchange has succeeded on this session */
  smtp_trace trace;
};

/* engine.c */
smtp_error smtp_session_fail(smtp_engine *e, smtp_error why, smtp_span text);
/* A buffer has lost bytes, and with them the order of things: the session has
 * failed for good. Returns NOMEM, or the failure of old. */
smtp_error smtp_session_out_of_memory(smtp_engine *e);
smtp_transaction *smtp_session_transaction(const smtp_engine *e,
                                           unsigned serial);
/* wire.c: bytes that wait to be sent; plain ones pushed through TLS. */
size_t smtp_session_pending(const smtp_engine *e);
void smtp_session_push(smtp_engine *e);
/* TLS has failed for good: so has the session, then. */
bool smtp_session_tls_failed(smtp_engine *e);
/* flow.c: what leaves next (true: some of it was left out, so a transaction may
 * be over), what a reply means, which transaction is over. */
bool smtp_session_produce(smtp_engine *e);
bool smtp_session_take_event(smtp_engine *e, smtp_event *event);
bool smtp_session_take_done(smtp_engine *e, smtp_event *event);
/* exchange.c: a reply to AUTH. True when `event` is to be shown. */
bool smtp_session_auth_reply(smtp_engine *e, smtp_event *event);
void smtp_session_auth_end(smtp_engine *e);

#endif
