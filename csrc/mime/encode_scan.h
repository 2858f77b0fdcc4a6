/* Where quoted-printable can copy: only encode.c and encode_decode.c ask. */
#ifndef SMTP_MIME_ENCODE_SCAN_H
#define SMTP_MIME_ENCODE_SCAN_H

#include <stddef.h>

/* How many bytes from the front are printable ASCII (32-126) and no "=". */
size_t smtp_encode_scan_plain(const char *s, size_t len);

#endif
