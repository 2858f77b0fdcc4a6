/* Parameters of Content-Type and Content-Disposition (RFC 2045 section 5.1,
 * RFC 2231). A value is kept as logical text: parameters are tokens or
 * quoted-strings that may hold UTF-8. Reading understands the RFC 2231 forms
 * too; the writing of them is header.c's. Never fails on what it reads. */
#ifndef SMTP_MIME_PARAM_H
#define SMTP_MIME_PARAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* The part before the first parameter, trimmed; borrowed from `s`. */
const char *smtp_param_main(const char *s, size_t len, size_t *main_len);
/* token "/" token */
bool smtp_param_is_type(const char *s, size_t len);

typedef struct smtp_param {
  const char *name; /* as spelt, trimmed; borrowed */
  size_t name_len;
  const char *value; /* as spelt, with its quotes; NULL: there was no "=" */
  size_t value_len;
  bool closed; /* a quoted value had its closing quote, nothing behind it */
} smtp_param;

/* Walk the parameters: start with *pos = 0. False at the end. */
bool smtp_param_next(const char *s, size_t len, size_t *pos, smtp_param *p);
/* Append the value without quotes and backslashes. */
void smtp_param_unquote(smtp_buf *out, const char *value, size_t len);

/* Append a raw field value as text in UTF-8, unfolded. A value that is made of
 * encoded-words, against RFC 2047, is decoded, unless it would bring control
 * characters. Returns whether bytes were not UTF-8, so taken for Latin-1. */
bool smtp_param_decode(smtp_buf *out, const char *raw, size_t len);

/* Append the value of a parameter in UTF-8: RFC 2231 extended, else in numbered
 * pieces (up to the first that is missing, 1000 at most), else plain. What is
 * in an unknown charset is taken for UTF-8 or Windows-1252. False when there is
 * none. */
bool smtp_param_get(const char *s, size_t len, const char *name,
                    size_t name_len, smtp_buf *out);
/* Append the boundary that a Content-Type names, unfolded and without blanks at
 * its end, as delimiters are compared. False when it is empty. */
bool smtp_param_boundary(const char *s, size_t len, smtp_buf *out);

/* Append the field value with one parameter replaced in its place, or appended
 * when new; `value` NULL leaves it out. Every form of the old one goes. */
void smtp_param_set(smtp_buf *out, const char *s, size_t len, const char *name,
                    size_t name_len, const char *value, size_t value_len);
/* Append `; name="value"`, quoted as Python does, for old readers' sake. */
void smtp_param_add(smtp_buf *out, const char *name, size_t name_len,
                    const char *value, size_t value_len);

#endif
