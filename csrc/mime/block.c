/* Shared bytes, see block.h. */
#include "mime/block.h"

#include <string.h>

smtp_block *smtp_block_new(const char *bytes, size_t len) {
  /* not _allocate: a body need not be zeroed before it is copied */
  smtp_block *b = smtp_reallocate(NULL, sizeof *b + len + 1);
  char *own = (char *)(b + 1);

  if (!b) return NULL;
  memset(b, 0, sizeof *b);
  b->refs = 1;
  b->len = len;
  if (len) memcpy(own, bytes, len);
  b->bytes = own;
  return b;
}

smtp_block *smtp_block_adopt(smtp_buf *from) {
  smtp_block *b = from->failed ? NULL : smtp_allocate(sizeof *b);

  if (!b) return NULL;
  b->refs = 1;
  b->adopted = *from;
  b->bytes = smtp_buf_data(&b->adopted);
  b->len = smtp_buf_len(&b->adopted);
  smtp_buf_init(from);
  return b;
}

smtp_block *smtp_block_slice(smtp_block *of, size_t start, size_t len) {
  smtp_block *b = smtp_allocate(sizeof *b);

  if (!b) return NULL;
  b->refs = 1;
  b->bytes = of->bytes + start;
  b->len = len;
  b->owner = smtp_block_keep(of->owner ? of->owner : of);
  return b;
}

smtp_block *smtp_block_borrow(const char *bytes, size_t len,
                              smtp_lender *lender, int ticket) {
  smtp_block *b = smtp_allocate(sizeof *b);

  if (!b) return NULL;
  b->refs = 1;
  b->bytes = bytes;
  b->len = len;
  b->lender = lender;
  b->ticket = ticket;
  return b;
}

bool smtp_block_settle(smtp_lender *lender, int *ticket) {
  smtp_block *b = lender->given_back;

  if (!b) return false;
  lender->given_back = b->next;
  *ticket = b->ticket;
  smtp_release(b);
  return true;
}

smtp_block *smtp_block_keep(smtp_block *b) {
  if (b) b->refs++;
  return b;
}

void smtp_block_drop(smtp_block *b) {
  if (!b || --b->refs) return;
  smtp_block_drop(b->owner); /* which is no slice itself */
  smtp_buf_free(&b->adopted);
  if (b->lender) {
    b->next = b->lender->given_back;
    b->lender->given_back = b;
    return;
  }
  smtp_release(b);
}
