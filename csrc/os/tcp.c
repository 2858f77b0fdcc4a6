/* Streams, see tcp.h. The descriptor is a blocking one: an ordinary wait for a
 * reply is then one call (the kernel knows the read time-out), not three.
 * Whatever must not wait says MSG_DONTWAIT, and every other wait is poll's. */
#include "os/tcp.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>

#include "os/clock.h"
#include "os/dial.h"
#include "os/resolve.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* where it is missing there is SO_NOSIGPIPE */
#endif

static const double least_share = 2;    /* seconds for one address */
static const double most_seconds = 1e8; /* beyond that the kernel waits ever */

void smtp_tcp_init(smtp_tcp *t) {
  smtp_descriptor_own(&t->socket, -1);
  t->connect_timeout = t->send_timeout = t->read_timeout = INFINITY;
  t->kernel_timeout = INFINITY;
  t->near.len = t->far.len = 0;
  smtp_failure_set(&t->failure, SMTP_ERR_CLOSED, 0, "not connected");
}

bool smtp_tcp_is_open(const smtp_tcp *t) {
  return smtp_descriptor_number(&t->socket) >= 0;
}

void smtp_tcp_close(smtp_tcp *t) {
  smtp_descriptor_close(&t->socket);
  t->kernel_timeout = INFINITY;
}

/* Every call that fails ends here. */
static smtp_error fail(smtp_tcp *t, smtp_error e, int number,
                       const char *text) {
  smtp_tcp_close(t);
  return smtp_failure_set(&t->failure, e, number, "%s", text);
}

static smtp_error fail_number(smtp_tcp *t, int number, const char *doing) {
  switch (number) {
  case EPIPE:
  case ECONNRESET:
  case ECONNABORTED:
  case ENOTCONN:
    return fail(t, SMTP_ERR_CLOSED, number, doing);
  default:
    return fail(t, SMTP_ERR_SYSTEM, number, doing);
  }
}

static smtp_error fail_unconnected(smtp_tcp *t) {
  return fail(t, SMTP_ERR_CLOSED, 0, "not connected");
}

static void learn_end(int fd, smtp_endpoint *end,
                      int (*ask)(int, struct sockaddr *, socklen_t *)) {
  end->len = sizeof end->address;
  if (ask(fd, (struct sockaddr *)&end->address, &end->len) != 0) end->len = 0;
}

void smtp_tcp_adopt(smtp_tcp *t, int fd) {
  smtp_tcp_close(t);
  smtp_descriptor_own(&t->socket, fd);
  learn_end(fd, &t->near, getsockname);
  learn_end(fd, &t->far, getpeername);
}

/* Connecting. */

/* The near end for this family. NULL and true: any. */
static bool pick_source(const smtp_endpoints *sources, int family,
                        const smtp_endpoint **source) {
  size_t i;

  *source = NULL;
  if (!sources->count || family == AF_UNIX) return true;
  for (i = 0; i < sources->count; i++) {
    if (smtp_endpoint_family(&sources->list[i]) != family) continue;
    *source = &sources->list[i];
    return true;
  }
  return false;
}

static bool tells_little(const smtp_failure *f) {
  return f->number == EAFNOSUPPORT || f->number == EADDRNOTAVAIL ||
         f->number == ENETUNREACH || f->number == EHOSTUNREACH;
}

static double share_of(double deadline, size_t attempts) {
  double now = smtp_clock_now();
  double share = (deadline - now) / (double)attempts;

  if (share < least_share) share = least_share;
  return smtp_clock_earlier(deadline, now + share);
}

static int try_one(smtp_tcp *t, const smtp_endpoint *to,
                   const smtp_endpoints *sources, double deadline) {
  const smtp_endpoint *source;
  smtp_failure now;
  int fd = -1;

  if (pick_source(sources, smtp_endpoint_family(to), &source))
    fd = smtp_dial(to, source, deadline, &now);
  else
    smtp_failure_set(&now, SMTP_ERR_SYSTEM, EADDRNOTAVAIL,
                     "no source address of the right family");
  if (fd < 0 && (!t->failure.error || !tells_little(&now))) t->failure = now;
  return fd;
}

