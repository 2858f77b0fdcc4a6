/* Failures of the operating system, see failure.h. */
#include "os/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
#define NUMBERS(X)                                                             \
  X(EACCES) X(EADDRINUSE) X(EADDRNOTAVAIL) X(EAFNOSUPPORT) X(EAGAIN)           \
  X(EALREADY) X(EBADF) X(ECHILD) X(ECONNABORTED) X(ECONNREFUSED)               \
  X(ECONNRESET) X(EDESTADDRREQ) X(EEXIST) X(EFAULT) X(EHOSTUNREACH)            \
  X(EINPROGRESS) X(EINTR) X(EINVAL) X(EIO) X(EISCONN) X(EISDIR) X(ELOOP)       \
  X(EMFILE) X(EMSGSIZE) X(ENAMETOOLONG) X(ENETDOWN) X(ENETRESET)               \
  X(ENETUNREACH) X(ENFILE) X(ENOBUFS) X(ENOENT) X(ENOMEM) X(ENOPROTOOPT)       \
  X(ENOSPC) X(ENOTCONN) X(ENOTDIR) X(ENOTSOCK) X(EPERM) X(EPIPE) X(EPROTO)     \
  X(EPROTONOSUPPORT) X(EPROTOTYPE) X(EROFS) X(ESRCH) X(ETIMEDOUT)
/* clang-format on */

static const struct {
  int number;
  const char *name;
} names[] = {
#define NUMBER_ROW(symbol) {symbol, #symbol},
    NUMBERS(NUMBER_ROW)
#undef NUMBER_ROW
};

const char *smtp_failure_name(const smtp_failure *f) {
  size_t i;

  if (f->error != SMTP_ERR_SYSTEM) return smtp_error_name(f->error);
  for (i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].number == f->number) return names[i].name;
  return smtp_error_name(SMTP_ERR_SYSTEM);
}

smtp_error smtp_failure_set(smtp_failure *f, smtp_error error, int number,
                            const char *format, ...) {
  va_list values;
  size_t used;

  va_start(values, format);
  /* clang-tidy 14 forgets va_start when it is given several files at once.
   * NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
  vsnprintf(f->text, sizeof f->text, format, values);
  va_end(values);
  f->error = error;
  f->number = error == SMTP_ERR_SYSTEM ? number : 0;
  if (!number) return error;
  used = strlen(f->text);
  snprintf(f->text + used, sizeof f->text - used, ": %s", strerror(number));
  return error;
}
