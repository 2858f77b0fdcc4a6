/* Transformations, see transform.h. */
#include "mime/transform.h"

#include <string.h>

#include "base/lines.h"

#define BASE64_WIDTH 76
/* Measured at once, where measuring is encoding. */
#define PORTION 4096

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

/* How many bytes, from the front, stay as they are; none between CR and LF. */
static size_t fit(const smtp_transform *t, const char *s, size_t len) {
  const char *cr;

  if (t->after_cr || (*s == '\n' && t->eol[0] == '\r')) return 0;
  if (t->eol[0] == '\r') return smtp_lines_fit(s, len, false);
  cr = memchr(s, '\r', len);
  return cr ? (size_t)(cr - s) : len;
}

static void add_byte(smtp_transform *t, smtp_buf *out, char c) {
  bool second = t->after_cr && c == '\n'; /* of a CRLF already written */

  t->after_cr = c == '\r';
  if (second) return;
  if (c == '\r' || c == '\n')
    smtp_buf_adds(out, t->eol);
  else
    smtp_buf_addc(out, c);
}

static void add_lines(smtp_transform *t, smtp_buf *out, const char *s,
                      size_t len) {
  while (len) {
    size_t run = fit(t, s, len);

    /* A CR is left to add_byte, which remembers it. */
    if (run && s[run - 1] == '\r') run--;
    smtp_buf_add(out, s, run);
    s += run;
    len -= run;
    if (len) add_byte(t, out, *s), s++, len--;
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

static unsigned long long measure_quopri(const char *eol, const char *s,
                                         unsigned long long len) {
  unsigned long long total = 0, i;
  smtp_transform t;
  smtp_buf out;
  size_t n;

  smtp_buf_init(&out);
  smtp_transform_init(&t, SMTP_TRANSFER_QP, eol);
  for (i = 0; i < len; i += n) {
    n = len - i < PORTION ? (size_t)(len - i) : PORTION;
    smtp_transform_update(&t, &out, s + i, n);
    total += smtp_buf_len(&out);
    smtp_buf_clear(&out);
  }
  smtp_transform_final(&t, &out);
  total += smtp_buf_len(&out);
  smtp_buf_free(&out);
  return total;
}

unsigned long long smtp_transform_measure(smtp_transfer transfer,
                                          const char *eol, const char *s,
                                          unsigned long long len) {
  unsigned long long lines = (len + 56) / 57;

  if (transfer == SMTP_TRANSFER_BASE64)
    return (len + 2) / 3 * 4 + lines * strlen(eol);
  if (transfer == SMTP_TRANSFER_QP) return measure_quopri(eol, s, len);
  return smtp_lines_measure(s, (size_t)len, strlen(eol));
}
