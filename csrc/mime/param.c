/* Parameters, see param.h. One pass per question, two for a value in pieces. */
#include "mime/param.h"

#include <string.h>

#include "base/text.h"
#include "intl/charset.h"
#include "mime/word.h"

#define PIECES 1000

static bool is_wsp(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One past the quoted-string that begins at `i`. */
static size_t skip_quoted(const char *s, size_t len, size_t i) {
  for (i++; i < len; i++) {
    if (s[i] == '"') return i + 1;
    if (s[i] == '\\' && i + 1 < len) i++;
  }
  return i;
}

static size_t find_semicolon(const char *s, size_t len, size_t i) {
  while (i < len && s[i] != ';')
    i = s[i] == '"' ? skip_quoted(s, len, i) : i + 1;
  return i;
}

static const char *trim(const char *s, size_t *len) {
  while (*len && is_wsp(*s))
    s++, --*len;
  while (*len && is_wsp(s[*len - 1]))
    --*len;
  return s;
}

/* Leave out the comments that follow a word or quoted-string; a parenthesis
 * within a word belongs to it: name=a(1).txt */
static const char *cut_comment(const char *s, size_t *len) {
  size_t i = *len && *s == '"' ? skip_quoted(s, *len, 0) : 0;
  bool quoted = i > 0;

  while (i < *len && !(s[i] == '(' && (quoted || (i && is_wsp(s[i - 1])))) &&
         (!quoted || is_wsp(s[i])))
    i++;
  if (i < *len && s[i] == '(') *len = i;
  return trim(s, len);
}

const char *smtp_param_main(const char *s, size_t len, size_t *main_len) {
  *main_len = find_semicolon(s, len, 0);
  s = trim(s, main_len);
  return cut_comment(s, main_len);
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
      p->value = cut_comment(p->value, &p->value_len);
      p->closed = !p->value_len || *p->value != '"' ||
                  (skip_quoted(p->value, p->value_len, 0) == p->value_len &&
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
  end = skip_quoted(value, len, 0);
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

static void add_percent(smtp_buf *out, const char *s, size_t len) {
  size_t i;

  for (i = 0; i < len; i++) {
    unsigned char c = (unsigned char)s[i];
    int high = c == '%' && i + 2 < len ? hex(s[i + 1]) : -1;
    int low = high >= 0 ? hex(s[i + 2]) : -1;

    if (low >= 0) {
      c = (unsigned char)(high * 16 + low);
      i += 2;
    }
    smtp_buf_addc(out, (char)c);
  }
}

/* A value that may be in several pieces, in one charset. */
typedef struct joined {
  smtp_buf bytes;
  const char *charset;
  size_t charset_len;
  bool is_extended;
} joined;

/* charset'language'text: leave the text. */
static void take_charset(joined *j, const char **s, size_t *len) {
  const char *first = *len ? memchr(*s, '\'', *len) : NULL;
  size_t before = first ? (size_t)(first - *s) : 0;
  const char *second =
      first ? memchr(first + 1, '\'', *len - before - 1) : NULL;

  if (!second) return;
  j->charset = *s;
  j->charset_len = before;
  *len -= (size_t)(second + 1 - *s);
  *s = second + 1;
}

static void join(joined *j, const smtp_param *p, bool first, bool extended) {
  const char *s = p->value;
  size_t len = p->value_len;

  if (!extended) {
    smtp_param_unquote(&j->bytes, s, len);
    return;
  }
  j->is_extended = true;
  if (len > 1 && *s == '"' && p->closed) s++, len -= 2;
  if (first) take_charset(j, &s, &len);
  add_percent(&j->bytes, s, len);
}

static void finish(joined *j, smtp_buf *out) {
  static const char unknown[] = "unknown-8bit";
  const char *s = smtp_buf_data(&j->bytes);
  size_t len = smtp_buf_len(&j->bytes);
  bool replaced;

  if (!j->is_extended)
    smtp_buf_add(out, s, len);
  else if (smtp_charset_to_utf8(out, j->charset, j->charset_len, s, len,
                                &replaced) == SMTP_ERR_CHARSET)
    smtp_charset_to_utf8(out, unknown, sizeof unknown - 1, s, len, &replaced);
  if (j->bytes.failed) out->failed = true;
  smtp_buf_free(&j->bytes);
}

/* The parameter is `name` and more, which is *rest. */
static bool begins(const smtp_param *p, const char *name, size_t name_len,
                   const char **rest, size_t *rest_len) {
  if (p->name_len < name_len ||
      !smtp_text_equals(p->name, name_len, name, name_len))
    return false;
  *rest = p->name + name_len;
  *rest_len = p->name_len - name_len;
  return true;
}

/* *N or *N*; PIECES when it is neither. */
static unsigned piece_number(const char *s, size_t len, bool *extended) {
  unsigned n = 0;
  size_t i;

  *extended = len > 2 && s[len - 1] == '*';
  len -= *extended;
  if (len < 2 || s[0] != '*') return PIECES;
  for (i = 1; i < len && n < PIECES; i++) {
    if (!smtp_text_is((unsigned char)s[i], SMTP_TEXT_DIGIT)) return PIECES;
    n = n * 10 + (unsigned)(s[i] - '0');
  }
  return n < PIECES ? n : PIECES;
}

/* Sort the pieces by their numbers and join them up to the first gap. */
static bool join_pieces(const char *s, size_t len, const char *name,
                        size_t name_len, joined *j) {
  size_t found[PIECES] = {0}, pos = 0, before = 0, rest_len;
  const char *rest;
  bool extended;
  unsigned n;
  smtp_param p;

  for (; smtp_param_next(s, len, &pos, &p); before = pos) {
    if (!p.value || !begins(&p, name, name_len, &rest, &rest_len)) continue;
    n = piece_number(rest, rest_len, &extended);
    if (n < PIECES && !found[n]) found[n] = before + 1;
  }
  for (n = 0; n < PIECES && found[n]; n++) {
    pos = found[n] - 1;
    smtp_param_next(s, len, &pos, &p);
    piece_number(p.name + name_len, p.name_len - name_len, &extended);
    join(j, &p, n == 0, extended);
  }
  return n > 0;
}

bool smtp_param_get(const char *s, size_t len, const char *name,
                    size_t name_len, smtp_buf *out) {
  size_t pos = 0, rest_len;
  joined j = {.charset = "", .charset_len = 0};
  bool in_pieces = false, found = false;
  smtp_param p, plain = {0};
  const char *rest;

  smtp_buf_init(&j.bytes);
  while (!found && smtp_param_next(s, len, &pos, &p)) {
    if (!begins(&p, name, name_len, &rest, &rest_len)) continue;
    if (!rest_len && !plain.name) plain = p;
    if (!rest_len || *rest != '*' || !p.value) continue;
    in_pieces = in_pieces || rest_len > 1;
    found = rest_len == 1;
  }
  if (found)
    join(&j, &p, true, true);
  else if (in_pieces)
    found = join_pieces(s, len, name, name_len, &j);
  if (!found && plain.name) {
    smtp_param_unquote(&j.bytes, plain.value ? plain.value : "",
                       plain.value_len);
    found = true;
  }
  finish(&j, out);
  return found;
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

/* Append the parameter as it is spelt. */
static void copy_param(smtp_buf *out, const smtp_param *p) {
  smtp_buf_adds(out, "; ");
  smtp_buf_add(out, p->name, p->name_len);
  if (!p->value) return;
  smtp_buf_addc(out, '=');
  smtp_buf_add(out, p->value, p->value_len);
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
    copy_param(out, &p);
  }
  if (!done) smtp_param_add(out, name, name_len, value, value_len);
}

static bool has_look_alike(const char *s, size_t len) {
  size_t i;

  for (i = 0; i + 1 < len; i++)
    if (s[i] == '=' && s[i + 1] == '?') return true;
  return false;
}

/* Append the parameter, its value decoded if that can be done. */
static void add_decoded(smtp_buf *out, const smtp_param *p) {
  smtp_buf plain, text;

  smtp_buf_init(&plain);
  smtp_buf_init(&text);
  if (p->value && p->closed) smtp_param_unquote(&plain, p->value, p->value_len);
  if (smtp_word_is_encoded(smtp_buf_data(&plain), smtp_buf_len(&plain)))
    smtp_word_decode(&text, smtp_buf_data(&plain), smtp_buf_len(&plain));
  if (smtp_buf_len(&text) &&
      !smtp_text_has_control(smtp_buf_data(&text), smtp_buf_len(&text)))
    smtp_param_add(out, p->name, p->name_len, smtp_buf_data(&text),
                   smtp_buf_len(&text));
  else
    copy_param(out, p);
  if (plain.failed || text.failed) out->failed = true;
  smtp_buf_free(&plain);
  smtp_buf_free(&text);
}

bool smtp_param_decode(smtp_buf *out, const char *raw, size_t len) {
  smtp_buf text;
  bool odd;
  size_t pos = 0, main_len;
  const char *s, *main_text;
  smtp_param p;

  smtp_buf_init(&text);
  odd = smtp_word_unfold(&text, raw, len);
  s = smtp_buf_data(&text);
  len = smtp_buf_len(&text);
  if (!has_look_alike(s, len)) {
    smtp_buf_add(out, s, len);
  } else {
    main_text = smtp_param_main(s, len, &main_len);
    smtp_buf_add(out, main_text, main_len);
    while (smtp_param_next(s, len, &pos, &p))
      add_decoded(out, &p);
  }
  if (text.failed) out->failed = true;
  smtp_buf_free(&text);
  return odd;
}
