/* The C module `smtplib.core`: internal, no promise to users. Its functions
 * and classes come from the binding's other files. */
#include "binding/binding.h"

#if defined(__GNUC__)
#define SMTP_EXPORT __attribute__((visibility("default")))
#else
#define SMTP_EXPORT
#endif

SMTP_EXPORT int luaopen_smtplib_core(lua_State *L);

int luaopen_smtplib_core(lua_State *L) {
  lua_newtable(L);
  smtp_laddress_open(L);
  smtp_lauth_open(L);
  smtp_lengine_open(L);
  smtp_lenvelope_open(L);
  smtp_lclock_open(L);
  smtp_lbuf_open(L);
  smtp_lcodec_open(L);
  smtp_lcharset_open(L);
  smtp_lpattern_open(L);
  smtp_ldate_open(L);
  smtp_ldkim_open(L);
  smtp_lhash_open(L);
  smtp_lhost_open(L);
  smtp_lmemory_open(L);
  smtp_lselfsigned_open(L);
  smtp_lsmime_open(L);
  smtp_ltcp_open(L);
  smtp_lpump_open(L);
  smtp_llisten_open(L);
  smtp_lmessage_open(L);
  smtp_lchild_open(L);
  smtp_ltls_open(L);
  return 1;
}
