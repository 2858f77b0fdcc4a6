/* For specs: let an allocation of the library fail, to see that each failure
 * is a clean one. */
#include "base/buf.h"
#include "binding/binding.h"

/* allocation_fail_at(n) → allocations since the last call; the n-th from now
 * fails, 0: none */
static int fail_at(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);

  luaL_argcheck(L, n >= 0, 1, "negative");
  lua_pushinteger(L, (lua_Integer)smtp_allocation_fail_at((size_t)n));
  return 1;
}

static const luaL_Reg functions[] = {
    {"allocation_fail_at", fail_at},
    {NULL, NULL},
};

void smtp_lmemory_open(lua_State *L) {
  smtp_setfuncs(L, functions);
}
