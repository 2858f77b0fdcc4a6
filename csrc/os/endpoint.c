/* Socket addresses, see endpoint.h. */
#include "os/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

typedef struct sockaddr_in in4;
typedef struct sockaddr_in6 in6;
typedef struct sockaddr_un local;

static in4 as_in4(const smtp_endpoint *e) {
  in4 a;

  memcpy(&a, &e->address, sizeof a);
  return a;
}

static in6 as_in6(const smtp_endpoint *e) {
  in6 a;

  memcpy(&a, &e->address, sizeof a);
  return a;
}

int smtp_endpoint_family(const smtp_endpoint *e) {
  return e->len ? e->address.ss_family : AF_UNSPEC;
}

unsigned smtp_endpoint_port(const smtp_endpoint *e) {
  switch (smtp_endpoint_family(e)) {
  case AF_INET:
    return ntohs(as_in4(e).sin_port);
  case AF_INET6:
    return ntohs(as_in6(e).sin6_port);
  default:
    return 0;
  }
}

void smtp_endpoint_set_port(smtp_endpoint *e, unsigned port) {
  in4 v4;
  in6 v6;

  switch (smtp_endpoint_family(e)) {
  case AF_INET:
    v4 = as_in4(e);
    v4.sin_port = htons((unsigned short)port);
    memcpy(&e->address, &v4, sizeof v4);
    break;
  case AF_INET6:
    v6 = as_in6(e);
    v6.sin6_port = htons((unsigned short)port);
    memcpy(&e->address, &v6, sizeof v6);
    break;
  default:
    break;
  }
}

/* An IPv4 address that came through an IPv6 socket: its four bytes. */
static bool is_mapped(const smtp_endpoint *e, struct in_addr *v4) {
  in6 a = as_in6(e);

  if (!IN6_IS_ADDR_V4MAPPED(&a.sin6_addr)) return false;
  memcpy(v4, &a.sin6_addr.s6_addr[12], sizeof *v4);
  return true;
}

static bool takes_in4(const smtp_endpoint *e, struct in_addr *v4) {
  if (smtp_endpoint_family(e) == AF_INET) {
    *v4 = as_in4(e).sin_addr;
    return true;
  }
  return smtp_endpoint_family(e) == AF_INET6 && is_mapped(e, v4);
}

bool smtp_endpoint_is_loopback(const smtp_endpoint *e) {
  struct in_addr v4;
  in6 v6;

  if (takes_in4(e, &v4)) return ntohl(v4.s_addr) >> 24 == 127;
  if (smtp_endpoint_family(e) == AF_UNIX) return true;
  if (smtp_endpoint_family(e) != AF_INET6) return false;
  v6 = as_in6(e);
  return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

/* The far end of a socket pair, or of an unbound client, has no path. */
static void path_of(const smtp_endpoint *e, char text[SMTP_ENDPOINT_TEXT]) {
  size_t before = offsetof(local, sun_path);
  size_t len = e->len > before ? e->len - before : 0;
  local a;

  memset(&a, 0, sizeof a);
  memcpy(&a, &e->address, e->len < sizeof a ? e->len : sizeof a);
  if (len > sizeof a.sun_path) len = sizeof a.sun_path;
  snprintf(text, SMTP_ENDPOINT_TEXT, "%.*s", (int)len, a.sun_path);
}

void smtp_endpoint_host(const smtp_endpoint *e, char text[SMTP_ENDPOINT_TEXT]) {
  struct in_addr v4;
  in6 v6;

  *text = '\0';
  if (takes_in4(e, &v4)) {
    inet_ntop(AF_INET, &v4, text, SMTP_ENDPOINT_TEXT);
  } else if (smtp_endpoint_family(e) == AF_INET6) {
    v6 = as_in6(e);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, SMTP_ENDPOINT_TEXT);
  } else if (smtp_endpoint_family(e) == AF_UNIX) {
    path_of(e, text);
  }
}

void smtp_endpoint_name(const smtp_endpoint *e, char text[SMTP_ENDPOINT_TEXT]) {
  char host[SMTP_ENDPOINT_TEXT];

  smtp_endpoint_host(e, host);
  if (smtp_endpoint_family(e) == AF_UNIX)
    snprintf(text, SMTP_ENDPOINT_TEXT, "%s", host);
  else
    snprintf(text, SMTP_ENDPOINT_TEXT,
             strchr(host, ':') ? "[%.100s]:%u" : "%.100s:%u", host,
             smtp_endpoint_port(e));
}

void smtp_endpoint_literal(const smtp_endpoint *e,
                           char text[SMTP_ENDPOINT_TEXT]) {
  char host[SMTP_ENDPOINT_TEXT] = "127.0.0.1";

  if (smtp_endpoint_family(e) == AF_INET || smtp_endpoint_family(e) == AF_INET6)
    smtp_endpoint_host(e, host);
  snprintf(text, SMTP_ENDPOINT_TEXT,
           strchr(host, ':') ? "[IPv6:%.100s]" : "[%.100s]", host);
}

const char *smtp_endpoint_unix_path(const char *host) {
  if (strncmp(host, "unix:", 5) == 0) return host + 5;
  return *host == '/' ? host : NULL;
}

bool smtp_endpoint_from_path(smtp_endpoint *e, const char *path) {
  size_t len = strlen(path);
  local a;

  memset(e, 0, sizeof *e);
  memset(&a, 0, sizeof a);
  if (!len || len >= sizeof a.sun_path) return false;
  a.sun_family = AF_UNIX;
  memcpy(a.sun_path, path, len);
  memcpy(&e->address, &a, sizeof a);
  e->len = sizeof a;
  return true;
}

static void set_in(smtp_endpoint *e, struct in_addr number, unsigned port) {
  in4 a;

  memset(e, 0, sizeof *e);
  memset(&a, 0, sizeof a);
  a.sin_family = AF_INET;
  a.sin_addr = number;
  memcpy(&e->address, &a, sizeof a);
  e->len = sizeof a;
  smtp_endpoint_set_port(e, port);
}

static void set_in6(smtp_endpoint *e, struct in6_addr number, unsigned port) {
  in6 a;

  memset(e, 0, sizeof *e);
  memset(&a, 0, sizeof a);
  a.sin6_family = AF_INET6;
  a.sin6_addr = number;
  memcpy(&e->address, &a, sizeof a);
  e->len = sizeof a;
  smtp_endpoint_set_port(e, port);
}

void smtp_endpoint_loopback(smtp_endpoint *e, int family, unsigned port) {
  const struct in_addr v4 = {htonl(INADDR_LOOPBACK)};

  if (family == AF_INET6)
    set_in6(e, in6addr_loopback, port);
  else
    set_in(e, v4, port);
}

void smtp_endpoint_any(smtp_endpoint *e, int family, unsigned port) {
  const struct in_addr v4 = {htonl(INADDR_ANY)};

  if (family == AF_INET6)
    set_in6(e, in6addr_any, port);
  else
    set_in(e, v4, port);
}
