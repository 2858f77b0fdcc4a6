/* What the engine says next, as Lua values:
 *
 *   "send" | "receive" | "content" | "idle"
 *   "failed", name, sentence
 *   "reply", command, code, text, enhanced or nil, recipient, moot
 *   "challenge", bytes
 *   "done", outcome, serial
 *   "tls"
 *
 * In terse mode, replies that a transaction was bound to get are not shown: its
 * end tells enough.
 */
#include "binding/lengine.h"

static const char *outcome_name(smtp_outcome o) {
  switch (o) {
  case SMTP_OUTCOME_OPEN:
    return "open";
  case SMTP_OUTCOME_ACCEPTED:
    return "accepted";
  case SMTP_OUTCOME_SENDER_REFUSED:
    return "sender_refused";
  case SMTP_OUTCOME_RECIPIENTS_REFUSED:
    return "recipients_refused";
  case SMTP_OUTCOME_DATA_REFUSED:
    return "data_refused";
  case SMTP_OUTCOME_MESSAGE_REFUSED:
    return "message_refused";
  }
  return "open";
}

static int push_reply(lua_State *L, const smtp_event *event) {
  lua_pushliteral(L, "reply");
  lua_pushstring(L, smtp_state_command_name(event->command));
  lua_pushinteger(L, event->reply.code);
  lua_pushlstring(L, event->reply.text, event->reply.text_len);
  if (event->reply.enhanced[0])
    lua_pushstring(L, event->reply.enhanced);
  else
    lua_pushnil(L);
  lua_pushinteger(L, (lua_Integer)event->recipient);
  lua_pushboolean(L, event->moot);
  return 7;
}

static int push_event(lua_State *L, const smtp_event *event) {
  switch (event->type) {
  case SMTP_EVENT_REPLY:
    return push_reply(L, event);
  case SMTP_EVENT_CHALLENGE:
    lua_pushliteral(L, "challenge");
    lua_pushlstring(L, event->reply.text, event->reply.text_len);
    return 2;
  case SMTP_EVENT_DONE:
    lua_pushliteral(L, "done");
    lua_pushstring(L, outcome_name(event->outcome));
    lua_pushinteger(L, (lua_Integer)event->transaction);
    return 3;
  case SMTP_EVENT_TLS:
    lua_pushliteral(L, "tls");
    return 1;
  }
  return 0;
}

static int push_failure(lua_State *L, const smtp_engine *e) {
  smtp_span text;
  smtp_error why = smtp_engine_failure(e, &text);

  lua_pushliteral(L, "failed");
  lua_pushstring(L, smtp_error_name(why));
  if (text.len)
    lua_pushlstring(L, text.s, text.len);
  else
    lua_pushstring(L, smtp_error_text(why));
  return 3;
}

/* Give the engine what there is of the message; false when more is needed. */
static bool feed(smtp_engine *e, smtp_content *c) {
  if (c->taken < c->len) {
    c->taken += smtp_engine_content(e, c->bytes + c->taken, c->len - c->taken);
    return true;
  }
  if (!c->last) return false;
  c->last = false;
  c->len = c->taken = 0;
  (void)smtp_engine_content_end(e);
  return true;
}

/* A reply that a transaction was bound to get, if all goes well. */
static bool is_expected(const smtp_event *event) {
  if (event->type != SMTP_EVENT_REPLY || !event->transaction) return false;
  if (event->command == SMTP_CMD_DATA) return event->reply.code / 100 == 3;
  return event->moot || ((event->command == SMTP_CMD_MAIL ||
                          event->command == SMTP_CMD_RCPT) &&
                         event->reply.code / 100 == 2);
}

smtp_next smtp_engine_object_next(smtp_engine_object *o, bool terse,
                                  smtp_event *event) {
  smtp_next next;

  do
    next = smtp_engine_next(o->engine, event);
  while ((next == SMTP_NEXT_CONTENT && feed(o->engine, &o->content)) ||
         (next == SMTP_NEXT_EVENT && terse && is_expected(event)));
  return next;
}

int smtp_push_next(lua_State *L, const smtp_engine *e, smtp_next next,
                   const smtp_event *event) {
  switch (next) {
  case SMTP_NEXT_SEND:
    lua_pushliteral(L, "send");
    return 1;
  case SMTP_NEXT_RECEIVE:
    lua_pushliteral(L, "receive");
    return 1;
  case SMTP_NEXT_CONTENT:
    lua_pushliteral(L, "content");
    return 1;
  case SMTP_NEXT_EVENT:
    return push_event(L, event);
  case SMTP_NEXT_IDLE:
    lua_pushliteral(L, "idle");
    return 1;
  case SMTP_NEXT_FAILED:
    return push_failure(L, e);
  }
  return 0;
}
