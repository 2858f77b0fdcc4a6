/* A file descriptor with an owner. After a fork the child lets go of what it
 * was not given, and an object that was left behind in its copy of memory must
 * never use or close "its" number again. Each owner therefore remembers in
 * which process it was born. */
#ifndef SMTP_OS_DESCRIPTOR_H
#define SMTP_OS_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>

typedef struct smtp_descriptor {
  int number;       /* -1 when there is none */
  unsigned process; /* how many forks deep it was taken over */
} smtp_descriptor;

/* Take `fd` (or -1) over; what was owned before is forgotten, not closed. */
void smtp_descriptor_own(smtp_descriptor *d, int fd);
/* The descriptor, or -1 when it is closed or belongs to the parent. */
int smtp_descriptor_number(const smtp_descriptor *d);
void smtp_descriptor_close(smtp_descriptor *d);

/* In a fresh child: let go of everything but 0, 1, 2, `extra` and what `keep`
 * owns, and let no other owner believe that it still has something. The numbers
 * stay taken (by /dev/null): a FILE that was copied along would otherwise
 * close, when it is collected, what has got its number since. */
void smtp_descriptor_keep_only(smtp_descriptor *const *keep, size_t count,
                               int extra);

/* Not inherited by programs that are started; false with errno. */
bool smtp_descriptor_set_cloexec(int fd);
bool smtp_descriptor_set_blocking(int fd, bool blocking);

#endif
