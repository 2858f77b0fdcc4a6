/* getaddrinfo, see lookup.h. */
#include "os/lookup.h"

#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

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

smtp_error smtp_lookup(const char *host, int family, double deadline,
                       struct addrinfo **found, smtp_failure *f) {
  (void)deadline;
  if (ask(host, family, AI_NUMERICHOST, found) == 0) return SMTP_OK;
  return settle(ask_twice(host, family, found), errno, host, f);
}
