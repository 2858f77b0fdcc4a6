/* DKIM for Lua: core.dkim, on crypto/dkim*.h. What is signed, and what is
 * believed, is decided in lua/smtplib/email/dkim.lua. */
#include <string.h>

#include "binding/binding.h"
#include "crypto/dkim.h"
#include "crypto/dkim_key.h"
#include "crypto/dkim_tags.h"
#include "crypto/dkim_write.h"

#define KEY "smtplib.core.dkim.key"
#define READER "smtplib.core.dkim.reader"

static const char *const canon_names[] = {"simple", "relaxed", NULL};
static const char *const kind_names[] = {"rsa", "ed25519", NULL};

static smtp_dkim_canon check_canon(lua_State *L, int i) {
  return (smtp_dkim_canon)luaL_checkoption(L, i, NULL, canon_names);
}

/* Keys. */

static smtp_dkim_key **new_key(lua_State *L) {
  return smtp_push_object(L, sizeof(smtp_dkim_key *), KEY);
}

static smtp_dkim_key *check_key(lua_State *L) {
  smtp_dkim_key **slot = luaL_checkudata(L, 1, KEY);

  if (!*slot) luaL_argerror(L, 1, "key is closed");
  return *slot;
}

static int collect_key(lua_State *L) {
  smtp_dkim_key **slot = luaL_checkudata(L, 1, KEY);

  smtp_dkim_key_free(*slot);
  *slot = NULL;
  return 0;
}

/* key(text [, password]) -> a private key */
static int read_key(lua_State *L) {
  size_t len, password_len = 0;
  const char *text = luaL_checklstring(L, 1, &len), *why = "";
  const char *password = luaL_optlstring(L, 2, NULL, &password_len);
  smtp_dkim_key **slot = new_key(L);

  *slot = smtp_dkim_key_read(text, len, password, password_len, &why);
  return *slot ? 1 : smtp_push_failure(L, SMTP_ERR_ARGUMENT, why);
}

/* public_key(kind, bytes) -> a key to verify with */
static int read_public_key(lua_State *L) {
  smtp_dkim_kind kind =
      (smtp_dkim_kind)luaL_checkoption(L, 1, NULL, kind_names);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len), *why = "";
  smtp_dkim_key **slot = new_key(L);

  *slot = smtp_dkim_key_public(kind, bytes, len, &why);
  return *slot ? 1 : smtp_push_failure(L, SMTP_ERR_ARGUMENT, why);
}

static int key_kind(lua_State *L) {
  lua_pushstring(L, kind_names[smtp_dkim_key_kind(check_key(L))]);
  return 1;
}

static int key_bits(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)smtp_dkim_key_bits(check_key(L)));
  return 1;
}

/* record() -> the bytes of p= */
static int key_record(lua_State *L) {
  const smtp_dkim_key *k = check_key(L);
  smtp_buf *b = smtp_push_buf(L);

  if (!smtp_dkim_key_record(k, b))
    return smtp_push_failure(L, SMTP_ERR_ARGUMENT, "no public key in this one");
  return smtp_push_bytes(L, b);
}

/* sign(input) -> signature */
static int key_sign(lua_State *L) {
  const smtp_dkim_key *k = check_key(L);
  size_t len;
  const char *input = luaL_checklstring(L, 2, &len);
  smtp_buf *b = smtp_push_buf(L);

  if (!smtp_dkim_key_sign(k, input, len, b))
    return smtp_push_failure(L, SMTP_ERR_ARGUMENT, "the key cannot sign");
  return smtp_push_bytes(L, b);
}

/* verifies(input, signature) -> boolean */
static int key_verifies(lua_State *L) {
  const smtp_dkim_key *k = check_key(L);
  size_t len, signature_len;
  const char *input = luaL_checklstring(L, 2, &len);
  const char *signature = luaL_checklstring(L, 3, &signature_len);

  lua_pushboolean(
      L, smtp_dkim_key_verifies(k, input, len, signature, signature_len));
  return 1;
}

/* Messages. */

