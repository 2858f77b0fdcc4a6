/* The Gregorian calendar, see date_calendar.h: eras of 400 years, each of
 * 146097 days, in years that begin with March. */
#include "base/date_calendar.h"

#define ERA_DAYS 146097
#define EPOCH_OFFSET 719468 /* days from 0000-03-01 to 1970-01-01 */

const char smtp_date_weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed",
                                       "Thu", "Fri", "Sat"};
const char smtp_date_months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void smtp_date_calendar_of(int64_t days, int64_t *year, unsigned *month,
                           unsigned *day) {
  int64_t shifted = days + EPOCH_OFFSET;
  int64_t era = (shifted >= 0 ? shifted : shifted - (ERA_DAYS - 1)) / ERA_DAYS;
  unsigned of_era = (unsigned)(shifted - era * ERA_DAYS);
  unsigned years =
      (of_era - of_era / 1460 + of_era / 36524 - of_era / (ERA_DAYS - 1)) / 365;
  unsigned of_year = of_era - (365 * years + years / 4 - years / 100);
  unsigned from_march = (5 * of_year + 2) / 153;

  *day = of_year - (153 * from_march + 2) / 5 + 1;
  *month = from_march < 10 ? from_march + 3 : from_march - 9;
  *year = era * 400 + years + (*month <= 2);
}

int64_t smtp_date_calendar_days(int64_t year, unsigned month, unsigned day) {
  int64_t y = year - (month <= 2);
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  int64_t of_era = y - era * 400;
  int64_t from_march = month > 2 ? month - 3 : month + 9;
  int64_t of_year = (153 * from_march + 2) / 5 + day - 1;

  return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
         EPOCH_OFFSET;
}

unsigned smtp_date_calendar_month_len(int64_t year, unsigned month) {
  if (month == 2)
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}
