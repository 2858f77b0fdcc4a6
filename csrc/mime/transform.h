/* A body's bytes on their way into the output, in pieces: line ends made those
 * of the output, quoted-printable (RFC 2045 section 6.7), or base64. */
#ifndef SMTP_MIME_TRANSFORM_H
#define SMTP_MIME_TRANSFORM_H

#include "base/base64.h"
#include "mime/encode.h"
#include "mime/plan.h"

typedef struct smtp_transform {
  smtp_transfer transfer;
  const char *eol; /* borrowed, zero-terminated */
  bool after_cr;   /* the last byte was a CR, its line end is written */
  smtp_encode_quopri quopri;
  smtp_base64_encoder base64;
} smtp_transform;

void smtp_transform_init(smtp_transform *t, smtp_transfer transfer,
                         const char *eol);
void smtp_transform_update(smtp_transform *t, smtp_buf *out, const char *s,
                           size_t len);
void smtp_transform_final(smtp_transform *t, smtp_buf *out);

/* Bytes that come out for `len` bytes, all at once; base64 does not look at
 * them. */
unsigned long long smtp_transform_measure(smtp_transfer transfer,
                                          const char *eol, const char *s,
                                          unsigned long long len);

#endif
