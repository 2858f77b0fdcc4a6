/* The content of a body that was read, or that its owner encoded: what its
 * transfer encoding stands for (RFC 2045 section 6). */
#ifndef SMTP_MIME_CONTENT_H
#define SMTP_MIME_CONTENT_H

#include "base/buf.h"
#include "mime/message.h"

/* Append the content of `m` (a leaf). What is malformed is decoded as far as it
 * goes, and noted in m->defects; encodings that are not known are left alone.
 */
void smtp_content_decode(smtp_message *m, smtp_buf *out);

#endif
