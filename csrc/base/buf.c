/* Growable bytes, see buf.h. Consumed room at the front is reclaimed when the
 * buffer would otherwise grow, so a stream through a buffer stays flat. */
#include "base/buf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t allocations;
static size_t failing;

static bool must_fail(void) {
  allocations++;
  return failing && --failing == 0;
}

size_t smtp_allocation_fail_at(size_t n) {
  size_t made = allocations;

  allocations = 0;
  failing = n;
  return made;
}

void *smtp_allocate(size_t size) {
  return must_fail() ? NULL : calloc(1, size ? size : 1);
}

void *smtp_reallocate(void *block, size_t size) {
  return must_fail() ? NULL : realloc(block, size ? size : 1);
}

void smtp_release(void *block) {
  free(block);
}

void smtp_buf_init(smtp_buf *b) {
  memset(b, 0, sizeof *b);
}

void smtp_buf_free(smtp_buf *b) {
  smtp_release(b->base);
  smtp_buf_init(b);
}

void smtp_buf_wipe(smtp_buf *b) {
  volatile char *p = b->base;
  size_t i;

  for (i = 0; i < b->room; i++)
    p[i] = 0;
  smtp_buf_free(b);
}

/* Move what is live to the front when that makes enough room; else grow. */
static bool make_room(smtp_buf *b, size_t len) {
  size_t live = b->end - b->start, want;
  char *block;

  if (b->base && len <= b->room - b->end) return true;
  if (b->base && len <= b->room - live && b->start && b->start >= live) {
    memmove(b->base, b->base + b->start, live);
    b->start = 0;
    b->end = live;
    return true;
  }
  if (len > SIZE_MAX / 2 - b->end) return false;
  want = b->room ? b->room : 64;
  while (want < b->end + len)
    want *= 2;
  block = smtp_reallocate(b->base, want);
  if (!block) return false;
  b->base = block;
  b->room = want;
  return true;
}

char *smtp_buf_reserve(smtp_buf *b, size_t len) {
  if (b->failed) return NULL;
  if (!make_room(b, len)) {
    b->failed = true;
    return NULL;
  }
  return b->base + b->end;
}

void smtp_buf_extend(smtp_buf *b, size_t len) {
  b->end += len;
}

void smtp_buf_add(smtp_buf *b, const void *bytes, size_t len) {
  char *at;

  if (!len) return;
  at = smtp_buf_reserve(b, len);
  if (!at) return;
  memcpy(at, bytes, len);
  b->end += len;
}

void smtp_buf_adds(smtp_buf *b, const char *text) {
  smtp_buf_add(b, text, strlen(text));
}

void smtp_buf_addc(smtp_buf *b, char c) {
  smtp_buf_add(b, &c, 1);
}

void smtp_buf_addu(smtp_buf *b, unsigned long long n) {
  char digits[24];
  size_t i = sizeof digits;

  do {
    digits[--i] = (char)('0' + n % 10);
    n /= 10;
  } while (n);
  smtp_buf_add(b, digits + i, sizeof digits - i);
}

void smtp_buf_consume(smtp_buf *b, size_t len) {
  b->start += len;
  if (b->start == b->end) b->start = b->end = 0;
}

void smtp_buf_clear(smtp_buf *b) {
  b->start = b->end = 0;
}

void smtp_buf_truncate(smtp_buf *b, size_t len) {
  b->end = b->start + len;
}
