/* The engine for Lua: the pump's side of engine/engine.h. A method checks its
 * arguments, calls, and pushes what came of it. */
#include "binding/lengine.h"

#include "binding/lauth.h"
#include "binding/ltls.h"

#include <string.h>

#define CLASS "smtplib.core.engine"

smtp_engine_object *smtp_to_engine_object(lua_State *L, int index) {
  smtp_engine_object *o = luaL_checkudata(L, index, CLASS);

  if (!o->engine) luaL_error(L, "the engine has been released");
  return o;
}

smtp_engine *smtp_to_engine(lua_State *L, int index) {
  return smtp_to_engine_object(L, index)->engine;
}

static smtp_span check_span(lua_State *L, int index) {
  smtp_span s;

  s.s = luaL_checklstring(L, index, &s.len);
  return s;
}

static smtp_span opt_span(lua_State *L, int index) {
  smtp_span s = {NULL, 0};

  return lua_isnoneornil(L, index) ? s : check_span(L, index);
}

/* core.engine(lmtp, reply_line, reply_lines) */
static int engine_new(lua_State *L) {
  smtp_engine_options options;
  smtp_engine_object *o;

  memset(&options, 0, sizeof options);
  options.lmtp = lua_toboolean(L, 1) != 0;
  options.reply_line = (size_t)luaL_optinteger(L, 2, 0);
  options.reply_lines = (size_t)luaL_optinteger(L, 3, 0);
  o = smtp_push_object(L, sizeof *o, CLASS);
  lua_newtable(L);
  smtp_setuservalue(L, -2);
  o->engine = smtp_engine_new(&options);
  return o->engine ? 1 : smtp_push_failure(L, SMTP_ERR_NOMEM, NULL);
}

static int engine_gc(lua_State *L) {
  smtp_engine_object *o = luaL_checkudata(L, 1, CLASS);

  smtp_engine_free(o->engine);
  o->engine = NULL;
  return 0;
}

/* next([terse]) */
static int engine_next(lua_State *L) {
  smtp_engine_object *o = smtp_to_engine_object(L, 1);
  smtp_event event;
  smtp_next next = smtp_engine_object_next(o, lua_toboolean(L, 2) != 0, &event);

  return smtp_push_next(L, o->engine, next, &event);
}

/* All bytes to send, counted as sent; nil when there are none. */
static int engine_output(lua_State *L) {
  smtp_engine *e = smtp_to_engine(L, 1);
  size_t len;
  const char *s = smtp_engine_output(e, &len);

  if (!len) return 0;
  lua_pushlstring(L, s, len);
  smtp_engine_sent(e, len);
  return 1;
}

static int engine_input(lua_State *L) {
  smtp_span s = check_span(L, 2);

  smtp_engine_input(smtp_to_engine(L, 1), s.s, s.len);
  return 0;
}

static int engine_input_end(lua_State *L) {
  smtp_engine_input_end(smtp_to_engine(L, 1));
  return 0;
}

/* command(verb, args [, raw]): raw commands are nothing to the engine but a
 * line and its reply, so that a caller may do by hand what it would manage. */
static int engine_command(lua_State *L) {
  smtp_engine *e = smtp_to_engine(L, 1);
  smtp_span verb = check_span(L, 2), args = opt_span(L, 3);
  smtp_command c = smtp_state_command(verb.s, verb.len);

  if (lua_toboolean(L, 4) || c == SMTP_CMD_DATA || c == SMTP_CMD_AUTH)
    c = SMTP_CMD_OTHER;
  return smtp_push_result(L, smtp_engine_command(e, c, verb, args));
}

/* put(verb, args): written at once, its reply awaited behind the others */
static int engine_put(lua_State *L) {
  smtp_span verb = check_span(L, 2), args = opt_span(L, 3);

  return smtp_push_result(L, smtp_engine_put(smtp_to_engine(L, 1), verb, args));
}

static int engine_has_ended(lua_State *L) {
  lua_pushboolean(L, smtp_engine_has_ended(smtp_to_engine(L, 1)));
  return 1;
}

static int engine_expect(lua_State *L) {
  return smtp_push_result(L, smtp_engine_expect(smtp_to_engine(L, 1)));
}

static int engine_raw(lua_State *L) {
  smtp_span s = check_span(L, 2);

  return smtp_push_result(L, smtp_engine_raw(smtp_to_engine(L, 1), s.s, s.len));
}

static int push_serial(lua_State *L, smtp_error e, unsigned serial) {
  if (e != SMTP_OK) return smtp_push_failure(L, e, NULL);
  lua_pushinteger(L, (lua_Integer)serial);
  return 1;
}

