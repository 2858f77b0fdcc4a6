/* smtplib.core.is_yieldable(): what the program that runs Lua lets us do. */
#include "binding/binding.h"

/* LuaJIT 2.1 has it, Lua 5.1 and LuaJIT 2.0 do not, and a module built with the
 * headers of one is loaded by the others. */
#if LUA_VERSION_NUM < 503
#if defined(__ELF__)
extern int lua_isyieldable(lua_State *L) __attribute__((weak));
#define smtp_isyieldable(L) (!lua_isyieldable || lua_isyieldable(L))
#else
#define smtp_isyieldable(L) 1
#endif
#else
#define smtp_isyieldable(L) lua_isyieldable(L)
#endif

/* is_yieldable() → whether the running coroutine may yield here: no C function
 * between (table.sort, require …). True where Lua cannot tell. */
static int is_yieldable(lua_State *L) {
  lua_pushboolean(L, smtp_isyieldable(L));
  return 1;
}

static const luaL_Reg functions[] = {
    {"is_yieldable", is_yieldable},
    {NULL, NULL},
};

void smtp_lhost_open(lua_State *L) {
  smtp_setfuncs(L, functions);
}
