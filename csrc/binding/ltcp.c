/* smtplib.core.tcp(): streams for Lua, the blocking transport. */
#include "binding/ltcp.h"

#include <string.h>

#include "os/hostname.h"

enum { ROOM = 16384 }; /* bytes for one receive: a TLS record fits */

int smtp_push_os_failure(lua_State *L, const smtp_failure *f) {
  lua_pushnil(L);
  lua_pushstring(L, smtp_failure_name(f));
  lua_pushstring(L, f->text);
  return 3;
}

int smtp_push_os_result(lua_State *L, smtp_error e, const smtp_failure *f) {
  if (e != SMTP_OK) return smtp_push_os_failure(L, f);
  lua_pushboolean(L, 1);
  return 1;
}

void *smtp_test_object(lua_State *L, int index, const char *name) {
  void *object = lua_touserdata(L, index);
  int same;

  if (!object || !lua_getmetatable(L, index)) return NULL;
  luaL_getmetatable(L, name);
  same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same ? object : NULL;
}

smtp_tcp *smtp_to_tcp(lua_State *L, int index) {
  return luaL_checkudata(L, index, SMTP_TCP_CLASS);
}

smtp_tcp *smtp_push_tcp(lua_State *L) {
  smtp_tcp *t = smtp_push_object(L, sizeof *t, SMTP_TCP_CLASS);

  smtp_tcp_init(t);
  return t;
}

smtp_descriptor *smtp_test_descriptor(lua_State *L, int index) {
  smtp_tcp *t = smtp_test_object(L, index, SMTP_TCP_CLASS);
  smtp_listener *l = smtp_test_object(L, index, SMTP_LISTENER_CLASS);

  if (t) return &t->socket;
  return l ? &l->socket : NULL;
}

double smtp_check_seconds(lua_State *L, int index, bool or_zero) {
  double seconds = luaL_checknumber(L, index);

  luaL_argcheck(L, seconds > 0 || (or_zero && seconds == 0), index,
                "seconds expected: a positive number or math.huge");
  return seconds;
}

static int new_tcp(lua_State *L) {
  smtp_push_tcp(L);
  return 1;
}

/* Options of connect. */

/* The field of the table at `index` as seconds; what is there now when nil. */
static double seconds_field(lua_State *L, int index, const char *name,
                            double now) {
  double seconds = now;

  lua_getfield(L, index, name);
  if (!lua_isnil(L, -1)) seconds = smtp_check_seconds(L, lua_gettop(L), false);
  lua_pop(L, 1);
  return seconds;
}

/* timeout = seconds | {connect =, send =, read =} */
static void take_timeouts(lua_State *L, smtp_tcp *t, int options) {
  int at;

  lua_getfield(L, options, "timeout");
  at = lua_gettop(L);
  if (lua_istable(L, at)) {
    t->connect_timeout = seconds_field(L, at, "connect", t->connect_timeout);
    t->send_timeout = seconds_field(L, at, "send", t->send_timeout);
    t->read_timeout = seconds_field(L, at, "read", t->read_timeout);
  } else if (!lua_isnil(L, at)) {
    t->connect_timeout = smtp_check_seconds(L, at, false);
    t->send_timeout = t->read_timeout = t->connect_timeout;
  }
  lua_pop(L, 1);
}

static unsigned to_port(lua_State *L, int index) {
  double port = luaL_checknumber(L, index);

  luaL_argcheck(L, port >= 0 && port <= 65535 && port == (unsigned)port, index,
                "port expected: 0 to 65535");
  return (unsigned)port;
}

/* source_address = {host, port}. The strings stay in their table. */
static void take_source(lua_State *L, smtp_route *route, int options) {
  int at;

  lua_getfield(L, options, "source_address");
  at = lua_gettop(L);
  if (!lua_isnil(L, at)) {
    luaL_checktype(L, at, LUA_TTABLE);
    lua_rawgeti(L, at, 1);
    lua_rawgeti(L, at, 2);
    if (!lua_isnil(L, at + 1)) luaL_checktype(L, at + 1, LUA_TSTRING);
    route->source_host = lua_tostring(L, at + 1);
    route->source_port = lua_isnil(L, at + 2) ? 0 : to_port(L, at + 2);
  }
  lua_settop(L, at - 1);
}

