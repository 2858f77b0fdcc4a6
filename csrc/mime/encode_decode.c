/* Quoted-printable decoding, see encode.h: what needs no memory is done several
 * bytes at a time, the rest goes through take(). */
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

/* Of a hexadecimal digit, small ones too; more than 15 for another byte. */
static unsigned hex_value(char c) {
  /* clang-format off */
  static const unsigned char values[] = {
    ['0'] = 128, 129, 130, 131, 132, 133, 134, 135, 136, 137,
    ['A'] = 138, 139, 140, 141, 142, 143, ['a'] = 138, 139, 140, 141, 142, 143,
    [255] = 0,
  };
  /* clang-format on */

  return values[(unsigned char)c] ^ 128u;
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

/* Escapes in a row, or a soft break. Returns how many bytes they have, 0 when
 * it is neither. */
static size_t take_escapes(char **out, const char *s, size_t len) {
  char *at = *out;
  size_t n = 0;

  for (; len - n > 2 && s[n] == '='; n += 3) {
    unsigned high = hex_value(s[n + 1]), low = hex_value(s[n + 2]);

    if ((high | low) > 15) break;
    *at++ = (char)(high << 4 | low);
  }
  *out = at;
  if (n) return n;
  if (s[1] == '\n') return 2;
  return s[1] == '\r' && s[2] == '\n' ? 3 : 0;
}

/* What needs no memory of what was before: printable bytes but spaces that may
 * end a line, escapes, line breaks. Returns how many bytes that were. */
static size_t take_simple(char **out, const char *s, size_t len) {
  char *at = *out;
  size_t i = 0, n;

  for (; len - i > SMTP_ENCODE_SCAN_STEP; i += n) {
    n = smtp_encode_scan_plain(s + i);
    memcpy(at, s + i, SMTP_ENCODE_SCAN_STEP);
    while (n && s[i + n - 1] == ' ')
      n--;
    at += n;
    if (n) continue;
    if (s[i] == '=')
      n = take_escapes(&at, s + i, len - i);
    else if (s[i] == '\n' || (s[i] == '\r' && s[i + 1] == '\n'))
      *at++ = s[i], n = 1;
    if (!n) break;
  }
  *out = at;
  return i;
}

static void take_portion(smtp_encode_dequopri *d, smtp_buf *out, const char *in,
                         size_t len) {
  char *start = smtp_buf_reserve(out, len + sizeof d->held + 2), *at = start;
  size_t i = 0;

  if (!start) return;
  while (i < len) {
    if (d->state == TEXT && !d->held_len && !d->header)
      i += take_simple(&at, in + i, len - i);
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
