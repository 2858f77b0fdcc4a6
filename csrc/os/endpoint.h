/* One end of a connection: a socket address of any family, and what can be
 * said about it without asking anybody. */
#ifndef SMTP_OS_ENDPOINT_H
#define SMTP_OS_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

typedef struct smtp_endpoint {
  struct sockaddr_storage address;
  socklen_t len; /* 0: unknown */
} smtp_endpoint;

enum { SMTP_ENDPOINT_TEXT = 128 }; /* room for any of the texts below */

int smtp_endpoint_family(const smtp_endpoint *e);
/* 0 for a Unix socket. */
unsigned smtp_endpoint_port(const smtp_endpoint *e);
void smtp_endpoint_set_port(smtp_endpoint *e, unsigned port);
/* 127.0.0.0/8 (mapped into IPv6, too), ::1, or a Unix socket. */
bool smtp_endpoint_is_loopback(const smtp_endpoint *e);

/* The number or path alone: "127.0.0.1", "::1", "/run/lmtp". */
void smtp_endpoint_host(const smtp_endpoint *e, char text[SMTP_ENDPOINT_TEXT]);
/* For people: "127.0.0.1:25", "[::1]:25", "/run/lmtp". */
void smtp_endpoint_name(const smtp_endpoint *e, char text[SMTP_ENDPOINT_TEXT]);
/* The address literal of RFC 5321 section 4.1.3: "[127.0.0.1]",
 * "[IPv6:::1]"; that of a Unix socket is the loopback's. */
void smtp_endpoint_literal(const smtp_endpoint *e,
                           char text[SMTP_ENDPOINT_TEXT]);

/* The path behind "unix:" or, when it starts with "/", `host` itself; NULL
 * when `host` is not the name of a Unix socket. */
const char *smtp_endpoint_unix_path(const char *host);
/* False when the path is empty or too long for the system. */
bool smtp_endpoint_from_path(smtp_endpoint *e, const char *path);
/* ::1 or 127.0.0.1, by `family`; :: or 0.0.0.0. */
void smtp_endpoint_loopback(smtp_endpoint *e, int family, unsigned port);
void smtp_endpoint_any(smtp_endpoint *e, int family, unsigned port);

#endif