/* family = 4 | 6 */
static void take_family(lua_State *L, smtp_route *route, int options) {
  double family;

  lua_getfield(L, options, "family");
  family = lua_tonumber(L, -1);
  if (family > 0) route->family = family > 5 ? AF_INET6 : AF_INET;
  lua_pop(L, 1);
}

/* connect(host, port [, options]) → true */
static int tcp_connect(lua_State *L) {
  smtp_tcp *t = smtp_to_tcp(L, 1);
  smtp_route route = {NULL, 0, AF_UNSPEC, NULL, 0};
  size_t len;

  route.host = luaL_checklstring(L, 2, &len);
  luaL_argcheck(L, len && len == strlen(route.host), 2, "not a host");
  route.port = smtp_endpoint_unix_path(route.host) ? 0 : to_port(L, 3);
  if (!lua_isnoneornil(L, 4)) {
    luaL_checktype(L, 4, LUA_TTABLE);
    take_timeouts(L, t, 4);
    take_source(L, &route, 4);
    take_family(L, &route, 4);
  }
  return smtp_push_os_result(L, smtp_tcp_connect(t, &route), &t->failure);
}

/* Bytes. */

/* send(bytes) → true: all of them */
static int tcp_send(lua_State *L) {
  smtp_tcp *t = smtp_to_tcp(L, 1);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);

  return smtp_push_os_result(L, smtp_tcp_send(t, bytes, len), &t->failure);
}

static int push_received(lua_State *L, const smtp_tcp *t, smtp_error e,
                         const char *bytes, size_t len) {
  if (e != SMTP_OK) return smtp_push_os_failure(L, &t->failure);
  lua_pushlstring(L, bytes, len);
  return 1;
}

/* receive() → 1..n bytes */
static int tcp_receive(lua_State *L) {
  smtp_tcp *t = smtp_to_tcp(L, 1);
  char room[ROOM];
  size_t got;
  smtp_error e = smtp_tcp_receive(t, room, sizeof room, &got);

  return push_received(L, t, e, room, got);
}

/* try_receive() → bytes | nil, "timeout" when there are none (stays open) */
static int tcp_try_receive(lua_State *L) {
  smtp_tcp *t = smtp_to_tcp(L, 1);
  char room[ROOM];
  size_t got;
  smtp_error e = smtp_tcp_try_receive(t, room, sizeof room, &got);

  return push_received(L, t, e, room, got);
}

/* try_send(bytes [, from = 1]) → how many were taken, 0 when there is no room
 */
static int tcp_try_send(lua_State *L) {
  smtp_tcp *t = smtp_to_tcp(L, 1);
  size_t len, sent, skip;
  const char *bytes = luaL_checklstring(L, 2, &len);
  double from = luaL_optnumber(L, 3, 1);
  smtp_error e;

  luaL_argcheck(L, from >= 1, 3, "position expected");
  skip = from > (double)len ? len : (size_t)from - 1;
  e = smtp_tcp_try_send(t, bytes + skip, len - skip, &sent);
  if (e != SMTP_OK && e != SMTP_ERR_TIMEOUT)
    return smtp_push_os_failure(L, &t->failure);
  lua_pushinteger(L, (lua_Integer)sent);
  return 1;
}

/* Time-outs and state. */

/* settimeout(seconds): for connecting, sending and reading */
static int tcp_settimeout(lua_State *L) {
  smtp_tcp *t = smtp_to_tcp(L, 1);

  t->connect_timeout = smtp_check_seconds(L, 2, false);
  t->send_timeout = t->read_timeout = t->connect_timeout;
  return 0;
}

