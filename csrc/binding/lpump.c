/* Methods of smtplib.core.tcp that move bytes between an engine and the kernel
 * without making Lua strings of them. That the peer has gone is the engine's
 * to judge (which command was waiting, what had been answered), so it is told,
 * and the call itself succeeds. */
#include "binding/lengine.h"
#include "binding/ltcp.h"

enum {
  ROOM = 16384,      /* bytes for one receive: a TLS record fits */
  MOST_ASIDE = 65536 /* taken in while the kernel takes nothing from us */
};

static size_t room_left(size_t aside) {
  return MOST_ASIDE - aside < ROOM ? MOST_ASIDE - aside : ROOM;
}

static smtp_error flush(smtp_tcp *t, smtp_engine *engine) {
  char room[ROOM];
  size_t len, sent, got, aside = 0;
  const char *bytes;
  smtp_error e;

  for (;;) {
    bytes = smtp_engine_output(engine, &len);
    if (!len) return SMTP_OK;
    e = smtp_tcp_exchange(t, bytes, len, &sent, room, room_left(aside), &got);
    if (e != SMTP_OK) return e;
    if (sent) smtp_engine_sent(engine, sent);
    if (got) smtp_engine_input(engine, room, got);
    aside += got;
  }
}

static smtp_error fill(smtp_tcp *t, smtp_engine *engine) {
  char room[ROOM];
  size_t got;
  smtp_error e = smtp_tcp_receive(t, room, sizeof room, &got);

  if (e == SMTP_OK) smtp_engine_input(engine, room, got);
  return e;
}

/* That the peer has gone, the engine is told. */
static smtp_error tell(smtp_engine *engine, smtp_error e) {
  if (e != SMTP_ERR_CLOSED) return e;
  smtp_engine_input_end(engine);
  return SMTP_OK;
}

static int settle(lua_State *L, const smtp_tcp *t, smtp_engine *engine,
                  smtp_error e) {
  return smtp_push_os_result(L, tell(engine, e), &t->failure);
}

/* flush(engine) → true: all that the engine has to send; what arrives while
 * the peer takes nothing goes to the engine */
static int tcp_flush(lua_State *L) {
  smtp_tcp *t = smtp_to_tcp(L, 1);
  smtp_engine *engine = smtp_to_engine(L, 2);

  return settle(L, t, engine, flush(t, engine));
}

/* fill(engine) → true: wait for bytes, and hand them to the engine */
static int tcp_fill(lua_State *L) {
  smtp_tcp *t = smtp_to_tcp(L, 1);
  smtp_engine *engine = smtp_to_engine(L, 2);

  return settle(L, t, engine, fill(t, engine));
}

/* pump(engine [, terse]) → what engine:next() says once it wants neither to
 * send nor to receive; or "broken", name, sentence when the socket failed */
static int tcp_pump(lua_State *L) {
  smtp_tcp *t = smtp_to_tcp(L, 1);
  smtp_engine_object *o = smtp_to_engine_object(L, 2);
  bool terse = lua_toboolean(L, 3) != 0;
  smtp_event event;
  smtp_next next;
  smtp_error e;

  for (;;) {
    next = smtp_engine_object_next(o, terse, &event);
    if (next == SMTP_NEXT_SEND)
      e = flush(t, o->engine);
    else if (next == SMTP_NEXT_RECEIVE)
      e = fill(t, o->engine);
    else
      return smtp_push_next(L, o->engine, next, &event);
    if (tell(o->engine, e) == SMTP_OK) continue;
    lua_pushliteral(L, "broken");
    lua_pushstring(L, smtp_failure_name(&t->failure));
    lua_pushstring(L, t->failure.text);
    return 3;
  }
}

/* idle_check(engine) → true: hand over what came unasked while the connection
 * was idle, its end too; never waits */
static int tcp_idle_check(lua_State *L) {
  smtp_tcp *t = smtp_to_tcp(L, 1);
  smtp_engine *engine = smtp_to_engine(L, 2);
  char room[ROOM];
  size_t got;
  smtp_error e = smtp_tcp_try_receive(t, room, sizeof room, &got);

  if (e == SMTP_OK) smtp_engine_input(engine, room, got);
  if (e == SMTP_ERR_TIMEOUT) e = SMTP_OK;
  return settle(L, t, engine, e);
}

static const luaL_Reg methods[] = {
    {"idle_check", tcp_idle_check}, {"fill", tcp_fill}, {"pump", tcp_pump},
    {"flush", tcp_flush},           {NULL, NULL},
};

void smtp_lpump_open(lua_State *L) {
  luaL_getmetatable(L, SMTP_TCP_CLASS);
  lua_getfield(L, -1, "__index");
  smtp_setfuncs(L, methods);
  lua_pop(L, 2);
}
