/* Reading dates, see date.h. The text is a row of short tokens (words,
 * numbers, signs) between white space and comments; two shapes of rows are
 * known, and the first tokens tell which. */
#include <string.h>

#include "base/date.h"
#include "base/date_calendar.h"
#include "base/text.h"

typedef struct reader {
  const char *s;
  size_t len, at;
} reader;

typedef struct parts {
  unsigned year, year_digits, month, day, hour, minute, second;
} parts;

/* White space and comments, nested ones too; false when one does not end. */
static bool skip_gap(reader *r) {
  size_t depth = 0;

  for (; r->at < r->len; r->at++) {
    char c = r->s[r->at];

    if (c == '(')
      depth++;
    else if (depth && c == ')')
      depth--;
    else if (depth && c == '\\')
      r->at += r->at + 1 < r->len;
    else if (!depth && c != ' ' && c != '\t' && c != '\r' && c != '\n')
      break;
  }
  return depth == 0;
}

/* The character and the gap after it. */
static bool take_char(reader *r, char c) {
  if (r->at == r->len || r->s[r->at] != c) return false;
  r->at++;
  return skip_gap(r);
}

static size_t count(const reader *r, unsigned classes) {
  size_t n = 0;

  while (r->at + n < r->len &&
         smtp_text_is((unsigned char)r->s[r->at + n], classes))
    n++;
  return n;
}

/* A number of at most `most` digits; returns how many it had, 0 for none. */
static size_t take_number(reader *r, size_t most, unsigned *value) {
  size_t n = count(r, SMTP_TEXT_DIGIT), i;

  if (n > most) return 0;
  *value = 0;
  for (i = 0; i < n; i++)
    *value = *value * 10 + (unsigned)(r->s[r->at++] - '0');
  return skip_gap(r) ? n : 0;
}

/* A word of letters, looked up by its first three in a table of names (whole,
 * or spelled out: "Sept", "Monday"). Returns its place from 1; 0 for none. */
static unsigned take_name(reader *r, const char names[][4], unsigned rows) {
  size_t n = count(r, SMTP_TEXT_ALPHA);
  unsigned i;

  for (i = 0; n >= 3 && i < rows; i++) {
    if (!smtp_text_equals(r->s + r->at, 3, names[i], 3)) continue;
    r->at += n;
    return skip_gap(r) ? i + 1 : 0;
  }
  return 0;
}

static bool take_time(reader *r, parts *p) {
  p->second = 0;
  if (!take_number(r, 2, &p->hour) || !take_char(r, ':') ||
      !take_number(r, 2, &p->minute))
    return false;
  return !take_char(r, ':') || take_number(r, 2, &p->second);
}

static bool take_year(reader *r, parts *p) {
  p->year_digits = (unsigned)take_number(r, 4, &p->year);
  return p->year_digits >= 2;
}

/* "23 Nov 2026 20:08:22", hyphens as in RFC 850 allowed. */
static bool take_mail_form(reader *r, parts *p) {
  if (!take_number(r, 2, &p->day)) return false;
  take_char(r, '-');
  p->month = take_name(r, smtp_date_months, 12);
  if (!p->month) return false;
  take_char(r, '-');
  return take_year(r, p) && take_time(r, p);
}

/* Hours east of UTC, RFC 5322 section 4.3. The military letters were
 * defined wrongly once, so they tell nothing; nor do names that are not here.
 */
static const struct {
  const char *name;
  int hours;
} zones[] = {{"UT", 0},   {"GMT", 0},  {"UTC", 0},  {"EST", -5},
             {"EDT", -4}, {"CST", -6}, {"CDT", -5}, {"MST", -7},
             {"MDT", -6}, {"PST", -8}, {"PDT", -7}};

static bool take_zone_name(reader *r, smtp_date *date) {
  size_t n = count(r, SMTP_TEXT_ALPHA), i;

  for (i = 0; i < sizeof zones / sizeof *zones; i++) {
    const char *name = zones[i].name;

    if (!smtp_text_equals(r->s + r->at, n, name, strlen(name))) continue;
    date->offset = zones[i].hours * 60;
    date->has_offset = true;
  }
  r->at += n;
  return skip_gap(r);
}

/* +hhmm, and +hh:mm as ISO 8601 has it. */
static bool take_offset(reader *r, smtp_date *date) {
  bool negative = r->s[r->at++] == '-';
  size_t n = count(r, SMTP_TEXT_DIGIT);
  unsigned hours, minutes;

  if (n == 2) {
    if (!take_number(r, 2, &hours) || !take_char(r, ':') ||
        count(r, SMTP_TEXT_DIGIT) != 2 || !take_number(r, 2, &minutes))
      return false;
  } else {
    if (n != 4 || !take_number(r, 4, &hours)) return false;
    minutes = hours % 100;
    hours /= 100;
  }
  if (minutes > 59 || hours > 23) return false;
  date->offset = (int)(hours * 60 + minutes);
  date->has_offset = !negative || date->offset;
  if (negative) date->offset = -date->offset;
  return true;
}

static bool at_sign(const reader *r) {
  return r->at < r->len && (r->s[r->at] == '+' || r->s[r->at] == '-');
}

/* An offset, a name, or as some write "GMT+0100". */
static bool take_zone(reader *r, smtp_date *date) {
  if (!at_sign(r) && !take_zone_name(r, date)) return false;
  return !at_sign(r) || date->offset || take_offset(r, date);
}

/* "Nov 23 20:08:22 2026", and the zone that some put before the year. */
static bool take_ctime_form(reader *r, parts *p, smtp_date *date) {
  p->month = take_name(r, smtp_date_months, 12);
  return p->month && take_number(r, 2, &p->day) && take_time(r, p) &&
         take_zone(r, date) && take_year(r, p);
}

/* RFC 5322 section 4.3: two digits are 2000-2049 and 1950-1999, three count
 * from 1900. */
static unsigned full_year(const parts *p) {
  if (p->year_digits == 2 && p->year < 50) return p->year + 2000;
  return p->year_digits < 4 ? p->year + 1900 : p->year;
}

static bool resolve(parts *p, smtp_date *date) {
  unsigned year = full_year(p);
  int64_t days;

  if (year < 1 || p->day < 1 ||
      p->day > smtp_date_calendar_month_len(year, p->month))
    return false;
  if (p->hour > 23 || p->minute > 59 || p->second > 60) return false;
  days = smtp_date_calendar_days(year, p->month, p->day);
  date->seconds = days * 86400 + p->hour * 3600 + p->minute * 60 + p->second -
                  (int64_t)date->offset * 60;
  return true;
}

smtp_error smtp_date_parse(const char *s, size_t len, smtp_date *date) {
  reader r = {.s = s, .len = len};
  parts p = {0};
  bool good = skip_gap(&r);

  date->offset = 0;
  date->has_offset = false;
  if (take_name(&r, smtp_date_weekdays, 7)) take_char(&r, ',');
  if (count(&r, SMTP_TEXT_DIGIT))
    good = good && take_mail_form(&r, &p);
  else
    good = good && take_ctime_form(&r, &p, date);
  if (!date->has_offset) good = good && take_zone(&r, date);
  good = good && r.at == r.len && resolve(&p, date);
  return good ? SMTP_OK : SMTP_ERR_HEADER;
}
