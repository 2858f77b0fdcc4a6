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

/* Append a raw field value as text in UTF-8, unfolded. Encoded-words are
 * decoded in phrases and comments only, never in an addr-spec, and what they
 * say is quoted where it must be: the text has the addresses that the field
 * has, no others. `is_phrases`: a list of phrases (Keywords). Returns whether
 * bytes were not UTF-8, and so taken for Latin-1. */
bool smtp_mailbox_decode(smtp_buf *out, const char *raw, size_t len,
                         bool is_phrases);

#endif
