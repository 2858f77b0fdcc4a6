/* Time that only moves forward, in seconds (CLOCK_MONOTONIC). A deadline is a
 * moment of this clock; INFINITY is a deadline that never comes. */
#ifndef SMTP_OS_CLOCK_H
#define SMTP_OS_CLOCK_H

double smtp_clock_now(void);
/* Seconds since 1970, which may jump: for people, not for deadlines. */
double smtp_clock_wall(void);
/* Wait that long; interruptions by signals do not shorten it. */
void smtp_clock_sleep(double seconds);
double smtp_clock_earlier(double one, double other);

/* What poll wants to hear: milliseconds until `deadline`, rounded up, at most
 * INT_MAX; 0 when it has passed, -1 for INFINITY. */
int smtp_clock_milliseconds_until(double deadline);

/* Wait until one of `events` (poll's) holds for `fd`, interrupted by nothing.
 * Returns poll's revents, 0 at the deadline, -1 with errno set. An `fd` of -1
 * just sleeps. */
int smtp_clock_wait(int fd, short events, double deadline);

#endif
