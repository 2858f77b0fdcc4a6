/* Bytes that never change, shared by a message, its parts and the writers at
 * work on it, so that a body may be replaced while it is being sent. A block is
 * bytes of its own, bytes that are lent, or a slice of another, which it keeps:
 * the parts of a message that was read are slices of what was read. Rests on
 * base alone. */
#ifndef SMTP_MIME_BLOCK_H
#define SMTP_MIME_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

typedef struct smtp_block {
  size_t refs;
  size_t len;
  const char *bytes;
  struct smtp_block *owner; /* of a slice */
  smtp_buf adopted;
  struct smtp_lender *lender; /* of bytes that are lent */
  int ticket;
  struct smtp_block *next; /* among those given back */
} smtp_block;

/* Who lends bytes: it finds here what nobody uses any more. */
typedef struct smtp_lender {
  smtp_block *given_back;
} smtp_lender;

/* A copy of the bytes, held once; NULL when there is no memory. */
smtp_block *smtp_block_new(const char *bytes, size_t len);
/* The bytes of a buffer without copying them: it is empty afterwards. */
smtp_block *smtp_block_adopt(smtp_buf *b);
/* The bytes [start, start + len) of `of`. */
smtp_block *smtp_block_slice(smtp_block *of, size_t start, size_t len);
/* Bytes that stay the lender's, and stay as they are until they are given back;
 * the ticket tells it which they were. */
smtp_block *smtp_block_borrow(const char *bytes, size_t len,
                              smtp_lender *lender, int ticket);
/* The ticket of one more block that was given back; false when there is none.
 */
bool smtp_block_settle(smtp_lender *lender, int *ticket);
smtp_block *smtp_block_keep(smtp_block *b);
void smtp_block_drop(smtp_block *b);

#endif
