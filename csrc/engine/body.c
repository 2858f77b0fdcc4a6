/* The message filter, see body.h. Long runs without anything to change are
 * copied as they are. */
#include "engine/body.h"

#include "base/lines.h"
#include "base/text.h"

#include <string.h>

/* An mbox line longer than this is not taken for one. */
#define MBOX_LIMIT 4096

void smtp_body_init(smtp_body *b) {
  memset(b, 0, sizeof *b);
  smtp_buf_init(&b->head);
}

void smtp_body_free(smtp_body *b) {
  smtp_buf_free(&b->head);
}

void smtp_body_begin(smtp_body *b, bool mbox) {
  smtp_buf_clear(&b->head);
  b->undecided = mbox;
  b->after_cr = false;
  b->line_start = true;
}

/* One byte, by the state. */
static void filter_byte(smtp_body *b, char c, smtp_buf *out) {
  bool second = b->after_cr && c == '\n'; /* of a CRLF already written */

  b->after_cr = c == '\r';
  if (second) return;
  if (c == '\r' || c == '\n') {
    smtp_buf_add(out, "\r\n", 2);
    b->line_start = true;
    return;
  }
  if (c == '.' && b->line_start) smtp_buf_addc(out, '.');
  smtp_buf_addc(out, c);
  b->line_start = false;
}

static void filter(smtp_body *b, const char *s, size_t len, smtp_buf *out) {
  if (!smtp_buf_reserve(out, len + len / 64 + 16)) return;
  while (len) {
    size_t run = 0;

    /* Inside a line, a run ends before the byte that has to be looked at. */
    if (!b->after_cr && !(b->line_start && *s == '.') && *s != '\n')
      run = smtp_lines_fit(s, len, true);
    if (run) {
      smtp_buf_add(out, s, run);
      b->line_start = s[run - 1] == '\n';
      b->after_cr = s[run - 1] == '\r';
      if (b->after_cr) { /* its LF is the byte after: write both, as above */
        smtp_buf_addc(out, '\n');
        b->line_start = true;
      }
      s += run;
      len -= run;
    }
    if (len) filter_byte(b, *s, out), s++, len--;
  }
}

size_t smtp_body_mbox_line(const char *s, size_t len, bool *known) {
  static const char from[] = "From ";
  size_t n = len < 5 ? len : 5, i;
  const char *lf;

  *known = true;
  if (memcmp(s, from, n) != 0) return 0;
  lf = memchr(s, '\n', len < MBOX_LIMIT ? len : MBOX_LIMIT);
  if (!lf) {
    *known = len >= MBOX_LIMIT;
    return 0;
  }
  for (i = (size_t)(lf - s) + 1; i < len && i < MBOX_LIMIT; i++) {
    bool first = i == (size_t)(lf - s) + 1;

    if (s[i] == ':' && !first) return (size_t)(lf - s) + 1;
    if (!smtp_text_is((unsigned char)s[i], SMTP_TEXT_FTEXT)) return 0;
  }
  *known = i >= MBOX_LIMIT;
  return 0;
}

void smtp_body_filter(smtp_body *b, const char *in, size_t len, smtp_buf *out) {
  size_t skip;
  bool known;

  if (!b->undecided) {
    filter(b, in, len, out);
    return;
  }
  smtp_buf_add(&b->head, in, len);
  skip = smtp_body_mbox_line(smtp_buf_data(&b->head), smtp_buf_len(&b->head),
                             &known);
  if (b->head.failed) out->failed = true;
  if (!known) return;
  b->undecided = false;
  filter(b, smtp_buf_data(&b->head) + skip, smtp_buf_len(&b->head) - skip, out);
  smtp_buf_free(&b->head);
}

void smtp_body_end(smtp_body *b, smtp_buf *out) {
  if (b->undecided) {
    b->undecided = false;
    filter(b, smtp_buf_data(&b->head), smtp_buf_len(&b->head), out);
    smtp_buf_free(&b->head);
  }
  if (!b->line_start) smtp_buf_add(out, "\r\n", 2);
  b->line_start = true;
  b->after_cr = false;
}

size_t smtp_body_measure(const char *s, size_t len, bool *has_8bit) {
  size_t skip, i = 0, size;
  bool known;

  *has_8bit = smtp_text_has_8bit(s, len);
  skip = smtp_body_mbox_line(s, len, &known);
  s += skip;
  len -= skip;
  size = len;
  while (i < len) {
    size_t run = s[i] == '\n' && (!i || s[i - 1] != '\r')
                     ? 0
                     : smtp_lines_fit(s + i, len - i, true);

    i += run;
    if (i >= len) break;
    if (s[i] == '\n' && (!i || s[i - 1] != '\r')) size++;
    if (s[i] == '\r' && (i + 1 >= len || s[i + 1] != '\n')) size++;
    i++;
  }
  if (len && s[len - 1] != '\n' && s[len - 1] != '\r') size += 2;
  return size;
}