static smtp_dkim *check_reader(lua_State *L) {
  smtp_dkim **slot = luaL_checkudata(L, 1, READER);

  if (!*slot) luaL_argerror(L, 1, "reader is closed");
  return *slot;
}

static int collect_reader(lua_State *L) {
  smtp_dkim **slot = luaL_checkudata(L, 1, READER);

  smtp_dkim_free(*slot);
  *slot = NULL;
  return 0;
}

static int new_reader(lua_State *L) {
  smtp_dkim **slot = smtp_push_object(L, sizeof *slot, READER);

  *slot = smtp_dkim_new();
  return *slot ? 1 : smtp_push_failure(L, SMTP_ERR_NOMEM, NULL);
}

static int push_state(lua_State *L, smtp_error e) {
  if (e == SMTP_ERR_TOO_LONG)
    return smtp_push_failure(L, e, "the header is too large for DKIM");
  if (e == SMTP_ERR_MECHANISM)
    return smtp_push_failure(L, e, "SHA-256 is not available");
  return smtp_push_result(L, e);
}

/* header(bytes) -> what of them belongs to the body, once the header is
 * complete; false before */
static int reader_header(lua_State *L) {
  smtp_dkim *d = check_reader(L);
  size_t len, used;
  const char *bytes = luaL_checklstring(L, 2, &len);
  smtp_error e = smtp_dkim_header(d, bytes, len, &used);

  if (e) return push_state(L, e);
  if (smtp_dkim_is_complete(d))
    lua_pushlstring(L, bytes + used, len - used);
  else
    lua_pushboolean(L, 0);
  return 1;
}

static int reader_want(lua_State *L) {
  return push_state(L, smtp_dkim_want(check_reader(L), check_canon(L, 2)));
}

static int reader_body(lua_State *L) {
  smtp_dkim *d = check_reader(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);

  return push_state(L, smtp_dkim_body_bytes(d, bytes, len));
}

static int reader_finish(lua_State *L) {
  return push_state(L, smtp_dkim_finish(check_reader(L)));
}

/* hash(canon) -> hash of the body, length of its canonical form */
static int reader_hash(lua_State *L) {
  unsigned char hash[SMTP_DKIM_HASH_SIZE];
  unsigned long long len;
  smtp_error e = smtp_dkim_hash(check_reader(L), check_canon(L, 2), hash, &len);

  if (e) return push_state(L, e);
  lua_pushlstring(L, (const char *)hash, sizeof hash);
  lua_pushinteger(L, (lua_Integer)len);
  return 2;
}

static int reader_count(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)smtp_dkim_field_count(check_reader(L)));
  return 1;
}

