/* Which transfer encoding a body gets: what needs least room of what the reader
 * can take (RFC 2045 section 6). Text is 7bit, 8bit, quoted-printable or
 * base64; an attachment is base64, so that not even its line ends change. */
#ifndef SMTP_MIME_CHOICE_H
#define SMTP_MIME_CHOICE_H

#include <stdbool.h>

#include "mime/message.h"

typedef enum smtp_transfer {
  SMTP_TRANSFER_7BIT,
  SMTP_TRANSFER_8BIT,
  SMTP_TRANSFER_QP,
  SMTP_TRANSFER_BASE64
} smtp_transfer;

const char *smtp_transfer_name(smtp_transfer t);

/* How the body of `m` (a leaf) is to be encoded, were it written now. */
smtp_transfer smtp_choice_transfer(const smtp_message *m, bool allow_8bit);

/* The field of a transfer encoding that is not ours to choose, else NULL. With
 * `only_7bit`, text labelled 8bit by hand may be encoded all the same; what was
 * read never is. */
const smtp_field *smtp_choice_fixed(const smtp_message *m, bool only_7bit);
/* The body goes out as it is, whatever it is. */
bool smtp_choice_is_verbatim(const smtp_message *m, bool only_7bit);

#endif
