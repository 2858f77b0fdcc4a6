/* Parameters, see param.h. One pass per question; a value with many pieces is
 * bounded by the largest piece number that is looked for. */
#include "mime/param.h"

#include <string.h>

#include "base/text.h"

#define PIECES 1000

static bool is_wsp(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One past the quoted-string or comment that begins at `i`. */
static size_t skip_enclosed(const char *s, size_t len, size_t i) {
  bool comment = s[i] == '(';
  size_t depth = 1;

  for (i++; i < len && depth; i++) {
    if (s[i] == '\\' && i + 1 < len)
      i++;
    else if (comment && s[i] == '(')
      depth++;
    else if (s[i] == (comment ? ')' : '"'))
      depth--;
  }
  return i;
}

static size_t find_semicolon(const char *s, size_t len, size_t i) {
  while (i < len && s[i] != ';')
    i = s[i] == '"' || s[i] == '(' ? skip_enclosed(s, len, i) : i + 1;
  return i;
}

static const char *trim(const char *s, size_t *len) {
  while (*len && is_wsp(*s))
    s++, --*len;
  while (*len && is_wsp(s[*len - 1]))
    --*len;
  return s;
}

const char *smtp_param_main(const char *s, size_t len, size_t *main_len) {
  *main_len = find_semicolon(s, len, 0);
  return trim(s, main_len);
}

bool smtp_param_is_type(const char *s, size_t len) {
  const char *slash = len ? memchr(s, '/', len) : NULL;
  size_t before = slash ? (size_t)(slash - s) : 0;

  return slash && before && before + 1 < len &&
         smtp_text_all(s, before, SMTP_TEXT_TOKEN) &&
         smtp_text_all(slash + 1, len - before - 1, SMTP_TEXT_TOKEN);
}

bool smtp_param_next(const char *s, size_t len, size_t *pos, smtp_param *p) {
  for (;;) {
    size_t at = *pos ? *pos : find_semicolon(s, len, 0);
    size_t end, i;

    if (at >= len) return false;
    end = find_semicolon(s, len, ++at);
    for (i = at; i < end && s[i] != '=';)
      i++;
    *pos = end;
    p->name_len = i - at;
    p->name = trim(s + at, &p->name_len);
    p->value = NULL;
    p->value_len = 0;
    p->closed = true;
    if (i < end) {
      p->value_len = end - i - 1;
      p->value = trim(s + i + 1, &p->value_len);
      p->closed = !p->value_len || *p->value != '"' ||
                  (skip_enclosed(p->value, p->value_len, 0) == p->value_len &&
                   p->value_len > 1 && p->value[p->value_len - 1] == '"');
    }
    if (p->name_len || p->value) return true;
  }
}

void smtp_param_unquote(smtp_buf *out, const char *value, size_t len) {
  size_t i, end;

  if (!len || *value != '"') {
    smtp_buf_add(out, value, len);
    return;
  }
  end = skip_enclosed(value, len, 0);
  if (end > 1 && value[end - 1] == '"') end--;
  for (i = 1; i < end; i++) {
    if (value[i] == '\\' && i + 1 < end) i++;
    smtp_buf_addc(out, value[i]);
  }
}

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = smtp_text_lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void add_latin1(smtp_buf *out, unsigned char c) {
  if (c < 0x80) {
    smtp_buf_addc(out, (char)c);
    return;
  }
  smtp_buf_addc(out, (char)(0xC0 | c >> 6));
  smtp_buf_addc(out, (char)(0x80 | (c & 0x3F)));
}

static void add_percent(smtp_buf *out, const char *s, size_t len, bool latin1) {
  size_t i;

  for (i = 0; i < len; i++) {
    unsigned char c = (unsigned char)s[i];
    int high = c == '%' && i + 2 < len ? hex(s[i + 1]) : -1;
    int low = high >= 0 ? hex(s[i + 2]) : -1;

    if (low >= 0) {
      c = (unsigned char)(high * 16 + low);
      i += 2;
    }
    if (latin1)
      add_latin1(out, c);
    else
      smtp_buf_addc(out, (char)c);
  }
}

/* charset'language'text; returns whether the charset is Latin-1. */
static bool take_charset(const char **s, size_t *len) {
  const char *first = *len ? memchr(*s, '\'', *len) : NULL;
  size_t before = first ? (size_t)(first - *s) : 0;
  const char *second =
      first ? memchr(first + 1, '\'', *len - before - 1) : NULL;
  bool latin1 = first && smtp_text_equals(*s, before, "iso-8859-1", 10);

  if (second) {
    *len -= (size_t)(second + 1 - *s);
    *s = second + 1;
  }
  return latin1;
}

/* The parameter is `name` followed by `suffix`. */
static bool has_name(const smtp_param *p, const char *name, size_t name_len,
                     const char *suffix, size_t suffix_len) {
  return p->name_len == name_len + suffix_len &&
         smtp_text_equals(p->name, name_len, name, name_len) &&
         memcmp(p->name + name_len, suffix, suffix_len) == 0;
}

static void add_extended(smtp_buf *out, const smtp_param *p, bool first,
                         bool *latin1) {
  const char *s = p->value;
  size_t len = p->value_len;

  if (len > 1 && *s == '"' && p->closed) s++, len -= 2;
  if (first) *latin1 = take_charset(&s, &len);
  add_percent(out, s, len, *latin1);
}

/* name*N or name*N*; true when it was found. */
static bool add_piece(const char *s, size_t len, const char *name,
                      size_t name_len, unsigned n, bool *latin1,
                      smtp_buf *out) {
  char suffix[8];
  size_t pos = 0, digits = n > 99 ? 3 : n > 9 ? 2 : 1, at = digits;
  smtp_param p;

  suffix[0] = '*';
  for (; at; at--, n /= 10)
    suffix[at] = (char)('0' + n % 10);
  suffix[digits + 1] = '*';
  while (smtp_param_next(s, len, &pos, &p)) {
    if (!p.value) continue;
    if (has_name(&p, name, name_len, suffix, digits + 1)) {
      smtp_param_unquote(out, p.value, p.value_len);
      return true;
    }
    if (has_name(&p, name, name_len, suffix, digits + 2)) {
      add_extended(out, &p, memcmp(suffix, "*0", 2) == 0, latin1);
      return true;
    }
  }
  return false;
}

bool smtp_param_get(const char *s, size_t len, const char *name,
                    size_t name_len, smtp_buf *out) {
  bool latin1 = false, plain = false;
  size_t pos = 0, mark = smtp_buf_len(out);
  unsigned n;
  smtp_param p;

  while (smtp_param_next(s, len, &pos, &p)) {
    if (has_name(&p, name, name_len, "*", 1) && p.value) {
      smtp_buf_truncate(out, mark);
      add_extended(out, &p, true, &latin1);
      return true;
    }
    if (plain || !has_name(&p, name, name_len, "", 0)) continue;
    smtp_param_unquote(out, p.value ? p.value : "", p.value_len);
    plain = true;
  }
  if (plain) return true;
  for (n = 0; n < PIECES; n++)
    if (!add_piece(s, len, name, name_len, n, &latin1, out)) break;
  return n > 0;
}

bool smtp_param_boundary(const char *s, size_t len, smtp_buf *out) {
  smtp_buf value;
  size_t i, mark = smtp_buf_len(out), end = mark;

  smtp_buf_init(&value);
  smtp_param_get(s, len, "boundary", 8, &value);
  for (i = 0; i < smtp_buf_len(&value); i++) {
    char c = smtp_buf_data(&value)[i];

    if (c == '\r' || c == '\n') continue;
    smtp_buf_addc(out, c);
    if (!is_wsp(c)) end = smtp_buf_len(out);
  }
  if (value.failed) out->failed = true;
  smtp_buf_truncate(out, end);
  smtp_buf_free(&value);
  return end > mark;
}

void smtp_param_add(smtp_buf *out, const char *name, size_t name_len,
                    const char *value, size_t value_len) {
  size_t i;

  smtp_buf_adds(out, "; ");
  smtp_buf_add(out, name, name_len);
  smtp_buf_adds(out, "=\"");
  for (i = 0; i < value_len; i++) {
    if (value[i] == '"' || value[i] == '\\') smtp_buf_addc(out, '\\');
    smtp_buf_addc(out, value[i]);
  }
  smtp_buf_addc(out, '"');
}

/* The parameter is `name` in any of its forms. */
static bool is_form_of(const smtp_param *p, const char *name, size_t name_len) {
  return p->name_len >= name_len &&
         smtp_text_equals(p->name, name_len, name, name_len) &&
         (p->name_len == name_len || p->name[name_len] == '*');
}

void smtp_param_set(smtp_buf *out, const char *s, size_t len, const char *name,
                    size_t name_len, const char *value, size_t value_len) {
  size_t pos = 0, main_len;
  const char *main_text = smtp_param_main(s, len, &main_len);
  bool done = !value;
  smtp_param p;

  smtp_buf_add(out, main_text, main_len);
  while (smtp_param_next(s, len, &pos, &p)) {
    if (is_form_of(&p, name, name_len)) {
      if (!done) smtp_param_add(out, p.name, name_len, value, value_len);
      done = true;
      continue;
    }
    smtp_buf_adds(out, "; ");
    smtp_buf_add(out, p.name, p.name_len);
    if (!p.value) continue;
    smtp_buf_addc(out, '=');
    smtp_buf_add(out, p.value, p.value_len);
  }
  if (!done) smtp_param_add(out, name, name_len, value, value_len);
}
