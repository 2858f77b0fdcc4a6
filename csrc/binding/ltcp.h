/* What the files about sockets share (ltcp, llisten, lchild, lpump). */
#ifndef SMTP_BINDING_LTCP_H
#define SMTP_BINDING_LTCP_H

#include "binding/binding.h"
#include "os/failure.h"
#include "os/listener.h"
#include "os/tcp.h"

#define SMTP_TCP_CLASS "smtplib.core.tcp"
#define SMTP_LISTENER_CLASS "smtplib.core.listener"

/* The object at `index` if it is of this class, else NULL. */
void *smtp_test_object(lua_State *L, int index, const char *name);
/* The stream at `index`; anything else is misuse, and raises. */
smtp_tcp *smtp_to_tcp(lua_State *L, int index);
/* A new stream, not connected, on top of the stack. */
smtp_tcp *smtp_push_tcp(lua_State *L);
/* What a stream or listener at `index` owns; NULL for any other value. */
smtp_descriptor *smtp_test_descriptor(lua_State *L, int index);

/* Seconds at `index`: above 0 (or 0 itself, if `or_zero`), math.huge for ever;
 * anything else is misuse. */
double smtp_check_seconds(lua_State *L, int index, bool or_zero);

/* nil, "ECONNREFUSED" | "timeout" | …, sentence. */
int smtp_push_os_failure(lua_State *L, const smtp_failure *f);
/* true, or the failure `f` when `e` is not SMTP_OK. */
int smtp_push_os_result(lua_State *L, smtp_error e, const smtp_failure *f);

#endif
