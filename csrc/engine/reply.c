/* Reply parsing, see reply.h. */
#include "engine/reply.h"

#include "base/text.h"

#include <string.h>

void smtp_reply_init(smtp_reply_parser *p, size_t max_line, size_t max_lines) {
  memset(p, 0, sizeof *p);
  smtp_buf_init(&p->text);
  p->max_line = max_line ? max_line : 4096;
  p->max_lines = max_lines ? max_lines : 1000;
}

void smtp_reply_free(smtp_reply_parser *p) {
  smtp_buf_free(&p->text);
}

bool smtp_reply_is_partial(const smtp_reply_parser *p, const smtp_buf *in) {
  return smtp_buf_len(in) > 0 || (p->lines > 0 && !p->complete);
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Length of "class.subject.detail" at the start of s, 0 if there is none; the
 * class agrees with the reply code (RFC 2034 §4, RFC 3463 §2). */
static size_t enhanced_length(const char *s, size_t len, int code) {
  size_t i = 2, part, digits;

  if (len < 5 || s[0] != '0' + code / 100 || s[1] != '.' || s[0] == '3')
    return 0;
  for (part = 0; part < 2; part++) {
    for (digits = 0; i < len && is_digit(s[i]) && digits < 4; digits++)
      i++;
    if (digits < 1 || digits > 3) return 0;
    if (part == 0 && (i >= len || s[i++] != '.')) return 0;
  }
  return i == len || s[i] == ' ' || s[i] == '\t' ? i : 0;
}

/* The code of a line, or -1; `*more` tells whether another line follows. */
static int line_code(const char *s, size_t len, bool *more) {
  if (len < 3 || !is_digit(s[0]) || !is_digit(s[1]) || !is_digit(s[2]))
    return -1;
  if (s[0] < '2' || s[0] > '5') return -1;
  if (len > 3 && s[3] != ' ' && s[3] != '-' && !is_blank(s[3])) return -1;
  *more = len > 3 && s[3] == '-';
  return (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0');
}

static void begin(smtp_reply_parser *p) {
  smtp_buf_clear(&p->text);
  p->lines = 0;
  p->code = 0;
  p->enhanced[0] = '\0';
  p->complete = false;
}

/* Append a line's text: blanks at both ends and, where every line repeats it,
 * the enhanced status code left out. A refusal has one even where RFC 2034
 * knows none: servers tell so why they turn a client away at the door. */
static void add_text(smtp_reply_parser *p, const char *s, size_t len,
                     bool plain) {
  size_t n;

  while (len && is_blank(s[len - 1]))
    len--;
  while (len && is_blank(*s))
    s++, len--;
  n = plain && p->code < 400 ? 0 : enhanced_length(s, len, p->code);
  if (n && n < sizeof p->enhanced && p->lines == 0) {
    memcpy(p->enhanced, s, n);
    p->enhanced[n] = '\0';
  }
  if (n && strlen(p->enhanced) == n && memcmp(s, p->enhanced, n) == 0) {
    s += n;
    len -= n;
    while (len && is_blank(*s))
      s++, len--;
  }
  if (p->lines) smtp_buf_addc(&p->text, '\n');
  smtp_buf_add(&p->text, s, len);
}

static void show(const smtp_reply_parser *p, smtp_reply *reply) {
  reply->code = p->code;
  reply->text = smtp_buf_data(&p->text);
  reply->text_len = smtp_buf_len(&p->text);
  memcpy(reply->enhanced, p->enhanced, sizeof reply->enhanced);
}

/* What is shown of a line that is no reply: its text, cut short. */
static smtp_error refuse(smtp_reply_parser *p, const char *s, size_t len,
                         smtp_error why, smtp_reply *reply) {
  begin(p);
  while (len && is_blank(s[len - 1]))
    len--;
  smtp_buf_add(&p->text, s, len < 200 ? len : 200);
  show(p, reply);
  reply->code = -1;
  return why;
}

static smtp_error take_line(smtp_reply_parser *p, const char *s, size_t len,
                            bool plain, smtp_reply *reply) {
  bool more = false;
  int code = line_code(s, len, &more);

  if (code < 0) return refuse(p, s, len, SMTP_ERR_REPLY_MALFORMED, reply);
  if (p->complete) begin(p);
  if (p->lines && code != p->code)
    return refuse(p, s, len, SMTP_ERR_REPLY_MALFORMED, reply);
  if (p->lines >= p->max_lines)
    return refuse(p, s, len, SMTP_ERR_REPLY_TOO_LONG, reply);
  p->code = code;
  add_text(p, s + 3 + (len > 3), len - 3 - (len > 3), plain);
  p->lines++;
  p->complete = !more;
  if (!p->text.failed) return SMTP_OK;
  return refuse(p, "", 0, SMTP_ERR_NOMEM, reply);
}

smtp_error smtp_reply_take(smtp_reply_parser *p, smtp_buf *in, bool plain,
                           smtp_reply *reply, bool *found) {
  *found = false;
  while (!*found) {
    const char *s = smtp_buf_data(in);
    size_t len = smtp_buf_len(in);
    const char *lf = len > p->scanned
                         ? memchr(s + p->scanned, '\n', len - p->scanned)
                         : NULL;
    size_t line = lf ? (size_t)(lf - s) + 1 : len;
    smtp_error e;

    if (line > p->max_line)
      return refuse(p, s, line, SMTP_ERR_REPLY_TOO_LONG, reply);
    p->scanned = lf ? 0 : len;
    if (!lf) return SMTP_OK;
    e = take_line(p, s, line, plain, reply);
    if (e != SMTP_OK) return e;
    smtp_buf_consume(in, line);
    *found = p->complete;
  }
  show(p, reply);
  return SMTP_OK;
}
