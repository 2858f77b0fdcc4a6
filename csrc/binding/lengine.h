/* The engine as other files of the binding reach it. */
#ifndef SMTP_BINDING_LENGINE_H
#define SMTP_BINDING_LENGINE_H

#include "binding/binding.h"
#include "engine/engine.h"

/* The engine at this index; raises for anything else. */
smtp_engine *smtp_to_engine(lua_State *L, int index);

/* What has been handed over of the message. */
typedef struct smtp_content {
  const char *bytes; /* anchored in the userdata's table of values */
  size_t len, taken;
  bool last;
} smtp_content;

typedef struct smtp_engine_object {
  smtp_engine *engine;
  smtp_content content;
} smtp_engine_object;

/* The same with what it holds for Lua. */
smtp_engine_object *smtp_to_engine_object(lua_State *L, int index);

/* lengine_events.c: the engine's next step, the message fed as far as it goes;
 * `terse` leaves out replies that a transaction was bound to get. */
smtp_next smtp_engine_object_next(smtp_engine_object *o, bool terse,
                                  smtp_event *event);
/* That step as Lua values, see there. */
int smtp_push_next(lua_State *L, const smtp_engine *e, smtp_next next,
                   const smtp_event *event);

#endif
