/* Commands on their way, in order, with two cursors: what has been sent and
 * what has been confirmed by its reply. Pipelining is nothing but the distance
 * between the two (RFC 2920). The lines are kept until they are sent. */
#ifndef SMTP_ENGINE_QUEUE_H
#define SMTP_ENGINE_QUEUE_H

#include "base/buf.h"
#include "engine/state.h"

typedef struct smtp_item {
  smtp_command command;
  unsigned transaction; /* its serial number, 0: none */
  unsigned recipient;   /* of RCPT, from 1 */
  size_t line;          /* bytes of its line */
  bool secret;          /* the line is not to be shown */
  bool dropped;         /* not sent after all, so no reply comes */
} smtp_item;

typedef struct smtp_queue {
  smtp_buf items; /* smtp_item…, the first is the next to be confirmed */
  smtp_buf lines; /* of the items not yet sent */
  size_t sent;    /* items before this one have been sent */
} smtp_queue;

void smtp_queue_init(smtp_queue *q);
void smtp_queue_free(smtp_queue *q);

size_t smtp_queue_count(const smtp_queue *q);
/* The i-th item counted from the first unconfirmed one, or NULL. */
smtp_item *smtp_queue_item(const smtp_queue *q, size_t i);
/* The next to be sent, the next to be confirmed, the last sent; or NULL. */
smtp_item *smtp_queue_unsent(const smtp_queue *q);
smtp_item *smtp_queue_awaited(const smtp_queue *q);
smtp_item *smtp_queue_last_sent(const smtp_queue *q);

/* A command of this kind waits to be sent or confirmed. */
bool smtp_queue_has(const smtp_queue *q, smtp_command c);

/* Take the items of a transaction off the end again. Only while nothing of it
 * has been sent. */
void smtp_queue_withdraw(smtp_queue *q, unsigned transaction);

/* Add an item whose line (item.line bytes) is already in `lines`. */
void smtp_queue_add(smtp_queue *q, smtp_item item);
/* Add an item with its line before all that is unsent; false, and nothing
 * added, when there is no memory. */
bool smtp_queue_urgent(smtp_queue *q, smtp_item item, const char *line);

/* Move the next line into `out`; its item is sent. */
void smtp_queue_send(smtp_queue *q, smtp_buf *out);
/* Leave the next unsent item out. */
void smtp_queue_drop(smtp_queue *q);
/* The awaited item has been confirmed. */
void smtp_queue_confirm(smtp_queue *q);

#endif
