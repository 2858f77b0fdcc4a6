/* The chokepoint: the only place that writes a command line. Whatever comes
 * from a caller passes here, after it has become bytes, and every control
 * character (0x00-0x1F, 0x7F) is refused, in verb, path, parameter and host
 * name alike, so that no argument can become a second command. */
#ifndef SMTP_ENGINE_COMMAND_H
#define SMTP_ENGINE_COMMAND_H

#include "base/buf.h"
#include "base/error.h"

/* Longest command lines, CRLF included: 512 (RFC 5321 §4.5.3.1.4) and what the
 * extensions add (DSN, AUTH=, SIZE, …); AUTH lines by RFC 4954 §4. */
#define SMTP_COMMAND_LIMIT 2560
#define SMTP_COMMAND_AUTH_LIMIT 12288

/* Append "VERB[ args]CRLF". On an error nothing is appended:
 * SMTP_ERR_ARGUMENT, SMTP_ERR_UTF8, SMTP_ERR_TOO_LONG or SMTP_ERR_NOMEM. */
smtp_error smtp_command_write(smtp_buf *out, const char *verb, size_t verb_len,
                              const char *args, size_t args_len, size_t limit);

/* One ESMTP parameter of MAIL or RCPT. Appends "KEYWORD" or "KEYWORD=value"
 * with a leading space, the value checked and encoded as the keyword wants it
 * (xtext for ENVID, ORCPT and AUTH, RFC 3461 §4; a number for SIZE; …).
 * `value` NULL means a keyword without value. `*extension` gets the EHLO
 * keyword that must have been offered (static, upper case), or NULL for a
 * parameter that is not known here. SMTP_ERR_PARAMETER when it does not fit. */
smtp_error smtp_command_parameter(smtp_buf *out, const char *keyword,
                                  size_t keyword_len, const char *value,
                                  size_t value_len, const char **extension);

#endif
