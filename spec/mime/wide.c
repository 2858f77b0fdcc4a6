/* What the fast paths of codecs and line ends make of texts of every length,
 * whole and in pieces: a line "what length checksum" for each. Compiled with
 * and without SMTP_NO_VECTOR it has to print the same. Where a plain loop fits
 * here, it is the judge: "wrong" instead of a checksum. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/lines.h"
#include "mime/encode.h"
#include "mime/transform.h"

#define LENGTH 300

static uint32_t state;

static size_t roll(size_t n) {
  state = state * 1664525u + 1013904223u;
  return (state >> 8) % n;
}

/* Bytes of an alphabet, in runs, so that wide steps find something. */
static void draw(char *s, size_t len, const char *alphabet) {
  size_t i = 0, n = strlen(alphabet), run;
  char c;

  while (i < len) {
    run = roll(4) ? 1 : 1 + roll(40);
    c = *alphabet ? alphabet[roll(n)] : (char)roll(256);
    for (; run && i < len; run--)
      s[i++] = c;
  }
}

static void show(const char *what, size_t len, smtp_buf *b) {
  uint32_t sum = 2166136261u;
  size_t i;

  for (i = 0; i < smtp_buf_len(b); i++)
    sum = (sum ^ (unsigned char)smtp_buf_data(b)[i]) * 16777619u;
  printf("%s %zu %08" PRIx32 "\n", what, len, sum);
  smtp_buf_free(b);
}

static void judge(const char *what, size_t len, bool right) {
  printf("%s %zu %s\n", what, len, right ? "right" : "wrong");
}

static void base64(const char *s, size_t len) {
  const char *eol = roll(2) ? "\r\n" : "\n";
  smtp_buf out, back;

  smtp_buf_init(&out);
  smtp_buf_init(&back);
  smtp_base64_encode_lines(&out, s, len, 76, eol, strlen(eol));
  smtp_base64_decode_lenient(&back, smtp_buf_data(&out), smtp_buf_len(&out));
  judge("decoded", len,
        smtp_buf_len(&back) == len && !memcmp(smtp_buf_data(&back), s, len));
  smtp_buf_free(&back);
  if (len) ((char *)smtp_buf_data(&out))[roll(len)] = (char)roll(256);
  smtp_base64_decode_lenient(&back, smtp_buf_data(&out), smtp_buf_len(&out));
  show("damaged", len, &back);
  show("base64", len, &out);
  if (smtp_base64_decode(&out, s, len)) smtp_buf_clear(&out);
  show("strict", len, &out);
  smtp_base64_decode_lenient(&out, s, len);
  show("lenient", len, &out);
}

static void quopri(const char *s, size_t len, unsigned bits) {
  smtp_encode_options options = {bits & 1, bits & 2, bits & 4, bits & 8};
  smtp_encode_quopri q;
  smtp_encode_dequopri d;
  smtp_buf out;
  size_t i, n;

  smtp_buf_init(&out);
  smtp_encode_quopri_init(&q, options);
  for (i = 0; i < len; i += n) {
    n = 1 + roll(len - i);
    smtp_encode_quopri_update(&q, &out, s + i, n);
  }
  smtp_encode_quopri_final(&q, &out);
  show("quopri", len, &out);
  smtp_encode_dequopri_init(&d, options.header);
  smtp_encode_dequopri_update(&d, &out, s, len);
  if (smtp_encode_dequopri_final(&d, &out)) smtp_buf_adds(&out, " malformed");
  show("dequopri", len, &out);
}

static void plain_lines(smtp_buf *out, const char *s, size_t len,
                        const char *eol) {
  size_t i;

  for (i = 0; i < len; i++) {
    if (s[i] == '\n' && i && s[i - 1] == '\r') continue;
    if (s[i] == '\r' || s[i] == '\n')
      smtp_buf_adds(out, eol);
    else
      smtp_buf_addc(out, s[i]);
  }
}

static void lines(const char *s, size_t len, const char *eol) {
  smtp_transform t;
  smtp_buf out, plain;
  size_t i, n;

  smtp_buf_init(&out);
  smtp_buf_init(&plain);
  plain_lines(&plain, s, len, eol);
  smtp_transform_init(&t, SMTP_TRANSFER_8BIT, eol);
  for (i = 0; i < len; i += n) {
    n = 1 + roll(len - i);
    smtp_transform_update(&t, &out, s + i, n);
  }
  judge("lines", len,
        smtp_buf_len(&out) == smtp_buf_len(&plain) &&
            !memcmp(smtp_buf_data(&out), smtp_buf_data(&plain),
                    smtp_buf_len(&out)));
  judge("measure", len,
        smtp_lines_measure(s, len, strlen(eol)) == smtp_buf_len(&plain));
  smtp_buf_free(&out);
  smtp_buf_free(&plain);
}

static void longest(const char *s, size_t len) {
  size_t limit, line = 0, most = 0, i;
  bool right = true;

  for (i = 0; i < len; i++) {
    line = s[i] == '\r' || s[i] == '\n' ? 0 : line + 1;
    if (line > most) most = line;
  }
  for (limit = 0; limit < 80; limit++)
    if (smtp_lines_exceed(s, len, limit) != (most > limit)) right = false;
  judge("exceed", len, right);
}

int main(void) {
  static const char *const alphabets[] = {
      "",           "abcd .",       "a\r\n",     "a \t=\r\n.\x7f",
      "ABab01+/\n", "AZaz09+/=\r-", "=0A3Dx\n ", "\xC3\xA9\xD0\xB0 ab\r\n",
      "\x80\xFF=",  "ab\n"};
  size_t i, len;

  for (i = 0; i < sizeof alphabets / sizeof *alphabets; i++)
    for (len = 0; len <= LENGTH; len++) {
      char *s = malloc(len + 1); /* just as long: a reader beyond is noticed */

      draw(s, len, alphabets[i]);
      base64(s, len);
      quopri(s, len, (unsigned)roll(16));
      lines(s, len, roll(2) ? "\r\n" : "\n");
      longest(s, len);
      free(s);
    }
  return 0;
}
