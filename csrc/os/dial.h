/* One attempt to connect to one address. */
#ifndef SMTP_OS_DIAL_H
#define SMTP_OS_DIAL_H

#include "os/endpoint.h"
#include "os/failure.h"

/* A connected, blocking stream socket, or -1 with `f` filled in
 * (SMTP_ERR_TIMEOUT at the deadline). `source` is the near end, NULL for any;
 * it is of the same family. */
int smtp_dial(const smtp_endpoint *to, const smtp_endpoint *source,
              double deadline, smtp_failure *f);

/* A stream socket of this family: closed on exec, without SIGPIPE,
 * non-blocking. -1 with errno. */
int smtp_dial_socket(int family);
/* What every connected stream wants: no delay (short lines wait for replies),
 * keep-alive. Cannot fail in a way that matters. */
void smtp_dial_tune(int fd, int family);

#endif
