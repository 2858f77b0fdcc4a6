/* Name lookup, see resolve.h. The addresses are kept in fixed room, so nothing
 * of getaddrinfo's outlives this file. */
#include "os/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "os/lookup.h"

static bool is_localhost(const char *host) {
  size_t len = strlen(host);

  if (len && host[len - 1] == '.') len--;
  if (len == 9) return strncasecmp(host, "localhost", 9) == 0;
  return len > 10 && strncasecmp(host + len - 10, ".localhost", 10) == 0;
}

static void add(smtp_endpoints *found, const struct addrinfo *one,
                unsigned port) {
  smtp_endpoint *e;

  if (found->count == SMTP_RESOLVE_MOST) return;
  if (one->ai_addrlen > sizeof e->address) return;
  e = &found->list[found->count++];
  memset(e, 0, sizeof *e);
  memcpy(&e->address, one->ai_addr, one->ai_addrlen);
  e->len = one->ai_addrlen;
  smtp_endpoint_set_port(e, port);
}

static const struct addrinfo *next_of(const struct addrinfo *at, int family) {
  while (at && at->ai_family != family)
    at = at->ai_next;
  return at;
}

/* Within a family the system's own order (RFC 6724) stands. */
static void take_turns(smtp_endpoints *found, const struct addrinfo *all,
                       unsigned port) {
  const struct addrinfo *v6 = next_of(all, AF_INET6);
  const struct addrinfo *v4 = next_of(all, AF_INET);

  while (v6 || v4) {
    if (v6) {
      add(found, v6, port);
      v6 = next_of(v6->ai_next, AF_INET6);
    }
    if (v4) {
      add(found, v4, port);
      v4 = next_of(v4->ai_next, AF_INET);
    }
  }
}

static void add_loopback(smtp_endpoints *found, int family, unsigned port) {
  if (family != AF_INET)
    smtp_endpoint_loopback(&found->list[found->count++], AF_INET6, port);
  if (family != AF_INET6)
    smtp_endpoint_loopback(&found->list[found->count++], AF_INET, port);
}

static smtp_error take_path(smtp_endpoints *found, const char *path,
                            smtp_failure *f) {
  if (!smtp_endpoint_from_path(&found->list[0], path))
    return smtp_failure_set(f, SMTP_ERR_SYSTEM, *path ? ENAMETOOLONG : ENOENT,
                            "path of a Unix socket");
  found->count = 1;
  return SMTP_OK;
}

smtp_error smtp_resolve(const char *host, unsigned port, int family,
                        double deadline, smtp_endpoints *found,
                        smtp_failure *f) {
  const char *path = smtp_endpoint_unix_path(host);
  struct addrinfo *all = NULL;
  smtp_error e;

  found->count = 0;
  if (path) return take_path(found, path, f);
  if (is_localhost(host)) {
    add_loopback(found, family, port);
    return SMTP_OK;
  }
  e = smtp_lookup(host, family, deadline, &all, f);
  if (e != SMTP_OK) return e;
  take_turns(found, all, port);
  freeaddrinfo(all);
  if (found->count) return SMTP_OK;
  return smtp_failure_set(f, SMTP_ERR_LOOKUP, 0, "%.100s: no address", host);
}
