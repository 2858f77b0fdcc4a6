/* Transformations, see transform.h. */
#include "mime/transform.h"

#include <string.h>

#define BASE64_WIDTH 76
#define QP_WIDTH 76

void smtp_transform_init(smtp_transform *t, smtp_transfer transfer,
                         const char *eol) {
  memset(t, 0, sizeof *t);
  t->transfer = transfer;
  t->eol = eol;
  smtp_base64_encoder_init(&t->base64, BASE64_WIDTH, eol, strlen(eol));
}

/* The end of the run without line ends that begins at `i`. */
static size_t find_line_end(const char *s, size_t len, size_t i) {
  const char *lf = memchr(s + i, '\n', len - i);
  size_t end = lf ? (size_t)(lf - s) : len;
  const char *cr = memchr(s + i, '\r', end - i);

  return cr ? (size_t)(cr - s) : end;
}

static void add_lines(smtp_transform *t, smtp_buf *out, const char *s,
                      size_t len) {
  size_t i = 0;

  while (i < len) {
    size_t end = find_line_end(s, len, i);

    if (end > i) t->after_cr = false;
    smtp_buf_add(out, s + i, end - i);
    i = end;
    if (i == len) break;
    if (s[i] == '\r' || !t->after_cr) smtp_buf_adds(out, t->eol);
    t->after_cr = s[i] == '\r';
    i++;
  }
}

static void add_quoted(smtp_transform *t, smtp_buf *out, unsigned char c,
                       bool literal) {
  static const char digits[] = "0123456789ABCDEF";
  size_t width = literal ? 1 : 3;

  if (t->column + width > QP_WIDTH - 1) {
    smtp_buf_addc(out, '=');
    smtp_buf_adds(out, t->eol);
    t->column = 0;
  }
  t->column += width;
  if (literal) {
    smtp_buf_addc(out, (char)c);
    return;
  }
  smtp_buf_addc(out, '=');
  smtp_buf_addc(out, digits[c >> 4]);
  smtp_buf_addc(out, digits[c & 15]);
}

/* White space at the end of a line would be lost: it is held back until it is
 * known what follows. */
static void end_blank(smtp_transform *t, smtp_buf *out, bool at_line_end) {
  if (t->blank) add_quoted(t, out, (unsigned char)t->blank, !at_line_end);
  t->blank = 0;
}

static void add_qp(smtp_transform *t, smtp_buf *out, const char *s,
                   size_t len) {
  size_t i;

  for (i = 0; i < len; i++) {
    unsigned char c = (unsigned char)s[i];

    if (c == '\n' && t->after_cr) {
      t->after_cr = false;
      continue;
    }
    t->after_cr = c == '\r';
    end_blank(t, out, c == '\r' || c == '\n');
    if (c == '\r' || c == '\n') {
      smtp_buf_adds(out, t->eol);
      t->column = 0;
    } else if (c == ' ' || c == '\t') {
      t->blank = (char)c;
    } else {
      add_quoted(t, out, c, c > 32 && c < 127 && c != '=');
    }
  }
}

void smtp_transform_update(smtp_transform *t, smtp_buf *out, const char *s,
                           size_t len) {
  switch (t->transfer) {
  case SMTP_TRANSFER_7BIT:
  case SMTP_TRANSFER_8BIT:
    add_lines(t, out, s, len);
    break;
  case SMTP_TRANSFER_QP:
    add_qp(t, out, s, len);
    break;
  case SMTP_TRANSFER_BASE64:
    smtp_base64_encoder_update(&t->base64, out, s, len);
    break;
  }
}

void smtp_transform_final(smtp_transform *t, smtp_buf *out) {
  if (t->transfer == SMTP_TRANSFER_BASE64)
    smtp_base64_encoder_final(&t->base64, out);
  else if (t->transfer == SMTP_TRANSFER_QP)
    end_blank(t, out, true);
}

unsigned long long smtp_transform_measure(smtp_transfer transfer,
                                          const char *eol, const char *s,
                                          unsigned long long len) {
  unsigned long long total = 0, lines;
  smtp_transform t;
  smtp_buf out;
  size_t i;

  if (transfer == SMTP_TRANSFER_BASE64) {
    lines = (len + 56) / 57;
    return (len + 2) / 3 * 4 + lines * strlen(eol);
  }
  smtp_buf_init(&out);
  smtp_transform_init(&t, transfer, eol);
  for (i = 0; i < len; i += 4096) {
    size_t n = len - i < 4096 ? (size_t)(len - i) : 4096;

    smtp_transform_update(&t, &out, s + i, n);
    total += smtp_buf_len(&out);
    smtp_buf_clear(&out);
  }
  smtp_transform_final(&t, &out);
  total += smtp_buf_len(&out);
  smtp_buf_free(&out);
  return total;
}