static smtp_error try_all(smtp_tcp *t, const smtp_endpoints *found,
                          const smtp_endpoints *sources, double deadline) {
  size_t i;
  int fd;

  t->failure.error = SMTP_OK;
  for (i = 0; i < found->count; i++) {
    fd = try_one(t, &found->list[i], sources,
                 share_of(deadline, found->count - i));
    if (fd < 0) continue;
    smtp_tcp_adopt(t, fd);
    t->far = found->list[i];
    return SMTP_OK;
  }
  return t->failure.error;
}

static smtp_error find_sources(smtp_tcp *t, const smtp_route *route,
                               double deadline, smtp_endpoints *sources) {
  const char *host = route->source_host;

  sources->count = 0;
  if ((!host || !*host) && !route->source_port) return SMTP_OK;
  if (host && *host)
    return smtp_resolve(host, route->source_port, route->family, deadline,
                        sources, &t->failure);
  smtp_endpoint_any(&sources->list[0], AF_INET6, route->source_port);
  smtp_endpoint_any(&sources->list[1], AF_INET, route->source_port);
  sources->count = 2;
  return SMTP_OK;
}

smtp_error smtp_tcp_connect(smtp_tcp *t, const smtp_route *route) {
  double deadline = smtp_clock_now() + t->connect_timeout;
  smtp_endpoints found, sources;
  smtp_error e;

  smtp_tcp_close(t);
  e = smtp_resolve(route->host, route->port, route->family, deadline, &found,
                   &t->failure);
  if (e == SMTP_OK) e = find_sources(t, route, deadline, &sources);
  if (e == SMTP_OK) e = try_all(t, &found, &sources, deadline);
  return e;
}

/* Moving bytes. */

/* One recv that does not wait. SMTP_ERR_TIMEOUT: nothing there. */
static smtp_error take(smtp_tcp *t, char *into, size_t room, size_t *got) {
  int fd = smtp_descriptor_number(&t->socket);
  ssize_t n;

  do
    n = recv(fd, into, room, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  *got = n > 0 ? (size_t)n : 0;
  if (n > 0) return SMTP_OK;
  if (n == 0) return fail(t, SMTP_ERR_CLOSED, 0, "closed by the peer");
  if (errno == EAGAIN || errno == EWOULDBLOCK) return SMTP_ERR_TIMEOUT;
  return fail_number(t, errno, "receiving");
}

/* One send that does not wait. SMTP_ERR_TIMEOUT: no room. Other failures are
 * left to the caller in errno as SMTP_ERR_SYSTEM. */
static smtp_error give(const smtp_tcp *t, const char *bytes, size_t len,
                       size_t *sent) {
  int fd = smtp_descriptor_number(&t->socket);
  ssize_t n;

  do
    n = send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  *sent = n > 0 ? (size_t)n : 0;
  if (n >= 0) return SMTP_OK;
  if (errno == EAGAIN || errno == EWOULDBLOCK) return SMTP_ERR_TIMEOUT;
  return SMTP_ERR_SYSTEM;
}

static void tell_kernel(smtp_tcp *t) {
  double seconds = t->read_timeout < most_seconds ? t->read_timeout : 0;
  struct timeval wait;

  if (t->kernel_timeout == t->read_timeout) return;
  wait.tv_sec = (time_t)seconds;
  wait.tv_usec = (suseconds_t)((seconds - (double)wait.tv_sec) * 1e6);
  if (seconds > 0 && !wait.tv_sec && !wait.tv_usec) wait.tv_usec = 1;
  if (setsockopt(smtp_descriptor_number(&t->socket), SOL_SOCKET, SO_RCVTIMEO,
                 &wait, sizeof wait) == 0)
    t->kernel_timeout = t->read_timeout;
}

/* The rest of a wait that a signal or the kernel's coarser clock cut short. */
static smtp_error receive_until(smtp_tcp *t, double deadline, char *into,
                                size_t room, size_t *got) {
  smtp_error e;
  int ready;

  for (;;) {
    ready =
        smtp_clock_wait(smtp_descriptor_number(&t->socket), POLLIN, deadline);
    if (ready < 0) return fail_number(t, errno, "waiting");
    if (ready == 0)
      return fail(t, SMTP_ERR_TIMEOUT, 0, "timed out while receiving");
    e = take(t, into, room, got);
    if (e != SMTP_ERR_TIMEOUT) return e;
  }
}

smtp_error smtp_tcp_receive(smtp_tcp *t, char *into, size_t room, size_t *got) {
  double deadline = smtp_clock_now() + t->read_timeout;
  ssize_t n;

  *got = 0;
  if (!smtp_tcp_is_open(t)) return fail_unconnected(t);
  tell_kernel(t);
  n = recv(smtp_descriptor_number(&t->socket), into, room, 0);
  if (n > 0) {
    *got = (size_t)n;
    return SMTP_OK;
  }
  if (n == 0) return fail(t, SMTP_ERR_CLOSED, 0, "closed by the peer");
  if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)
    return fail_number(t, errno, "receiving");
  return receive_until(t, deadline, into, room, got);
}

