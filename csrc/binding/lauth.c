/* Mechanisms for Lua: conversations for the engine, and core.auth{…} as an
 * object of its own, for login by hand (server:auth_plain() and friends). */
#include "binding/lauth.h"

#include <string.h>

#define CLASS "smtplib.core.auth"

typedef struct auth_object {
  smtp_auth *auth;
  smtp_buf response;
} auth_object;

/* A field as bytes that live as long as the table holds them. */
static smtp_span field(lua_State *L, int index, const char *name) {
  smtp_span s = {NULL, 0};

  lua_getfield(L, index, name);
  if (lua_type(L, -1) == LUA_TSTRING) s.s = lua_tolstring(L, -1, &s.len);
  lua_pop(L, 1);
  return s;
}

smtp_auth *smtp_new_auth(lua_State *L, int index, const smtp_tls *tls,
                         smtp_error *why) {
  unsigned char bytes[SMTP_BINDING_MAX];
  smtp_binding_type type = SMTP_BINDING_ANY;
  smtp_credentials c;

  memset(&c, 0, sizeof c);
  c.user = field(L, index, "user");
  c.password = field(L, index, "password");
  c.authzid = field(L, index, "authzid");
  c.token = field(L, index, "token");
  c.host = field(L, index, "host");
  c.port = field(L, index, "port");
  c.nonce = field(L, index, "nonce");
  lua_getfield(L, index, "binding_offered");
  c.binding_offered = lua_toboolean(L, -1) != 0;
  lua_pop(L, 1);
  if (tls && smtp_tls_binding(tls, &type, bytes, sizeof bytes,
                              &c.binding.len) == SMTP_OK) {
    c.binding.s = (const char *)bytes;
    c.binding_type.s = smtp_binding_name(type);
    c.binding_type.len = strlen(c.binding_type.s);
  }
  return smtp_auth_new(field(L, index, "mechanism"), &c, why);
}

static auth_object *to_auth(lua_State *L) {
  return luaL_checkudata(L, 1, CLASS);
}

/* core.auth{mechanism=, user=, password=, …} → conversation */
static int auth_new(lua_State *L) {
  auth_object *o;
  smtp_error why;

  luaL_checktype(L, 1, LUA_TTABLE);
  o = smtp_push_object(L, sizeof *o, CLASS);
  o->auth = smtp_new_auth(L, 1, NULL, &why);
  return o->auth ? 1 : smtp_push_failure(L, why, NULL);
}

static int auth_gc(lua_State *L) {
  auth_object *o = to_auth(L);

  smtp_auth_free(o->auth);
  o->auth = NULL;
  smtp_buf_wipe(&o->response);
  return 0;
}

/* step(challenge or nil) → response */
static int auth_step(lua_State *L) {
  auth_object *o = to_auth(L);
  size_t len = 0;
  const char *s = luaL_optlstring(L, 2, NULL, &len);
  smtp_error e = smtp_auth_step(o->auth, s, len, &o->response);

  if (e == SMTP_OK)
    lua_pushlstring(L, smtp_buf_data(&o->response), smtp_buf_len(&o->response));
  smtp_buf_wipe(&o->response);
  return e == SMTP_OK ? 1 : smtp_push_failure(L, e, NULL);
}

static int auth_is_proven(lua_State *L) {
  lua_pushboolean(L, smtp_auth_is_proven(to_auth(L)->auth));
  return 1;
}

/* core.exposes_secret(mechanism) */
static int exposes_secret(lua_State *L) {
  smtp_span mechanism;

  mechanism.s = luaL_checklstring(L, 1, &mechanism.len);
  lua_pushboolean(L, smtp_auth_exposes_secret(mechanism));
  return 1;
}

static const luaL_Reg methods[] = {
    {"step", auth_step},
    {"is_proven", auth_is_proven},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", auth_gc},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"auth", auth_new},
    {"exposes_secret", exposes_secret},
    {NULL, NULL},
};

void smtp_lauth_open(lua_State *L) {
  smtp_new_class(L, CLASS, methods, metamethods);
  smtp_setfuncs(L, functions);
}
