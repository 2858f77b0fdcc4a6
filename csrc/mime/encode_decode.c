/* Quoted-printable decoding, see encode.h: runs without an escape, a line
 * break or white space before one are copied, the rest goes through take(). */
#include <string.h>

#include "base/text.h"
#include "mime/encode.h"
#include "mime/encode_scan.h"

#define PORTION 8192

enum {
  TEXT,       /* held: white space that may end the line */
  EQUALS,     /* after "=" */
  DIGIT,      /* after "=" and a hexadecimal digit; held: the digit */
  EQUALS_WSP, /* after "=" and white space, which is held */
  EQUALS_CR   /* after "=", white space and CR */
};

void smtp_encode_dequopri_init(smtp_encode_dequopri *d, bool header) {
  memset(d, 0, sizeof *d);
  d->header = header;
}

static bool is_wsp(char c) {
  return c == ' ' || c == '\t';
}

/* Of a hexadecimal digit, small ones too; 16 for another character. */
static unsigned hex_value(char c) {
  unsigned digit = (unsigned)(unsigned char)c - '0';
  unsigned letter = ((unsigned)(unsigned char)c | 0x20) - 'a';

  if (digit < 10) return digit;
  return letter < 6 ? letter + 10 : 16;
}

static bool is_hex(char c) {
  return hex_value(c) < 16;
}

static char *put_held(smtp_encode_dequopri *d, char *at) {
  memcpy(at, d->held, d->held_len);
  at += d->held_len;
  d->held_len = 0;
  return at;
}

/* Hold white space back; more than a line may have is none's line end. */
static char *hold(smtp_encode_dequopri *d, char *at, char c) {
  if (d->held_len == sizeof d->held) at = put_held(d, at);
  d->held[d->held_len++] = c;
  return at;
}

static char *take_text(smtp_encode_dequopri *d, char *at, char c) {
  if (is_wsp(c)) return hold(d, at, c);
  if (c == '\n' || c == '\r') d->held_len = 0;
  at = put_held(d, at);
  if (c == '=') {
    d->state = EQUALS;
    return at;
  }
  if ((unsigned char)c > 126 ||
      (smtp_text_is((unsigned char)c, SMTP_TEXT_CONTROL) && c != '\n' &&
       c != '\r'))
    d->malformed = true;
  *at++ = d->header && c == '_' ? ' ' : c;
  return at;
}

/* The "=" began nothing: it stays, with what was held, and `c` is text. */
static char *give_up(smtp_encode_dequopri *d, char *at, char c) {
  d->malformed = true;
  d->state = TEXT;
  *at++ = '=';
  at = put_held(d, at);
  return take_text(d, at, c);
}

static char *take_after_equals(smtp_encode_dequopri *d, char *at, char c) {
  if (d->state == EQUALS && is_hex(c)) {
    d->state = DIGIT;
    return hold(d, at, c);
  }
  if (c != '\n' && c != '\r' && !is_wsp(c)) return give_up(d, at, c);
  if (is_wsp(c)) {
    d->state = EQUALS_WSP;
    if (d->held_len < sizeof d->held) return hold(d, at, c);
    return give_up(d, at, c);
  }
  d->held_len = 0;
  d->state = c == '\r' ? EQUALS_CR : TEXT;
  return at;
}

static char *take(smtp_encode_dequopri *d, char *at, char c) {
  switch (d->state) {
  case EQUALS:
  case EQUALS_WSP:
    return take_after_equals(d, at, c);
  case DIGIT:
    if (!is_hex(c)) return give_up(d, at, c);
    *at++ = (char)(hex_value(d->held[0]) << 4 | hex_value(c));
    d->held_len = 0;
    d->state = TEXT;
    return at;
  case EQUALS_CR:
    d->state = TEXT;
    return c == '\n' ? at : take_text(d, at, c);
  default:
    return take_text(d, at, c);
  }
}

/* Printable bytes in a row that stand for themselves, the last one no space. */
static size_t plain_run(const smtp_encode_dequopri *d, const char *s,
                        size_t len) {
  size_t n = 0;

  if (d->state != TEXT || d->held_len || d->header) return 0;
  n = smtp_encode_scan_plain(s, len);
  while (n && s[n - 1] == ' ')
    n--;
  return n;
}

/* Whole escapes in a row; returns the bytes taken, three for each. */
static size_t take_escapes(const smtp_encode_dequopri *d, char **out,
                           const char *s, size_t len) {
  char *at = *out;
  size_t n = 0;

  if (d->state != TEXT || d->held_len) return 0;
  for (; len - n >= 3 && s[n] == '='; n += 3) {
    unsigned high = hex_value(s[n + 1]), low = hex_value(s[n + 2]);

    if ((high | low) > 15) break;
    *at++ = (char)(high << 4 | low);
  }
  *out = at;
  return n;
}

static void take_portion(smtp_encode_dequopri *d, smtp_buf *out, const char *in,
                         size_t len) {
  char *start = smtp_buf_reserve(out, len + sizeof d->held + 2), *at = start;
  size_t i = 0, run;

  if (!start) return;
  while (i < len) {
    run = plain_run(d, in + i, len - i);
    memcpy(at, in + i, run);
    at += run;
    i += run;
    i += take_escapes(d, &at, in + i, len - i);
    if (i < len) at = take(d, at, in[i++]);
  }
  smtp_buf_extend(out, (size_t)(at - start));
}

void smtp_encode_dequopri_update(smtp_encode_dequopri *d, smtp_buf *out,
                                 const char *in, size_t len) {
  size_t i, n;

  for (i = 0; i < len; i += n) {
    n = len - i < PORTION ? len - i : PORTION;
    take_portion(d, out, in + i, n);
  }
}

smtp_error smtp_encode_dequopri_final(smtp_encode_dequopri *d, smtp_buf *out) {
  bool malformed;

  if (d->state == DIGIT) {
    smtp_buf_addc(out, '=');
    d->malformed = true;
  }
  if (d->state == TEXT || d->state == DIGIT)
    smtp_buf_add(out, d->held, d->held_len);
  malformed = d->malformed;
  smtp_encode_dequopri_init(d, d->header);
  if (out->failed) return SMTP_ERR_NOMEM;
  return malformed ? SMTP_ERR_ENCODING : SMTP_OK;
}