/* field(i) -> name, the whole field without its line end */
static int reader_field(lua_State *L) {
  const smtp_dkim *d = check_reader(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  size_t len, name_len;
  const char *s;

  if (i < 1 || (size_t)i > smtp_dkim_field_count(d)) return 0;
  s = smtp_dkim_field(d, (size_t)i - 1, &len, &name_len);
  lua_pushlstring(L, s, name_len);
  lua_pushlstring(L, s, len);
  return 2;
}

static int reader_is_malformed(lua_State *L) {
  lua_pushboolean(L, smtp_dkim_is_malformed(check_reader(L)));
  return 1;
}

/* input(names, canon, own field [, its index]) -> what is signed */
static int reader_input(lua_State *L) {
  const smtp_dkim *d = check_reader(L);
  size_t len, own_len;
  const char *names = luaL_checklstring(L, 2, &len);
  smtp_dkim_canon canon = check_canon(L, 3);
  const char *own = luaL_checklstring(L, 4, &own_len);
  lua_Integer i = luaL_optinteger(L, 5, 0);
  size_t except = i > 0 ? (size_t)i - 1 : smtp_dkim_field_count(d);
  smtp_buf *b = smtp_push_buf(L);
  smtp_error e = smtp_dkim_input(d, names, len, canon, own, own_len, except, b);

  if (e == SMTP_ERR_TOO_LONG)
    return smtp_push_failure(L, e, "too many names in h=");
  return e ? push_state(L, e) : smtp_push_bytes(L, b);
}

/* Fields. */

/* A value without its line ends. */
static void push_value(lua_State *L, const smtp_dkim_tag *tag) {
  luaL_Buffer b;
  size_t i;

  luaL_buffinit(L, &b);
  for (i = 0; i < tag->value_len; i++)
    if (tag->value[i] != '\r' && tag->value[i] != '\n')
      luaL_addchar(&b, tag->value[i]);
  luaL_pushresult(&b);
}

/* tags(list) -> {name = value}, name of the first; nil: it is no tag list */
static int tags(lua_State *L) {
  smtp_dkim_tag found[SMTP_DKIM_TAGS_MAX];
  size_t len, count, i;
  const char *s = luaL_checklstring(L, 1, &len);

  if (!smtp_dkim_tags_read(s, len, found, &count)) return 0;
  lua_newtable(L);
  for (i = 0; i < count; i++) {
    lua_pushlstring(L, found[i].name, found[i].name_len);
    push_value(L, &found[i]);
    lua_rawset(L, -3);
  }
  lua_pushlstring(L, found[0].name, found[0].name_len);
  return 2;
}

static long long opt_time(lua_State *L, int i) {
  return lua_isnoneornil(L, i) ? -1 : (long long)luaL_checknumber(L, i);
}

/* write(kind, header canon, body canon, domain, selector, identity, time,
 * expiry, hash, names) -> the field up to "b=" */
static int write_field(lua_State *L) {
  smtp_dkim_signature s;
  const char *why = "";
  smtp_error e;
  size_t len;
  smtp_buf *b;

  memset(&s, 0, sizeof s);
  s.kind = (smtp_dkim_kind)luaL_checkoption(L, 1, NULL, kind_names);
  s.header = check_canon(L, 2);
  s.body = check_canon(L, 3);
  s.domain = luaL_checklstring(L, 4, &s.domain_len);
  s.selector = luaL_checklstring(L, 5, &s.selector_len);
  s.identity = luaL_optlstring(L, 6, NULL, &s.identity_len);
  s.time = opt_time(L, 7);
  s.expiry = opt_time(L, 8);
  s.hash = (const unsigned char *)luaL_checklstring(L, 9, &len);
  luaL_argcheck(L, len == SMTP_DKIM_HASH_SIZE, 9, "a SHA-256 hash expected");
  s.names = luaL_checklstring(L, 10, &s.names_len);
  b = smtp_push_buf(L);
  e = smtp_dkim_write(b, &s, &why);
  return e ? smtp_push_failure(L, e, why) : smtp_push_bytes(L, b);
}

/* signature(bytes) -> the value of b=, folded */
static int write_signature(lua_State *L) {
  size_t len;
  const char *bytes = luaL_checklstring(L, 1, &len);
  smtp_buf *b = smtp_push_buf(L);

  smtp_dkim_write_signature(b, bytes, len);
  return smtp_push_bytes(L, b);
}

static const luaL_Reg key_methods[] = {
    {"kind", key_kind}, {"bits", key_bits},         {"record", key_record},
    {"sign", key_sign}, {"verifies", key_verifies}, {NULL, NULL},
};

static const luaL_Reg key_metamethods[] = {
    {"__gc", collect_key},
    {NULL, NULL},
};

static const luaL_Reg reader_methods[] = {
    {"header", reader_header}, {"want", reader_want},
    {"body", reader_body},     {"finish", reader_finish},
    {"hash", reader_hash},     {"count", reader_count},
    {"field", reader_field},   {"is_malformed", reader_is_malformed},
    {"input", reader_input},   {NULL, NULL},
};

static const luaL_Reg reader_metamethods[] = {
    {"__gc", collect_reader},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"key", read_key},      {"public_key", read_public_key},
    {"reader", new_reader}, {"tags", tags},
    {"write", write_field}, {"signature", write_signature},
    {NULL, NULL},
};

void smtp_ldkim_open(lua_State *L) {
  smtp_new_class(L, KEY, key_methods, key_metamethods);
  smtp_new_class(L, READER, reader_methods, reader_metamethods);
  lua_newtable(L);
  smtp_setfuncs(L, functions);
  lua_setfield(L, -2, "dkim");
}
