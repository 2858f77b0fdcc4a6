/* TLS contexts and filters for Lua, on crypto/tls.h. The engine drives filters
 * in C; the class here serves the sink and peers in memory. Wrong types and
 * unknown options raise; a file that is missing, a certificate that is bad and
 * a handshake that fails are returned. */
#include "binding/ltls.h"

#include "binding/binding.h"

#include <string.h>

#define CONTEXT "smtplib.core.tls_context"
#define FILTER "smtplib.core.tls"

/* Options. */

typedef void take_option(lua_State *L, smtp_tls_options *o, const char *name);

static const char *check_text(lua_State *L, const char *name, size_t *len) {
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "bad option '%s' (string expected, got %s)", name,
               luaL_typename(L, -1));
  return lua_tolstring(L, -1, len);
}

static const char *check_name(lua_State *L, const char *name) {
  size_t len;
  const char *text = check_text(L, name, &len);

  if (strlen(text) != len)
    luaL_error(L, "bad option '%s' (contains a NUL byte)", name);
  return text;
}

static bool check_flag(lua_State *L, const char *name) {
  if (!lua_isboolean(L, -1))
    luaL_error(L, "bad option '%s' (boolean expected, got %s)", name,
               luaL_typename(L, -1));
  return lua_toboolean(L, -1);
}

static void take_cadata(lua_State *L, smtp_tls_options *o, const char *name) {
  o->cadata = check_text(L, name, &o->cadata_len);
}

/* A string, or an array of them that becomes one with commas and takes the
 * array's place on the stack. */
static void take_alpn(lua_State *L, smtp_tls_options *o, const char *name) {
  int i, n, list = lua_gettop(L);
  luaL_Buffer joined;

  if (lua_istable(L, list)) {
    n = (int)smtp_rawlen(L, list);
    luaL_buffinit(L, &joined);
    for (i = 1; i <= n; i++) {
      if (i > 1) luaL_addchar(&joined, ',');
      lua_rawgeti(L, list, i);
      check_name(L, name);
      luaL_addvalue(&joined);
    }
    luaL_pushresult(&joined);
    lua_replace(L, list);
  }
  o->alpn = check_name(L, name);
}

static void take_fragment(lua_State *L, smtp_tls_options *o, const char *name) {
  lua_Number n = lua_tonumber(L, -1);

  if (n < 512 || n > 16384)
    luaL_error(L, "bad option '%s' (out of range)", name);
  o->max_fragment = (size_t)n;
}

#define TAKE_TEXT(field)                                                       \
  static void take_##field(lua_State *L, smtp_tls_options *o,                  \
                           const char *name) {                                 \
    o->field = check_name(L, name);                                            \
  }
#define TAKE_FLAG(field)                                                       \
  static void take_##field(lua_State *L, smtp_tls_options *o,                  \
                           const char *name) {                                 \
    o->field = check_flag(L, name);                                            \
  }

TAKE_FLAG(verify)
TAKE_FLAG(request_client_cert)
TAKE_TEXT(cafile)
TAKE_TEXT(capath)
TAKE_TEXT(certfile)
TAKE_TEXT(keyfile)
TAKE_TEXT(key_password)
TAKE_TEXT(server_hostname)
TAKE_TEXT(min_version)
TAKE_TEXT(max_version)
TAKE_TEXT(ciphers)
TAKE_TEXT(fingerprint)

/* `server` decides a default and is read first. */
static void take_nothing(lua_State *L, smtp_tls_options *o, const char *name) {
  (void)L;
  (void)o;
  (void)name;
}

static const struct {
  const char *name;
  take_option *take;
} known[] = {
    {"server", take_nothing},
    {"verify", take_verify},
    {"request_client_cert", take_request_client_cert},
    {"cafile", take_cafile},
    {"capath", take_capath},
    {"cadata", take_cadata},
    {"certfile", take_certfile},
    {"keyfile", take_keyfile},
    {"key_password", take_key_password},
    {"server_hostname", take_server_hostname},
    {"min_version", take_min_version},
    {"max_version", take_max_version},
    {"ciphers", take_ciphers},
    {"alpn", take_alpn},
    {"fingerprint", take_fingerprint},
    {"max_fragment", take_fragment},
};

#define KNOWN (sizeof known / sizeof *known)

static bool is_known(const char *name) {
  size_t i;

  for (i = 0; i < KNOWN; i++) {
    if (strcmp(name, known[i].name) == 0) return true;
  }
  return false;
}

static void refuse_unknown(lua_State *L, int table) {
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "unknown option of type %s", luaL_typename(L, -2));
    if (!is_known(lua_tostring(L, -2)))
      luaL_error(L, "unknown option '%s'", lua_tostring(L, -2));
  }
}

