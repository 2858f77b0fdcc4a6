/* Reading for Lua: core.message.parse, and core.message.parser, which gathers
 * what it is fed. What is read becomes objects at once, all parts of it. */
#include <string.h>

#include "binding/lmessage.h"
#include "crypto/hash.h"
#include "mime/delimiter.h"
#include "mime/parser.h"

#define CLASS "smtplib.email.parser"
#define DEFECT "smtplib.email.defect"

/* The input, as one block, on its way to a tree; a userdata, so that a Lua
 * error frees it. */
typedef struct reading {
  smtp_buf fed;
  smtp_block *input;
} reading;

static int collect_reading(lua_State *L) {
  reading *r = luaL_checkudata(L, 1, CLASS);

  smtp_buf_free(&r->fed);
  smtp_block_drop(r->input);
  r->input = NULL;
  smtp_llend_settle(L);
  return 0;
}

static size_t limit(lua_State *L, int i, size_t otherwise) {
  lua_Number n = luaL_optnumber(L, i, (lua_Number)otherwise);

  return n < 1 ? 1 : n > 1e9 ? (size_t)1e9 : (size_t)n;
}

/* The message in r->input, and its mbox line or nil; the limits are the three
 * arguments from `i` on. */
static int push_message(lua_State *L, reading *r, int i) {
  smtp_parser_limits limits;
  unsigned char random[SMTP_PARSER_RANDOM];
  smtp_message **m = smtp_lmessage_push_none(L);
  size_t from_len;
  smtp_error e = smtp_hash_random(random, sizeof random);

  limits.depth = limit(L, i, SMTP_PARSER_DEPTH);
  limits.parts = limit(L, i + 1, SMTP_PARSER_PARTS);
  limits.fields = limit(L, i + 2, SMTP_PARSER_FIELDS);
  if (!r->input) e = SMTP_ERR_NOMEM;
  if (!e) e = smtp_parser_read(r->input, &limits, random, m, &from_len);
  if (e) return smtp_push_failure(L, e, NULL);
  smtp_lmessage_push_parts(L);
  lua_pushlstring(L, r->input->bytes, from_len);
  smtp_block_drop(r->input);
  r->input = NULL;
  if (!from_len) lua_pop(L, 1);
  return from_len ? 2 : 1;
}

/* parse(s [, depth, parts, fields]) -> message [, its mbox line], or nil, name,
 * sentence */
static int parse(lua_State *L) {
  reading *r;

  luaL_checkstring(L, 1);
  lua_settop(L, 4);
  r = smtp_push_object(L, sizeof *r, CLASS);
  r->input = smtp_llend_string(L, 1);
  return push_message(L, r, 2);
}

/* parser() */
static int new_parser(lua_State *L) {
  smtp_push_object(L, sizeof(reading), CLASS);
  return 1;
}

/* p:feed(bytes) */
static int feed(lua_State *L) {
  reading *r = luaL_checkudata(L, 1, CLASS);
  size_t len;
  const char *s = luaL_checklstring(L, 2, &len);

  smtp_buf_add(&r->fed, s, len);
  return smtp_push_result(L, r->fed.failed ? SMTP_ERR_NOMEM : SMTP_OK);
}

/* p:close([depth, parts, fields]) -> as parse; the parser is as new */
static int close_parser(lua_State *L) {
  reading *r = luaL_checkudata(L, 1, CLASS);

  lua_settop(L, 4);
  smtp_block_drop(r->input);
  r->input = smtp_block_adopt(&r->fed);
  return push_message(L, r, 2);
}

/* What was read. */

/* An array of {name=, message=}, each of which is "name: message" as a string.
 */
int smtp_lparser_push_defects(lua_State *L, const smtp_message *m) {
  int d, n = 0;

  lua_newtable(L);
  for (d = 0; d < SMTP_DEFECT_COUNT; d++) {
    if (!(m->defects & 1u << d)) continue;
    lua_newtable(L);
    lua_pushstring(L, smtp_defect_name((smtp_defect)d));
    lua_setfield(L, -2, "name");
    lua_pushstring(L, smtp_defect_text((smtp_defect)d));
    lua_setfield(L, -2, "message");
    luaL_getmetatable(L, DEFECT);
    lua_setmetatable(L, -2);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

static int defect_to_string(lua_State *L) {
  lua_getfield(L, 1, "name");
  lua_getfield(L, 1, "message");
  lua_pushfstring(L, "%s: %s", lua_tostring(L, -2), lua_tostring(L, -1));
  return 1;
}

/* note(m, name of a defect) */
static int note_defect(lua_State *L) {
  smtp_message *m = smtp_lmessage_check(L, 1);
  const char *name = luaL_checkstring(L, 2);
  int d;

  for (d = 0; d < SMTP_DEFECT_COUNT; d++)
    if (strcmp(smtp_defect_name((smtp_defect)d), name) == 0)
      m->defects |= 1u << d;
  return 0;
}

/* in_digest(m): without a type it is a message */
static int in_digest(lua_State *L) {
  lua_pushboolean(L, smtp_lmessage_check(L, 1)->in_digest);
  return 1;
}

/* line_ends(m): "\r\n", "\n" or "mixed" in what it was read from; nil when it
 * has none, or was not read */
static int line_ends(lua_State *L) {
  switch (smtp_message_line_ends(smtp_lmessage_check(L, 1))) {
  case SMTP_LINE_ENDS_NONE:
    return 0;
  case SMTP_LINE_ENDS_LF:
    lua_pushliteral(L, "\n");
    break;
  case SMTP_LINE_ENDS_CRLF:
    lua_pushliteral(L, "\r\n");
    break;
  case SMTP_LINE_ENDS_MIXED:
    lua_pushliteral(L, "mixed");
    break;
  }
  return 1;
}

static const luaL_Reg methods[] = {
    {"feed", feed},
    {"close", close_parser},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", collect_reading},
    {NULL, NULL},
};

static const luaL_Reg defect_metamethods[] = {
    {"__tostring", defect_to_string},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"parse", parse},         {"parser", new_parser},   {"note", note_defect},
    {"in_digest", in_digest}, {"line_ends", line_ends}, {NULL, NULL},
};

void smtp_lparser_open(lua_State *L) {
  smtp_new_class(L, CLASS, methods, metamethods);
  smtp_new_class(L, DEFECT, NULL, defect_metamethods);
  smtp_setfuncs(L, functions);
}
