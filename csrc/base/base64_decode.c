/* Base64 decoding, see base64.h: lines and groups of good characters go fast,
 * each other byte goes through take(), the one place that judges. */
#include <string.h>

#include "base/base64.h"
#include "base/base64_x86.h"

/* Beyond what is decoded: the vector path stores in steps of 16. */
#define SLACK 16

/* Not one of the 64. */
#define NONE 0xFF

/* clang-format off */
#define N8 NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE
static const unsigned char values[256] = {
  N8, N8, N8, N8, N8,
  NONE, NONE, NONE, 62, NONE, NONE, NONE, 63,
  52, 53, 54, 55, 56, 57, 58, 59,
  60, 61, NONE, NONE, NONE, NONE, NONE, NONE,
  NONE, 0, 1, 2, 3, 4, 5, 6,
  7, 8, 9, 10, 11, 12, 13, 14,
  15, 16, 17, 18, 19, 20, 21, 22,
  23, 24, 25, NONE, NONE, NONE, NONE, NONE,
  NONE, 26, 27, 28, 29, 30, 31, 32,
  33, 34, 35, 36, 37, 38, 39, 40,
  41, 42, 43, 44, 45, 46, 47, 48,
  49, 50, 51, NONE, NONE, NONE, NONE, NONE,
  N8, N8, N8, N8, N8, N8, N8, N8, N8, N8, N8, N8, N8, N8, N8, N8,
};
/* clang-format on */

void smtp_base64_decoder_init(smtp_base64_decoder *d, bool strict) {
  memset(d, 0, sizeof *d);
  d->strict = strict;
}

static char *put_group(char *out, uint32_t bits) {
  out[0] = (char)(bits >> 16 & 0xFF);
  out[1] = (char)(bits >> 8 & 0xFF);
  out[2] = (char)(bits & 0xFF);
  return out + 3;
}

/* The whole bytes of a group that has 2 or 3 characters. */
static char *put_tail(smtp_base64_decoder *d, char *out) {
  uint32_t bits = d->bits << 6 * (4 - d->held);

  if (d->held == 2 ? bits & 0xFFFF : bits & 0xFF) d->malformed = d->strict;
  *out++ = (char)(bits >> 16 & 0xFF);
  if (d->held == 3) *out++ = (char)(bits >> 8 & 0xFF);
  return out;
}

static char *take_padding(smtp_base64_decoder *d, char *out) {
  if (d->ended || d->held < 2) {
    d->malformed = d->malformed || d->strict;
    return out;
  }
  d->pads++;
  if (d->held + d->pads < 4) return out;
  out = put_tail(d, out);
  d->ended = true;
  d->held = 0;
  return out;
}

static char *take(smtp_base64_decoder *d, char *out, unsigned char c) {
  unsigned char v = values[c];

  if (c == '=') return take_padding(d, out);
  if (v == NONE || d->ended || d->pads) {
    d->malformed = d->malformed || d->strict;
    d->foreign = d->foreign || (v == NONE && c != '\r' && c != '\n');
    if (v == NONE || d->ended) return out;
  }
  d->pads = 0;
  d->bits = d->bits << 6 | v;
  if (++d->held < 4) return out;
  d->held = 0;
  return put_group(out, d->bits);
}

/* Groups of four characters of the alphabet, as many as come in a row. */
static size_t take_groups(char **out, const unsigned char *in, size_t len) {
  size_t i = smtp_base64_x86_groups(*out, in, len);
  char *at = *out + i / 4 * 3;

  for (; i + 4 <= len; i += 4) {
    uint32_t a = values[in[i]], b = values[in[i + 1]];
    uint32_t c = values[in[i + 2]], e = values[in[i + 3]];

    if ((a | b | c | e) & 0xC0) break;
    at = put_group(at, a << 18 | b << 12 | c << 6 | e);
  }
  *out = at;
  return i;
}

/* What begins with a whole group; only the lenient decoder skips line ends. */
static size_t take_whole(const smtp_base64_decoder *d, char **out,
                         const unsigned char *in, size_t len) {
  size_t i = d->strict ? 0 : smtp_base64_x86_mime_lines(out, in, len);

  return i + take_groups(out, in + i, len - i);
}

smtp_error smtp_base64_decoder_update(smtp_base64_decoder *d, smtp_buf *out,
                                      const char *in, size_t len) {
  const unsigned char *bytes = (const unsigned char *)in;
  char *start = smtp_buf_reserve(out, len / 4 * 3 + SLACK + 6), *at = start;
  size_t i = 0;

  if (!start) return SMTP_ERR_NOMEM;
  while (i < len && !d->malformed) {
    if (!d->held && !d->ended) i += take_whole(d, &at, bytes + i, len - i);
    if (i < len) at = take(d, at, bytes[i++]);
  }
  smtp_buf_extend(out, (size_t)(at - start));
  return d->malformed ? SMTP_ERR_ENCODING : SMTP_OK;
}

smtp_error smtp_base64_decoder_final(smtp_base64_decoder *d, smtp_buf *out) {
  bool whole = d->held == 0 && !d->malformed;
  char tail[2];

  if (d->held >= 2) smtp_buf_add(out, tail, (size_t)(put_tail(d, tail) - tail));
  smtp_base64_decoder_init(d, d->strict);
  if (out->failed) return SMTP_ERR_NOMEM;
  return whole ? SMTP_OK : SMTP_ERR_ENCODING;
}

static smtp_error decode(smtp_buf *out, const char *in, size_t len,
                         bool strict) {
  smtp_base64_decoder d;
  smtp_error e;

  smtp_base64_decoder_init(&d, strict);
  e = smtp_base64_decoder_update(&d, out, in, len);
  if (e != SMTP_OK) return e;
  return smtp_base64_decoder_final(&d, out);
}

smtp_error smtp_base64_decode(smtp_buf *out, const char *in, size_t len) {
  return decode(out, in, len, true);
}

smtp_error smtp_base64_decode_lenient(smtp_buf *out, const char *in,
                                      size_t len) {
  return decode(out, in, len, false);
}
