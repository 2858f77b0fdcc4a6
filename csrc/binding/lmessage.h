/* What lmessage.c, lbody.c, lwriter.c, lparser.c and llend.c share. */
#ifndef SMTP_BINDING_LMESSAGE_H
#define SMTP_BINDING_LMESSAGE_H

#include "base/buf.h"
#include "binding/binding.h"
#include "mime/message.h"

/* The message at stack index `i`; raises when it is none. */
smtp_message *smtp_lmessage_check(lua_State *L, int i);
/* Push a message object that holds none yet: where to put it. */
smtp_message **smtp_lmessage_push_none(lua_State *L);
/* The message on top of the stack was read: make objects of all its parts. */
void smtp_lmessage_push_parts(lua_State *L);
/* An empty buffer on top of the stack, freed by the collector at the latest. */
smtp_buf *smtp_lmessage_scratch(lua_State *L);
/* Push its bytes and free it, or push a failure; returns how many values. */
int smtp_lmessage_push(lua_State *L, smtp_buf *b);
/* Push a block's bytes, nil for NULL; returns 1. */
int smtp_lbody_push(lua_State *L, const smtp_block *b);
/* The string at stack index `i` as a block, which refers to it when it is long.
 * NULL when there is no memory; may raise. */
smtp_block *smtp_llend_string(lua_State *L, int i);
/* Let go of the strings that no block refers to any more: for whoever dropped
 * messages or writers. */
void smtp_llend_settle(lua_State *L);
/* Add the functions of bodies to the table on top of the stack. */
void smtp_lbody_open(lua_State *L);
/* Add the writer's and the text functions to the table on top of the stack. */
void smtp_lwriter_open(lua_State *L);
/* Push the array of what was wrong with a message that was read; returns 1. */
int smtp_lparser_push_defects(lua_State *L, const smtp_message *m);
/* Add the functions of reading to the table on top of the stack. */
void smtp_lparser_open(lua_State *L);

#endif
