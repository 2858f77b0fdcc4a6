/* Writing dates, see date.h. The calendar is the Gregorian one, counted in
 * days from March so that the leap day is the last of its year. */
#include "base/date.h"

#include "base/date_calendar.h"

#define DAY 86400

typedef struct face {
  int64_t year;
  unsigned month, day, weekday; /* 1-12, 1-31, 0 = Sunday */
  unsigned second;              /* of the day */
} face;

/* What calendar and clock show; false for a year of not four digits. */
static bool read_face(face *f, int64_t seconds, int offset) {
  const int64_t limit = (int64_t)DAY * 366 * 9999;
  int64_t days;

  if (seconds > limit || seconds < -limit) return false;
  seconds += (int64_t)offset * 60;
  days = seconds / DAY - (seconds % DAY < 0);
  f->second = (unsigned)(seconds - days * DAY);
  f->weekday = (unsigned)(((days + 4) % 7 + 7) % 7);
  smtp_date_calendar_of(days, &f->year, &f->month, &f->day);
  return f->year >= 1 && f->year <= 9999;
}

static void add_padded(smtp_buf *out, unsigned n, unsigned digits, char pad) {
  char text[4];
  unsigned i;

  for (i = digits; i--; n /= 10)
    text[i] = n || i == digits - 1 ? (char)('0' + n % 10) : pad;
  smtp_buf_add(out, text, digits);
}

static void add_clock(smtp_buf *out, const face *f) {
  add_padded(out, f->second / 3600, 2, '0');
  smtp_buf_addc(out, ':');
  add_padded(out, f->second / 60 % 60, 2, '0');
  smtp_buf_addc(out, ':');
  add_padded(out, f->second % 60, 2, '0');
}

static void add_zone(smtp_buf *out, int offset, smtp_date_zone zone) {
  unsigned minutes = (unsigned)(offset < 0 ? -offset : offset);

  switch (zone) {
  case SMTP_DATE_OFFSET:
    smtp_buf_addc(out, offset < 0 ? '-' : '+');
    add_padded(out, minutes / 60 * 100 + minutes % 60, 4, '0');
    break;
  case SMTP_DATE_UNKNOWN:
    smtp_buf_adds(out, "-0000");
    break;
  case SMTP_DATE_GMT:
    smtp_buf_adds(out, "GMT");
    break;
  }
}

bool smtp_date_format(smtp_buf *out, int64_t seconds, int offset,
                      smtp_date_zone zone) {
  face f;

  if (zone != SMTP_DATE_OFFSET) offset = 0;
  if (!read_face(&f, seconds, offset)) return false;
  smtp_buf_adds(out, smtp_date_weekdays[f.weekday]);
  smtp_buf_adds(out, ", ");
  add_padded(out, f.day, 2, '0');
  smtp_buf_addc(out, ' ');
  smtp_buf_adds(out, smtp_date_months[f.month - 1]);
  smtp_buf_addc(out, ' ');
  add_padded(out, (unsigned)f.year, 4, '0');
  smtp_buf_addc(out, ' ');
  add_clock(out, &f);
  smtp_buf_addc(out, ' ');
  add_zone(out, offset, zone);
  return true;
}

bool smtp_date_format_ctime(smtp_buf *out, int64_t seconds, int offset) {
  face f;

  if (!read_face(&f, seconds, offset)) return false;
  smtp_buf_adds(out, smtp_date_weekdays[f.weekday]);
  smtp_buf_addc(out, ' ');
  smtp_buf_adds(out, smtp_date_months[f.month - 1]);
  smtp_buf_addc(out, ' ');
  add_padded(out, f.day, 2, ' ');
  smtp_buf_addc(out, ' ');
  add_clock(out, &f);
  smtp_buf_addc(out, ' ');
  add_padded(out, (unsigned)f.year, 4, '0');
  return true;
}
