/* Whatever the bytes and however they are cut: encoding and decoding gives them
 * back, in pieces as whole; decoding anything never reads beyond it, the
 * strict decoder takes only what the encoder would write, and the lenient one
 * agrees with it there. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool claim) {
  if (!claim) abort();
}

static bool holds(const smtp_buf *b, const void *bytes, size_t len) {
  return smtp_buf_len(b) == len && !memcmp(smtp_buf_data(b), bytes, len);
}

/* Pieces of 0 to 15 bytes, by what the input says itself. */
static size_t piece(const uint8_t *data, size_t at, size_t size) {
  size_t n = data[at] & 15;

  return n < size - at ? n + 1 : size - at;
}

static void check_encoder(const uint8_t *data, size_t size, size_t width) {
  smtp_buf whole, pieces, back;
  smtp_base64_encoder e;
  size_t i, n;

  smtp_buf_init(&whole);
  smtp_buf_init(&pieces);
  smtp_buf_init(&back);
  if (width)
    smtp_base64_encode_lines(&whole, data, size, width, "\r\n", 2);
  else
    smtp_base64_encode(&whole, data, size);
  if (width)
    require(smtp_buf_len(&whole) == smtp_base64_lines_len(size, width, 2));
  smtp_base64_encoder_init(&e, width, "\r\n", 2);
  for (i = 0; i < size; i += n) {
    n = piece(data, i, size);
    smtp_base64_encoder_update(&e, &pieces, data + i, n);
  }
  smtp_base64_encoder_final(&e, &pieces);
  require(holds(&pieces, smtp_buf_data(&whole), smtp_buf_len(&whole)));
  require(smtp_base64_decode_lenient(&back, smtp_buf_data(&whole),
                                     smtp_buf_len(&whole)) == SMTP_OK);
  require(holds(&back, data, size));
  smtp_buf_free(&whole);
  smtp_buf_free(&pieces);
  smtp_buf_free(&back);
}

static void check_pieces(const uint8_t *data, size_t size, bool strict,
                         smtp_error expected, const smtp_buf *whole) {
  smtp_base64_decoder d;
  smtp_error e = SMTP_OK;
  smtp_buf out;
  size_t i, n;

  smtp_buf_init(&out);
  smtp_base64_decoder_init(&d, strict);
  for (i = 0; e == SMTP_OK && i < size; i += n) {
    n = piece(data, i, size);
    e = smtp_base64_decoder_update(&d, &out, (const char *)data + i, n);
  }
  if (e == SMTP_OK) e = smtp_base64_decoder_final(&d, &out);
  require(e == expected);
  if (e == SMTP_OK)
    require(holds(&out, smtp_buf_data(whole), smtp_buf_len(whole)));
  smtp_buf_free(&out);
}

static void check_decoder(const uint8_t *data, size_t size) {
  smtp_buf strict, lenient, again;
  const char *s = (const char *)data;
  smtp_error strictly, leniently;

  smtp_buf_init(&strict);
  smtp_buf_init(&lenient);
  smtp_buf_init(&again);
  strictly = smtp_base64_decode(&strict, s, size);
  leniently = smtp_base64_decode_lenient(&lenient, s, size);
  if (strictly == SMTP_OK) {
    require(leniently == SMTP_OK);
    require(holds(&lenient, smtp_buf_data(&strict), smtp_buf_len(&strict)));
    smtp_base64_encode(&again, smtp_buf_data(&strict), smtp_buf_len(&strict));
    require(holds(&again, data, size));
  }
  check_pieces(data, size, true, strictly, &strict);
  check_pieces(data, size, false, leniently, &lenient);
  smtp_buf_free(&strict);
  smtp_buf_free(&lenient);
  smtp_buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  size_t width = size ? data[0] % 100 : 76;

  check_encoder(data, size, width);
  check_encoder(data, size, 76);
  check_decoder(data, size);
  return 0;
}
