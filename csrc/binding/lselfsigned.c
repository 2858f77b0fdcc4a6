/* Self-signed certificates for the sink. */
#include "binding/binding.h"
#include "crypto/selfsigned.h"

/* What lives across calls that may raise is in userdata, or it would leak. */
typedef struct pair {
  smtp_buf certificate, key;
} pair;

static const char *const PAIR = "smtplib.core.pair";

static int pair_gc(lua_State *L) {
  pair *p = luaL_checkudata(L, 1, PAIR);

  smtp_buf_free(&p->certificate);
  smtp_buf_wipe(&p->key);
  return 0;
}

/* self_signed([name]) → certificate, key (both PEM) */
static int self_signed(lua_State *L) {
  const char *name = luaL_optstring(L, 1, NULL);
  pair *p = smtp_push_object(L, sizeof *p, PAIR);
  smtp_error e = smtp_selfsigned(name, &p->certificate, &p->key);

  if (e != SMTP_OK) return smtp_push_failure(L, e, NULL);
  lua_pushlstring(L, smtp_buf_data(&p->certificate),
                  smtp_buf_len(&p->certificate));
  lua_pushlstring(L, smtp_buf_data(&p->key), smtp_buf_len(&p->key));
  return 2;
}

static const luaL_Reg metamethods[] = {
    {"__gc", pair_gc},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"self_signed", self_signed},
    {NULL, NULL},
};

void smtp_lselfsigned_open(lua_State *L) {
  smtp_new_class(L, PAIR, NULL, metamethods);
  smtp_setfuncs(L, functions);
}
