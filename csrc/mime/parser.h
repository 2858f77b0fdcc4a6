/* Reading messages: any bytes make a tree (RFC 5322, 2045, 2046). Nothing is
 * refused; what is wrong is noted in the part where it is wrong (its
 * `defects`), and read as Python's email package reads it, so that both see the
 * same parts.
 *
 * The input is held once, and the bodies are slices of it; encodings are undone
 * when somebody asks for the content. Linear in the input, no deeper than a
 * limit. Rests on message, delimiter and param. */
#ifndef SMTP_MIME_PARSER_H
#define SMTP_MIME_PARSER_H

#include "mime/message.h"

/* What is beyond a limit stays as it is, a body of bytes. */
typedef struct smtp_parser_limits {
  size_t depth;  /* of nested parts, at most SMTP_PARSER_DEPTH */
  size_t parts;  /* in the whole message, at most SMTP_PARSER_PARTS */
  size_t fields; /* in the whole message */
} smtp_parser_limits;

#define SMTP_PARSER_DEPTH (SMTP_MESSAGE_DEPTH - 2)
#define SMTP_PARSER_PARTS 50000
#define SMTP_PARSER_FIELDS 100000
#define SMTP_PARSER_RANDOM 16 /* bytes */

/* The message in `input`, which is kept. *from_len is the length of the mbox
 * line that it begins with, 0 for none. `random` makes boundaries, should parts
 * be composed anew. Fails for want of memory alone. */
smtp_error smtp_parser_read(smtp_block *input, const smtp_parser_limits *limits,
                            const unsigned char random[SMTP_PARSER_RANDOM],
                            smtp_message **m, size_t *from_len);

#endif
