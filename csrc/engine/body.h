/* The message on its way out (RFC 5321 §4.5.2): every line end becomes CRLF, a
 * lone CR and a lone LF included, every dot that begins a line is doubled, a
 * final line end is added. There is no way around it: what a server could take
 * for the end of the message never comes from a message (SMTP smuggling).
 *
 * The state carries across any cut of the bytes. A leading mbox line ("From
 * alice Mon Nov 23 …") is left out when a header field follows it. */
#ifndef SMTP_ENGINE_BODY_H
#define SMTP_ENGINE_BODY_H

#include "base/buf.h"
#include "base/error.h"

typedef struct smtp_body {
  smtp_buf head;   /* beginning that may yet turn out to be an mbox line */
  bool undecided;  /* still collecting `head` */
  bool after_cr;   /* the last byte was a CR, written as CRLF already */
  bool line_start; /* the next byte begins a line */
} smtp_body;

void smtp_body_init(smtp_body *b);
void smtp_body_free(smtp_body *b);
/* Begin a message; `mbox` tells whether an mbox line may be left out. */
void smtp_body_begin(smtp_body *b, bool mbox);

/* Append what `in` becomes to `out` (at most twice its size). */
void smtp_body_filter(smtp_body *b, const char *in, size_t len, smtp_buf *out);
/* The end: what was still held back, and a line end if one is missing. */
void smtp_body_end(smtp_body *b, smtp_buf *out);

/* Bytes of an mbox line at the start of a message, 0 when there is none;
 * `*known` is false while more bytes could change the answer. */
size_t smtp_body_mbox_line(const char *s, size_t len, bool *known);

/* Size of a whole message as SIZE counts it: with CRLF line ends and the final
 * one, without doubled dots (RFC 1870 §4); `*has_8bit` tells the rest. */
size_t smtp_body_measure(const char *s, size_t len, bool *has_8bit);

#endif
