/* Transformations, see transform.h. */
#include "mime/transform.h"

#include <string.h>

#define BASE64_WIDTH 76

void smtp_transform_init(smtp_transform *t, smtp_transfer transfer,
                         const char *eol) {
  smtp_encode_options options = {.text = true, .force = true};

  memset(t, 0, sizeof *t);
  options.crlf = eol[0] == '\r';
  smtp_encode_quopri_init(&t->quopri, options);
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

void smtp_transform_update(smtp_transform *t, smtp_buf *out, const char *s,
                           size_t len) {
  switch (t->transfer) {
  case SMTP_TRANSFER_7BIT:
  case SMTP_TRANSFER_8BIT:
    add_lines(t, out, s, len);
    break;
  case SMTP_TRANSFER_QP:
    smtp_encode_quopri_update(&t->quopri, out, s, len);
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
    smtp_encode_quopri_final(&t->quopri, out);
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
