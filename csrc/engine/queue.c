/* The command queue, see queue.h. */
#include "engine/queue.h"

#include <string.h>

void smtp_queue_init(smtp_queue *q) {
  smtp_buf_init(&q->items);
  smtp_buf_init(&q->lines);
  q->sent = 0;
}

void smtp_queue_free(smtp_queue *q) {
  smtp_buf_free(&q->items);
  smtp_buf_wipe(&q->lines);
}

size_t smtp_queue_count(const smtp_queue *q) {
  return smtp_buf_len(&q->items) / sizeof(smtp_item);
}

smtp_item *smtp_queue_item(const smtp_queue *q, size_t i) {
  if (i >= smtp_queue_count(q)) return NULL;
  return (smtp_item *)(void *)(q->items.base + q->items.start) + i;
}

smtp_item *smtp_queue_unsent(const smtp_queue *q) {
  return smtp_queue_item(q, q->sent);
}

smtp_item *smtp_queue_awaited(const smtp_queue *q) {
  return q->sent ? smtp_queue_item(q, 0) : NULL;
}

smtp_item *smtp_queue_last_sent(const smtp_queue *q) {
  return q->sent ? smtp_queue_item(q, q->sent - 1) : NULL;
}

bool smtp_queue_has(const smtp_queue *q, smtp_command c) {
  size_t n = smtp_queue_count(q), i;

  for (i = 0; i < n; i++)
    if (smtp_queue_item(q, i)->command == c) return true;
  return false;
}

/* By their marks, not by a length remembered: meanwhile replies may have taken
 * items off the front. */
void smtp_queue_withdraw(smtp_queue *q, unsigned transaction) {
  size_t n = smtp_queue_count(q);

  for (; n > q->sent; n--) {
    const smtp_item *item = smtp_queue_item(q, n - 1);

    if (item->transaction != transaction) break;
    smtp_buf_truncate(&q->lines, smtp_buf_len(&q->lines) - item->line);
    smtp_buf_truncate(&q->items, smtp_buf_len(&q->items) - sizeof *item);
  }
}

void smtp_queue_add(smtp_queue *q, smtp_item item) {
  smtp_buf_add(&q->items, &item, sizeof item);
}

bool smtp_queue_urgent(smtp_queue *q, smtp_item item, const char *line) {
  size_t len = strlen(line), at = q->sent * sizeof item;
  char *s;

  item.line = len;
  if (!smtp_buf_reserve(&q->items, sizeof item) ||
      !smtp_buf_reserve(&q->lines, len))
    return false;
  s = q->items.base + q->items.start;
  memmove(s + at + sizeof item, s + at, smtp_buf_len(&q->items) - at);
  memcpy(s + at, &item, sizeof item);
  smtp_buf_extend(&q->items, sizeof item);
  s = q->lines.base + q->lines.start;
  memmove(s + len, s, smtp_buf_len(&q->lines));
  memcpy(s, line, len);
  smtp_buf_extend(&q->lines, len);
  return true;
}

void smtp_queue_send(smtp_queue *q, smtp_buf *out) {
  smtp_item *item = smtp_queue_unsent(q);

  smtp_buf_add(out, smtp_buf_data(&q->lines), item->line);
  smtp_buf_consume(&q->lines, item->line);
  q->sent++;
}

static void skip_dropped(smtp_queue *q) {
  smtp_item *item;

  while ((item = smtp_queue_awaited(q)) && item->dropped) {
    smtp_buf_consume(&q->items, sizeof *item);
    q->sent--;
  }
}

void smtp_queue_drop(smtp_queue *q) {
  smtp_item *item = smtp_queue_unsent(q);

  item->dropped = true;
  smtp_buf_consume(&q->lines, item->line);
  q->sent++;
  skip_dropped(q);
}

void smtp_queue_confirm(smtp_queue *q) {
  smtp_buf_consume(&q->items, sizeof(smtp_item));
  q->sent--;
  skip_dropped(q);
}
