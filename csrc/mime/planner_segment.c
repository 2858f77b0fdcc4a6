/* Segments of a plan, see planner.h. */
#include "mime/planner.h"

#include "base/text.h"

smtp_error smtp_planner_seal(smtp_planner *p) {
  size_t end = smtp_buf_len(&p->plan->heads);
  smtp_segment *s;

  if (end == p->sealed) return SMTP_OK;
  s = smtp_plan_add(p->plan, SMTP_SEGMENT_READY);
  if (!s) return SMTP_ERR_NOMEM;
  s->start = p->sealed;
  s->len = end - p->sealed;
  p->sealed = end;
  return SMTP_OK;
}

smtp_error smtp_planner_block(smtp_planner *p, smtp_block *b,
                              smtp_transfer transfer) {
  smtp_error e = smtp_planner_seal(p);
  smtp_segment *s;

  if (e || !b || !b->len) return e;
  s = smtp_plan_add(p->plan, SMTP_SEGMENT_BLOCK);
  if (!s) return SMTP_ERR_NOMEM;
  s->transfer = transfer;
  s->block = smtp_block_keep(b);
  s->len = b->len;
  if (transfer < SMTP_TRANSFER_QP && smtp_text_has_8bit(b->bytes, b->len))
    p->plan->has_8bit = true;
  return SMTP_OK;
}

smtp_error smtp_planner_read(smtp_planner *p, smtp_block *b) {
  smtp_error e = smtp_planner_block(p, b, SMTP_TRANSFER_8BIT);

  if (!e && p->o->keep_lines && b->len)
    p->plan->segments[p->plan->count - 1].kind = SMTP_SEGMENT_AS_IS;
  return e;
}

smtp_error smtp_planner_fed(smtp_planner *p, smtp_transfer transfer) {
  smtp_error e = smtp_planner_seal(p);
  smtp_segment *s = e ? NULL : smtp_plan_add(p->plan, SMTP_SEGMENT_FED);

  if (!s) return e ? e : SMTP_ERR_NOMEM;
  s->transfer = transfer;
  s->index = p->fed++;
  s->length = s->index < p->o->fed_count ? p->o->fed[s->index] : -1;
  if (transfer < SMTP_TRANSFER_QP) p->plan->has_8bit = true;
  return SMTP_OK;
}

void smtp_planner_text(smtp_planner *p, const char *text) {
  smtp_buf_adds(&p->plan->heads, text);
}

void smtp_planner_eol(smtp_planner *p) {
  smtp_planner_text(p, p->o->style.eol);
}