smtp_error smtp_tcp_exchange(smtp_tcp *t, const char *out, size_t len,
                             size_t *sent, char *into, size_t room,
                             size_t *got) {
  double deadline = smtp_clock_now() + t->send_timeout;
  short events = room ? POLLOUT | POLLIN : POLLOUT;
  smtp_error e;
  int ready, number;

  *sent = *got = 0;
  if (!smtp_tcp_is_open(t)) return fail_unconnected(t);
  for (;;) {
    e = give(t, out, len, sent);
    if (e == SMTP_OK) return e;
    number = errno;
    if (e == SMTP_ERR_SYSTEM) {
      if (room && take(t, into, room, got) == SMTP_OK) return SMTP_OK;
      return fail_number(t, number, "sending");
    }
    ready =
        smtp_clock_wait(smtp_descriptor_number(&t->socket), events, deadline);
    if (ready < 0) return fail_number(t, errno, "waiting");
    if (ready == 0)
      return fail(t, SMTP_ERR_TIMEOUT, 0, "timed out while sending");
    if (!room || ready & POLLOUT) continue;
    e = take(t, into, room, got);
    if (e != SMTP_ERR_TIMEOUT) return e;
  }
}

smtp_error smtp_tcp_send(smtp_tcp *t, const char *bytes, size_t len) {
  size_t sent, none;
  smtp_error e;

  if (!smtp_tcp_is_open(t)) return fail_unconnected(t);
  while (len) {
    e = smtp_tcp_exchange(t, bytes, len, &sent, NULL, 0, &none);
    if (e != SMTP_OK) return e;
    bytes += sent;
    len -= sent;
  }
  return SMTP_OK;
}

smtp_error smtp_tcp_try_receive(smtp_tcp *t, char *into, size_t room,
                                size_t *got) {
  *got = 0;
  if (!smtp_tcp_is_open(t)) return fail_unconnected(t);
  if (take(t, into, room, got) != SMTP_ERR_TIMEOUT)
    return *got ? SMTP_OK : t->failure.error;
  return smtp_failure_set(&t->failure, SMTP_ERR_TIMEOUT, 0, "nothing to read");
}

smtp_error smtp_tcp_try_send(smtp_tcp *t, const char *bytes, size_t len,
                             size_t *sent) {
  smtp_error e;

  *sent = 0;
  if (!smtp_tcp_is_open(t)) return fail_unconnected(t);
  e = give(t, bytes, len, sent);
  if (e == SMTP_ERR_SYSTEM) return fail_number(t, errno, "sending");
  if (e == SMTP_OK) return e;
  return smtp_failure_set(&t->failure, SMTP_ERR_TIMEOUT, 0, "no room");
}
