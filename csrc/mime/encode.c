/* Quoted-printable encoding, see encode.h. One byte is held back, because its
 * form depends on the next: white space and a lone dot differ at a line's end,
 * and the last column is free only there. Amid a line nothing is held, and
 * plain bytes are copied several at a time. */
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

static bool is_break(const smtp_encode_quopri *q, char c) {
  return q->options.text && (c == '\n' || c == '\r');
}

/* Plain bytes, at most SMTP_ENCODE_SCAN_STEP, of which that many can be read.
 * Room is what the line has left. */
static char *put_plain(smtp_encode_quopri *q, char *at, size_t *room,
                       const char *s, size_t len) {
  memcpy(at, s, SMTP_ENCODE_SCAN_STEP);
  if (len <= *room) {
    *room -= len;
    return at + len;
  }
  s += *room;
  len -= *room;
  at = put_soft_break(q, at + *room);
  memcpy(at, s, len);
  *room = LINE - 1 - len;
  return at + len;
}

static char *put_escapes(smtp_encode_quopri *q, char *at, size_t *room,
                         const char *s, size_t len) {
  for (; len; s++, len--) {
    if (*room < 3) {
      at = put_soft_break(q, at);
      *room = LINE - 1;
    }
    at = put_escape(at, (unsigned char)*s);
    *room -= 3;
  }
  return at;
}

/* Bytes of which it is certain that more of their line follow, so that none
 * need be held. Returns how many there were. */
static size_t put_amid_line(smtp_encode_quopri *q, char **out, const char *s,
                            size_t len) {
  size_t room = LINE - 1 - q->column, i = 0, n;
  char *at = *out;

  if (q->column > LINE - 1) return 0;
  for (; len - i > SMTP_ENCODE_SCAN_STEP; i += n) {
    n = s[i] == '\t' ? 1 : smtp_encode_scan_plain(s + i);
    if (n) {
      if (is_break(q, s[i + n]) && !--n) break;
      at = put_plain(q, at, &room, s + i, n);
      continue;
    }
    n = smtp_encode_scan_high(s + i);
    if (!n && is_break(q, s[i])) break;
    if (!n) n = 1;
    if (is_break(q, s[i + n]) && !--n) break;
    at = put_escapes(q, at, &room, s + i, n);
  }
  *out = at;
  q->column = LINE - 1 - room;
  return i;
}

static void take_portion(smtp_encode_quopri *q, smtp_buf *out, const char *in,
                         size_t len) {
  char *start = smtp_buf_reserve(out, GROWTH * len + SLACK), *at = start;
  size_t i = 0;

  if (!start) return;
  while (i < len) {
    if (!q->cr && !q->options.header && !is_break(q, in[i])) {
      at = put_held(q, at, false);
      i += put_amid_line(q, &at, in + i, len - i);
    }
    at = take(q, at, (unsigned char)in[i++]);
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
