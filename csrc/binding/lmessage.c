/* Messages for Lua: core.message, a table of functions that
 * lua/smtplib/email/message.lua makes the methods of a Message from, and the
 * class itself, whose index looks for a method first, then for a header field.
 *
 * Each message has a Lua table of its own (message.data): its parts by number,
 * and where the content comes from when it is fed. C keeps the tree, Lua the
 * objects; attach keeps both in step. */
#include <string.h>

#include "binding/binding.h"
#include "binding/lmessage.h"
#include "mime/choice.h"
#include "mime/header.h"

#define CLASS "smtplib.email.Message"

typedef struct message {
  smtp_message *m;
} message;

smtp_message *smtp_lmessage_check(lua_State *L, int i) {
  message *o = luaL_checkudata(L, i, CLASS);

  if (!o->m) luaL_argerror(L, i, "message is closed");
  return o->m;
}

#define check_message smtp_lmessage_check

/* Bytes in the making, in a userdata, so that a Lua error frees them. */
smtp_buf *smtp_lmessage_scratch(lua_State *L) {
  return smtp_push_object(L, sizeof(smtp_buf), "smtplib.email.scratch");
}

static int collect_scratch(lua_State *L) {
  smtp_buf_free(luaL_checkudata(L, 1, "smtplib.email.scratch"));
  return 0;
}

int smtp_lmessage_push(lua_State *L, smtp_buf *b) {
  if (b->failed) return smtp_push_failure(L, SMTP_ERR_NOMEM, NULL);
  lua_pushlstring(L, smtp_buf_data(b), smtp_buf_len(b));
  smtp_buf_free(b);
  return 1;
}

/* nil, name, "header 'X': why" */
static int push_refusal(lua_State *L, smtp_error e, const char *name,
                        size_t len, const char *why) {
  char shown[64];
  size_t i;

  if (e == SMTP_ERR_NOMEM) return smtp_push_failure(L, e, NULL);
  for (i = 0; i < len && i < sizeof shown - 1; i++)
    shown[i] = (char)(name[i] > 32 && name[i] < 127 ? name[i] : '?');
  shown[i] = '\0';
  return smtp_push_failure(L, e,
                           lua_pushfstring(L, "header '%s': %s", shown, why));
}

smtp_message **smtp_lmessage_push_none(lua_State *L) {
  message *o = smtp_push_object(L, sizeof *o, CLASS);

  lua_newtable(L);
  smtp_setuservalue(L, -2);
  return &o->m;
}

/* No deeper than SMTP_MESSAGE_DEPTH. */
void smtp_lmessage_push_parts(lua_State *L) {
  const smtp_message *m = check_message(L, -1);
  size_t i;

  if (!m->part_count) return;
  luaL_checkstack(L, 6, "message nested too deep");
  smtp_getuservalue(L, -1);
  for (i = 0; i < m->part_count; i++) {
    *smtp_lmessage_push_none(L) = smtp_message_keep(m->parts[i]);
    smtp_lmessage_push_parts(L);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_pop(L, 1);
}

/* new() */
static int new_message(lua_State *L) {
  smtp_message **m = smtp_lmessage_push_none(L);

  *m = smtp_message_new();
  return *m ? 1 : luaL_error(L, "out of memory");
}

static int collect_message(lua_State *L) {
  message *o = luaL_checkudata(L, 1, CLASS);

  smtp_message_drop(o->m);
  o->m = NULL;
  smtp_llend_settle(L);
  return 0;
}

/* is(v) */
static int is_message(lua_State *L) {
  bool is = lua_touserdata(L, 1) && lua_getmetatable(L, 1);

  if (is) {
    luaL_getmetatable(L, CLASS);
    is = lua_rawequal(L, -1, -2);
  }
  lua_pushboolean(L, is);
  return 1;
}

/* data(m) -> its table */
static int data(lua_State *L) {
  check_message(L, 1);
  smtp_getuservalue(L, 1);
  return 1;
}

/* Fields. */

static int push_value(lua_State *L, const smtp_field *f) {
  smtp_buf *b;

  if (f->form != SMTP_FIELD_RAW) {
    lua_pushlstring(L, f->value, f->value_len);
    return 1;
  }
  b = smtp_lmessage_scratch(L);
  smtp_header_decode(b, f->name, f->name_len, f->value, f->value_len);
  return smtp_lmessage_push(L, b);
}

static int push_first(lua_State *L, const smtp_message *m, const char *name,
                      size_t len) {
  size_t i = smtp_message_find(m, name, len, 0);

  if (i < m->field_count) return push_value(L, &m->fields[i]);
  lua_pushnil(L);
  return 1;
}

/* get(m, name) -> text or nil */
static int get(lua_State *L) {
  size_t len;
  const char *name = luaL_checklstring(L, 2, &len);

  return push_first(L, check_message(L, 1), name, len);
}

/* get_all(m, name) -> array */
static int get_all(lua_State *L) {
  const smtp_message *m = check_message(L, 1);
  size_t len, i;
  const char *name = luaL_checklstring(L, 2, &len);
  int n = 0, array;

  lua_newtable(L);
  array = lua_gettop(L);
  for (i = 0; (i = smtp_message_find(m, name, len, i)) < m->field_count; i++) {
    push_value(L, &m->fields[i]);
    lua_rawseti(L, array, ++n);
    lua_settop(L, array);
  }
  return 1;
}

/* raw(m, name) -> the value as it is on the wire, folded with "\n", or nil */
static int raw(lua_State *L) {
  static const smtp_header_style style = {"\n", 78, false, false};
  const smtp_message *m = check_message(L, 1);
  size_t len, i, skip;
  const char *name = luaL_checklstring(L, 2, &len), *why = "";
  smtp_buf *b;
  smtp_error e;

  i = smtp_message_find(m, name, len, 0);
  if (i == m->field_count) return 0;
  b = smtp_lmessage_scratch(L);
  e = smtp_header_write(b, &m->fields[i], &style, &why);
  if (e) return push_refusal(L, e, name, len, why);
  skip = len + 1;
  if (smtp_buf_data(b)[skip] == ' ') skip++;
  lua_pushlstring(L, smtp_buf_data(b) + skip, smtp_buf_len(b) - skip - 1);
  smtp_buf_free(b);
  return 1;
}

/* count(m) */
static int count(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_message(L, 1)->field_count);
  return 1;
}

