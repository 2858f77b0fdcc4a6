/* Why a call into the operating system failed: which of our errors, errno's
 * value beside it, and a sentence for people that names what was attempted. */
#ifndef SMTP_OS_FAILURE_H
#define SMTP_OS_FAILURE_H

#include "base/error.h"

typedef struct smtp_failure {
  smtp_error error;
  int number; /* errno's value with SMTP_ERR_SYSTEM, else 0 */
  char text[256];
} smtp_failure;

/* Fill in `f` and return `error`. The sentence is printf's; with `number` not
 * 0, ": " and the system's own words for it follow. */
smtp_error smtp_failure_set(smtp_failure *f, smtp_error error, int number,
                            const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "ECONNREFUSED" for a system call's failure, else the error's own name
 * ("timeout", "lookup", "closed"). Static. */
const char *smtp_failure_name(const smtp_failure *f);

#endif
