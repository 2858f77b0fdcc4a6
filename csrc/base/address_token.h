/* Tokens of an address list (RFC 5322 section 3.2), read from left to right:
 * only address.c asks for them. */
#ifndef SMTP_BASE_ADDRESS_TOKEN_H
#define SMTP_BASE_ADDRESS_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* A slice of the text. */
typedef struct smtp_address_token {
  char kind; /* 'w' word with its dots, 'q' quoted string, 'l' literal,
                one of < > @ , ; : , or 0 at the end */
  bool gap;  /* space or a comment stood before it */
  size_t start, len;
} smtp_address_token;

typedef struct smtp_address_lexer {
  const char *s; /* without malformed UTF-8 and control characters, save tab */
  size_t len, at;
  smtp_address_token token; /* the current one */
  smtp_buf comment;         /* text of the comments passed, escapes removed */
} smtp_address_lexer;

/* Move `token` to the next one, past white space and comments. Returns NULL,
 * or what is wrong as a static phrase. */
const char *smtp_address_token_next(smtp_address_lexer *l);

/* The content of a quoted string, quotes and escapes removed, into `to`, which
 * has room for `len` bytes. Returns its length. */
size_t smtp_address_token_unquote(char *to, const char *s, size_t len);

#endif
