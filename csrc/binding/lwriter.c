/* Writers for Lua, and the functions of header text: core.message.writer,
 * .param, .set_param, .params, .decode_text, .encode_text. */
#include <string.h>

#include "base/text.h"
#include "binding/lmessage.h"
#include "mime/header.h"
#include "mime/param.h"
#include "mime/writer.h"

#define CLASS "smtplib.email.writer"
#define LIST_MAX 64 /* entries of drop and add */

typedef struct writer {
  smtp_writer *w;
  long long *fed; /* lengths, only while the writer is made */
} writer;

static smtp_writer *check_writer(lua_State *L) {
  writer *o = luaL_checkudata(L, 1, CLASS);

  if (!o->w) luaL_argerror(L, 1, "writer is closed");
  return o->w;
}

static int collect_writer(lua_State *L) {
  writer *o = luaL_checkudata(L, 1, CLASS);

  smtp_writer_free(o->w);
  smtp_release(o->fed);
  memset(o, 0, sizeof *o);
  smtp_llend_settle(L);
  return 0;
}

/* The table at `i` holds names, or names and values in turn: `step` 1 or 2. The
 * strings stay in the table, which stays on the stack. */
static size_t read_extras(lua_State *L, int i, int step,
                          smtp_extra extras[LIST_MAX]) {
  size_t n, count;

  luaL_checktype(L, i, LUA_TTABLE);
  count = (size_t)smtp_rawlen(L, i) / (size_t)step;
  luaL_argcheck(L, count <= LIST_MAX, i, "too many header fields");
  for (n = 0; n < count; n++) {
    smtp_extra *x = &extras[n];

    memset(x, 0, sizeof *x);
    lua_rawgeti(L, i, (int)n * step + 1);
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, i, "string expected");
    x->name = lua_tolstring(L, -1, &x->name_len);
    lua_pop(L, 1);
    if (step == 1) continue;
    lua_rawgeti(L, i, (int)n * step + 2);
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, i, "string expected");
    x->value = lua_tolstring(L, -1, &x->value_len);
    lua_pop(L, 1);
  }
  return count;
}

/* Lengths of the bodies to be fed; false for one that is not known. */
static size_t read_lengths(lua_State *L, int i, writer *o) {
  size_t n, count;

  luaL_checktype(L, i, LUA_TTABLE);
  count = (size_t)smtp_rawlen(L, i);
  o->fed = smtp_allocate((count + 1) * sizeof *o->fed);
  if (!o->fed) return (size_t)luaL_error(L, "out of memory");
  for (n = 0; n < count; n++) {
    lua_rawgeti(L, i, (int)n + 1);
    o->fed[n] = lua_isnumber(L, -1) ? (long long)lua_tonumber(L, -1) : -1;
    lua_pop(L, 1);
  }
  return count;
}

/* writer(m, eol, max_line, cte, utf8, drop, add, lengths, for_wire,
 * keep_lines, twins), or nil, name, sentence. `cte` is "8bit", "7bit" or nil:
 * 7bit, but for what was labelled otherwise by hand. */
static int new_writer(lua_State *L) {
  const smtp_message *m = smtp_lmessage_check(L, 1);
  smtp_extra drop[LIST_MAX], extra[LIST_MAX];
  smtp_plan_options options;
  const char *cte = luaL_optstring(L, 4, "");
  smtp_buf *complaint;
  smtp_error e;
  writer *o;

  memset(&options, 0, sizeof options);
  options.style.eol = luaL_checkstring(L, 2);
  options.style.max_line = (size_t)luaL_checkinteger(L, 3);
  options.allow_8bit = strcmp(cte, "8bit") == 0;
  options.only_7bit = strcmp(cte, "7bit") == 0;
  options.style.utf8 = lua_toboolean(L, 5);
  options.for_wire = lua_toboolean(L, 9);
  options.keep_lines = lua_toboolean(L, 10);
  options.style.twins = lua_toboolean(L, 11);
  options.drop = drop;
  options.drop_count = read_extras(L, 6, 1, drop);
  options.add = extra;
  options.add_count = read_extras(L, 7, 2, extra);
  o = smtp_push_object(L, sizeof *o, CLASS);
  options.fed_count = read_lengths(L, 8, o);
  options.fed = o->fed;
  complaint = smtp_lmessage_scratch(L);
  o->w = smtp_writer_new(m, &options, &e, complaint);
  if (e) {
    smtp_buf_addc(complaint, '\0');
    return smtp_push_failure(L, e, smtp_buf_data(complaint));
  }
  lua_pop(L, 1);
  return 1;
}

/* w:read() -> bytes | nil, index (feed it) | nil (the end)
 *   | nil, nil, name, sentence */
static int read_bytes(lua_State *L) {
  smtp_writer *w = check_writer(L);
  const char *bytes;
  size_t len;

  switch (smtp_writer_read(w, &bytes, &len)) {
  case SMTP_WRITER_BYTES:
    lua_pushlstring(L, bytes, len);
    return 1;
  case SMTP_WRITER_WANTS:
    lua_pushnil(L);
    lua_pushinteger(L, (lua_Integer)smtp_writer_wanted(w) + 1);
    return 2;
  case SMTP_WRITER_DONE:
    return 0;
  case SMTP_WRITER_FAILED:
    break;
  }
  lua_pushnil(L);
  return 1 + smtp_push_failure(L, smtp_writer_error(w), NULL);
}

