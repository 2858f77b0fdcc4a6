/* Listening sockets, see listener.h. */
#include "os/listener.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/dial.h"
#include "os/resolve.h"

void smtp_listener_init(smtp_listener *l) {
  smtp_descriptor_own(&l->socket, -1);
  l->near.len = 0;
}

void smtp_listener_close(smtp_listener *l) {
  smtp_descriptor_close(&l->socket);
}

static int listen_at(const smtp_endpoint *at, int backlog) {
  int fd = smtp_dial_socket(smtp_endpoint_family(at)), on = 1, number;

  if (fd < 0) return -1;
  if (smtp_endpoint_family(at) != AF_UNIX)
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (const struct sockaddr *)&at->address, at->len) == 0 &&
      listen(fd, backlog) == 0)
    return fd;
  number = errno;
  close(fd);
  errno = number;
  return -1;
}

smtp_error smtp_listener_open(smtp_listener *l, const char *host, unsigned port,
                              int backlog) {
  char name[SMTP_ENDPOINT_TEXT];
  smtp_endpoints found;
  size_t i;
  int fd = -1;
  smtp_error e =
      smtp_resolve(host, port, AF_UNSPEC, INFINITY, &found, &l->failure);

  smtp_listener_close(l);
  if (e != SMTP_OK) return e;
  /* IPv4 first, against the order for clients: a server of ours on "localhost"
   * is then found by programs that know no IPv6, too. */
  for (i = found.count; i-- > 0 && fd < 0;)
    fd = listen_at(&found.list[i], backlog);
  if (fd < 0) {
    smtp_endpoint_name(&found.list[0], name);
    return smtp_failure_set(&l->failure, SMTP_ERR_SYSTEM, errno,
                            "cannot listen on %s", name);
  }
  smtp_descriptor_own(&l->socket, fd);
  l->near.len = sizeof l->near.address;
  if (getsockname(fd, (struct sockaddr *)&l->near.address, &l->near.len) != 0)
    l->near.len = 0;
  return SMTP_OK;
}

/* 0 and *fd, or an errno. */
static int accept_one(int from, int *fd) {
  do
#ifdef SOCK_CLOEXEC
    *fd = accept4(from, NULL, NULL, SOCK_CLOEXEC);
#else
    *fd = accept(from, NULL, NULL);
#endif
  while (*fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (*fd < 0) return errno;
  smtp_descriptor_set_cloexec(*fd);
  smtp_descriptor_set_blocking(*fd, true); /* BSD lets it inherit */
  return 0;
}

static smtp_error fail(smtp_listener *l, int number) {
  if (number == EAGAIN || number == EWOULDBLOCK)
    return smtp_failure_set(&l->failure, SMTP_ERR_TIMEOUT, 0, "no client");
  return smtp_failure_set(&l->failure, SMTP_ERR_SYSTEM, number, "accepting");
}

smtp_error smtp_listener_accept(smtp_listener *l, double seconds,
                                smtp_tcp *client) {
  double deadline = smtp_clock_now() + seconds;
  int from = smtp_descriptor_number(&l->socket), fd, number, ready;

  if (from < 0)
    return smtp_failure_set(&l->failure, SMTP_ERR_CLOSED, 0, "not listening");
  while ((number = accept_one(from, &fd)) != 0) {
    if (number != EAGAIN && number != EWOULDBLOCK) return fail(l, number);
    if (!(seconds > 0)) return fail(l, number);
    ready = smtp_clock_wait(from, POLLIN, deadline);
    if (ready == 0) return fail(l, EAGAIN);
    if (ready < 0) return fail(l, errno);
  }
  smtp_tcp_adopt(client, fd);
  smtp_dial_tune(fd, smtp_endpoint_family(&client->near));
  return SMTP_OK;
}
