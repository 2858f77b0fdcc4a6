/* Base64 with the vector instructions of x86: only base64.c asks for it. */
#ifndef SMTP_BASE_BASE64_X86_H
#define SMTP_BASE_BASE64_X86_H

#include <stddef.h>

/* Encode lines of `quantum` bytes (a multiple of 3), each followed by `eol`,
 * into `out`, as many as can be done with wide loads and stores; up to 16
 * bytes after the last line are written as well. Returns the bytes of input
 * taken, a multiple of `quantum`; 0 when this processor cannot. */
size_t smtp_base64_x86_lines(char *out, const unsigned char *in, size_t len,
                             size_t quantum, const char *eol, size_t eol_len);

#endif
