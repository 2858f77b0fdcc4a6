/* Charsets for Lua: core.to_utf8, core.from_utf8, core.has_iconv. */
#include "binding/binding.h"
#include "intl/charset.h"

static int push_charset(lua_State *L, smtp_error e, smtp_buf *out,
                        const char *charset) {
  if (!e) return smtp_push_bytes(L, out);
  smtp_buf_free(out);
  if (e == SMTP_ERR_CHARSET)
    return smtp_push_failure(
        L, e, lua_pushfstring(L, "unknown charset '%s'", charset));
  if (e == SMTP_ERR_ENCODING)
    return smtp_push_failure(
        L, e,
        lua_pushfstring(L, "a character is not in the charset '%s'", charset));
  return smtp_push_failure(L, e, NULL);
}

/* to_utf8(bytes, charset) -> text, whether bytes were not as the charset says
 */
static int to_utf8(lua_State *L) {
  size_t len, charset_len;
  const char *s = luaL_checklstring(L, 1, &len);
  const char *charset = luaL_checklstring(L, 2, &charset_len);
  bool replaced = false;
  smtp_buf *out = smtp_push_buf(L);
  smtp_error e =
      smtp_charset_to_utf8(out, charset, charset_len, s, len, &replaced);
  int n = push_charset(L, e, out, charset);

  if (n > 1) return n;
  lua_pushboolean(L, replaced);
  return 2;
}

/* from_utf8(text, charset) -> bytes */
static int from_utf8(lua_State *L) {
  size_t len, charset_len;
  const char *s = luaL_checklstring(L, 1, &len);
  const char *charset = luaL_checklstring(L, 2, &charset_len);
  smtp_buf *out = smtp_push_buf(L);

  return push_charset(L,
                      smtp_charset_from_utf8(out, charset, charset_len, s, len),
                      out, charset);
}

/* has_iconv() */
static int has_iconv(lua_State *L) {
  lua_pushboolean(L, smtp_charset_has_iconv());
  return 1;
}

static const luaL_Reg functions[] = {
    {"to_utf8", to_utf8},
    {"from_utf8", from_utf8},
    {"has_iconv", has_iconv},
    {NULL, NULL},
};

void smtp_lcharset_open(lua_State *L) {
  smtp_setfuncs(L, functions);
}
