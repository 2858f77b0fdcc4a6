/* Codecs for Lua: base64 and quoted-printable, whole strings and streams. The
 * streams are userdata with update(chunk) and final(); a decoder's refusal is
 * nil, "encoding" and a sentence. Lua above checks the options. */
#include <string.h>

#include "base/base64.h"
#include "binding/binding.h"
#include "mime/encode.h"

#define CLASS "smtplib.codec"

/* A stream of one of four kinds. It must not move, for `eol` is pointed at. */
typedef struct codec {
  smtp_buf out;
  smtp_error (*update)(struct codec *, const char *, size_t);
  smtp_error (*final)(struct codec *);
  union {
    smtp_base64_encoder base64;
    smtp_base64_decoder debase64;
    smtp_encode_quopri quopri;
    smtp_encode_dequopri dequopri;
  } as;
  bool strict;
  char eol[16];
} codec;

/* What a decoder returns: the bytes, or why there are none. */
static int push_decoded(lua_State *L, smtp_error e, smtp_buf *b) {
  if (e == SMTP_OK) return smtp_push_bytes(L, b);
  smtp_buf_free(b);
  return smtp_push_failure(L, e, NULL);
}

/* base64_encode(s [, width, eol]) -> string */
static int base64_encode(lua_State *L) {
  size_t len, eol_len;
  const char *s = luaL_checklstring(L, 1, &len);
  lua_Integer width = luaL_optinteger(L, 2, 0);
  const char *eol = luaL_optlstring(L, 3, "\n", &eol_len);
  smtp_buf *out;

  luaL_argcheck(L, width >= 0, 2, "not a width");
  out = smtp_push_buf(L);
  if (width)
    smtp_base64_encode_lines(out, s, len, (size_t)width, eol, eol_len);
  else
    smtp_base64_encode(out, s, len);
  return smtp_push_bytes(L, out);
}

/* base64_decode(s, strict) -> string */
static int base64_decode(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  bool strict = lua_toboolean(L, 2);
  smtp_buf *out = smtp_push_buf(L);

  return push_decoded(L,
                      strict ? smtp_base64_decode(out, s, len)
                             : smtp_base64_decode_lenient(out, s, len),
                      out);
}

/* The options at stack positions `i` and up: text, header, eol ("\n", "\r\n",
 * or nil to keep the text's own). */
static smtp_encode_options to_options(lua_State *L, int i) {
  smtp_encode_options options = {0};
  const char *eol = luaL_optstring(L, i + 2, NULL);

  options.text = lua_toboolean(L, i);
  options.header = lua_toboolean(L, i + 1);
  options.force = eol != NULL;
  options.crlf = eol && *eol == '\r';
  return options;
}

/* quopri_encode(s, text, header [, eol]) -> string. As in Python, the first
 * line break of a whole text also decides the soft breaks before it. */
static int quopri_encode(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  smtp_encode_options options = to_options(L, 2);
  const char *first = options.text ? memchr(s, '\n', len) : NULL;
  smtp_buf *out = smtp_push_buf(L);
  smtp_encode_quopri q;

  if (!options.force && first && first > s && first[-1] == '\r')
    options.crlf = true;
  smtp_encode_quopri_init(&q, options);
  smtp_encode_quopri_update(&q, out, s, len);
  smtp_encode_quopri_final(&q, out);
  return smtp_push_bytes(L, out);
}

/* quopri_decode(s, header, strict) -> string */
static int quopri_decode(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  bool strict = lua_toboolean(L, 3);
  smtp_encode_dequopri d;
  smtp_buf *out = smtp_push_buf(L);
  smtp_error e;

  smtp_encode_dequopri_init(&d, lua_toboolean(L, 2));
  smtp_encode_dequopri_update(&d, out, s, len);
  e = smtp_encode_dequopri_final(&d, out);
  return push_decoded(L, e == SMTP_ERR_ENCODING && !strict ? SMTP_OK : e, out);
}

static smtp_error update_base64(codec *c, const char *s, size_t len) {
  smtp_base64_encoder_update(&c->as.base64, &c->out, s, len);
  return SMTP_OK;
}

static smtp_error final_base64(codec *c) {
  smtp_base64_encoder_final(&c->as.base64, &c->out);
  return SMTP_OK;
}

static smtp_error update_debase64(codec *c, const char *s, size_t len) {
  return smtp_base64_decoder_update(&c->as.debase64, &c->out, s, len);
}

