/* Header fields on their way out: the one place through which every field of
 * every output passes. It refuses what could end a field early (SECURITY: CR,
 * LF, NUL, bad names), and encodes and folds by what the field is. */
#ifndef SMTP_MIME_HEADER_H
#define SMTP_MIME_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "mime/fold.h"
#include "mime/message.h"

typedef struct smtp_header_style {
  const char *eol; /* zero-terminated: "\r\n" or "\n" */
  size_t max_line; /* 78 */
  bool utf8;       /* RFC 6532: the reader takes UTF-8 in headers */
  bool twins; /* a parameter in the form of RFC 2231 is given in encoded-words
                 as well, for readers that know no better */
} smtp_header_style;

/* Append `Name: value` and the line end. A raw field is appended as it was
 * read, with the style's line ends; as it is and without the last of them when
 * style->eol is NULL. On an error (and *why, a static phrase
 * that completes "header 'X': ...") `out` is as before. */
smtp_error smtp_header_write(smtp_buf *out, const smtp_field *field,
                             const smtp_header_style *style, const char **why);

/* The same for a name and a text value that are no field yet. */
smtp_error smtp_header_write_text(smtp_buf *out, const char *name,
                                  size_t name_len, const char *value,
                                  size_t value_len,
                                  const smtp_header_style *style,
                                  const char **why);

/* Could this name and text value be written, given a reader of UTF-8? */
smtp_error smtp_header_check(const char *name, size_t name_len,
                             const char *value, size_t value_len,
                             const char **why);
/* 1 to 200 characters 33-126 without ":". */
bool smtp_header_is_name(const char *name, size_t len);

/* Append the value of a field as read as text in UTF-8, unfolded: encoded-words
 * are decoded where a field of that name may have them, and so that its
 * addresses and parameters stay what they are. Returns whether anything was
 * not as it should be. */
bool smtp_header_decode(smtp_buf *out, const char *name, size_t name_len,
                        const char *raw, size_t len);

/* Fields whose value is a list of mailboxes. */
bool smtp_header_is_address(const char *name, size_t len);

#endif