/* w:feed(bytes), or w:feed() at the end -> true, or nil, name, sentence */
static int feed(lua_State *L) {
  smtp_writer *w = check_writer(L);
  size_t len;
  const char *s;

  if (lua_isnoneornil(L, 2)) {
    smtp_error e = smtp_writer_feed_end(w);

    return e ? smtp_push_failure(L, e,
                                 "the content of an attachment is not as "
                                 "long as announced")
             : smtp_push_result(L, e);
  }
  s = luaL_checklstring(L, 2, &len);
  return smtp_push_result(L, smtp_writer_feed(w, s, len));
}

/* w:measure() -> bytes in all, or nil */
static int measure(lua_State *L) {
  unsigned long long len;

  if (!smtp_writer_measure(check_writer(L), &len)) return 0;
  lua_pushinteger(L, (lua_Integer)len);
  return 1;
}

/* w:flags() -> has 8-bit bodies, has UTF-8 fields */
static int flags(lua_State *L) {
  const smtp_writer *w = check_writer(L);

  lua_pushboolean(L, smtp_writer_has_8bit(w));
  lua_pushboolean(L, smtp_writer_has_utf8(w));
  return 2;
}

/* Text of fields. */

/* param(value, name) -> the decoded parameter or nil */
static int param(lua_State *L) {
  size_t len, name_len;
  const char *s = luaL_checklstring(L, 1, &len);
  const char *name = luaL_checklstring(L, 2, &name_len);
  smtp_buf *b = smtp_lmessage_scratch(L);

  if (smtp_param_get(s, len, name, name_len, b))
    return smtp_lmessage_push(L, b);
  lua_pushnil(L);
  return 1;
}

/* set_param(value, name [, text]) -> value, or nil, name, sentence; without
 * text the parameter goes */
static int set_param(lua_State *L) {
  size_t len, name_len, text_len = 0;
  const char *s = luaL_checklstring(L, 1, &len);
  const char *name = luaL_checklstring(L, 2, &name_len);
  const char *text = luaL_optlstring(L, 3, NULL, &text_len);
  smtp_buf *b;

  if (!name_len || !smtp_text_all(name, name_len, SMTP_TEXT_TOKEN))
    return smtp_push_failure(L, SMTP_ERR_HEADER,
                             "a parameter's name is not a token");
  b = smtp_lmessage_scratch(L);
  smtp_param_set(b, s, len, name, name_len, text, text_len);
  return smtp_lmessage_push(L, b);
}

/* params(value) -> the part before them, array of names as they are spelt,
 * array of values as they are spelt ("" where there is none) */
static int params(lua_State *L) {
  size_t len, main_len, pos = 0;
  const char *s = luaL_checklstring(L, 1, &len);
  const char *main_text = smtp_param_main(s, len, &main_len);
  smtp_param p;
  int n = 0;

  lua_pushlstring(L, main_text, main_len);
  lua_newtable(L);
  lua_newtable(L);
  while (smtp_param_next(s, len, &pos, &p)) {
    lua_pushlstring(L, p.name, p.name_len);
    lua_rawseti(L, -3, ++n);
    lua_pushlstring(L, p.value ? p.value : "", p.value ? p.value_len : 0);
    lua_rawseti(L, -2, n);
  }
  return 3;
}

/* is_type(s): token "/" token */
static int is_type(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);

  lua_pushboolean(L, smtp_param_is_type(s, len));
  return 1;
}

/* is_utf8(s): well-formed */
static int is_utf8(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);

  lua_pushboolean(L, smtp_text_is_utf8(s, len));
  return 1;
}

/* is_address(name): a field of mailboxes */
static int is_address(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);

  lua_pushboolean(L, smtp_header_is_address(s, len));
  return 1;
}

/* decode_text(raw [, name]) -> text in UTF-8, as of a field of that name */
static int decode_text(lua_State *L) {
  size_t len, name_len;
  const char *s = luaL_checklstring(L, 1, &len);
  const char *name = luaL_optlstring(L, 2, "Subject", &name_len);
  smtp_buf *b = smtp_lmessage_scratch(L);

  smtp_header_decode(b, name, name_len, s, len);
  return smtp_lmessage_push(L, b);
}

/* encode_text(text, name) -> the value of an unfolded field of that name */
static int encode_text(lua_State *L) {
  smtp_header_style style = {"\n", 78, false, false};
  size_t len, name_len;
  const char *s = luaL_checklstring(L, 1, &len), *why = "";
  const char *name = luaL_optlstring(L, 2, "Subject", &name_len);
  smtp_buf *b = smtp_lmessage_scratch(L);
  smtp_error e =
      smtp_header_write_text(b, name, name_len, s, len, &style, &why);

  if (e) return smtp_push_failure(L, e, why);
  smtp_buf_truncate(b, smtp_buf_len(b) - 1);
  smtp_buf_consume(b, name_len + 2);
  return smtp_lmessage_push(L, b);
}

static const luaL_Reg methods[] = {
    {"read", read_bytes}, {"feed", feed}, {"measure", measure},
    {"flags", flags},     {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", collect_writer},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"writer", new_writer},       {"param", param},
    {"set_param", set_param},     {"params", params},
    {"is_type", is_type},         {"is_utf8", is_utf8},
    {"is_address", is_address},   {"decode_text", decode_text},
    {"encode_text", encode_text}, {NULL, NULL},
};

void smtp_lwriter_open(lua_State *L) {
  smtp_new_class(L, CLASS, methods, metamethods);
  smtp_setfuncs(L, functions);
}
