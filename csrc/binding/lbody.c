/* Bodies of messages for Lua: core.message.set_bytes, .set_parts, .attach, … */
#include "binding/lmessage.h"
#include "crypto/hash.h"
#include "mime/content.h"

#define BOUNDARY_RANDOM 16

/* Bodies. */

/* set_bytes(m, s, exact) */
static int set_bytes(lua_State *L) {
  smtp_message *m = smtp_lmessage_check(L, 1);
  smtp_block *b = smtp_llend_string(L, 2);

  if (!b) return smtp_push_result(L, SMTP_ERR_NOMEM);
  smtp_message_set_block(m, b, lua_toboolean(L, 3));
  smtp_block_drop(b);
  smtp_llend_settle(L);
  return smtp_push_result(L, SMTP_OK);
}

/* set_fed(m) */
static int set_fed(lua_State *L) {
  smtp_message_set_fed(smtp_lmessage_check(L, 1));
  return 0;
}

/* clear_body(m) */
static int clear_body(lua_State *L) {
  smtp_message_clear_body(smtp_lmessage_check(L, 1));
  smtp_llend_settle(L);
  return 0;
}

/* set_parts(m): a multipart without parts, with a fresh boundary */
static int set_parts(lua_State *L) {
  smtp_message *m = smtp_lmessage_check(L, 1);
  unsigned char random[BOUNDARY_RANDOM];
  smtp_error e = smtp_hash_random(random, sizeof random);

  if (!e) smtp_message_set_parts(m, random, sizeof random);
  return smtp_push_result(L, e);
}

/* attach(m, part) -> false when it cannot be a part of m */
static int attach(lua_State *L) {
  smtp_message *m = smtp_lmessage_check(L, 1);
  smtp_message *part = smtp_lmessage_check(L, 2);
  smtp_error e;

  smtp_getuservalue(L, 1);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, (int)m->part_count + 1);
  e = smtp_message_attach(m, part);
  if (!e) return smtp_push_result(L, e);
  lua_pushnil(L);
  lua_rawseti(L, -2, (int)m->part_count + 1);
  if (e != SMTP_ERR_STATE) return smtp_push_failure(L, e, NULL);
  lua_pushboolean(L, 0);
  return 1;
}

/* body(m) -> "none" | "bytes", s, exact | "fed" | "parts", count */
static int body(lua_State *L) {
  const smtp_message *m = smtp_lmessage_check(L, 1);

  switch (m->body) {
  case SMTP_BODY_NONE:
    lua_pushliteral(L, "none");
    return 1;
  case SMTP_BODY_BYTES:
    lua_pushliteral(L, "bytes");
    lua_pushlstring(L, m->content->bytes, m->content->len);
    lua_pushboolean(L, m->exact);
    return 3;
  case SMTP_BODY_FED:
    lua_pushliteral(L, "fed");
    return 1;
  case SMTP_BODY_PARTS:
    lua_pushliteral(L, "parts");
    lua_pushinteger(L, (lua_Integer)m->part_count);
    return 2;
  }
  return 0;
}

/* content(m) -> what a body of bytes stands for; nil for another */
static int content(lua_State *L) {
  smtp_message *m = smtp_lmessage_check(L, 1);
  smtp_buf *b;

  if (m->body != SMTP_BODY_BYTES) return 0;
  b = smtp_lmessage_scratch(L);
  smtp_content_decode(m, b);
  return smtp_lmessage_push(L, b);
}

int smtp_lbody_push(lua_State *L, const smtp_block *b) {
  if (b)
    lua_pushlstring(L, b->bytes, b->len);
  else
    lua_pushnil(L);
  return 1;
}

/* preamble(m [, text or false]) and epilogue: with two arguments they set */
static int preamble(lua_State *L) {
  smtp_message *m = smtp_lmessage_check(L, 1);
  size_t len = 0;

  if (lua_isnoneornil(L, 2)) return smtp_lbody_push(L, m->preamble);
  if (lua_toboolean(L, 2)) luaL_checklstring(L, 2, &len);
  return smtp_push_result(
      L, smtp_message_set_preamble(m, lua_tolstring(L, 2, NULL), len));
}

static int epilogue(lua_State *L) {
  smtp_message *m = smtp_lmessage_check(L, 1);
  size_t len = 0;

  if (lua_isnoneornil(L, 2)) return smtp_lbody_push(L, m->epilogue);
  if (lua_toboolean(L, 2)) luaL_checklstring(L, 2, &len);
  return smtp_push_result(
      L, smtp_message_set_epilogue(m, lua_tolstring(L, 2, NULL), len));
}

/* move(m, to): the body, and the fields that describe it, become those of the
 * new message `to`; the Lua side moves what its table holds. */
static int move_content(lua_State *L) {
  smtp_message *m = smtp_lmessage_check(L, 1);

  return smtp_push_result(L, smtp_message_move(m, smtp_lmessage_check(L, 2)));
}

/* boundary(m): the one of its own, "" when it never had parts */
static int boundary(lua_State *L) {
  lua_pushstring(L, smtp_lmessage_check(L, 1)->boundary);
  return 1;
}

static const luaL_Reg functions[] = {
    {"set_bytes", set_bytes},   {"set_fed", set_fed},
    {"clear_body", clear_body}, {"set_parts", set_parts},
    {"attach", attach},         {"body", body},
    {"content", content},       {"preamble", preamble},
    {"epilogue", epilogue},     {"boundary", boundary},
    {"move", move_content},     {NULL, NULL},
};

void smtp_lbody_open(lua_State *L) {
  smtp_setfuncs(L, functions);
}
