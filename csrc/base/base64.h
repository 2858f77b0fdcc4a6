/* Base64 of RFC 4648, as one line (SASL) or in lines (MIME, RFC 2045 section
 * 6.8). Whole strings and streams; the streams hold at most three bytes, so a
 * body of any size passes through flat. Encoding takes the processor's vector
 * instructions where there are some. Rests on base/buf. */
#ifndef SMTP_BASE_BASE64_H
#define SMTP_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* Append the encoding of `len` bytes as one line without a line end. */
void smtp_base64_encode(smtp_buf *out, const void *in, size_t len);

/* Append the encoding in lines of at most `width` characters (rounded down to
 * a multiple of 4, at least 4), each ended by `eol`, the last one too. No
 * bytes give no line. */
void smtp_base64_encode_lines(smtp_buf *out, const void *in, size_t len,
                              size_t width, const char *eol, size_t eol_len);

/* Characters that _encode_lines makes of `len` bytes. */
size_t smtp_base64_lines_len(size_t len, size_t width, size_t eol_len);

/* Append what `in` encodes. Refused with SMTP_ERR_ENCODING: a byte outside
 * the alphabet (line ends too), missing, surplus or early padding, tail bits
 * that are not zero. For what a server says. */
smtp_error smtp_base64_decode(smtp_buf *out, const char *in, size_t len);

/* The same for mail bodies: what is outside the alphabet is skipped, and what
 * follows the padding ignored. SMTP_ERR_ENCODING when the last group is cut
 * short; its whole bytes are appended nevertheless. */
smtp_error smtp_base64_decode_lenient(smtp_buf *out, const char *in,
                                      size_t len);

/* An encoder in pieces: the pieces' output joined is that of one call. */
typedef struct smtp_base64_encoder {
  const char *eol; /* borrowed for the encoder's life */
  size_t eol_len;
  size_t width;  /* characters a line, a multiple of 4; 0: one line, no eol */
  size_t column; /* characters already in the line */
  unsigned char held[3];
  size_t held_len;
} smtp_base64_encoder;

/* `width` 0 encodes as one line without a line end. */
void smtp_base64_encoder_init(smtp_base64_encoder *e, size_t width,
                              const char *eol, size_t eol_len);
void smtp_base64_encoder_update(smtp_base64_encoder *e, smtp_buf *out,
                                const void *in, size_t len);
/* The rest, padding and line end; the encoder is as new afterwards. */
void smtp_base64_encoder_final(smtp_base64_encoder *e, smtp_buf *out);

/* A decoder in pieces. */
typedef struct smtp_base64_decoder {
  bool strict;
  bool ended;     /* the padding has been seen */
  bool malformed; /* sticky */
  bool foreign;   /* sticky: there was what is neither of the alphabet nor "=",
                     CR or LF */
  unsigned held;  /* characters of the group that is not whole yet, 0-3 */
  unsigned pads;
  uint32_t bits;
} smtp_base64_decoder;

void smtp_base64_decoder_init(smtp_base64_decoder *d, bool strict);
/* SMTP_ERR_ENCODING, sticky, only when strict. */
smtp_error smtp_base64_decoder_update(smtp_base64_decoder *d, smtp_buf *out,
                                      const char *in, size_t len);
/* The verdict on the whole; the decoder is as new afterwards. */
smtp_error smtp_base64_decoder_final(smtp_base64_decoder *d, smtp_buf *out);

#endif
