/* A stream to a peer (TCP or Unix socket), with a time-out on every wait.
 *
 * All calls block until done, at most for their time-out, and go on after a
 * signal with what is left of it. SIGPIPE is never raised; descriptors are
 * closed on exec. A stream that has failed is closed at once, since it might
 * still answer an old question to the next reader: `failure` says why, and
 * every later call fails with SMTP_ERR_CLOSED. The exceptions are named. */
#ifndef SMTP_OS_TCP_H
#define SMTP_OS_TCP_H

#include <stdbool.h>
#include <stddef.h>

#include "os/descriptor.h"
#include "os/endpoint.h"
#include "os/failure.h"

typedef struct smtp_tcp {
  smtp_descriptor socket;
  double connect_timeout; /* seconds, INFINITY for ever; _init sets that */
  double send_timeout;
  double read_timeout;
  double kernel_timeout; /* the read time-out that the kernel knows of */
  smtp_endpoint near;    /* our end, remembered after closing */
  smtp_endpoint far;
  smtp_failure failure; /* of the last call that failed */
} smtp_tcp;

typedef struct smtp_route {
  const char *host; /* name, number, "unix:/path" or "/path" */
  unsigned port;
  int family;              /* AF_UNSPEC, AF_INET, AF_INET6 */
  const char *source_host; /* our end; NULL or "" for any */
  unsigned source_port;    /* 0 for any */
} smtp_route;

void smtp_tcp_init(smtp_tcp *t);
/* Close; the object can be connected again. */
void smtp_tcp_close(smtp_tcp *t);
bool smtp_tcp_is_open(const smtp_tcp *t);
/* Own a connected stream socket. */
void smtp_tcp_adopt(smtp_tcp *t, int fd);

/* Look up the host and try its addresses in turn, each with its share of what
 * is left of connect_timeout (at least 2 s while there are as many). The
 * failure that is kept is the last one that tells something: "no route" of a
 * missing IPv6 does not hide "connection refused". */
smtp_error smtp_tcp_connect(smtp_tcp *t, const smtp_route *route);

/* All of the bytes; the time-out is for each wait without progress. */
smtp_error smtp_tcp_send(smtp_tcp *t, const char *bytes, size_t len);
/* 1..room bytes into `into`. The end of the stream is SMTP_ERR_CLOSED. */
smtp_error smtp_tcp_receive(smtp_tcp *t, char *into, size_t room, size_t *got);

/* Move bytes one way or the other: send some of `out`, or, while the kernel
 * takes none, receive up to `room` bytes instead (0: only send), so that two
 * ends that both write first do not wait for each other for ever. When the
 * peer has gone, what it said before is received first. On success either
 * *sent or *got is above 0. */
smtp_error smtp_tcp_exchange(smtp_tcp *t, const char *out, size_t len,
                             size_t *sent, char *into, size_t room,
                             size_t *got);

/* Without waiting. SMTP_ERR_TIMEOUT means "not now", and closes nothing. */
smtp_error smtp_tcp_try_receive(smtp_tcp *t, char *into, size_t room,
                                size_t *got);
smtp_error smtp_tcp_try_send(smtp_tcp *t, const char *bytes, size_t len,
                             size_t *sent);

#endif
