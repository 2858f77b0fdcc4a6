/* Quoted-printable (RFC 2045 section 6.7) in pieces: the pieces' output joined
 * is that of one call, wherever they are cut. Rests on base/buf and text. */
#ifndef SMTP_MIME_ENCODE_H
#define SMTP_MIME_ENCODE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

/* Characters of an encoded line, soft break included. */
#define SMTP_ENCODE_LINE_MAX 76

/* How to encode; all false is binary data with "\n" for soft breaks. */
typedef struct smtp_encode_options {
  bool text;   /* LF and CRLF are line breaks (else they are encoded); a lone
                  CR is encoded either way */
  bool header; /* space becomes _, and _ is encoded */
  bool crlf;   /* soft breaks are CRLF; else LF, or what the text breaks its
                  lines with once that was seen */
  bool force;  /* hard breaks become what soft breaks are; else they stay */
} smtp_encode_options;

typedef struct smtp_encode_quopri {
  smtp_encode_options options;
  size_t column; /* characters in the line so far */
  int held;      /* a byte whose form depends on what follows it, or -1 */
  bool crlf;     /* soft breaks are CRLF now */
  bool cr;       /* a CR after it, which may be half of a line break */
  bool broken;   /* the text's own line break is known */
} smtp_encode_quopri;

void smtp_encode_quopri_init(smtp_encode_quopri *q,
                             smtp_encode_options options);
/* Append the encoding of `len` bytes, but for the last one or two, which wait
 * for what follows. Grows `out` by at most 4 times `len` and some. */
void smtp_encode_quopri_update(smtp_encode_quopri *q, smtp_buf *out,
                               const char *in, size_t len);
/* The rest; no line end is added. The encoder is as new afterwards. */
void smtp_encode_quopri_final(smtp_encode_quopri *q, smtp_buf *out);

/* A decoder in pieces. What is malformed is kept as it stands, as RFC 2045
 * asks for, and remembered. White space before a line end is deleted. */
typedef struct smtp_encode_dequopri {
  bool header;    /* _ is a space */
  bool malformed; /* an "=" that begins nothing, or a byte that should have
                     been encoded; sticky until _final */
  int state;      /* of the escape under way */
  char held[80];  /* its bytes, or white space that may end the line */
  size_t held_len;
} smtp_encode_dequopri;

void smtp_encode_dequopri_init(smtp_encode_dequopri *d, bool header);
void smtp_encode_dequopri_update(smtp_encode_dequopri *d, smtp_buf *out,
                                 const char *in, size_t len);
/* The rest, and SMTP_ERR_ENCODING if anything was malformed (the output is
 * complete nevertheless). The decoder is as new afterwards. */
smtp_error smtp_encode_dequopri_final(smtp_encode_dequopri *d, smtp_buf *out);

#endif
