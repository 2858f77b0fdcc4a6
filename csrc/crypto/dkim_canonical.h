/* Canonical forms of header fields and bodies, RFC 6376 section 3.4: what a
 * signature covers of a message, so that harmless changes on its way do no
 * harm. A line ends with CRLF; a lone LF, as files have it, counts as one. */
#ifndef SMTP_CRYPTO_DKIM_CANONICAL_H
#define SMTP_CRYPTO_DKIM_CANONICAL_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum smtp_dkim_canon {
  SMTP_DKIM_SIMPLE, /* as it is */
  SMTP_DKIM_RELAXED /* white space may change, and the case of names */
} smtp_dkim_canon;

/* Append a header field, given from its name to its last byte before the line
 * end. No line end is appended. */
void smtp_dkim_canonical_field(smtp_buf *out, const char *field, size_t len,
                               smtp_dkim_canon canon);

/* A body in pieces: whatever the cuts, `put` gets the same bytes. */
typedef struct smtp_dkim_body {
  smtp_dkim_canon canon;
  void (*put)(void *context, const char *bytes, size_t len);
  void *context;
  unsigned long long breaks; /* line ends that are not put yet */
  bool had_cr;               /* a CR that may begin one */
  bool had_space;            /* white space that may end a line */
  bool has_content;          /* something has been put */
  size_t held;
  char staging[1024];
} smtp_dkim_body;

void smtp_dkim_body_init(smtp_dkim_body *b, smtp_dkim_canon canon,
                         void (*put)(void *context, const char *bytes,
                                     size_t len),
                         void *context);
void smtp_dkim_body_update(smtp_dkim_body *b, const char *bytes, size_t len);
/* The end: one line end for all that were due. */
void smtp_dkim_body_final(smtp_dkim_body *b);

#endif
