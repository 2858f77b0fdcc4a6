/* A socket that waits for clients: for the sink, and for specs. */
#ifndef SMTP_OS_LISTENER_H
#define SMTP_OS_LISTENER_H

#include "os/tcp.h"

typedef struct smtp_listener {
  smtp_descriptor socket;
  smtp_endpoint near;
  smtp_failure failure; /* of the last call that failed */
} smtp_listener;

void smtp_listener_init(smtp_listener *l);
void smtp_listener_close(smtp_listener *l);

/* Listen on the first address of `host` that can be had (for "localhost" that
 * is 127.0.0.1), or on a Unix socket, whose file the caller removes in the
 * end. Port 0 takes a free one; `near` tells which. */
smtp_error smtp_listener_open(smtp_listener *l, const char *host, unsigned port,
                              int backlog);

/* The next client into `client`, waiting for `seconds` (0: not at all). A
 * time-out closes nothing. */
smtp_error smtp_listener_accept(smtp_listener *l, double seconds,
                                smtp_tcp *client);

#endif