static smtp_error final_debase64(codec *c) {
  return smtp_base64_decoder_final(&c->as.debase64, &c->out);
}

static smtp_error update_quopri(codec *c, const char *s, size_t len) {
  smtp_encode_quopri_update(&c->as.quopri, &c->out, s, len);
  return SMTP_OK;
}

static smtp_error final_quopri(codec *c) {
  smtp_encode_quopri_final(&c->as.quopri, &c->out);
  return SMTP_OK;
}

static smtp_error update_dequopri(codec *c, const char *s, size_t len) {
  smtp_encode_dequopri_update(&c->as.dequopri, &c->out, s, len);
  return c->strict && c->as.dequopri.malformed ? SMTP_ERR_ENCODING : SMTP_OK;
}

static smtp_error final_dequopri(codec *c) {
  smtp_error e = smtp_encode_dequopri_final(&c->as.dequopri, &c->out);

  return e == SMTP_ERR_ENCODING && !c->strict ? SMTP_OK : e;
}

static codec *push_codec(lua_State *L,
                         smtp_error (*update)(codec *, const char *, size_t),
                         smtp_error (*final)(codec *)) {
  codec *c = smtp_push_object(L, sizeof *c, CLASS);

  c->update = update;
  c->final = final;
  return c;
}

/* base64_encoder([width, eol]) -> codec */
static int base64_encoder(lua_State *L) {
  size_t len;
  lua_Integer width = luaL_optinteger(L, 1, 0);
  const char *eol = luaL_optlstring(L, 2, "\n", &len);
  codec *c;

  luaL_argcheck(L, width >= 0, 1, "not a width");
  luaL_argcheck(L, len <= sizeof c->eol, 2, "line end too long");
  c = push_codec(L, update_base64, final_base64);
  memcpy(c->eol, eol, len);
  smtp_base64_encoder_init(&c->as.base64, (size_t)width, c->eol, len);
  return 1;
}

/* base64_decoder(strict) -> codec */
static int base64_decoder(lua_State *L) {
  codec *c = push_codec(L, update_debase64, final_debase64);

  smtp_base64_decoder_init(&c->as.debase64, lua_toboolean(L, 1));
  return 1;
}

/* quopri_encoder(text, header [, eol]) -> codec */
static int quopri_encoder(lua_State *L) {
  smtp_encode_options options = to_options(L, 1);
  codec *c = push_codec(L, update_quopri, final_quopri);

  smtp_encode_quopri_init(&c->as.quopri, options);
  return 1;
}

/* quopri_decoder(header, strict) -> codec */
static int quopri_decoder(lua_State *L) {
  bool header = lua_toboolean(L, 1), strict = lua_toboolean(L, 2);
  codec *c = push_codec(L, update_dequopri, final_dequopri);

  smtp_encode_dequopri_init(&c->as.dequopri, header);
  c->strict = strict;
  return 1;
}

/* codec:update(chunk) -> string */
static int codec_update(lua_State *L) {
  codec *c = luaL_checkudata(L, 1, CLASS);
  size_t len;
  const char *s = luaL_checklstring(L, 2, &len);

  return push_decoded(L, c->update(c, s, len), &c->out);
}

/* codec:final() -> string */
static int codec_final(lua_State *L) {
  codec *c = luaL_checkudata(L, 1, CLASS);

  return push_decoded(L, c->final(c), &c->out);
}

static int codec_gc(lua_State *L) {
  codec *c = luaL_checkudata(L, 1, CLASS);

  smtp_buf_free(&c->out);
  return 0;
}

static const luaL_Reg codec_methods[] = {
    {"update", codec_update},
    {"final", codec_final},
    {NULL, NULL},
};

static const luaL_Reg codec_metamethods[] = {
    {"__gc", codec_gc},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"base64_encode", base64_encode},
    {"base64_decode", base64_decode},
    {"base64_encoder", base64_encoder},
    {"base64_decoder", base64_decoder},
    {"quopri_encode", quopri_encode},
    {"quopri_decode", quopri_decode},
    {"quopri_encoder", quopri_encoder},
    {"quopri_decoder", quopri_decoder},
    {NULL, NULL},
};

void smtp_lcodec_open(lua_State *L) {
  smtp_new_class(L, CLASS, codec_methods, codec_metamethods);
  smtp_setfuncs(L, functions);
}
