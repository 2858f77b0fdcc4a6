/* S/MIME for Lua: core.smime.signer, .encryptor, .decrypt, .verify, on
 * crypto/smime.h. What lives across calls that may raise is in userdata. */
#include "binding/binding.h"
#include "crypto/smime.h"

#define SIGNER "smtplib.core.smime.signer"
#define ENCRYPTOR "smtplib.core.smime.encryptor"
#define REPORT "smtplib.core.smime.report"

typedef struct signer {
  smtp_smime_signer *s;
} signer;

typedef struct encryptor {
  smtp_smime_encryptor *s;
} encryptor;

static smtp_smime_signer *check_signer(lua_State *L) {
  signer *o = luaL_checkudata(L, 1, SIGNER);

  if (!o->s) luaL_argerror(L, 1, "signer is closed");
  return o->s;
}

static smtp_smime_encryptor *check_encryptor(lua_State *L) {
  encryptor *o = luaL_checkudata(L, 1, ENCRYPTOR);

  if (!o->s) luaL_argerror(L, 1, "encryptor is closed");
  return o->s;
}

static int collect_signer(lua_State *L) {
  signer *o = luaL_checkudata(L, 1, SIGNER);

  smtp_smime_signer_free(o->s);
  o->s = NULL;
  return 0;
}

static int collect_encryptor(lua_State *L) {
  encryptor *o = luaL_checkudata(L, 1, ENCRYPTOR);

  smtp_smime_encryptor_free(o->s);
  o->s = NULL;
  return 0;
}

static int collect_report(lua_State *L) {
  smtp_smime_report_free(luaL_checkudata(L, 1, REPORT));
  return 0;
}

/* nil, name and the sentence in `why`, which must not contain NUL. */
static int push_why(lua_State *L, smtp_error e, smtp_buf *why) {
  smtp_buf_addc(why, '\0');
  return smtp_push_failure(L, e, why->failed ? NULL : smtp_buf_data(why));
}

static int settle(lua_State *L, smtp_error e, smtp_buf *why) {
  if (e) return push_why(L, e, why);
  lua_pushboolean(L, 1);
  return 1;
}

/* cert, key, password or nil, from index `i` on */
static void read_identity(lua_State *L, int i, smtp_smime_identity *id) {
  id->cert = luaL_checklstring(L, i, &id->cert_len);
  id->key = luaL_checklstring(L, i + 1, &id->key_len);
  id->password = luaL_optlstring(L, i + 2, NULL, &id->password_len);
}

/* signer(cert, key, password, with content) → signer, or nil, name, sentence */
static int new_signer(lua_State *L) {
  smtp_smime_identity id;
  smtp_buf *why;
  smtp_error e;
  signer *o;
  bool is_detached;

  read_identity(L, 1, &id);
  is_detached = !lua_toboolean(L, 4);
  why = smtp_push_buf(L);
  o = smtp_push_object(L, sizeof *o, SIGNER);
  o->s = smtp_smime_signer_new(&id, is_detached, &e, why);
  return o->s ? 1 : push_why(L, e, why);
}

/* s:add(PEM of the chain) */
static int signer_add(lua_State *L) {
  smtp_smime_signer *s = check_signer(L);
  size_t len;
  const char *pem = luaL_checklstring(L, 2, &len);
  smtp_buf *why = smtp_push_buf(L);

  return settle(L, smtp_smime_signer_add(s, pem, len, why), why);
}

