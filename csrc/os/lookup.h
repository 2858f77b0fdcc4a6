/* getaddrinfo with a deadline. */
#ifndef SMTP_OS_LOOKUP_H
#define SMTP_OS_LOOKUP_H

#include "os/failure.h"

struct addrinfo;

/* The addresses of `host` for streams, to be given to freeaddrinfo; names that
 * are numbers are answered at once. With an infinite deadline getaddrinfo runs
 * in the calling thread, else in one of its own. */
smtp_error smtp_lookup(const char *host, int family, double deadline,
                       struct addrinfo **found, smtp_failure *f);

#endif
