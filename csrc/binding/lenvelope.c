/* Pieces of an envelope and of a message for Lua: ESMTP parameters, the size of
 * a message, quotedata. All pure. */
#include "binding/binding.h"
#include "engine/body.h"
#include "engine/command.h"

#include <string.h>

/* parameter(keyword, value or nil) → " KEYWORD=value", extension or nil */
static int parameter(lua_State *L) {
  size_t keyword_len, value_len = 0;
  const char *keyword = luaL_checklstring(L, 1, &keyword_len);
  const char *value = luaL_optlstring(L, 2, NULL, &value_len);
  smtp_buf *b = smtp_push_buf(L);
  const char *extension;
  smtp_error e = smtp_command_parameter(b, keyword, keyword_len, value,
                                        value_len, &extension);

  if (e != SMTP_OK) return smtp_push_failure(L, e, NULL);
  smtp_push_bytes(L, b);
  lua_pushstring(L, extension);
  return 2;
}

/* measure(message) → bytes as SIZE counts them, true if any is above 0x7F */
static int measure(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  bool has_8bit;

  lua_pushnumber(L, (lua_Number)smtp_body_measure(s, len, &has_8bit));
  lua_pushboolean(L, has_8bit);
  return 2;
}

static int quotedata(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  smtp_buf *b = smtp_push_buf(L);
  smtp_body body;

  smtp_body_init(&body);
  smtp_body_begin(&body, false);
  smtp_body_filter(&body, s, len, b);
  return smtp_push_bytes(L, b);
}

static const luaL_Reg functions[] = {
    {"parameter", parameter},
    {"measure", measure},
    {"quotedata", quotedata},
    {NULL, NULL},
};

void smtp_lenvelope_open(lua_State *L) {
  smtp_setfuncs(L, functions);
}
