/* Regular expressions for Lua: core.pattern(source, ignore_case) -> pattern,
 * or nil and a sentence. */
#include "base/pattern.h"
#include "binding/binding.h"

#define CLASS "smtplib.pattern"

static int new_pattern(lua_State *L) {
  const char *source = luaL_checkstring(L, 1);
  bool ignore_case = lua_toboolean(L, 2);
  smtp_pattern *p = smtp_push_object(L, sizeof *p, CLASS);
  char fault[160];

  if (smtp_pattern_compile(p, source, ignore_case, fault, sizeof fault))
    return 1;
  lua_pushnil(L);
  lua_pushstring(L, fault);
  return 2;
}

static int pattern_gc(lua_State *L) {
  smtp_pattern_free(luaL_checkudata(L, 1, CLASS));
  return 0;
}

static void set_position(lua_State *L, int i, bool matched, size_t position) {
  if (matched)
    lua_pushinteger(L, (lua_Integer)position);
  else
    lua_pushboolean(L, 0);
  lua_rawseti(L, -2, i);
}

/* pattern:find(s, from) -> {first, last, first, last, …}: the whole match and
 * each group, counted from 1 as string.sub does; false for no part; nil when
 * nothing matches at or after `from`. */
static int pattern_find(lua_State *L) {
  smtp_pattern *p = luaL_checkudata(L, 1, CLASS);
  size_t len, i;
  const char *s = luaL_checklstring(L, 2, &len);
  lua_Integer from = luaL_optinteger(L, 3, 1);
  smtp_pattern_span spans[SMTP_PATTERN_GROUPS_MAX + 1];

  luaL_argcheck(L, p->compiled, 1, "not compiled");
  luaL_argcheck(L, from >= 1 && (size_t)from <= len + 1, 3, "out of range");
  if (!smtp_pattern_find(p, s, len, (size_t)from - 1, spans)) return 0;
  lua_createtable(L, 2 * ((int)p->groups + 1), 0);
  for (i = 0; i <= p->groups; i++) {
    set_position(L, (int)(2 * i + 1), spans[i].matched, spans[i].start + 1);
    set_position(L, (int)(2 * i + 2), spans[i].matched, spans[i].end);
  }
  return 1;
}

/* pattern:groups() -> how many parenthesised groups it has */
static int pattern_groups(lua_State *L) {
  smtp_pattern *p = luaL_checkudata(L, 1, CLASS);

  lua_pushinteger(L, (lua_Integer)p->groups);
  return 1;
}

static const luaL_Reg methods[] = {
    {"groups", pattern_groups},
    {"find", pattern_find},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", pattern_gc},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"pattern", new_pattern},
    {NULL, NULL},
};

void smtp_lpattern_open(lua_State *L) {
  smtp_new_class(L, CLASS, methods, metamethods);
  smtp_setfuncs(L, functions);
}
