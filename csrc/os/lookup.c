/* getaddrinfo, see lookup.h. It cannot be told to hurry, nor be stopped: where
 * the time is limited it runs in a thread, and when the time is up the thread
 * is left to end by itself (this library stays loaded, see Makefile). The job
 * is then the thread's to release; in general, of the two, whoever leaves
 * last. */
#include "os/lookup.h"

#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "os/clock.h"
#include "os/descriptor.h"

enum { HOST_ROOM = 256 }; /* a domain has at most 255 (RFC 1035) */

typedef struct job {
  char host[HOST_ROOM];
  int family;
  int ready[2];         /* a pipe: its end means that the answer is there */
  pthread_mutex_t lock; /* for what follows */
  int code;             /* getaddrinfo's result, and errno beside it */
  int number;
  struct addrinfo *found;
  bool one_has_left;
} job;

static int ask(const char *host, int family, int flags,
               struct addrinfo **found) {
  struct addrinfo hints;

  memset(&hints, 0, sizeof hints);
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  return getaddrinfo(host, NULL, &hints, found);
}

/* AI_ADDRCONFIG spares a useless question (AAAA on an IPv4-only host), but it
 * ignores loopback interfaces and so fails on a host that has no others. */
static int ask_twice(const char *host, int family, struct addrinfo **found) {
  int code = ask(host, family, AI_ADDRCONFIG, found);

  if (code == 0 || code == EAI_AGAIN) return code;
  return ask(host, family, 0, found);
}

static smtp_error settle(int code, int number, const char *host,
                         smtp_failure *f) {
  if (code == 0) return SMTP_OK;
  if (code == EAI_SYSTEM)
    return smtp_failure_set(f, SMTP_ERR_LOOKUP, number, "%.100s", host);
  return smtp_failure_set(f, SMTP_ERR_LOOKUP, 0, "%.100s: %s", host,
                          gai_strerror(code));
}

static smtp_error lookup_here(const char *host, int family,
                              struct addrinfo **found, smtp_failure *f) {
  int code = ask_twice(host, family, found);

  return settle(code, errno, host, f);
}

/* With a deadline. */

static void leave(job *j) {
  bool is_last;

  pthread_mutex_lock(&j->lock);
  is_last = j->one_has_left;
  j->one_has_left = true;
  pthread_mutex_unlock(&j->lock);
  if (!is_last) return;
  if (j->found) freeaddrinfo(j->found);
  pthread_mutex_destroy(&j->lock);
  close(j->ready[0]);
  smtp_release(j);
}

static void *work(void *argument) {
  job *j = argument;
  struct addrinfo *found = NULL;
  int code = ask_twice(j->host, j->family, &found), number = errno;

  pthread_mutex_lock(&j->lock);
  j->code = code;
  j->number = number;
  j->found = found;
  pthread_mutex_unlock(&j->lock);
  close(j->ready[1]);
  leave(j);
  return NULL;
}

static job *new_job(const char *host, int family) {
  job *j = smtp_allocate(sizeof *j);

  if (!j) return NULL;
  snprintf(j->host, sizeof j->host, "%s", host);
  j->family = family;
  if (pipe(j->ready) != 0) {
    smtp_release(j);
    return NULL;
  }
  pthread_mutex_init(&j->lock, NULL);
  smtp_descriptor_set_cloexec(j->ready[0]);
  smtp_descriptor_set_cloexec(j->ready[1]);
  return j;
}

static void discard(job *j) {
  close(j->ready[1]);
  j->one_has_left = true;
  leave(j);
}

/* 0 or an errno. The host program's signals are for its own threads. */
static int start(job *j) {
  pthread_attr_t detached;
  sigset_t all, before;
  pthread_t thread;
  int number;

  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  number = pthread_create(&thread, &detached, work, j);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&detached);
  return number;
}

static smtp_error take_result(job *j, const char *host, double deadline,
                              struct addrinfo **found, smtp_failure *f) {
  int code, number;

  if (smtp_clock_wait(j->ready[0], POLLIN, deadline) == 0)
    return smtp_failure_set(f, SMTP_ERR_TIMEOUT, 0,
                            "looking up %.100s timed out", host);
  pthread_mutex_lock(&j->lock);
  code = j->code;
  number = j->number;
  *found = j->found;
  j->found = NULL;
  pthread_mutex_unlock(&j->lock);
  return settle(code, number, host, f);
}

static smtp_error lookup_until(const char *host, int family, double deadline,
                               struct addrinfo **found, smtp_failure *f) {
  job *j = new_job(host, family);
  smtp_error e;

  if (!j || start(j) != 0) {
    if (j) discard(j);
    return lookup_here(host, family, found, f);
  }
  e = take_result(j, host, deadline, found, f);
  leave(j);
  return e;
}

smtp_error smtp_lookup(const char *host, int family, double deadline,
                       struct addrinfo **found, smtp_failure *f) {
  if (ask(host, family, AI_NUMERICHOST, found) == 0) return SMTP_OK;
  if (strlen(host) >= HOST_ROOM)
    return smtp_failure_set(f, SMTP_ERR_LOOKUP, 0,
                            "%.40s…: too long for a host name", host);
  if (!isinf(deadline)) return lookup_until(host, family, deadline, found, f);
  return lookup_here(host, family, found, f);
}