/* s:update(bytes) → bytes of what carries them, none of a detached one */
static int signer_update(lua_State *L) {
  smtp_smime_signer *s = check_signer(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  smtp_buf *why = smtp_push_buf(L), *out = smtp_push_buf(L);
  smtp_error e = smtp_smime_signer_update(s, bytes, len, out, why);

  return e ? push_why(L, e, why) : smtp_push_bytes(L, out);
}

/* s:final() → the signature (DER), or the rest of it */
static int signer_final(lua_State *L) {
  smtp_smime_signer *s = check_signer(L);
  smtp_buf *why = smtp_push_buf(L), *out = smtp_push_buf(L);
  smtp_error e = smtp_smime_signer_final(s, out, why);

  return e ? push_why(L, e, why) : smtp_push_bytes(L, out);
}

/* encryptor(cipher) → encryptor, or nil, name, sentence */
static int new_encryptor(lua_State *L) {
  const char *cipher = luaL_checkstring(L, 1);
  smtp_buf *why = smtp_push_buf(L);
  encryptor *o = smtp_push_object(L, sizeof *o, ENCRYPTOR);
  smtp_error e;

  o->s = smtp_smime_encryptor_new(cipher, &e, why);
  return o->s ? 1 : push_why(L, e, why);
}

/* s:add(PEM of recipients) */
static int encryptor_add(lua_State *L) {
  smtp_smime_encryptor *s = check_encryptor(L);
  size_t len;
  const char *pem = luaL_checklstring(L, 2, &len);
  smtp_buf *why = smtp_push_buf(L);

  return settle(L, smtp_smime_encryptor_add(s, pem, len, why), why);
}

/* s:update(bytes) → bytes of the envelope, perhaps none */
static int encryptor_update(lua_State *L) {
  smtp_smime_encryptor *s = check_encryptor(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  smtp_buf *why = smtp_push_buf(L), *out = smtp_push_buf(L);
  smtp_error e = smtp_smime_encryptor_update(s, bytes, len, out, why);

  return e ? push_why(L, e, why) : smtp_push_bytes(L, out);
}

/* s:final() → the rest */
static int encryptor_final(lua_State *L) {
  smtp_smime_encryptor *s = check_encryptor(L);
  smtp_buf *why = smtp_push_buf(L), *out = smtp_push_buf(L);
  smtp_error e = smtp_smime_encryptor_final(s, out, why);

  return e ? push_why(L, e, why) : smtp_push_bytes(L, out);
}

/* decrypt(cms, cert, key, password) → content, or nil, name, sentence */
static int decrypt(lua_State *L) {
  size_t len;
  const char *cms = luaL_checklstring(L, 1, &len);
  smtp_smime_identity id;
  smtp_buf *why, *out;
  smtp_error e;

  read_identity(L, 2, &id);
  why = smtp_push_buf(L);
  out = smtp_push_buf(L);
  e = smtp_smime_decrypt(&id, cms, len, out, why);
  return e ? push_why(L, e, why) : smtp_push_bytes(L, out);
}

static void set_text(lua_State *L, const char *name, const smtp_buf *b) {
  lua_pushlstring(L, smtp_buf_data(b), smtp_buf_len(b));
  lua_setfield(L, -2, name);
}

static void set_time(lua_State *L, const char *name, long long t) {
  if (t < 0) return;
  lua_pushinteger(L, (lua_Integer)t);
  lua_setfield(L, -2, name);
}

static void set_emails(lua_State *L, const smtp_buf *b) {
  const char *s = smtp_buf_data(b), *end = s + smtp_buf_len(b);
  int n = 0;

  lua_newtable(L);
  while (s < end) {
    lua_pushstring(L, s);
    s += smtp_rawlen(L, -1) + 1;
    lua_rawseti(L, -2, ++n);
  }
  lua_setfield(L, -2, "emails");
}

static void set_fingerprint(lua_State *L, const unsigned char *bytes) {
  static const char digits[] = "0123456789abcdef";
  char text[64];
  int i;

  for (i = 0; i < 32; i++) {
    text[2 * i] = digits[bytes[i] >> 4];
    text[2 * i + 1] = digits[bytes[i] & 15];
  }
  lua_pushlstring(L, text, sizeof text);
  lua_setfield(L, -2, "fingerprint");
}

static void push_signature(lua_State *L, const smtp_smime_signature *s) {
  lua_newtable(L);
  set_text(L, "subject", &s->subject);
  set_text(L, "issuer", &s->issuer);
  set_text(L, "serial", &s->serial);
  set_text(L, "digest", &s->digest);
  set_emails(L, &s->emails);
  set_fingerprint(L, s->fingerprint);
  set_time(L, "not_before", s->not_before);
  set_time(L, "not_after", s->not_after);
  set_time(L, "signing_time", s->signing_time);
}

/* It stays on the stack as long as it is borrowed. */
static const char *text_option(lua_State *L, const char *name, size_t *len) {
  lua_getfield(L, 3, name);
  return luaL_optlstring(L, -1, NULL, len);
}

static void read_trust(lua_State *L, smtp_smime_trust *t) {
  size_t len = 0;

  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  lua_getfield(L, 3, "verify");
  t->verify = lua_toboolean(L, -1);
  lua_getfield(L, 3, "time");
  t->at = (long long)luaL_optnumber(L, -1, 0);
  t->cafile = text_option(L, "cafile", &len);
  t->cadata = text_option(L, "cadata", &t->cadata_len);
  t->certs = text_option(L, "certs", &t->certs_len);
}

/* verify(cms, content or nil, {verify, time, cafile, cadata, certs})
 * → what the signature carries ("" if detached), array of signers, or nil,
 * name, sentence */
static int verify(lua_State *L) {
  size_t len, content_len = 0, i;
  const char *cms = luaL_checklstring(L, 1, &len);
  const char *content = luaL_optlstring(L, 2, NULL, &content_len);
  smtp_smime_trust trust = {0};
  smtp_smime_report *r;
  smtp_buf *why;
  smtp_error e;

  read_trust(L, &trust);
  why = smtp_push_buf(L);
  r = smtp_push_object(L, sizeof *r, REPORT);
  e = smtp_smime_verify(&trust, cms, len, content, content_len, r, why);
  if (e) return push_why(L, e, why);
  lua_pushlstring(L, smtp_buf_data(&r->content), smtp_buf_len(&r->content));
  lua_createtable(L, (int)r->count, 0);
  for (i = 0; i < r->count; i++) {
    push_signature(L, &r->signatures[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  smtp_smime_report_free(r);
  return 2;
}

static const luaL_Reg signer_methods[] = {
    {"add", signer_add},
    {"update", signer_update},
    {"final", signer_final},
    {NULL, NULL},
};

static const luaL_Reg signer_metamethods[] = {
    {"__gc", collect_signer},
    {NULL, NULL},
};

static const luaL_Reg encryptor_methods[] = {
    {"add", encryptor_add},
    {"update", encryptor_update},
    {"final", encryptor_final},
    {NULL, NULL},
};

static const luaL_Reg encryptor_metamethods[] = {
    {"__gc", collect_encryptor},
    {NULL, NULL},
};

static const luaL_Reg report_metamethods[] = {
    {"__gc", collect_report},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"signer", new_signer}, {"encryptor", new_encryptor},
    {"decrypt", decrypt},   {"verify", verify},
    {NULL, NULL},
};

void smtp_lsmime_open(lua_State *L) {
  smtp_new_class(L, SIGNER, signer_methods, signer_metamethods);
  smtp_new_class(L, ENCRYPTOR, encryptor_methods, encryptor_metamethods);
  smtp_new_class(L, REPORT, NULL, report_metamethods);
  lua_newtable(L);
  smtp_setfuncs(L, functions);
  lua_setfield(L, -2, "smime");
}
