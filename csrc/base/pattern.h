/* POSIX extended regular expressions of the C library, over bytes of a given
 * length. For users' patterns (smtplib.re): nothing in this library validates
 * with them. */
#ifndef SMTP_BASE_PATTERN_H
#define SMTP_BASE_PATTERN_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#define SMTP_PATTERN_GROUPS_MAX 99

typedef struct smtp_pattern {
  regex_t regex;
  bool compiled;
  size_t groups; /* parenthesised, without the whole match */
} smtp_pattern;

/* A piece of the subject, [start, end); `matched` is false for a group that
 * took no part. */
typedef struct smtp_pattern_span {
  bool matched;
  size_t start, end;
} smtp_pattern_span;

/* Compile `source` into `p`, which is zeroed. On failure returns false, with
 * the library's sentence in `fault`, and there is nothing to free. */
bool smtp_pattern_compile(smtp_pattern *p, const char *source, bool ignore_case,
                          char *fault, size_t room);
void smtp_pattern_free(smtp_pattern *p);

/* The first match at or after `from` (at most `len`); `^` matches at 0 only.
 * Fills spans[0] (the whole) to spans[p->groups]. A subject that holds a NUL
 * matches nothing where the C library cannot be told a length. */
bool smtp_pattern_find(const smtp_pattern *p, const char *s, size_t len,
                       size_t from,
                       smtp_pattern_span spans[SMTP_PATTERN_GROUPS_MAX + 1]);

#endif
