/* Encoded-words of RFC 2047, out and in. */
#ifndef SMTP_MIME_WORD_H
#define SMTP_MIME_WORD_H

#include "mime/fold.h"

/* The text cannot stand in a header as it is: it has bytes above 0x7F (unless
 * the fold takes UTF-8) or control characters, or a decoder would take it for
 * an encoded-word. */
bool smtp_word_must_encode(const smtp_fold *f, const char *s, size_t len);

/* Append `gap` and the well-formed UTF-8 text as one or more encoded-words, in
 * B or Q, whichever is shorter. No character is split. */
void smtp_word_encode(smtp_fold *f, const char *gap, size_t gap_len,
                      const char *s, size_t len);

/* Append a raw field value as text in UTF-8: unfolded, encoded-words decoded
 * and the white space between two of them dropped; bytes that are not UTF-8 are
 * taken for Latin-1. Words that are malformed or in an unknown charset stay as
 * they are. What is decoded may hold any character: CR and LF, too. Returns
 * whether anything was not as it should be. */
bool smtp_word_decode(smtp_buf *out, const char *raw, size_t len);
/* The same, but encoded-words stay as they are. */
bool smtp_word_unfold(smtp_buf *out, const char *raw, size_t len);
/* Encoded-words and white space between them, and nothing else. */
bool smtp_word_is_encoded(const char *s, size_t len);

#endif
