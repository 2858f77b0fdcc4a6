/* Waiting for many sockets at once, see watch.h. */
#include "os/watch.h"

#include <errno.h>
#include <poll.h>

#include "base/buf.h"
#include "os/clock.h"

static struct pollfd *new_rows(const smtp_watch *all, size_t count,
                               bool *any_closed) {
  struct pollfd *rows = smtp_allocate(count * sizeof *rows);
  size_t i;

  *any_closed = false;
  if (!rows) return NULL;
  for (i = 0; i < count; i++) {
    rows[i].fd = all[i].number;
    rows[i].events = all[i].for_writing ? POLLOUT : POLLIN;
    if (all[i].number < 0) *any_closed = true;
  }
  return rows;
}

/* 0, or an errno. */
static int wait_for(struct pollfd *rows, size_t count, double deadline) {
  for (;;) {
    int left = smtp_clock_milliseconds_until(deadline);

    if (poll(rows, (nfds_t)count, left) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

smtp_error smtp_watch_wait(smtp_watch *all, size_t count, double seconds,
                           smtp_failure *f) {
  double now = smtp_clock_now();
  bool any_closed;
  struct pollfd *rows = new_rows(all, count, &any_closed);
  int number;
  size_t i;

  if (!rows) return smtp_failure_set(f, SMTP_ERR_NOMEM, 0, "out of memory");
  number = wait_for(rows, count, any_closed ? now : now + seconds);
  for (i = 0; i < count; i++)
    all[i].is_ready = all[i].number < 0 || rows[i].revents;
  smtp_release(rows);
  if (!number) return SMTP_OK;
  return smtp_failure_set(f, SMTP_ERR_SYSTEM, number, "poll");
}