/* settimeouts(connect, send, read); nil leaves one as it is */
static int tcp_settimeouts(lua_State *L) {
  smtp_tcp *t = smtp_to_tcp(L, 1);
  double connecting = t->connect_timeout;
  double sending = t->send_timeout, reading = t->read_timeout;

  if (!lua_isnoneornil(L, 2)) connecting = smtp_check_seconds(L, 2, false);
  if (!lua_isnoneornil(L, 3)) sending = smtp_check_seconds(L, 3, false);
  if (!lua_isnoneornil(L, 4)) reading = smtp_check_seconds(L, 4, false);
  t->connect_timeout = connecting;
  t->send_timeout = sending;
  t->read_timeout = reading;
  return 0;
}

static int tcp_close(lua_State *L) {
  smtp_tcp_close(smtp_to_tcp(L, 1));
  lua_pushboolean(L, 1);
  return 1;
}

static int tcp_is_open(lua_State *L) {
  lua_pushboolean(L, smtp_tcp_is_open(smtp_to_tcp(L, 1)));
  return 1;
}

static int tcp_is_loopback(lua_State *L) {
  lua_pushboolean(L, smtp_endpoint_is_loopback(&smtp_to_tcp(L, 1)->far));
  return 1;
}

/* local_literal() → "[127.0.0.1]", nil before the first connection */
static int tcp_local_literal(lua_State *L) {
  const smtp_tcp *t = smtp_to_tcp(L, 1);
  char text[SMTP_ENDPOINT_TEXT];

  if (!t->near.len) return 0;
  smtp_endpoint_literal(&t->near, text);
  lua_pushstring(L, text);
  return 1;
}

static int push_end(lua_State *L, const smtp_endpoint *end) {
  char text[SMTP_ENDPOINT_TEXT];

  if (!end->len) return 0;
  smtp_endpoint_host(end, text);
  lua_pushstring(L, text);
  lua_pushinteger(L, (lua_Integer)smtp_endpoint_port(end));
  return 2;
}

/* peer() → host, port; near() → host, port: nothing before a connection */
static int tcp_peer(lua_State *L) {
  return push_end(L, &smtp_to_tcp(L, 1)->far);
}

static int tcp_near(lua_State *L) {
  return push_end(L, &smtp_to_tcp(L, 1)->near);
}

/* fileno() → descriptor, nil when closed */
static int tcp_fileno(lua_State *L) {
  const smtp_tcp *t = smtp_to_tcp(L, 1);

  if (!smtp_tcp_is_open(t)) return 0;
  lua_pushinteger(L, smtp_descriptor_number(&t->socket));
  return 1;
}

static int tcp_tostring(lua_State *L) {
  const smtp_tcp *t = smtp_to_tcp(L, 1);
  char name[SMTP_ENDPOINT_TEXT];

  smtp_endpoint_name(&t->far, name);
  if (smtp_tcp_is_open(t))
    lua_pushfstring(L, SMTP_TCP_CLASS " (%s)", name);
  else
    lua_pushliteral(L, SMTP_TCP_CLASS " (closed)");
  return 1;
}

/* gethostname() → the system's name for itself */
static int gethostname_of_system(lua_State *L) {
  char name[SMTP_HOSTNAME_ROOM];

  smtp_hostname(name);
  lua_pushstring(L, name);
  return 1;
}

static const luaL_Reg methods[] = {
    {"close", tcp_close},
    {"connect", tcp_connect},
    {"fileno", tcp_fileno},
    {"is_loopback", tcp_is_loopback},
    {"is_open", tcp_is_open},
    {"local_literal", tcp_local_literal},
    {"near", tcp_near},
    {"peer", tcp_peer},
    {"receive", tcp_receive},
    {"send", tcp_send},
    {"settimeout", tcp_settimeout},
    {"settimeouts", tcp_settimeouts},
    {"try_receive", tcp_try_receive},
    {"try_send", tcp_try_send},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", tcp_close},
    {"__close", tcp_close},
    {"__tostring", tcp_tostring},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"gethostname", gethostname_of_system},
    {"tcp", new_tcp},
    {NULL, NULL},
};

void smtp_ltcp_open(lua_State *L) {
  smtp_new_class(L, SMTP_TCP_CLASS, methods, metamethods);
  smtp_setfuncs(L, functions);
}
