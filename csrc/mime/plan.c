/* The plan as a list of segments, see plan.h. */
#include "mime/plan.h"

#include <string.h>

smtp_segment *smtp_plan_add(smtp_plan *plan, smtp_segment_kind kind) {
  smtp_segment *s;

  if (plan->count == plan->room) {
    size_t room = plan->room ? plan->room * 2 : 4;

    s = smtp_reallocate(plan->segments, room * sizeof *s);
    if (!s) return NULL;
    plan->segments = s;
    plan->room = room;
  }
  s = &plan->segments[plan->count++];
  memset(s, 0, sizeof *s);
  s->kind = kind;
  return s;
}

void smtp_plan_free(smtp_plan *p) {
  size_t i;

  for (i = 0; i < p->count; i++)
    smtp_block_drop(p->segments[i].block);
  smtp_release(p->segments);
  smtp_buf_free(&p->heads);
  memset(p, 0, sizeof *p);
}
