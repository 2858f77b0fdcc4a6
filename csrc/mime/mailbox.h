/* Fields that hold mailboxes or phrases, folded and encoded by tokens:
 * encoded-words appear only in phrases and comments, never in an addr-spec or a
 * quoted-string, and no separator is ever inside one (RFC 2047 section 5). */
#ifndef SMTP_MIME_MAILBOX_H
#define SMTP_MIME_MAILBOX_H

#include "base/error.h"
#include "mime/fold.h"

/* Append the value behind the field's name. SMTP_ERR_ADDRESS or
 * SMTP_ERR_HEADER, and *why, when it is not well-formed, or has an address that
 * needs a reader of UTF-8. */
smtp_error smtp_mailbox_write(smtp_fold *f, const char *s, size_t len,
                              const char **why);

#endif
