/* Quoted-printable encoding, see encode.h. One byte is held back, because its
 * form depends on the next: white space and a lone dot differ at a line's end,
 * and the last column is free only there. Runs of plain bytes are copied. */
#include "mime/encode.h"

#include <string.h>

#include "mime/encode_scan.h"

/* Input that is done with one reservation of output. */
#define PORTION 8192
/* Three characters a byte, a soft break of three for 73 of them, a hard one. */
#define GROWTH 4
#define SLACK 16

#define LINE SMTP_ENCODE_LINE_MAX
#define NOTHING (-1)

static bool is_wsp(int c) {
  return c == ' ' || c == '\t';
}

static bool is_plain(const smtp_encode_quopri *q, unsigned char c) {
  if (c == '_' || c == ' ') return !q->options.header;
  return (c > ' ' && c < 0x7F && c != '=') || c == '\t';
}

static char *put_eol(const smtp_encode_quopri *q, char *at) {
  if (q->crlf) *at++ = '\r';
  *at++ = '\n';
  return at;
}

static char *put_soft_break(smtp_encode_quopri *q, char *at) {
  *at++ = '=';
  q->column = 0;
  return put_eol(q, at);
}

static char *put_escape(char *at, unsigned char c) {
  static const char digits[] = "0123456789ABCDEF";

  at[0] = '=';
  at[1] = digits[c >> 4];
  at[2] = digits[c & 15];
  return at + 3;
}

/* The held byte, now that it is known whether it is the last of its line. */
static char *put_held(smtp_encode_quopri *q, char *at, bool last) {
  unsigned char c = (unsigned char)q->held;
  bool space = q->options.header && c == ' ';
  bool plain = space || is_plain(q, c);

  if (q->held == NOTHING) return at;
  q->held = NOTHING;
  if (last && !space && is_wsp(c)) plain = false;
  if (last && c == '.' && q->column == 0) plain = false;
  if (q->column + (plain ? 1 : 3) > (last ? LINE : LINE - 1))
    at = put_soft_break(q, at);
  q->column += plain ? 1 : 3;
  if (!plain) return put_escape(at, c);
  *at++ = space ? '_' : (char)c;
  return at;
}

static char *put_hard_break(smtp_encode_quopri *q, char *at, bool crlf) {
  at = put_held(q, at, true);
  if (!q->broken && !q->options.force) q->crlf = crlf;
  q->broken = true;
  q->column = 0;
  if (q->options.force) return put_eol(q, at);
  if (crlf) *at++ = '\r';
  *at++ = '\n';
  return at;
}

/* A plain byte, an escaped byte or a piece of a line break. */
static char *take(smtp_encode_quopri *q, char *at, unsigned char c) {
  bool after_cr = q->cr;

  q->cr = false;
  if (q->options.text && c == '\n') return put_hard_break(q, at, after_cr);
  if (after_cr) {
    at = put_held(q, at, false);
    q->held = '\r';
  }
  if (q->options.text && c == '\r') {
    q->cr = true;
    return at;
  }
  at = put_held(q, at, false);
  q->held = c;
  return at;
}

/* Bytes in a row that need no escape; a header's differ, and are few. */
static size_t plain_run(const smtp_encode_quopri *q, const char *s,
                        size_t len) {
  size_t n = 0;

  if (!q->options.header) return smtp_encode_scan_plain(s, len);
  while (n < len && is_plain(q, (unsigned char)s[n]))
    n++;
  return n;
}

/* A run of plain bytes, of which the last is held back. */
static char *put_run(smtp_encode_quopri *q, char *at, const char *s,
                     size_t len) {
  size_t n;

  at = put_held(q, at, false);
  q->held = (unsigned char)s[--len];
  while (len) {
    n = LINE - 1 - q->column;
    if (n > len) n = len;
    memcpy(at, s, n);
    at += n;
    s += n;
    len -= n;
    q->column += n;
    if (len) at = put_soft_break(q, at);
  }
  return at;
}

/* Bytes above 127 in a row: text in other scripts than Latin. */
static size_t high_run(const char *s, size_t len) {
  size_t n = 0;

  while (n < len && (unsigned char)s[n] >= 0x80)
    n++;
  return n;
}

/* A run of such bytes, of which the last is held back. */
static char *put_high_run(smtp_encode_quopri *q, char *at, const char *s,
                          size_t len) {
  size_t column, i;

  at = put_held(q, at, false);
  q->held = (unsigned char)s[--len];
  column = q->column;
  for (i = 0; i < len; i++, column += 3) {
    if (column + 3 > LINE - 1) {
      at = put_soft_break(q, at);
      column = 0;
    }
    at = put_escape(at, (unsigned char)s[i]);
  }
  q->column = column;
  return at;
}

static void take_portion(smtp_encode_quopri *q, smtp_buf *out, const char *in,
                         size_t len) {
  char *start = smtp_buf_reserve(out, GROWTH * len + SLACK), *at = start;
  size_t i = 0, run;

  if (!start) return;
  while (i < len) {
    run = q->cr ? 0 : plain_run(q, in + i, len - i);
    if (run) at = put_run(q, at, in + i, run);
    i += run;
    run = q->cr ? 0 : high_run(in + i, len - i);
    if (run) at = put_high_run(q, at, in + i, run);
    i += run;
    if (i < len) at = take(q, at, (unsigned char)in[i++]);
  }
  smtp_buf_extend(out, (size_t)(at - start));
}

void smtp_encode_quopri_init(smtp_encode_quopri *q,
                             smtp_encode_options options) {
  memset(q, 0, sizeof *q);
  q->options = options;
  q->crlf = options.crlf;
  q->held = NOTHING;
}

void smtp_encode_quopri_update(smtp_encode_quopri *q, smtp_buf *out,
                               const char *in, size_t len) {
  size_t i, n;

  for (i = 0; i < len; i += n) {
    n = len - i < PORTION ? len - i : PORTION;
    take_portion(q, out, in + i, n);
  }
}

void smtp_encode_quopri_final(smtp_encode_quopri *q, smtp_buf *out) {
  char tail[2 * SLACK], *at = tail;

  if (q->cr) {
    at = put_held(q, at, false);
    q->held = '\r';
  }
  at = put_held(q, at, true);
  smtp_buf_add(out, tail, (size_t)(at - tail));
  smtp_encode_quopri_init(q, q->options);
}
