/* Tag lists, see dkim_tags.h. */
#include "crypto/dkim_tags.h"

#include <string.h>

#include "base/text.h"

/* Behind folding white space at `i`: a line end counts when WSP follows. */
static size_t skip_fws(const char *s, size_t len, size_t i) {
  for (;;) {
    size_t at = i;

    if (at < len && s[at] == '\r') at++;
    if (at < len && s[at] == '\n') at++;
    if (at > i && s[at - 1] != '\n') return i;
    if (at >= len || !smtp_text_is((unsigned char)s[at], SMTP_TEXT_WSP))
      return i;
    i = at + 1;
  }
}

/* Bytes of the character at `i` that may stand in a value (RFC 8616: UTF-8
 * too); 0 for none. */
static size_t value_step(const char *s, size_t len, size_t i) {
  unsigned char c = (unsigned char)s[i];

  if (c >= 0x80) return smtp_text_utf8_step(s + i, len - i);
  return c > ' ' && c < 0x7F && c != ';' ? 1 : 0;
}

static size_t read_name(const char *s, size_t len, size_t i,
                        smtp_dkim_tag *tag) {
  size_t from = i;

  if (i < len && smtp_text_is((unsigned char)s[i], SMTP_TEXT_ALPHA))
    while (i < len &&
           (s[i] == '_' || smtp_text_is((unsigned char)s[i], SMTP_TEXT_ALNUM)))
      i++;
  tag->name = s + from;
  tag->name_len = i - from;
  return i;
}

/* The value at `i`, to the semicolon or the end. */
static size_t read_value(const char *s, size_t len, size_t i,
                         smtp_dkim_tag *tag) {
  size_t end;

  tag->slot = s + i;
  i = end = skip_fws(s, len, i);
  tag->value = s + i;
  while (i < len && s[i] != ';') {
    size_t n = value_step(s, len, i);
    size_t next = n ? i + n : skip_fws(s, len, i);

    if (next == i) break;
    i = next;
    if (n) end = i;
  }
  tag->value_len = end - (size_t)(tag->value - s);
  tag->slot_len = i - (size_t)(tag->slot - s);
  return i;
}

const smtp_dkim_tag *smtp_dkim_tags_find(const smtp_dkim_tag *tags,
                                         size_t count, const char *name) {
  size_t i, len = strlen(name);

  for (i = 0; i < count; i++)
    if (tags[i].name_len == len && !memcmp(tags[i].name, name, len))
      return &tags[i];
  return NULL;
}

static bool is_repeated(const smtp_dkim_tag *tags, size_t count,
                        const smtp_dkim_tag *tag) {
  size_t i;

  for (i = 0; i < count; i++)
    if (tags[i].name_len == tag->name_len &&
        !memcmp(tags[i].name, tag->name, tag->name_len))
      return true;
  return false;
}

bool smtp_dkim_tags_read(const char *s, size_t len,
                         smtp_dkim_tag tags[SMTP_DKIM_TAGS_MAX],
                         size_t *count) {
  size_t i = 0;

  *count = 0;
  do {
    smtp_dkim_tag tag;

    i = read_name(s, len, skip_fws(s, len, i), &tag);
    if (!tag.name_len || *count == SMTP_DKIM_TAGS_MAX) return false;
    i = skip_fws(s, len, i);
    if (i == len || s[i] != '=') return false;
    i = read_value(s, len, i + 1, &tag);
    if (i < len && s[i] != ';') return false;
    if (is_repeated(tags, *count, &tag)) return false;
    tags[(*count)++] = tag;
    if (i < len) i++;
  } while (skip_fws(s, len, i) < len);
  return true;
}
