/* Regular expressions of the C library, see pattern.h. */
#include "base/pattern.h"

#include <stdio.h>
#include <string.h>

bool smtp_pattern_compile(smtp_pattern *p, const char *source, bool ignore_case,
                          char *fault, size_t room) {
  int rc =
      regcomp(&p->regex, source, REG_EXTENDED | (ignore_case ? REG_ICASE : 0));

  if (rc) {
    regerror(rc, &p->regex, fault, room);
    return false;
  }
  if (p->regex.re_nsub > SMTP_PATTERN_GROUPS_MAX) {
    regfree(&p->regex);
    snprintf(fault, room, "more than %d groups", SMTP_PATTERN_GROUPS_MAX);
    return false;
  }
  p->groups = p->regex.re_nsub;
  p->compiled = true;
  return true;
}

void smtp_pattern_free(smtp_pattern *p) {
  if (p->compiled) regfree(&p->regex);
  p->compiled = false;
}

/* Offsets are from `s`, however the library was told where to begin. */
static int execute(const smtp_pattern *p, const char *s, size_t len,
                   size_t from, regmatch_t *found) {
  int flags = from ? REG_NOTBOL : 0;

#ifdef REG_STARTEND
  found[0].rm_so = (regoff_t)from;
  found[0].rm_eo = (regoff_t)len;
  return regexec(&p->regex, s, p->groups + 1, found, flags | REG_STARTEND);
#else
  size_t i;
  int rc;

  if (strlen(s) != len) return REG_NOMATCH;
  rc = regexec(&p->regex, s + from, p->groups + 1, found, flags);
  for (i = 0; !rc && i <= p->groups; i++) {
    if (found[i].rm_so < 0) continue;
    found[i].rm_so += (regoff_t)from;
    found[i].rm_eo += (regoff_t)from;
  }
  return rc;
#endif
}

bool smtp_pattern_find(const smtp_pattern *p, const char *s, size_t len,
                       size_t from,
                       smtp_pattern_span spans[SMTP_PATTERN_GROUPS_MAX + 1]) {
  regmatch_t found[SMTP_PATTERN_GROUPS_MAX + 1];
  size_t i;

  /* regoff_t is an int in some libraries. */
  if (len > 0x7FFFFFFF || execute(p, s, len, from, found)) return false;
  for (i = 0; i <= p->groups; i++) {
    spans[i].matched = found[i].rm_so >= 0;
    spans[i].start = spans[i].matched ? (size_t)found[i].rm_so : 0;
    spans[i].end = spans[i].matched ? (size_t)found[i].rm_eo : 0;
  }
  return true;
}
