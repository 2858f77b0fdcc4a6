/* Sockets and how to connect one in time, see dial.h. */
#include "os/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/descriptor.h"

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif
#ifndef SOCK_NONBLOCK
#define SOCK_NONBLOCK 0
#endif

enum { OUT_OF_TIME = -1 }; /* beside errno's values, which are positive */

static const double backlog_pause = 0.01;

static void switch_on(int fd, int level, int option) {
  int on = 1;

  (void)setsockopt(fd, level, option, &on, sizeof on);
}

int smtp_dial_socket(int family) {
  int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  if (fd < 0) return -1;
  if (!SOCK_CLOEXEC) smtp_descriptor_set_cloexec(fd);
  if (!SOCK_NONBLOCK) smtp_descriptor_set_blocking(fd, false);
  return fd;
}

void smtp_dial_tune(int fd, int family) {
#ifdef SO_NOSIGPIPE
  switch_on(fd, SOL_SOCKET, SO_NOSIGPIPE);
#endif
  if (family != AF_INET && family != AF_INET6) return;
  switch_on(fd, IPPROTO_TCP, TCP_NODELAY);
  switch_on(fd, SOL_SOCKET, SO_KEEPALIVE);
}

static int finish(int fd, double deadline) {
  int number = 0, ready = smtp_clock_wait(fd, POLLOUT, deadline);
  socklen_t len = sizeof number;

  if (ready < 0) return errno;
  if (ready == 0) return OUT_OF_TIME;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len) != 0) return errno;
  return number;
}

/* 0, an errno, or OUT_OF_TIME. */
static int start(int fd, const smtp_endpoint *to, double deadline) {
  const struct sockaddr *address = (const struct sockaddr *)&to->address;

  while (connect(fd, address, to->len) != 0) {
    if (errno == EINPROGRESS || errno == EINTR) return finish(fd, deadline);
    if (errno != EAGAIN || smtp_endpoint_family(to) != AF_UNIX) return errno;
    /* Linux: the backlog of a Unix socket is full, and nothing will tell when
     * it no longer is. */
    if (smtp_clock_milliseconds_until(deadline) == 0) return OUT_OF_TIME;
    smtp_clock_wait(
        -1, 0, smtp_clock_earlier(deadline, smtp_clock_now() + backlog_pause));
  }
  return 0;
}

static int bind_near(int fd, const smtp_endpoint *source) {
  if (!source) return 0;
  /* A chosen port may still be in TIME_WAIT from its last use. */
  if (smtp_endpoint_port(source)) switch_on(fd, SOL_SOCKET, SO_REUSEADDR);
  return bind(fd, (const struct sockaddr *)&source->address, source->len);
}

int smtp_dial(const smtp_endpoint *to, const smtp_endpoint *source,
              double deadline, smtp_failure *f) {
  int fd = smtp_dial_socket(smtp_endpoint_family(to)), number;
  char name[SMTP_ENDPOINT_TEXT];

  number = fd < 0 || bind_near(fd, source) != 0 ? errno : 0;
  if (!number) {
    smtp_dial_tune(fd, smtp_endpoint_family(to));
    number = start(fd, to, deadline);
  }
  if (!number && !smtp_descriptor_set_blocking(fd, true)) number = errno;
  if (!number) return fd;
  if (fd >= 0) close(fd);
  smtp_endpoint_name(to, name);
  if (number == OUT_OF_TIME)
    smtp_failure_set(f, SMTP_ERR_TIMEOUT, 0, "connecting to %s timed out",
                     name);
  else
    smtp_failure_set(f, SMTP_ERR_SYSTEM, number, "cannot connect to %s", name);
  return -1;
}
