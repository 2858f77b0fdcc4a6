/* Whatever the bytes and however they are cut: quoted-printable is printable,
 * its lines have at most 76 characters and end in no white space, it decodes
 * strictly to the same bytes, and both coders give in pieces what they give
 * whole; decoding anything never grows it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mime/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool claim) {
  if (!claim) abort();
}

static bool same(const smtp_buf *a, const smtp_buf *b) {
  return smtp_buf_len(a) == smtp_buf_len(b) &&
         !memcmp(smtp_buf_data(a), smtp_buf_data(b), smtp_buf_len(a));
}

static size_t piece(const uint8_t *data, size_t at, size_t size) {
  size_t n = data[at] & 7;

  return n < size - at ? n + 1 : size - at;
}

static void encode(smtp_buf *out, const uint8_t *data, size_t size,
                   smtp_encode_options options, bool pieces) {
  smtp_encode_quopri q;
  size_t i, n;

  smtp_buf_init(out);
  smtp_encode_quopri_init(&q, options);
  for (i = 0; i < size; i += n) {
    n = pieces ? piece(data, i, size) : size;
    smtp_encode_quopri_update(&q, out, (const char *)data + i, n);
  }
  smtp_encode_quopri_final(&q, out);
}

static smtp_error decode(smtp_buf *out, const char *s, size_t size, bool header,
                         bool pieces) {
  smtp_encode_dequopri d;
  size_t i, n;

  smtp_buf_init(out);
  smtp_encode_dequopri_init(&d, header);
  for (i = 0; i < size; i += n) {
    n = pieces ? piece((const uint8_t *)s, i, size) : size;
    smtp_encode_dequopri_update(&d, out, s + i, n);
  }
  return smtp_encode_dequopri_final(&d, out);
}

static void check_lines(const smtp_buf *b) {
  const char *s = smtp_buf_data(b);
  size_t len = smtp_buf_len(b), column = 0, i;

  for (i = 0; i < len; i++) {
    bool ends = s[i] == '\n' || (s[i] == '\r' && i + 1 < len);

    require(s[i] == '\t' || s[i] == '\r' || s[i] == '\n' ||
            (s[i] >= ' ' && s[i] <= '~'));
    if (s[i] == '\r') require(ends && s[i + 1] == '\n');
    if (ends) require(!column || (s[i - 1] != ' ' && s[i - 1] != '\t'));
    column = ends ? 0 : column + 1;
    require(column <= SMTP_ENCODE_LINE_MAX);
  }
  require(!len || (s[len - 1] != ' ' && s[len - 1] != '\t'));
}

static void check_encoder(const uint8_t *data, size_t size,
                          smtp_encode_options options) {
  smtp_buf whole, pieces, back;

  encode(&whole, data, size, options, false);
  encode(&pieces, data, size, options, true);
  require(same(&whole, &pieces));
  check_lines(&whole);
  require(decode(&back, smtp_buf_data(&whole), smtp_buf_len(&whole),
                 options.header, false) == SMTP_OK);
  if (!options.force)
    require(smtp_buf_len(&back) == size &&
            !memcmp(smtp_buf_data(&back), data, size));
  smtp_buf_free(&whole);
  smtp_buf_free(&pieces);
  smtp_buf_free(&back);
}

static void check_decoder(const uint8_t *data, size_t size, bool header) {
  smtp_buf whole, pieces;
  smtp_error e = decode(&whole, (const char *)data, size, header, false);

  require(decode(&pieces, (const char *)data, size, header, true) == e);
  require(same(&whole, &pieces));
  require(smtp_buf_len(&whole) <= size);
  smtp_buf_free(&whole);
  smtp_buf_free(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  smtp_encode_options options = {0};
  unsigned bits = size ? data[0] : 0;

  options.text = bits & 1;
  options.header = bits & 2;
  options.crlf = bits & 4;
  options.force = bits & 8;
  check_encoder(data, size, options);
  check_decoder(data, size, bits & 2);
  return 0;
}
