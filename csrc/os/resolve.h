/* From a host's name to the addresses to try. Numbers, Unix paths and
 * "localhost" (RFC 6761 section 6.3) are answered without asking anybody. */
#ifndef SMTP_OS_RESOLVE_H
#define SMTP_OS_RESOLVE_H

#include "os/endpoint.h"
#include "os/failure.h"

enum { SMTP_RESOLVE_MOST = 16 }; /* addresses of one name that are looked at */

typedef struct smtp_endpoints {
  size_t count;
  smtp_endpoint list[SMTP_RESOLVE_MOST];
} smtp_endpoints;

/* The addresses of `host` ("mail.example.com", "127.0.0.1", "::1",
 * "unix:/path", "/path") in the order of RFC 8305 section 4: the families take
 * turns, IPv6 first. `family` is AF_UNSPEC, AF_INET or AF_INET6. Other names
 * are looked up with getaddrinfo, which knows no time-out of its own: with a
 * finite `deadline` it runs in a thread that is left behind when the time is
 * up. At least one address, or SMTP_ERR_LOOKUP, _TIMEOUT, _SYSTEM in `f`. */
smtp_error smtp_resolve(const char *host, unsigned port, int family,
                        double deadline, smtp_endpoints *found,
                        smtp_failure *f);

#endif
