/* Digests, HMAC objects, random bytes and comparison in constant time for Lua,
 * on crypto/hash.h. An unknown digest is misuse; one that this OpenSSL does
 * not compute (MD5 under FIPS) is a failure. */
#include "binding/binding.h"
#include "crypto/hash.h"

#define HMAC "smtplib.core.hmac"

static smtp_hash check_hash(lua_State *L, int index) {
  const char *name = luaL_checkstring(L, index);
  smtp_hash h = SMTP_HASH_MD5;

  if (!smtp_hash_find(name, &h)) luaL_error(L, "unknown digest '%s'", name);
  return h;
}

static int push_digest(lua_State *L, smtp_error e, smtp_hash h,
                       const unsigned char *digest) {
  if (e == SMTP_ERR_MECHANISM)
    return smtp_push_failure(L, e, "digest algorithm not available");
  if (e != SMTP_OK) return smtp_push_failure(L, e, NULL);
  lua_pushlstring(L, (const char *)digest, smtp_hash_size(h));
  return 1;
}

/* digest(name, bytes) → digest */
static int hash_digest(lua_State *L) {
  smtp_hash h = check_hash(L, 1);
  size_t len;
  const char *s = luaL_checklstring(L, 2, &len);
  unsigned char out[SMTP_HASH_MAX];

  return push_digest(L, smtp_hash_digest(h, s, len, out), h, out);
}

/* digest_size(name) → bytes, or nil when there is no such digest */
static int hash_digest_size(lua_State *L) {
  smtp_hash h;

  if (!smtp_hash_find(luaL_checkstring(L, 1), &h)) return 0;
  lua_pushinteger(L, (lua_Integer)smtp_hash_size(h));
  return 1;
}

/* pbkdf2(name, password, salt, iterations) → key of the digest's size */
static int hash_pbkdf2(lua_State *L) {
  smtp_hash h = check_hash(L, 1);
  size_t password_len, salt_len;
  const char *password = luaL_checklstring(L, 2, &password_len);
  const char *salt = luaL_checklstring(L, 3, &salt_len);
  lua_Integer iterations = luaL_checkinteger(L, 4);
  unsigned char out[SMTP_HASH_MAX];

  luaL_argcheck(L, iterations >= 1 && iterations <= 0x7fffffff, 4,
                "out of range");
  return push_digest(L,
                     smtp_hash_pbkdf2(h, password, password_len, salt, salt_len,
                                      (unsigned)iterations, out),
                     h, out);
}

/* equal(a, b): strings of one length are compared in constant time */
static int hash_equal(lua_State *L) {
  size_t a_len, b_len;
  const char *a = luaL_checklstring(L, 1, &a_len);
  const char *b = luaL_checklstring(L, 2, &b_len);

  lua_pushboolean(L, a_len == b_len && smtp_hash_equal(a, b, a_len));
  return 1;
}

/* random(n) → n unpredictable bytes, at most 1024 */
static int hash_random(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  char bytes[1024];
  smtp_error e;

  luaL_argcheck(L, n >= 0 && n <= (lua_Integer)sizeof bytes, 1, "out of range");
  e = smtp_hash_random(bytes, (size_t)n);
  if (e != SMTP_OK) return smtp_push_failure(L, e, "no random bytes to be had");
  lua_pushlstring(L, bytes, (size_t)n);
  return 1;
}

static smtp_hmac **to_slot(lua_State *L) {
  return luaL_checkudata(L, 1, HMAC);
}

static smtp_hmac *to_hmac(lua_State *L) {
  smtp_hmac *m = *to_slot(L);

  if (!m) luaL_error(L, "the hmac object was closed");
  return m;
}

/* hmac(name, key [, bytes]) → object */
static int hash_hmac(lua_State *L) {
  smtp_hash h = check_hash(L, 1);
  size_t key_len, len;
  const char *key = luaL_checklstring(L, 2, &key_len);
  const char *bytes = luaL_optlstring(L, 3, "", &len);
  smtp_hmac **slot = smtp_push_object(L, sizeof *slot, HMAC);
  smtp_error e;

  *slot = smtp_hmac_new(h, key, key_len, &e);
  if (*slot) e = smtp_hmac_update(*slot, bytes, len);
  return e == SMTP_OK ? 1 : push_digest(L, e, h, NULL);
}

/* update(bytes) → the object, or nil and a failure */
static int hmac_update(lua_State *L) {
  smtp_hmac *m = to_hmac(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  smtp_error e = smtp_hmac_update(m, bytes, len);

  if (e != SMTP_OK) return smtp_push_failure(L, e, NULL);
  lua_settop(L, 1);
  return 1;
}

static int hmac_digest(lua_State *L) {
  smtp_hmac *m = to_hmac(L);
  unsigned char out[SMTP_HASH_MAX];

  return push_digest(L, smtp_hmac_digest(m, out), smtp_hmac_hash(m), out);
}

/* copy() → another object that has seen the same bytes */
static int hmac_copy(lua_State *L) {
  smtp_hmac *m = to_hmac(L);
  smtp_hmac **slot = smtp_push_object(L, sizeof *slot, HMAC);

  *slot = smtp_hmac_copy(m);
  return *slot ? 1 : smtp_push_failure(L, SMTP_ERR_NOMEM, NULL);
}

static int hmac_name(lua_State *L) {
  lua_pushstring(L, smtp_hash_name(smtp_hmac_hash(to_hmac(L))));
  return 1;
}

static int hmac_gc(lua_State *L) {
  smtp_hmac **slot = to_slot(L);

  smtp_hmac_free(*slot);
  *slot = NULL;
  return 0;
}

static const luaL_Reg functions[] = {
    {"digest", hash_digest},
    {"digest_size", hash_digest_size},
    {"pbkdf2", hash_pbkdf2},
    {"equal", hash_equal},
    {"random", hash_random},
    {"hmac", hash_hmac},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"update", hmac_update},
    {"digest", hmac_digest},
    {"copy", hmac_copy},
    {"name", hmac_name},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", hmac_gc},
    {NULL, NULL},
};

void smtp_lhash_open(lua_State *L) {
  smtp_new_class(L, HMAC, methods, metamethods);
  smtp_setfuncs(L, functions);
}
