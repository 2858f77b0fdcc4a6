/* What the files of the binding share: one opener per file (each adds its
 * functions to the module table on top of the stack) and the few helpers that
 * turn C results into Lua values. A method is three lines: check, call, push;
 * misuse raises, what can happen in production returns through lresult. */
#ifndef SMTP_BINDING_BINDING_H
#define SMTP_BINDING_BINDING_H

#include "base/buf.h"
#include "base/error.h"
#include "binding/compat.h"

void smtp_laddress_open(lua_State *L);
void smtp_lauth_open(lua_State *L);
void smtp_lclock_open(lua_State *L);
void smtp_lbuf_open(lua_State *L);
void smtp_lcodec_open(lua_State *L);
void smtp_lcharset_open(lua_State *L);
void smtp_lchild_open(lua_State *L);
void smtp_ldate_open(lua_State *L);
void smtp_ldkim_open(lua_State *L);
void smtp_lengine_open(lua_State *L);
void smtp_lenvelope_open(lua_State *L);
void smtp_lhash_open(lua_State *L);
void smtp_lhost_open(lua_State *L);
void smtp_llisten_open(lua_State *L);
void smtp_lmemory_open(lua_State *L);
void smtp_lmessage_open(lua_State *L);
void smtp_lpattern_open(lua_State *L);
void smtp_lpump_open(lua_State *L);
void smtp_lselfsigned_open(lua_State *L);
void smtp_lsmime_open(lua_State *L);
void smtp_ltcp_open(lua_State *L);
void smtp_ltls_open(lua_State *L);

/* lresult.c: the one place that makes a failure.
 * Pushes nil, the error's name, a sentence (`detail` when not NULL, else the
 * error's own) and returns 3. */
int smtp_push_failure(lua_State *L, smtp_error e, const char *detail);
/* true for SMTP_OK, else a failure. */
int smtp_push_result(lua_State *L, smtp_error e);

/* A userdata of `size` zeroed bytes with the metatable `name` (already made
 * with smtp_new_class), valid for its __gc before anything is put into it. */
void *smtp_push_object(lua_State *L, size_t size, const char *name);
/* Make the metatable `name` with its methods (also its __index) and metamethods
 * (either may be NULL). Leaves nothing on the stack. */
void smtp_new_class(lua_State *L, const char *name, const luaL_Reg *methods,
                    const luaL_Reg *metamethods);

/* lbuf.c: an empty buffer as a userdata, which frees it at the latest. */
smtp_buf *smtp_push_buf(lua_State *L);
/* Push what `b` holds as a string and free it; a failure when it failed.
 * Returns the number of values. */
int smtp_push_bytes(lua_State *L, smtp_buf *b);

#endif
