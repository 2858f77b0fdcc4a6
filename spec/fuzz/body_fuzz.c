/* Invariant: whatever the message and however it is cut, what leaves has CR and
 * LF only together, no line that is a lone dot, a line end at its end, and is
 * the same whole as bytewise. */
#include "engine/body.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void filter(const char *s, size_t len, size_t step, smtp_buf *out) {
  smtp_body body;

  smtp_body_init(&body);
  smtp_body_begin(&body, true);
  while (len) {
    size_t n = len < step ? len : step;

    smtp_body_filter(&body, s, n, out);
    s += n;
    len -= n;
  }
  smtp_body_end(&body, out);
  smtp_body_free(&body);
}

/* No byte of it can be taken for the end of the message. */
static bool is_sound(const char *s, size_t len) {
  bool line_start = true;

  for (size_t i = 0; i < len; i++) {
    bool ends_line = s[i] == '\r' && i + 1 < len && s[i + 1] == '\n';

    if (line_start && s[i] == '.' && (i + 1 == len || s[i + 1] != '.'))
      return false;
    line_start = ends_line;
    if (ends_line)
      i++;
    else if (s[i] == '\r' || s[i] == '\n')
      return false;
  }
  return line_start;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  smtp_buf whole, bytewise;
  size_t size;

  smtp_buf_init(&whole);
  smtp_buf_init(&bytewise);
  filter((const char *)bytes, len, len, &whole);
  filter((const char *)bytes, len, 1, &bytewise);
  size = smtp_buf_len(&whole);
  if (!is_sound(smtp_buf_data(&whole), size)) abort();
  if (size > 2 * len + 2) abort();
  if (size != smtp_buf_len(&bytewise)) abort();
  if (memcmp(smtp_buf_data(&whole), smtp_buf_data(&bytewise), size) != 0)
    abort();
  smtp_buf_free(&whole);
  smtp_buf_free(&bytewise);
  return 0;
}
