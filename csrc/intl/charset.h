/* Text in the charsets of mail (RFC 2045 section 5.2 and its like), to and
 * from UTF-8. US-ASCII, UTF-8, ISO-8859-1 and Windows-1252 are built in; the
 * others are iconv's, and unknown where it is missing (SMTP_HAVE_ICONV not
 * defined) or does not have them. Names match but for ASCII case, hyphens and
 * underscores, and the aliases of old mail are known.
 *
 * Reading takes a charset for what senders mean by it, as browsers do:
 * ISO-8859-1 as Windows-1252, whose additions stand in place of control
 * characters; GB 2312, KS C 5601 and Shift_JIS as their common supersets. */
#ifndef SMTP_INTL_CHARSET_H
#define SMTP_INTL_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

/* The library was built with iconv. */
bool smtp_charset_has_iconv(void);

/* Append `s` as well-formed UTF-8. *replaced tells whether it was not what the
 * charset says: what is malformed becomes U+FFFD; bytes above 0x7F in US-ASCII
 * or unknown-8bit are read as UTF-8 if they are that, else as Windows-1252.
 * SMTP_ERR_CHARSET, and nothing appended, when the charset is not known. */
smtp_error smtp_charset_to_utf8(smtp_buf *out, const char *charset,
                                size_t charset_len, const char *s, size_t len,
                                bool *replaced);

/* Append the UTF-8 text in the charset. SMTP_ERR_CHARSET: not known;
 * SMTP_ERR_UTF8: the text is not UTF-8; SMTP_ERR_ENCODING: the charset lacks a
 * character. `out` is as before then. */
smtp_error smtp_charset_from_utf8(smtp_buf *out, const char *charset,
                                  size_t charset_len, const char *s,
                                  size_t len);

#endif
