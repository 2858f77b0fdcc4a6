/* TLS contexts that other files of the binding take as an argument. */
#ifndef SMTP_BINDING_LTLS_H
#define SMTP_BINDING_LTLS_H

#include "binding/compat.h"
#include "crypto/tls.h"

/* The context at `index`, borrowed; raises if there is none. */
smtp_tls_context *smtp_to_tls_context(lua_State *L, int index);

#endif
