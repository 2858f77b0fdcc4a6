/* Line ends in whole bodies: CRLF, a lone CR, a lone LF. In wide steps, since
 * every byte of a message passes here. Rests on libc alone. */
#ifndef SMTP_BASE_LINES_H
#define SMTP_BASE_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes at the start of `s`, which is not between CR and LF, that are fit for
 * the wire as they are: up to a CR without LF, an LF without CR or, with
 * `dots`, the LF of a CRLF that a dot follows. May end between CR and LF. The
 * last byte is never counted, for it depends on the next. */
size_t smtp_lines_fit(const char *s, size_t len, bool dots);

/* How long the bytes are once every line end has `eol_len` bytes. */
unsigned long long smtp_lines_measure(const char *s, size_t len,
                                      size_t eol_len);

/* Some line has more than `limit` bytes before its end. */
bool smtp_lines_exceed(const char *s, size_t len, size_t limit);

#endif
