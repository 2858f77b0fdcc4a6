/* smtplib.core.spawn(): run a Lua function in a child process. */
#include "binding/ltcp.h"

#include <math.h>
#include <stdio.h>

#include "os/child.h"

#define CHILD_CLASS "smtplib.core.child"

enum { MOST_KEPT = 16 };

static smtp_child *to_child(lua_State *L) {
  return luaL_checkudata(L, 1, CHILD_CLASS);
}

/* In the child: fn(channel, …), then the end of the process. Nothing of the
 * parent's Lua state is closed. Stack: child object, fn, channel, arguments. */
static void run(lua_State *L) {
  if (lua_pcall(L, lua_gettop(L) - 2, 0, 0) == 0) smtp_child_exit(0);
  if (!lua_isstring(L, -1)) luaL_callmeta(L, -1, "__tostring");
  fprintf(stderr, "smtplib: child process: %s\n",
          lua_isstring(L, -1) ? lua_tostring(L, -1) : "error");
  smtp_child_exit(1);
}

static size_t collect(lua_State *L, smtp_descriptor *keep[MOST_KEPT]) {
  int i, top = lua_gettop(L);
  size_t count = 0;

  for (i = 2; i <= top; i++) {
    smtp_descriptor *d = smtp_test_descriptor(L, i);

    if (!d) continue;
    luaL_argcheck(L, count < MOST_KEPT, i, "too many streams and listeners");
    keep[count++] = d;
  }
  return count;
}

/* spawn(fn, …) → child. The streams and listeners among the arguments stay
 * open in the child, which calls fn(channel, …); the parent reaches it by
 * child:channel(). */
static int spawn(lua_State *L) {
  smtp_descriptor *keep[MOST_KEPT];
  size_t count;
  smtp_tcp *channel;
  smtp_child *c;
  bool is_child;
  int fd;

  luaL_checktype(L, 1, LUA_TFUNCTION);
  count = collect(L, keep);
  c = smtp_push_object(L, sizeof *c, CHILD_CLASS);
  lua_newtable(L);
  channel = smtp_push_tcp(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "channel");
  lua_insert(L, 2);
  smtp_setuservalue(L, -2);
  lua_insert(L, 1);
  /* child, fn, channel, … */
  if (smtp_child_fork(c, &fd, keep, count, &is_child) != SMTP_OK)
    return smtp_push_os_failure(L, &c->failure);
  smtp_tcp_adopt(channel, fd);
  if (is_child) run(L);
  lua_settop(L, 1);
  return 1;
}

static int child_channel(lua_State *L) {
  to_child(L);
  smtp_getuservalue(L, 1);
  lua_getfield(L, -1, "channel");
  return 1;
}

static int child_pid(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)to_child(L)->pid);
  return 1;
}

/* wait([seconds]) → exit code (128 + number when a signal ended it) */
static int child_wait(lua_State *L) {
  smtp_child *c = to_child(L);
  double seconds =
      lua_isnoneornil(L, 2) ? INFINITY : smtp_check_seconds(L, 2, true);
  int code;

  if (smtp_child_wait(c, seconds, &code) != SMTP_OK)
    return smtp_push_os_failure(L, &c->failure);
  lua_pushinteger(L, code);
  return 1;
}

/* kill([signal number = SIGTERM]) → true */
static int child_kill(lua_State *L) {
  smtp_child *c = to_child(L);
  int number = (int)luaL_optinteger(L, 2, SMTP_CHILD_TERM);

  return smtp_push_os_result(L, smtp_child_signal(c, number), &c->failure);
}

static int child_end(lua_State *L) {
  smtp_child_end(to_child(L));
  return 0;
}

static int child_tostring(lua_State *L) {
  lua_pushfstring(L, CHILD_CLASS " (%d)", (int)to_child(L)->pid);
  return 1;
}

static const luaL_Reg methods[] = {
    {"channel", child_channel}, {"kill", child_kill}, {"pid", child_pid},
    {"wait", child_wait},       {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", child_end},
    {"__close", child_end},
    {"__tostring", child_tostring},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"spawn", spawn},
    {NULL, NULL},
};

void smtp_lchild_open(lua_State *L) {
  smtp_new_class(L, CHILD_CLASS, methods, metamethods);
  smtp_setfuncs(L, functions);
}
