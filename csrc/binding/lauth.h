/* Conversations of login, made from Lua tables. */
#ifndef SMTP_BINDING_LAUTH_H
#define SMTP_BINDING_LAUTH_H

#include "binding/binding.h"
#include "crypto/tls.h"
#include "engine/auth.h"

/* A conversation from the table at `index`: mechanism, user, password, authzid,
 * token, host, port, binding_offered, nonce. `tls` (may be NULL) lends its
 * channel binding. NULL and *why on failure. */
smtp_auth *smtp_new_auth(lua_State *L, int index, const smtp_tls *tls,
                         smtp_error *why);

#endif