/* Every text stays on the stack, where nothing collects it. */
static void take_options(lua_State *L, int table, smtp_tls_options *o) {
  size_t i;

  luaL_checktype(L, table, LUA_TTABLE);
  luaL_checkstack(L, (int)KNOWN + 8, NULL);
  refuse_unknown(L, table);
  lua_getfield(L, table, "server");
  if (!lua_isnil(L, -1)) o->server = check_flag(L, "server");
  o->verify = !o->server;
  for (i = 0; i < KNOWN; i++) {
    lua_getfield(L, table, known[i].name);
    if (!lua_isnil(L, -1)) known[i].take(L, o, known[i].name);
  }
}

/* Contexts. */

smtp_tls_context *smtp_to_tls_context(lua_State *L, int index) {
  smtp_tls_context **slot = luaL_checkudata(L, index, CONTEXT);

  if (!*slot) luaL_error(L, "the TLS context was closed");
  return *slot;
}

/* The sentence moves to the C stack, because a Lua error while it is pushed
 * would leak a buffer. */
static smtp_error new_context(const smtp_tls_options *o, smtp_tls_context **c,
                              char *text, size_t size) {
  smtp_buf why;
  size_t len;

  smtp_buf_init(&why);
  *c = smtp_tls_context_new(o, &why);
  len = smtp_buf_len(&why);
  if (len >= size) len = size - 1;
  memcpy(text, smtp_buf_data(&why), len);
  text[len] = '\0';
  smtp_buf_free(&why);
  if (*c) return SMTP_OK;
  return len ? SMTP_ERR_TLS_SETUP : SMTP_ERR_NOMEM;
}

/* tls_context(options) → context */
static int tls_context(lua_State *L) {
  smtp_tls_options o = SMTP_TLS_OPTIONS;
  smtp_tls_context **slot;
  char text[512];
  smtp_error e;

  take_options(L, 1, &o);
  slot = smtp_push_object(L, sizeof *slot, CONTEXT);
  e = new_context(&o, slot, text, sizeof text);
  return e == SMTP_OK ? 1 : smtp_push_failure(L, e, text);
}

static int context_gc(lua_State *L) {
  smtp_tls_context **slot = luaL_checkudata(L, 1, CONTEXT);

  smtp_tls_context_free(*slot);
  *slot = NULL;
  return 0;
}

static int context_tostring(lua_State *L) {
  lua_pushfstring(L, "smtplib.ssl.context: %p", lua_touserdata(L, 1));
  return 1;
}

/* Filters. */

static smtp_tls *to_tls(lua_State *L) {
  smtp_tls **slot = luaL_checkudata(L, 1, FILTER);

  if (!*slot) luaL_error(L, "the TLS filter was closed");
  return *slot;
}

static const char *opt_text(lua_State *L, int index) {
  size_t len;
  const char *text = luaL_optlstring(L, index, NULL, &len);

  luaL_argcheck(L, !text || strlen(text) == len, index, "contains a NUL byte");
  return text;
}

/* tls(context [, host [, peer]]) → filter */
static int tls_new(lua_State *L) {
  smtp_tls_context *c = smtp_to_tls_context(L, 1);
  const char *host = opt_text(L, 2), *peer = opt_text(L, 3);
  smtp_tls **slot = smtp_push_object(L, sizeof *slot, FILTER);

  *slot = smtp_tls_new(c, host, peer);
  return *slot ? 1 : smtp_push_failure(L, SMTP_ERR_NOMEM, NULL);
}

/* "certificate verification failed: certificate has expired" */
static int push_outcome(lua_State *L, const smtp_tls *t, smtp_error e) {
  if (e == SMTP_OK || e != smtp_tls_failure(t)) return smtp_push_result(L, e);
  lua_pushfstring(L, "%s: %s", smtp_error_text(e), smtp_tls_reason(t));
  return smtp_push_failure(L, e, lua_tostring(L, -1));
}

static int tls_input(lua_State *L) {
  smtp_tls *t = to_tls(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);

  return push_outcome(L, t, smtp_tls_input(t, bytes, len));
}

static int tls_input_end(lua_State *L) {
  smtp_tls *t = to_tls(L);

  return push_outcome(L, t, smtp_tls_input_end(t));
}

/* output() → bytes for the wire, which are then gone from the filter */
static int tls_output(lua_State *L) {
  smtp_tls *t = to_tls(L);
  size_t len;
  const char *bytes = smtp_tls_output(t, &len);

  lua_pushlstring(L, bytes, len);
  smtp_tls_sent(t, len);
  return 1;
}

static int tls_write(lua_State *L) {
  smtp_tls *t = to_tls(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);

  return push_outcome(L, t, smtp_tls_write(t, bytes, len));
}

