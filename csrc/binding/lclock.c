/* smtplib.core.now(): seconds on a clock that never goes back,
 * smtplib.core.wall(): seconds since 1970 with their fractions, and
 * smtplib.core.sleep(seconds), which holds the whole process up. */
#include "binding/binding.h"
#include "os/clock.h"

static int now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)smtp_clock_now());
  return 1;
}

static int wall(lua_State *L) {
  lua_pushnumber(L, (lua_Number)smtp_clock_wall());
  return 1;
}

static int rest(lua_State *L) {
  smtp_clock_sleep((double)luaL_checknumber(L, 1));
  return 0;
}

static const luaL_Reg functions[] = {
    {"now", now},
    {"wall", wall},
    {"sleep", rest},
    {NULL, NULL},
};

void smtp_lclock_open(lua_State *L) {
  smtp_setfuncs(L, functions);
}
