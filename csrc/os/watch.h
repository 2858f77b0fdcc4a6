/* Waiting for many sockets at once. */
#ifndef SMTP_OS_WATCH_H
#define SMTP_OS_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "os/failure.h"

typedef struct smtp_watch {
  int number; /* the descriptor; -1, a closed one, is ready at once */
  bool for_writing;
  bool is_ready; /* filled in: can be read or written, or has failed */
} smtp_watch;

/* Wait until one of the `count` is ready, at most `seconds`, which is no
 * failure. */
smtp_error smtp_watch_wait(smtp_watch *all, size_t count, double seconds,
                           smtp_failure *f);

#endif
