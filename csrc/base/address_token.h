/* Tokens of an address list (RFC 5322 section 3.2): only address.c asks. */
#ifndef SMTP_BASE_ADDRESS_TOKEN_H
#define SMTP_BASE_ADDRESS_TOKEN_H

#include "base/address.h"

/* Move `token` to the next one, past white space and comments, whose text
 * joins `comment`. Returns NULL, or what is wrong as a static phrase. */
const char *smtp_address_next_token(smtp_address_list *l);

/* The content of a quoted string, quotes and escapes removed, into `to`, which
 * has room for `len` bytes. Returns its length. */
size_t smtp_address_unquote(char *to, const char *s, size_t len);

#endif
