/* smtplib.core.listen() and smtplib.core.poll(): enough for a server in Lua. */
#include "binding/ltcp.h"

#include <math.h>

#include "os/watch.h"

enum { BACKLOG = 128 };

static smtp_listener *to_listener(lua_State *L) {
  return luaL_checkudata(L, 1, SMTP_LISTENER_CLASS);
}

/* listen(host, port [, backlog]) → listener */
static int listen_on(lua_State *L) {
  const char *host = luaL_checkstring(L, 1);
  lua_Integer port = luaL_optinteger(L, 2, 0);
  lua_Integer backlog = luaL_optinteger(L, 3, BACKLOG);
  smtp_listener *l;
  smtp_error e;

  luaL_argcheck(L, port >= 0 && port <= 65535, 2, "port expected: 0 to 65535");
  l = smtp_push_object(L, sizeof *l, SMTP_LISTENER_CLASS);
  smtp_listener_init(l);
  e = smtp_listener_open(l, host, (unsigned)port, (int)backlog);
  return e == SMTP_OK ? 1 : smtp_push_os_failure(L, &l->failure);
}

/* accept([seconds = 0]) → stream | nil, "timeout" when nobody is there */
static int listener_accept(lua_State *L) {
  smtp_listener *l = to_listener(L);
  double seconds = lua_isnoneornil(L, 2) ? 0 : smtp_check_seconds(L, 2, true);
  smtp_tcp *client = smtp_push_tcp(L);

  if (smtp_listener_accept(l, seconds, client) == SMTP_OK) return 1;
  return smtp_push_os_failure(L, &l->failure);
}

/* port() → the port, 0 for a Unix socket */
static int listener_port(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)smtp_endpoint_port(&to_listener(L)->near));
  return 1;
}

static int listener_fileno(lua_State *L) {
  int fd = smtp_descriptor_number(&to_listener(L)->socket);

  if (fd < 0) return 0;
  lua_pushinteger(L, fd);
  return 1;
}

static int listener_close(lua_State *L) {
  smtp_listener_close(to_listener(L));
  lua_pushboolean(L, 1);
  return 1;
}

static int listener_tostring(lua_State *L) {
  const smtp_listener *l = to_listener(L);
  char name[SMTP_ENDPOINT_TEXT];

  smtp_endpoint_name(&l->near, name);
  if (smtp_descriptor_number(&l->socket) < 0)
    lua_pushliteral(L, SMTP_LISTENER_CLASS " (closed)");
  else
    lua_pushfstring(L, SMTP_LISTENER_CLASS " (%s)", name);
  return 1;
}

/* Poll. */

static int number_of(lua_State *L, int array, size_t i) {
  const smtp_descriptor *d;

  lua_rawgeti(L, array, (int)i);
  d = smtp_test_descriptor(L, -1);
  lua_pop(L, 1);
  luaL_argcheck(L, d != NULL, array, "streams or listeners expected");
  return smtp_descriptor_number(d);
}

static void fill(lua_State *L, int array, smtp_watch *all, size_t count,
                 bool for_writing) {
  size_t i;

  for (i = 0; i < count; i++) {
    all[i].number = number_of(L, array, i + 1);
    all[i].for_writing = for_writing;
  }
}

static void push_ready(lua_State *L, int array, const smtp_watch *all,
                       size_t count) {
  int ready = 0;
  size_t i;

  lua_newtable(L);
  for (i = 0; i < count; i++) {
    if (!all[i].is_ready) continue;
    lua_rawgeti(L, array, (int)i + 1);
    lua_rawseti(L, -2, ++ready);
  }
}

static size_t count_of(lua_State *L, int array) {
  if (lua_isnoneornil(L, array)) return 0;
  luaL_checktype(L, array, LUA_TTABLE);
  return smtp_rawlen(L, array);
}

/* poll(readables, writables [, seconds]) → array, array of those ready. An
 * error, an end, or having been closed counts as ready, so that whoever waits
 * learns of it. */
static int poll_for(lua_State *L) {
  size_t readers = count_of(L, 1), writers = count_of(L, 2);
  double seconds =
      lua_isnoneornil(L, 3) ? INFINITY : smtp_check_seconds(L, 3, true);
  smtp_failure f;
  smtp_watch *all;

  lua_settop(L, 3);
  /* Lua owns the rows: looking into the arrays may raise. */
  all = smtp_newuserdata(L, (readers + writers + 1) * sizeof *all);
  fill(L, 1, all, readers, false);
  fill(L, 2, all + readers, writers, true);
  if (smtp_watch_wait(all, readers + writers, seconds, &f) != SMTP_OK)
    return smtp_push_os_failure(L, &f);
  push_ready(L, 1, all, readers);
  push_ready(L, 2, all + readers, writers);
  return 2;
}

static const luaL_Reg methods[] = {
    {"accept", listener_accept},
    {"close", listener_close},
    {"fileno", listener_fileno},
    {"port", listener_port},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", listener_close},
    {"__close", listener_close},
    {"__tostring", listener_tostring},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"listen", listen_on},
    {"poll", poll_for},
    {NULL, NULL},
};

void smtp_llisten_open(lua_State *L) {
  smtp_new_class(L, SMTP_LISTENER_CLASS, methods, metamethods);
  smtp_setfuncs(L, functions);
}
