/* Bytes on their way to Lua: the buffer is a userdata, so that an error which
 * Lua raises meanwhile cannot leak it. */
#include "binding/binding.h"

#define CLASS "smtplib.buffer"

static int collect(lua_State *L) {
  smtp_buf_free(luaL_checkudata(L, 1, CLASS));
  return 0;
}

smtp_buf *smtp_push_buf(lua_State *L) {
  return smtp_push_object(L, sizeof(smtp_buf), CLASS);
}

int smtp_push_bytes(lua_State *L, smtp_buf *b) {
  if (b->failed) return smtp_push_failure(L, SMTP_ERR_NOMEM, NULL);
  lua_pushlstring(L, smtp_buf_data(b), smtp_buf_len(b));
  smtp_buf_free(b);
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__gc", collect},
    {NULL, NULL},
};

void smtp_lbuf_open(lua_State *L) {
  smtp_new_class(L, CLASS, NULL, metamethods);
}
