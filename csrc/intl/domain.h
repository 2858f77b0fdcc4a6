/* Non-ASCII domains as A-labels (IDNA 2008 with UTS #46, non-transitional).
 * The only file that rests on libidn2; without it (SMTP_HAVE_IDN2 not
 * defined) every non-ASCII domain is refused. */
#ifndef SMTP_INTL_DOMAIN_H
#define SMTP_INTL_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

/* The library was built with libidn2. */
bool smtp_domain_can_convert(void);

/* Append the ASCII form of a domain in UTF-8. Refused with SMTP_ERR_ADDRESS:
 * code points that are disallowed, or that the mapping would silently drop
 * (soft hyphen, zero width space, variation selectors), and a result that is
 * not a host name (RFC 5321 section 4.1.2). An ASCII domain is only checked. */
smtp_error smtp_domain_to_ascii(smtp_buf *out, const char *domain, size_t len);

#endif