/* begin(arguments of MAIL [, behind]) */
static int engine_begin(lua_State *L) {
  unsigned serial = 0;
  smtp_error e = smtp_engine_begin(smtp_to_engine(L, 1), check_span(L, 2),
                                   lua_toboolean(L, 3) != 0, &serial);

  return push_serial(L, e, serial);
}

static int engine_recipient(lua_State *L) {
  return smtp_push_result(
      L, smtp_engine_recipient(smtp_to_engine(L, 1), check_span(L, 2)));
}

static int engine_commit(lua_State *L) {
  return smtp_push_result(L, smtp_engine_commit(smtp_to_engine(L, 1)));
}

static int engine_abandon(lua_State *L) {
  smtp_engine_abandon(smtp_to_engine(L, 1));
  return 0;
}

static int engine_data(lua_State *L) {
  unsigned serial = 0;
  smtp_error e = smtp_engine_data(smtp_to_engine(L, 1), &serial);

  return push_serial(L, e, serial);
}

/* content(bytes, last): bytes of the message; kept alive until they are out. */
static int engine_content(lua_State *L) {
  smtp_engine_object *o = smtp_to_engine_object(L, 1);
  smtp_span s = check_span(L, 2);

  smtp_getuservalue(L, 1);
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, "content");
  o->content.bytes = s.s;
  o->content.len = s.len;
  o->content.taken = 0;
  o->content.last = lua_toboolean(L, 3) != 0;
  return 0;
}

/* auth{mechanism=, user=, …, initial=} */
static int engine_auth(lua_State *L) {
  smtp_engine *e = smtp_to_engine(L, 1);
  smtp_error why;
  smtp_auth *a;
  bool initial;

  luaL_checktype(L, 2, LUA_TTABLE);
  lua_getfield(L, 2, "initial");
  initial = lua_toboolean(L, -1) != 0;
  lua_pop(L, 1);
  a = smtp_new_auth(L, 2, smtp_engine_tls(e), &why);
  if (!a) return smtp_push_failure(L, why, NULL);
  return smtp_push_result(L, smtp_engine_auth(e, a, initial));
}

static int engine_auth_by_hand(lua_State *L) {
  return smtp_push_result(L, smtp_engine_auth_by_hand(smtp_to_engine(L, 1),
                                                      check_span(L, 2),
                                                      opt_span(L, 3)));
}

static int engine_respond(lua_State *L) {
  return smtp_push_result(
      L, smtp_engine_respond(smtp_to_engine(L, 1), check_span(L, 2)));
}

static int engine_cancel(lua_State *L) {
  return smtp_push_result(L, smtp_engine_cancel(smtp_to_engine(L, 1)));
}

/* nil, or name and sentence of why the engine cancelled the exchange */
static int engine_auth_failure(lua_State *L) {
  smtp_error e = smtp_engine_auth_failure(smtp_to_engine(L, 1));

  if (e == SMTP_OK) return 0;
  lua_pushstring(L, smtp_error_name(e));
  lua_pushstring(L, smtp_error_text(e));
  return 2;
}

/* start_tls(context, host, peer) */
static int engine_start_tls(lua_State *L) {
  smtp_engine *e = smtp_to_engine(L, 1);
  smtp_tls_context *context = smtp_to_tls_context(L, 2);
  smtp_tls *tls =
      smtp_tls_new(context, luaL_checkstring(L, 3), luaL_optstring(L, 4, NULL));

  if (!tls) return smtp_push_failure(L, SMTP_ERR_NOMEM, NULL);
  return smtp_push_result(L, smtp_engine_start_tls(e, tls));
}

static int engine_stop_tls(lua_State *L) {
  smtp_engine_stop_tls(smtp_to_engine(L, 1));
  return 0;
}

/* nil without TLS, else version, cipher, resumed */
static int engine_tls(lua_State *L) {
  const smtp_tls *t = smtp_engine_tls(smtp_to_engine(L, 1));

  if (!t) return 0;
  lua_pushstring(L, smtp_tls_version(t));
  lua_pushstring(L, smtp_tls_cipher(t));
  lua_pushboolean(L, smtp_tls_resumed(t));
  return 3;
}

/* reason and verify code of a failed handshake */
static int engine_tls_failure(lua_State *L) {
  const smtp_tls *t = smtp_engine_tls(smtp_to_engine(L, 1));

  if (!t) return 0;
  lua_pushstring(L, smtp_tls_reason(t));
  lua_pushinteger(L, (lua_Integer)smtp_tls_verify_code(t));
  return 2;
}

