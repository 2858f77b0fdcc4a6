/* Results for Lua: nil and an error's name and sentence, or true; and the
 * making of classes. */
#include "binding/binding.h"

#include <string.h>

int smtp_push_failure(lua_State *L, smtp_error e, const char *detail) {
  lua_pushnil(L);
  lua_pushstring(L, smtp_error_name(e));
  lua_pushstring(L, detail && *detail ? detail : smtp_error_text(e));
  return 3;
}

int smtp_push_result(lua_State *L, smtp_error e) {
  if (e != SMTP_OK) return smtp_push_failure(L, e, NULL);
  lua_pushboolean(L, 1);
  return 1;
}

void *smtp_push_object(lua_State *L, size_t size, const char *name) {
  void *object = smtp_newuserdata(L, size);

  memset(object, 0, size);
  luaL_getmetatable(L, name);
  lua_setmetatable(L, -2);
  return object;
}

void smtp_new_class(lua_State *L, const char *name, const luaL_Reg *methods,
                    const luaL_Reg *metamethods) {
  luaL_newmetatable(L, name);
  if (metamethods) smtp_setfuncs(L, metamethods);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  if (methods) {
    lua_newtable(L);
    smtp_setfuncs(L, methods);
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
}
