/* Dates of mail (RFC 5322 section 3.3), written and read without the C
 * library's locale or time zone: the clock and the zone are the caller's.
 * Seconds count from 1970-01-01 00:00:00 UTC, zone offsets in minutes east.
 * Rests on base/buf and text. */
#ifndef SMTP_BASE_DATE_H
#define SMTP_BASE_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* How the zone is written. */
typedef enum smtp_date_zone {
  SMTP_DATE_OFFSET,  /* +hhmm or -hhmm */
  SMTP_DATE_UNKNOWN, /* -0000: UTC, nothing said about local time */
  SMTP_DATE_GMT      /* GMT: for HTTP, and Python's usegmt */
} smtp_date_zone;

/* Append "Mon, 23 Nov 2026 20:08:22 +0100". `offset` (less than a day) shifts
 * the clock face; only SMTP_DATE_OFFSET heeds it. False, and nothing
 * appended, for years outside 1 to 9999. */
bool smtp_date_format(smtp_buf *out, int64_t seconds, int offset,
                      smtp_date_zone zone);
/* Append "Mon Nov 23 20:08:22 2026", as in a mbox "From " line. */
bool smtp_date_format_ctime(smtp_buf *out, int64_t seconds, int offset);

typedef struct smtp_date {
  int64_t seconds;
  int offset;      /* of its zone; 0 when not known */
  bool has_offset; /* false for "-0000", no zone, and zones without meaning */
} smtp_date;

/* Read a date: RFC 5322 with the obsolete forms of section 4.3 (two-digit
 * years, named zones, comments), and the ctime form. SMTP_ERR_HEADER when it
 * is none, or names a day or an hour that does not exist. */
smtp_error smtp_date_parse(const char *s, size_t len, smtp_date *date);

#endif
