/* The Gregorian calendar: what date.c writes and date_parse.c reads. */
#ifndef SMTP_BASE_DATE_CALENDAR_H
#define SMTP_BASE_DATE_CALENDAR_H

#include <stdint.h>

extern const char smtp_date_weekdays[7][4]; /* "Sun" first */
extern const char smtp_date_months[12][4];

/* Year, month (1-12) and day (1-31) of a day, counted from 1970-01-01. */
void smtp_date_calendar_of(int64_t days, int64_t *year, unsigned *month,
                           unsigned *day);
/* The reverse; the date must exist. */
int64_t smtp_date_calendar_days(int64_t year, unsigned month, unsigned day);
unsigned smtp_date_calendar_month_len(int64_t year, unsigned month);

#endif