/* true when SCRAM could bind to this TLS connection */
static int engine_can_bind(lua_State *L) {
  const smtp_tls *t = smtp_engine_tls(smtp_to_engine(L, 1));
  smtp_binding_type type = SMTP_BINDING_ANY;
  unsigned char bytes[SMTP_BINDING_MAX];
  size_t len;

  lua_pushboolean(
      L, t && smtp_tls_binding(t, &type, bytes, sizeof bytes, &len) == SMTP_OK);
  return 1;
}

static int engine_features(lua_State *L) {
  const smtp_extensions *x = smtp_engine_extensions(smtp_to_engine(L, 1));
  const char *keyword, *parameters;
  size_t at = 0;

  lua_newtable(L);
  while (smtp_extension_next(x, &at, &keyword, &parameters)) {
    lua_getfield(L, -1, keyword);
    if (strcmp(keyword, "auth") == 0 && lua_isstring(L, -1))
      lua_pushfstring(L, "%s %s", lua_tostring(L, -1), parameters);
    else
      lua_pushstring(L, parameters);
    lua_setfield(L, -3, keyword);
    lua_pop(L, 1);
  }
  return 1;
}

static int engine_forget(lua_State *L) {
  smtp_engine_forget(smtp_to_engine(L, 1));
  return 0;
}

static int engine_awaited(lua_State *L) {
  lua_pushstring(
      L, smtp_state_command_name(smtp_engine_awaited(smtp_to_engine(L, 1))));
  return 1;
}

/* traffic() → round trips so far, bytes sent; zeros for a released engine,
 * since the collector ends it before what counts it, or behind */
static int engine_traffic(lua_State *L) {
  const smtp_engine_object *o = luaL_checkudata(L, 1, CLASS);
  const smtp_engine *e = o->engine;

  lua_pushinteger(L, e ? (lua_Integer)smtp_engine_turns(e) : 0);
  lua_pushnumber(L, e ? (lua_Number)smtp_engine_bytes_sent(e) : 0);
  return 2;
}

static int engine_is_closed(lua_State *L) {
  lua_pushboolean(L,
                  smtp_engine_state(smtp_to_engine(L, 1)) == SMTP_STATE_CLOSED);
  return 1;
}

static int engine_may_be_delivered(lua_State *L) {
  lua_pushboolean(
      L, smtp_engine_may_be_delivered(smtp_to_engine(L, 1),
                                      (unsigned)luaL_checkinteger(L, 2)));
  return 1;
}

static int engine_trace(lua_State *L) {
  smtp_engine_trace(smtp_to_engine(L, 1))->on = lua_toboolean(L, 2) != 0;
  return 0;
}

/* direction (">" or "<") and bytes of the oldest record, or nothing */
static int engine_take_trace(lua_State *L) {
  smtp_direction direction;
  const char *s;
  char sign;
  size_t len;

  if (!smtp_trace_take(smtp_engine_trace(smtp_to_engine(L, 1)), &direction, &s,
                       &len))
    return 0;
  sign = (char)direction;
  lua_pushlstring(L, &sign, 1);
  lua_pushlstring(L, s, len);
  return 2;
}

static const luaL_Reg methods[] = {
    {"next", engine_next},
    {"output", engine_output},
    {"input", engine_input},
    {"input_end", engine_input_end},
    {"command", engine_command},
    {"put", engine_put},
    {"has_ended", engine_has_ended},
    {"expect", engine_expect},
    {"raw", engine_raw},
    {"begin", engine_begin},
    {"recipient", engine_recipient},
    {"commit", engine_commit},
    {"abandon", engine_abandon},
    {"data", engine_data},
    {"content", engine_content},
    {"auth", engine_auth},
    {"auth_by_hand", engine_auth_by_hand},
    {"respond", engine_respond},
    {"cancel", engine_cancel},
    {"auth_failure", engine_auth_failure},
    {"start_tls", engine_start_tls},
    {"stop_tls", engine_stop_tls},
    {"tls", engine_tls},
    {"tls_failure", engine_tls_failure},
    {"can_bind", engine_can_bind},
    {"features", engine_features},
    {"forget", engine_forget},
    {"awaited", engine_awaited},
    {"is_closed", engine_is_closed},
    {"traffic", engine_traffic},
    {"may_be_delivered", engine_may_be_delivered},
    {"trace", engine_trace},
    {"take_trace", engine_take_trace},
    {"release", engine_gc},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", engine_gc},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"engine", engine_new},
    {NULL, NULL},
};

void smtp_lengine_open(lua_State *L) {
  smtp_new_class(L, CLASS, methods, metamethods);
  smtp_setfuncs(L, functions);
}
