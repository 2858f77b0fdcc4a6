/* Lines and delimiters, see delimiter.h. */
#include "mime/delimiter.h"

#include <string.h>

#include "base/text.h"

size_t smtp_delimiter_line(const char *s, size_t len, size_t at, size_t *next) {
  const char *lf = memchr(s + at, '\n', len - at);
  size_t end = lf ? (size_t)(lf - s) : len;
  const char *cr = memchr(s + at, '\r', end - at);

  if (!cr) {
    *next = lf ? end + 1 : len;
    return end;
  }
  end = (size_t)(cr - s);
  *next = end + 1 < len && s[end + 1] == '\n' ? end + 2 : end + 1;
  return end;
}

smtp_line_ends smtp_delimiter_line_ends(const char *s, size_t len) {
  smtp_line_ends all = SMTP_LINE_ENDS_NONE, one;
  size_t at, end, next;

  for (at = 0; at < len; at = next) {
    end = smtp_delimiter_line(s, len, at, &next);
    if (next == end) break;
    one = next - end == 2  ? SMTP_LINE_ENDS_CRLF
          : s[end] == '\n' ? SMTP_LINE_ENDS_LF
                           : SMTP_LINE_ENDS_MIXED;
    if (all == SMTP_LINE_ENDS_NONE) all = one;
    if (one != all) all = SMTP_LINE_ENDS_MIXED;
    if (all == SMTP_LINE_ENDS_MIXED) break;
  }
  return all;
}

size_t smtp_delimiter_trim(const char *s, size_t start, size_t at) {
  bool has_lf = at > start && s[at - 1] == '\n';

  if (has_lf) at--;
  return at > start && s[at - 1] == '\r' ? at - 1 : at;
}

static bool is_line_end(char c) {
  return c == '\r' || c == '\n';
}

/* Two hyphens stand at `at`. */
static bool matches(const char *s, size_t len, size_t at,
                    const smtp_delimiters *d, smtp_delimiter *found) {
  size_t i = at + 2;

  if (len - i < d->len || memcmp(s + i, d->boundary, d->len) != 0) return false;
  i += d->len;
  found->last = len - i >= 2 && s[i] == '-' && s[i + 1] == '-';
  if (found->last) i += 2;
  while (i < len && smtp_text_is((unsigned char)s[i], SMTP_TEXT_WSP))
    i++;
  if (i < len && !is_line_end(s[i])) return false;
  found->of = d;
  found->at = at;
  found->next = i;
  if (i < len) smtp_delimiter_line(s, len, i, &found->next);
  return true;
}

bool smtp_delimiter_is(const char *s, size_t len, size_t at,
                       const smtp_delimiters *in_force, smtp_delimiter *found) {
  const smtp_delimiters *d;

  if (len - at < 2 || s[at] != '-' || s[at + 1] != '-') return false;
  for (d = in_force; d; d = d->around)
    if (matches(s, len, at, d, found)) return true;
  return false;
}

bool smtp_delimiter_find(const char *s, size_t len, size_t at,
                         const smtp_delimiters *in_force,
                         smtp_delimiter *found) {
  size_t i = at;

  while (in_force && i < len) {
    const char *hyphen = memchr(s + i, '-', len - i);

    if (!hyphen) return false;
    i = (size_t)(hyphen - s);
    if ((i == at || is_line_end(s[i - 1])) &&
        smtp_delimiter_is(s, len, i, in_force, found))
      return true;
    i++;
  }
  return false;
}
