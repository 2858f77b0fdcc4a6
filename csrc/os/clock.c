/* Monotonic time and the one wait on a single descriptor, see clock.h. */
#include "os/clock.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <time.h>

double smtp_clock_now(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double smtp_clock_wall(void) {
  struct timespec t;

  clock_gettime(CLOCK_REALTIME, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void smtp_clock_sleep(double seconds) {
  double deadline = smtp_clock_now() + seconds;
  int left;

  while ((left = smtp_clock_milliseconds_until(deadline)) > 0)
    (void)poll(NULL, 0, left);
}

double smtp_clock_earlier(double one, double other) {
  return one < other ? one : other;
}

int smtp_clock_milliseconds_until(double deadline) {
  double left;

  if (isinf(deadline)) return deadline > 0 ? -1 : 0;
  left = (deadline - smtp_clock_now()) * 1000;
  if (!(left > 0)) return 0;
  return left < INT_MAX - 1 ? (int)left + 1 : INT_MAX;
}

int smtp_clock_wait(int fd, short events, double deadline) {
  struct pollfd one = {fd, events, 0};

  for (;;) {
    int left = smtp_clock_milliseconds_until(deadline);
    int n = poll(&one, 1, left);

    if (n > 0) return one.revents;
    if (n < 0 && errno != EINTR) return -1;
    if (n == 0 && left < INT_MAX) return 0;
  }
}
