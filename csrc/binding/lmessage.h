/* What lmessage.c, lbody.c and lwriter.c share. */
#ifndef SMTP_BINDING_LMESSAGE_H
#define SMTP_BINDING_LMESSAGE_H

#include "base/buf.h"
#include "binding/binding.h"
#include "mime/message.h"

/* The message at stack index `i`; raises when it is none. */
smtp_message *smtp_lmessage_check(lua_State *L, int i);
/* An empty buffer on top of the stack, freed by the collector at the latest. */
smtp_buf *smtp_lmessage_scratch(lua_State *L);
/* Push its bytes and free it, or push a failure; returns how many values. */
int smtp_lmessage_push(lua_State *L, smtp_buf *b);
/* Push a block's bytes, nil for NULL; returns 1. */
int smtp_lbody_push(lua_State *L, const smtp_block *b);
/* Add the functions of bodies to the table on top of the stack. */
void smtp_lbody_open(lua_State *L);
/* Add the writer's and the text functions to the table on top of the stack. */
void smtp_lwriter_open(lua_State *L);

#endif
