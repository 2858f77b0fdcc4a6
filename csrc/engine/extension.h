/* What the server offers: the keywords of its EHLO or LHLO reply (RFC 5321
 * §4.1.1.1). A keyword is the first token of a line after the first, in any
 * case; the rest of the line is its parameters. Text elsewhere means nothing.
 */
#ifndef SMTP_ENGINE_EXTENSION_H
#define SMTP_ENGINE_EXTENSION_H

#include "base/buf.h"
#include "base/error.h"

typedef enum smtp_extension {
  SMTP_EXT_PIPELINING = 1u << 0, /* RFC 2920 */
  SMTP_EXT_CHUNKING = 1u << 1,   /* RFC 3030 */
  SMTP_EXT_STARTTLS = 1u << 2    /* RFC 3207 */
} smtp_extension;

typedef struct smtp_extensions {
  unsigned offered; /* smtp_extension bits: those that the engine itself uses */
  smtp_buf list;    /* "keyword\0parameters\0"…, keywords in lower case */
} smtp_extensions;

void smtp_extension_init(smtp_extensions *x);
void smtp_extension_free(smtp_extensions *x);
void smtp_extension_clear(smtp_extensions *x);

/* Forget what was known and read the text of an EHLO reply (lines joined by
 * LF). "AUTH=LOGIN" of old servers counts as "AUTH LOGIN". */
smtp_error smtp_extension_read(smtp_extensions *x, const char *text,
                               size_t len);

/* Walk the list: start with *at = 0; false at the end. A keyword that comes
 * again later replaces the earlier one, except that those of "auth" add up. */
bool smtp_extension_next(const smtp_extensions *x, size_t *at,
                         const char **keyword, const char **parameters);

#endif
