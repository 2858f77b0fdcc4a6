/* Owners of file descriptors, see descriptor.h. */
#include "os/descriptor.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { LAST_GUESS = 4096 }; /* where the system cannot list what is open */

static unsigned forks_deep;

void smtp_descriptor_own(smtp_descriptor *d, int fd) {
  d->number = fd;
  d->process = forks_deep;
}

int smtp_descriptor_number(const smtp_descriptor *d) {
  return d->process == forks_deep ? d->number : -1;
}

void smtp_descriptor_close(smtp_descriptor *d) {
  int fd = smtp_descriptor_number(d);

  /* Not repeated after EINTR: the number is free then, and may be another's. */
  if (fd >= 0) close(fd);
  smtp_descriptor_own(d, -1);
}

bool smtp_descriptor_set_cloexec(int fd) {
  int flags = fcntl(fd, F_GETFD);

  return flags >= 0 && fcntl(fd, F_SETFD, flags | FD_CLOEXEC) == 0;
}

bool smtp_descriptor_set_blocking(int fd, bool blocking) {
  int flags = fcntl(fd, F_GETFL);
  int wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;

  if (flags < 0) return false;
  return flags == wanted || fcntl(fd, F_SETFL, wanted) == 0;
}

typedef struct survivors {
  smtp_descriptor *const *keep;
  size_t count;
  int extra;
  int blank; /* /dev/null, or -1 */
} survivors;

static void blank_unless_kept(int fd, const survivors *s) {
  size_t i;

  if (fd <= 2 || fd == s->extra || fd == s->blank) return;
  for (i = 0; i < s->count; i++)
    if (smtp_descriptor_number(s->keep[i]) == fd) return;
  if (s->blank < 0 || dup2(s->blank, fd) < 0)
    close(fd);
  else
    smtp_descriptor_set_cloexec(fd);
}

static void blank_others(const survivors *s) {
  DIR *open_now = opendir("/dev/fd");
  const struct dirent *entry;
  int fd;

  if (!open_now) {
    for (fd = 3; fd < LAST_GUESS; fd++)
      if (fcntl(fd, F_GETFD) >= 0) blank_unless_kept(fd, s);
    return;
  }
  while ((entry = readdir(open_now)) != NULL) {
    fd = (int)strtol(entry->d_name, NULL, 10); /* "." gives 0, which is kept */
    if (fd != dirfd(open_now)) blank_unless_kept(fd, s);
  }
  closedir(open_now);
}

void smtp_descriptor_keep_only(smtp_descriptor *const *keep, size_t count,
                               int extra) {
  survivors s = {keep, count, extra, open("/dev/null", O_RDWR | O_CLOEXEC)};
  size_t i;
  int fd;

  blank_others(&s);
  if (s.blank >= 0) close(s.blank);
  for (i = 0; i < count; i++) {
    fd = smtp_descriptor_number(keep[i]);
    keep[i]->number = fd;
    keep[i]->process = forks_deep + 1;
  }
  forks_deep++;
}
