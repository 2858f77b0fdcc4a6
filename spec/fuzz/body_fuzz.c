/* Whatever the message and however it is cut: what leaves has no bare CR and no
 * bare LF, ends in CRLF, has no line that is a lone dot, and is what a plain
 * reference makes of it; SIZE counts just what leaves, doubled dots aside. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool claim) {
  if (!claim) abort();
}

/* Line by line, as RFC 5321 §4.5.2 tells it. Returns the doubled dots. */
static size_t reference(const char *s, size_t len, smtp_buf *out) {
  size_t i = 0, dots = 0;

  while (i < len) {
    if (s[i] == '.') smtp_buf_addc(out, '.'), dots++;
    while (i < len && s[i] != '\r' && s[i] != '\n')
      smtp_buf_addc(out, s[i++]);
    smtp_buf_adds(out, "\r\n");
    if (i + 1 < len && s[i] == '\r' && s[i + 1] == '\n') i++;
    i++;
  }
  return dots;
}

/* "From " to the end of the line, if a field's name and a colon follow. */
static size_t mbox_line(const char *s, size_t len) {
  size_t lf, i;

  if (len < 5 || memcmp(s, "From ", 5)) return 0;
  for (lf = 0; lf < len && s[lf] != '\n'; lf++)
    ;
  if (lf >= len || lf >= 4096) return 0;
  for (i = lf + 1; i < len && i < 4096 && s[i] > ' ' && s[i] < 127; i++)
    if (s[i] == ':') return i > lf + 1 ? lf + 1 : 0;
  return 0;
}

static void filter(const char *s, size_t len, const uint8_t *cuts, bool mbox,
                   smtp_buf *out) {
  smtp_body b;
  size_t i, n, before;

  smtp_body_init(&b);
  smtp_body_begin(&b, mbox);
  for (i = 0; i < len; i += n) {
    n = cuts ? cuts[i] % 24u + 1 : len;
    if (n > len - i) n = len - i;
    before = smtp_buf_len(out);
    smtp_body_filter(&b, s + i, n, out);
    if (!mbox) require(smtp_buf_len(out) - before <= 2 * n + 1);
  }
  smtp_body_end(&b, out);
  smtp_body_free(&b);
}

static void check(const smtp_buf *out) {
  const char *s = smtp_buf_data(out);
  size_t len = smtp_buf_len(out), i, line = 0;

  for (i = 0; i < len; i++) {
    require(s[i] != '\n' || (i && s[i - 1] == '\r'));
    require(s[i] != '\r' || (i + 1 < len && s[i + 1] == '\n'));
    if (s[i] != '\n') continue;
    require(i - line != 2 || s[line] != '.');
    line = i + 1;
  }
  require(!len || s[len - 1] == '\n');
}

static void same(const smtp_buf *a, const smtp_buf *b) {
  require(smtp_buf_len(a) == smtp_buf_len(b));
  require(!memcmp(smtp_buf_data(a), smtp_buf_data(b), smtp_buf_len(a)));
}

static void check_message(const char *s, size_t len, bool mbox) {
  smtp_buf whole, pieces, plain;
  size_t skip = mbox ? mbox_line(s, len) : 0, dots;
  bool has_8bit;

  smtp_buf_init(&whole);
  smtp_buf_init(&pieces);
  smtp_buf_init(&plain);
  filter(s, len, NULL, mbox, &whole);
  filter(s, len, (const uint8_t *)s, mbox, &pieces);
  dots = reference(s + skip, len - skip, &plain);
  check(&whole);
  same(&whole, &pieces);
  same(&whole, &plain);
  if (mbox)
    require(smtp_body_measure(s, len, &has_8bit) ==
            smtp_buf_len(&whole) - dots);
  smtp_buf_free(&whole);
  smtp_buf_free(&pieces);
  smtp_buf_free(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  check_message((const char *)data, size, false);
  check_message((const char *)data, size, true);
  return 0;
}
