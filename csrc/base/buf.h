/* Growable bytes: the only allocator of the library.
 *
 * Append freely, ask once: when memory runs out, or a limit is exceeded, the
 * buffer remembers it in `failed` and ignores what is appended afterwards, so
 * a caller tests a whole serialisation with one look. Bytes are consumed from
 * the front by moving a cursor. Rests on libc alone. */
#ifndef SMTP_BASE_BUF_H
#define SMTP_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

/* Memory for one object of `size` bytes, zeroed; NULL when there is none.
 * Release with smtp_release (NULL is fine). */
void *smtp_allocate(size_t size);
/* The same memory with `size` bytes; NULL leaves the old block as it was. */
void *smtp_reallocate(void *block, size_t size);
void smtp_release(void *block);

/* For specs: let the n-th allocation from now on fail (once); 0 ends it.
 * Returns how many allocations were made since the last call. */
size_t smtp_allocation_fail_at(size_t n);

typedef struct smtp_buf {
  char *base;   /* the block; bytes live in base[start, end) */
  size_t start; /* first byte not yet consumed */
  size_t end;   /* one past the last byte */
  size_t room;  /* size of the block */
  bool failed;  /* sticky: an append was lost */
} smtp_buf;

void smtp_buf_init(smtp_buf *b);
void smtp_buf_free(smtp_buf *b);
/* As _free, and the old bytes are overwritten first: for secrets. */
void smtp_buf_wipe(smtp_buf *b);

/* The bytes, borrowed until the next append. Never NULL. */
static inline const char *smtp_buf_data(const smtp_buf *b) {
  return b->base ? b->base + b->start : "";
}
static inline size_t smtp_buf_len(const smtp_buf *b) {
  return b->end - b->start;
}

void smtp_buf_add(smtp_buf *b, const void *bytes, size_t len);
void smtp_buf_adds(smtp_buf *b, const char *text);
void smtp_buf_addc(smtp_buf *b, char c);
/* An unsigned number in decimal. */
void smtp_buf_addu(smtp_buf *b, unsigned long long n);

/* Room for at least `len` more bytes, to be written in place and then
 * reported with _extend; NULL (and `failed`) when there is none. */
char *smtp_buf_reserve(smtp_buf *b, size_t len);
void smtp_buf_extend(smtp_buf *b, size_t len);

/* Forget the first `len` bytes, or all of them (the block is kept). */
void smtp_buf_consume(smtp_buf *b, size_t len);
void smtp_buf_clear(smtp_buf *b);
/* Cut the buffer to its first `len` bytes. */
void smtp_buf_truncate(smtp_buf *b, size_t len);

#endif
