/* The engine as other files of the binding reach it. */
#ifndef SMTP_BINDING_LENGINE_H
#define SMTP_BINDING_LENGINE_H

#include "binding/binding.h"
#include "engine/engine.h"

/* The engine at this index; raises for anything else. */
smtp_engine *smtp_to_engine(lua_State *L, int index);

/* lengine_events.c: one step of the engine, as Lua values (see there). The
 * content is what has been handed over of the message. */
typedef struct smtp_content {
  const char *bytes; /* anchored in the userdata's table of values */
  size_t len, taken;
  bool last;
} smtp_content;

int smtp_push_next(lua_State *L, smtp_engine *e, smtp_content *content,
                   bool terse);

#endif