/* read() → at most 16 KiB; nil when there is nothing, nil and a failure */
static int tls_read(lua_State *L) {
  smtp_tls *t = to_tls(L);
  char bytes[16384];
  size_t got;
  smtp_error e = smtp_tls_read(t, bytes, sizeof bytes, &got);

  if (got) {
    lua_pushlstring(L, bytes, got);
    return 1;
  }
  if (e != SMTP_OK) return push_outcome(L, t, e);
  lua_pushnil(L);
  return 1;
}

static int tls_state(lua_State *L) {
  static const char *const names[] = {"handshake", "open", "closed", "failed"};

  lua_pushstring(L, names[smtp_tls_current(to_tls(L))]);
  return 1;
}

/* failure() → name, reason, verify_code; nil when there is none */
static int tls_failure(lua_State *L) {
  smtp_tls *t = to_tls(L);

  if (smtp_tls_failure(t) == SMTP_OK) return 0;
  lua_pushstring(L, smtp_error_name(smtp_tls_failure(t)));
  lua_pushstring(L, smtp_tls_reason(t));
  lua_pushinteger(L, (lua_Integer)smtp_tls_verify_code(t));
  return 3;
}

static int tls_shutdown(lua_State *L) {
  smtp_tls_shutdown(to_tls(L));
  return 0;
}

/* binding([type]) → type, bytes */
static int tls_binding(lua_State *L) {
  smtp_tls *t = to_tls(L);
  const char *name = luaL_optstring(L, 2, NULL);
  smtp_binding_type type = SMTP_BINDING_ANY;
  unsigned char bytes[SMTP_BINDING_MAX];
  size_t len;
  smtp_error e;

  luaL_argcheck(L, !name || smtp_binding_find(name, &type), 2,
                "unknown channel binding");
  e = smtp_tls_binding(t, &type, bytes, sizeof bytes, &len);
  if (e != SMTP_OK)
    return smtp_push_failure(L, e, "channel binding not available");
  lua_pushstring(L, smtp_binding_name(type));
  lua_pushlstring(L, (const char *)bytes, len);
  return 2;
}

static int tls_resumed(lua_State *L) {
  lua_pushboolean(L, smtp_tls_resumed(to_tls(L)));
  return 1;
}

static int tls_version(lua_State *L) {
  lua_pushstring(L, smtp_tls_version(to_tls(L)));
  return 1;
}

static int tls_cipher(lua_State *L) {
  lua_pushstring(L, smtp_tls_cipher(to_tls(L)));
  return 1;
}

static int tls_alpn(lua_State *L) {
  char name[256];

  smtp_tls_alpn(to_tls(L), name, sizeof name);
  lua_pushstring(L, name);
  return 1;
}

static int tls_server_name(lua_State *L) {
  lua_pushstring(L, smtp_tls_server_name(to_tls(L)));
  return 1;
}

/* fingerprint() → "sha256:HEX" of the peer's certificate, nil if it has none */
static int tls_fingerprint(lua_State *L) {
  static const char digits[] = "0123456789abcdef";
  unsigned char hash[32];
  char text[7 + 2 * sizeof hash] = "sha256:";
  size_t i;

  if (!smtp_tls_fingerprint(to_tls(L), hash)) return 0;
  for (i = 0; i < sizeof hash; i++) {
    text[7 + 2 * i] = digits[hash[i] >> 4];
    text[8 + 2 * i] = digits[hash[i] & 15];
  }
  lua_pushlstring(L, text, sizeof text);
  return 1;
}

static int tls_gc(lua_State *L) {
  smtp_tls **slot = luaL_checkudata(L, 1, FILTER);

  smtp_tls_free(*slot);
  *slot = NULL;
  return 0;
}

static const luaL_Reg functions[] = {
    {"tls_context", tls_context},
    {"tls", tls_new},
    {NULL, NULL},
};

static const luaL_Reg context_metamethods[] = {
    {"__gc", context_gc},
    {"__tostring", context_tostring},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"input", tls_input},
    {"input_end", tls_input_end},
    {"output", tls_output},
    {"write", tls_write},
    {"read", tls_read},
    {"state", tls_state},
    {"failure", tls_failure},
    {"shutdown", tls_shutdown},
    {"binding", tls_binding},
    {"resumed", tls_resumed},
    {"version", tls_version},
    {"cipher", tls_cipher},
    {"alpn", tls_alpn},
    {"server_name", tls_server_name},
    {"fingerprint", tls_fingerprint},
    {"close", tls_gc},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", tls_gc},
    {NULL, NULL},
};

void smtp_ltls_open(lua_State *L) {
  smtp_new_class(L, CONTEXT, NULL, context_metamethods);
  smtp_new_class(L, FILTER, methods, metamethods);
  smtp_setfuncs(L, functions);
}
