/* A header field as it grows: words are put behind one another, and a line
 * that would become too long is folded at the white space between two of them
 * (RFC 5322 section 2.2.3). Where there was no white space none appears. */
#ifndef SMTP_MIME_FOLD_H
#define SMTP_MIME_FOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* RFC 5322 section 2.1.1: what a line must never exceed. */
#define SMTP_LINE_HARD_LIMIT 998

typedef struct smtp_fold {
  smtp_buf *out;
  const char *eol; /* zero-terminated */
  size_t max_line; /* without the line end */
  bool utf8;       /* RFC 6532: text needs no encoding */
  bool twins;      /* as of smtp_header_style */
  size_t column;
  bool too_long; /* sticky: a line exceeds the hard limit */
} smtp_fold;

/* The fold stands at column 0 of a new line of `out`. */
void smtp_fold_init(smtp_fold *f, smtp_buf *out, const char *eol,
                    size_t max_line, bool utf8);
/* Append without a break. */
void smtp_fold_add(smtp_fold *f, const char *s, size_t len);
/* Append `gap` (white space, may be empty) and the word, on a new line if the
 * word does not fit on this one and there is a gap to break at. */
void smtp_fold_word(smtp_fold *f, const char *gap, size_t gap_len,
                    const char *s, size_t len);
/* Append text word by word, with its own white space as gaps; `gap` comes
 * before the first word, which is never put on a line of its own. */
void smtp_fold_words(smtp_fold *f, const char *gap, size_t gap_len,
                     const char *s, size_t len);

#endif