/* field(m, i) -> name, text; nothing behind the last */
static int field(lua_State *L) {
  const smtp_message *m = check_message(L, 1);
  lua_Integer i = luaL_checkinteger(L, 2);

  if (i < 1 || (size_t)i > m->field_count) return 0;
  lua_pushlstring(L, m->fields[i - 1].name, m->fields[i - 1].name_len);
  push_value(L, &m->fields[i - 1]);
  lua_pushvalue(L, -1);
  lua_replace(L, 4);
  lua_settop(L, 4);
  return 2;
}

typedef struct entry {
  const char *name, *value;
  size_t name_len, value_len;
} entry;

static smtp_error check_entry(lua_State *L, entry *x, const char **why) {
  x->name = luaL_checklstring(L, 2, &x->name_len);
  x->value = luaL_checklstring(L, 3, &x->value_len);
  return smtp_header_check(x->name, x->name_len, x->value, x->value_len, why);
}

static int settle(lua_State *L, smtp_error e, const entry *x, const char *why) {
  if (e) return push_refusal(L, e, x->name, x->name_len, why);
  lua_pushboolean(L, 1);
  return 1;
}

/* add(m, name, value) -> true, or nil, name, sentence */
static int add(lua_State *L) {
  smtp_message *m = check_message(L, 1);
  const char *why = "";
  entry x;
  smtp_error e = check_entry(L, &x, &why);

  if (!e)
    e = smtp_message_add(m, x.name, x.name_len, x.value, x.value_len,
                         SMTP_FIELD_TEXT);
  return settle(L, e, &x, why);
}

/* set(m, name, value): replace all fields of that name by one, in the place of
 * the first; append when there is none. */
static int set(lua_State *L) {
  smtp_message *m = check_message(L, 1);
  const char *why = "";
  entry x;
  smtp_error e = check_entry(L, &x, &why);
  size_t i;

  if (e) return settle(L, e, &x, why);
  i = smtp_message_find(m, x.name, x.name_len, 0);
  if (i == m->field_count)
    e = smtp_message_add(m, x.name, x.name_len, x.value, x.value_len,
                         SMTP_FIELD_TEXT);
  else
    e = smtp_message_put(m, i, x.value, x.value_len, SMTP_FIELD_TEXT);
  if (!e) smtp_message_remove(m, x.name, x.name_len, 1);
  return settle(L, e, &x, why);
}

/* replace(m, name, value): the first field of that name; false: none */
static int replace(lua_State *L) {
  smtp_message *m = check_message(L, 1);
  const char *why = "";
  entry x;
  smtp_error e = check_entry(L, &x, &why);
  size_t i = smtp_message_find(m, x.name, x.name_len, 0);

  if (!e && i == m->field_count) {
    lua_pushboolean(L, 0);
    return 1;
  }
  if (!e) e = smtp_message_put(m, i, x.value, x.value_len, SMTP_FIELD_TEXT);
  return settle(L, e, &x, why);
}

