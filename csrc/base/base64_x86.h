/* Base64 with the vector instructions of x86: only base64.c and
 * base64_decode.c ask for it. */
#ifndef SMTP_BASE_BASE64_X86_H
#define SMTP_BASE_BASE64_X86_H

#include <stddef.h>

/* Encode lines of `quantum` bytes (a multiple of 3), each followed by `eol`,
 * into `out`, as many as can be done with wide loads and stores; up to 16
 * bytes after the last line are written as well. Returns the bytes of input
 * taken, a multiple of `quantum`; 0 when this processor cannot. */
size_t smtp_base64_x86_lines(char *out, const unsigned char *in, size_t len,
                             size_t quantum, const char *eol, size_t eol_len);

/* Decode from the front while it goes 16 characters of the alphabet at a time;
 * up to 16 bytes beyond the result are written. Returns the characters taken, a
 * multiple of 16, for each 4 of which 3 bytes were written. */
size_t smtp_base64_x86_groups(char *out, const unsigned char *in, size_t len);

/* Decode whole lines of 76 characters that end in LF or CRLF, as many as come
 * in a row; *out moves behind the result, and up to 16 bytes beyond it are
 * written. Returns the characters taken, line ends included. */
size_t smtp_base64_x86_mime_lines(char **out, const unsigned char *in,
                                  size_t len);

#endif
