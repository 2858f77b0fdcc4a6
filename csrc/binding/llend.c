/* Lua strings as the bytes of messages, without copying them: a long string is
 * referred to, and kept in the registry until no message, part or writer uses
 * it. Blocks are dropped where no Lua state is at hand, so what is given back
 * waits in a list until somebody settles. */
#include "binding/lmessage.h"

#define LONG 4096 /* bytes; to copy a shorter string is the cheaper way */

static const char key;

/* Of this Lua state; it lives in the registry until the state is closed. */
static smtp_lender *push_lender(lua_State *L) {
  smtp_lender *lender;

  lua_pushlightuserdata(L, (void *)&key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lender = lua_touserdata(L, -1);
  if (lender) return lender;
  lua_pop(L, 1);
  lender = lua_newuserdata(L, sizeof *lender);
  lender->given_back = NULL;
  lua_pushlightuserdata(L, (void *)&key);
  lua_pushvalue(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
  return lender;
}

smtp_block *smtp_llend_string(lua_State *L, int i) {
  size_t len;
  const char *s = luaL_checklstring(L, i, &len);
  smtp_lender *lender;
  smtp_block *b;
  int ticket;

  if (len < LONG) return smtp_block_new(s, len);
  lender = push_lender(L);
  lua_pop(L, 1);
  lua_pushvalue(L, i);
  ticket = luaL_ref(L, LUA_REGISTRYINDEX);
  b = smtp_block_borrow(s, len, lender, ticket);
  if (!b) luaL_unref(L, LUA_REGISTRYINDEX, ticket);
  return b;
}

void smtp_llend_settle(lua_State *L) {
  smtp_lender *lender;
  int ticket;

  lua_pushlightuserdata(L, (void *)&key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lender = lua_touserdata(L, -1);
  lua_pop(L, 1);
  while (lender && smtp_block_settle(lender, &ticket))
    luaL_unref(L, LUA_REGISTRYINDEX, ticket);
}
