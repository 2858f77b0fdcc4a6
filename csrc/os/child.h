/* A child process that is a copy of this one, and a channel to it. */
#ifndef SMTP_OS_CHILD_H
#define SMTP_OS_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "os/descriptor.h"
#include "os/failure.h"

typedef struct smtp_child {
  pid_t pid;    /* 0: none, or taken over by a fork */
  pid_t parent; /* only that process may wait for it, or end it */
  int status;   /* once it has ended: its exit code, 128 + signal */
  bool has_ended;
  smtp_failure failure; /* of the last call that failed */
} smtp_child;

/* The signal that asks a process to end; POSIX fixes its number. */
enum { SMTP_CHILD_TERM = 15 };

/* Fork. `channel` becomes one end of a socket pair in the parent and the other
 * end in the child; it is the caller's to close. *is_child tells which of both
 * returns. The child has let go of every descriptor but 0, 1, 2, the channel's
 * and those of `keep`; there, signals have their default meaning, and it will
 * be killed when the parent ends (Linux; elsewhere the end of the channel
 * tells). The child must end with smtp_child_exit. */
smtp_error smtp_child_fork(smtp_child *c, int *channel,
                           smtp_descriptor *const *keep, size_t count,
                           bool *is_child);
/* Write out what stdio holds, and end without running exit handlers, which
 * belong to the parent. */
void smtp_child_exit(int code);

/* Wait for its end, at most `seconds`. SMTP_ERR_TIMEOUT leaves it alone. */
smtp_error smtp_child_wait(smtp_child *c, double seconds, int *code);
smtp_error smtp_child_signal(smtp_child *c, int number);
/* Kill it if it still runs, and take its status. In a process that did not
 * make it: nothing. */
void smtp_child_end(smtp_child *c);

#endif
