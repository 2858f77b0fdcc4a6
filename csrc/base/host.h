/* Names and literals of hosts, as RFC 5321 section 4.1.2 and 4.1.3 write them:
 * what stands after the @ of an address. Checks only; nothing is looked up. */
#ifndef SMTP_BASE_HOST_H
#define SMTP_BASE_HOST_H

#include <stdbool.h>
#include <stddef.h>

#define SMTP_HOST_DOMAIN_MAX 255 /* octets, RFC 5321 section 4.5.3.1.2 */
#define SMTP_HOST_LABEL_MAX 63   /* octets, RFC 1035 section 2.3.4 */

/* "mail.example.com": labels of letters, digits, hyphens (not at an edge) and
 * underscores (not by the RFC, but such hosts exist), none empty, no dot at
 * the end. A byte above 0x7F counts as a letter: UTF-8 is the caller's to
 * check, and so is the length of the A-labels that come of it. */
bool smtp_host_is_domain(const char *s, size_t len);

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]", with the brackets. */
bool smtp_host_is_literal(const char *s, size_t len);

/* Without brackets and tag. */
bool smtp_host_is_ipv4(const char *s, size_t len);
bool smtp_host_is_ipv6(const char *s, size_t len);

#endif