/* remove(m, name) */
static int remove_all(lua_State *L) {
  smtp_message *m = check_message(L, 1);
  size_t len;
  const char *name = luaL_checklstring(L, 2, &len);

  lua_pushinteger(L, (lua_Integer)smtp_message_remove(m, name, len, 0));
  return 1;
}

/* choose(m): give the field Content-Transfer-Encoding the value that suits the
 * body, and mark it as the writer's to choose; a field set by hand stays. */
static int choose(lua_State *L) {
  static const char name[] = "Content-Transfer-Encoding";
  smtp_message *m = check_message(L, 1);
  const char *value = smtp_transfer_name(smtp_choice_transfer(m, false));
  size_t i = smtp_message_find(m, name, sizeof name - 1, 0);
  smtp_error e = SMTP_OK;

  if (i == m->field_count)
    e = smtp_message_add(m, name, sizeof name - 1, value, strlen(value),
                         SMTP_FIELD_CHOSEN);
  else if (m->fields[i].form == SMTP_FIELD_CHOSEN)
    e = smtp_message_put(m, i, value, strlen(value), SMTP_FIELD_CHOSEN);
  return smtp_push_result(L, e);
}

/* is_encoded(m): the body is held in the form that its transfer encoding, set
 * by hand, names */
static int is_encoded(lua_State *L) {
  const smtp_field *f =
      smtp_message_field(check_message(L, 1), "Content-Transfer-Encoding");

  lua_pushboolean(L, f && f->form != SMTP_FIELD_CHOSEN);
  return 1;
}

/* add_raw(m, name, value as read) */
static int add_raw(lua_State *L) {
  smtp_message *m = check_message(L, 1);
  size_t name_len, len;
  const char *name = luaL_checklstring(L, 2, &name_len);
  const char *value = luaL_checklstring(L, 3, &len);

  return smtp_push_result(
      L, smtp_message_add(m, name, name_len, value, len, SMTP_FIELD_RAW));
}

/* prepend_raw(m, name, value as it will be written, folded with CRLF) */
static int prepend_raw(lua_State *L) {
  smtp_message *m = check_message(L, 1);
  size_t name_len, len;
  const char *name = luaL_checklstring(L, 2, &name_len);
  const char *value = luaL_checklstring(L, 3, &len);

  return smtp_push_result(
      L, smtp_message_prepend(m, name, name_len, value, len, SMTP_FIELD_RAW));
}

/* The class. */

/* m.key: a method (they are the upvalue), a property, else the header field of
 * that name. */
static int index_message(lua_State *L) {
  size_t len;
  const char *name;

  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  if (!lua_isnil(L, -1)) return 1;
  if (lua_type(L, 2) != LUA_TSTRING) return 1;
  name = lua_tolstring(L, 2, &len);
  if (strcmp(name, "preamble") == 0)
    return smtp_lbody_push(L, check_message(L, 1)->preamble);
  if (strcmp(name, "epilogue") == 0)
    return smtp_lbody_push(L, check_message(L, 1)->epilogue);
  if (strcmp(name, "defects") == 0)
    return smtp_lparser_push_defects(L, check_message(L, 1));
  return push_first(L, check_message(L, 1), name, len);
}

static const luaL_Reg metamethods[] = {
    {"__gc", collect_message},
    {"__len", count},
    {NULL, NULL},
};

static const luaL_Reg scratch_metamethods[] = {
    {"__gc", collect_scratch},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", new_message}, {"is", is_message},
    {"data", data},       {"get", get},
    {"get_all", get_all}, {"raw", raw},
    {"count", count},     {"field", field},
    {"add", add},         {"set", set},
    {"replace", replace}, {"remove", remove_all},
    {"choose", choose},   {"is_encoded", is_encoded},
    {"add_raw", add_raw}, {"prepend_raw", prepend_raw},
    {NULL, NULL},
};

/* core.message.methods is what Lua adds the methods to, core.message.class the
 * metatable. */
void smtp_lmessage_open(lua_State *L) {
  smtp_new_class(L, CLASS, NULL, metamethods);
  smtp_new_class(L, "smtplib.email.scratch", NULL, scratch_metamethods);
  lua_newtable(L);
  smtp_setfuncs(L, functions);
  luaL_getmetatable(L, CLASS);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "methods");
  lua_pushcclosure(L, index_message, 1);
  lua_setfield(L, -2, "__index");
  lua_setfield(L, -2, "class");
  smtp_lbody_open(L);
  smtp_lwriter_open(L);
  smtp_lparser_open(L);
  lua_setfield(L, -2, "message");
}
