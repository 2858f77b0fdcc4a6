/* Child processes, see child.h. */
#include "os/child.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "os/clock.h"

static const double shortest_pause = 0.001, longest_pause = 0.02;

static void follow_parent(pid_t parent) {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  /* It may have ended before anybody could be told. */
  if (getppid() != parent) _exit(1);
}

static void reset_signals(void) {
  sigset_t none;
  int number;

  for (number = 1; number < NSIG; number++)
    if (number != SIGKILL && number != SIGSTOP) signal(number, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool open_pair(int pair[2]) {
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return false;
  smtp_descriptor_set_cloexec(pair[0]);
  smtp_descriptor_set_cloexec(pair[1]);
  return true;
}

smtp_error smtp_child_fork(smtp_child *c, int *channel,
                           smtp_descriptor *const *keep, size_t count,
                           bool *is_child) {
  pid_t parent = getpid(), pid;
  int pair[2], number;

  *is_child = false;
  if (!open_pair(pair))
    return smtp_failure_set(&c->failure, SMTP_ERR_SYSTEM, errno, "socketpair");
  fflush(NULL); /* or the child would write it out once more */
  pid = fork();
  number = errno;
  if (pid != 0) close(pair[1]);
  if (pid < 0) {
    close(pair[0]);
    return smtp_failure_set(&c->failure, SMTP_ERR_SYSTEM, number, "fork");
  }
  if (pid == 0) {
    *is_child = true;
    *channel = pair[1];
    reset_signals();
    follow_parent(parent);
    smtp_descriptor_keep_only(keep, count, pair[1]);
    return SMTP_OK;
  }
  *channel = pair[0];
  c->pid = pid;
  c->parent = parent;
  return SMTP_OK;
}

void smtp_child_exit(int code) {
  fflush(NULL);
  _exit(code);
}

static smtp_error take_status(smtp_child *c, int status) {
  c->has_ended = true;
  c->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return SMTP_OK;
}

/* SMTP_ERR_TIMEOUT: still running. */
static smtp_error look(smtp_child *c, int flags) {
  int status;
  pid_t pid;

  if (c->has_ended) return SMTP_OK;
  if (!c->pid || c->parent != getpid())
    return smtp_failure_set(&c->failure, SMTP_ERR_SYSTEM, ECHILD, "wait");
  do
    pid = waitpid(c->pid, &status, flags);
  while (pid < 0 && errno == EINTR);
  if (pid == c->pid) return take_status(c, status);
  if (pid < 0) {
    /* Somebody else waited for it (SIGCHLD ignored): its number is free. */
    smtp_failure_set(&c->failure, SMTP_ERR_SYSTEM, errno, "wait");
    c->pid = 0;
    return SMTP_ERR_SYSTEM;
  }
  return smtp_failure_set(&c->failure, SMTP_ERR_TIMEOUT, 0,
                          "the child is still running");
}

smtp_error smtp_child_wait(smtp_child *c, double seconds, int *code) {
  double deadline = smtp_clock_now() + seconds, pause = shortest_pause;
  int flags = isinf(seconds) ? 0 : WNOHANG;
  smtp_error e;

  while ((e = look(c, flags)) == SMTP_ERR_TIMEOUT) {
    if (smtp_clock_milliseconds_until(deadline) == 0) return e;
    smtp_clock_wait(-1, 0,
                    smtp_clock_earlier(deadline, smtp_clock_now() + pause));
    pause = smtp_clock_earlier(2 * pause, longest_pause);
  }
  *code = c->status;
  return e;
}

smtp_error smtp_child_signal(smtp_child *c, int number) {
  smtp_error e = look(c, WNOHANG);

  if (e == SMTP_OK)
    return smtp_failure_set(&c->failure, SMTP_ERR_SYSTEM, ESRCH, "kill");
  if (e != SMTP_ERR_TIMEOUT) return e;
  if (kill(c->pid, number) == 0) return SMTP_OK;
  return smtp_failure_set(&c->failure, SMTP_ERR_SYSTEM, errno, "kill");
}

void smtp_child_end(smtp_child *c) {
  if (look(c, WNOHANG) != SMTP_ERR_TIMEOUT) return;
  kill(c->pid, SIGKILL);
  look(c, 0);
}
