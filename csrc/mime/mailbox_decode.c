/* Reading fields of mailboxes, see mailbox.h. Only what is surely a phrase (it
 * stands before "<" or ":") or a comment is decoded, and written so that the
 * grammar around it stays as it was. From what has no end on, nothing is. */
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "mime/mailbox.h"
#include "mime/word.h"

typedef struct reader {
  smtp_buf *out;
  const char *s;
  size_t len, i;
  bool is_phrases; /* phrases stand alone, too */
  bool after_at;
} reader;

static bool is_wsp(char c) {
  return smtp_text_is((unsigned char)c, SMTP_TEXT_WSP);
}

static bool has_word(const char *s, size_t len) {
  const char *end = s + len;

  while (s < end && (s = memchr(s, '=', (size_t)(end - s))) != NULL)
    if (++s < end && *s == '?') return true;
  return false;
}

/* One past the quoted-string, comment or angle-bracketed address at `i`; 0: it
 * has no end. */
static size_t end_of(const reader *r, size_t i) {
  char open = r->s[i], close = open == '(' ? ')' : open == '<' ? '>' : '"';
  size_t depth = 1;
  bool quoted = false;

  for (i++; i < r->len; i++) {
    char c = r->s[i];

    if (c == '\\') {
      i++;
    } else if (open == '<' && c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == close) {
      if (--depth == 0) return i + 1;
    } else if (open == '(' && c == '(') {
      depth++;
    }
  }
  return 0;
}

/* Past white space and comments; the end where a comment has none. */
static size_t skip_gap(const reader *r, size_t i) {
  while (i < r->len && (is_wsp(r->s[i]) || r->s[i] == '(')) {
    i = r->s[i] == '(' ? end_of(r, i) : i + 1;
    if (!i) return r->len;
  }
  return i;
}

static void copy_to(reader *r, size_t end) {
  smtp_buf_add(r->out, r->s + r->i, end - r->i);
  r->i = end;
}

/* The text of a phrase, without quotes and escapes. */
static void add_unquoted(smtp_buf *to, const char *s, size_t len) {
  size_t i;

  for (i = 0; i < len; i++) {
    if (s[i] == '"') continue;
    if (s[i] == '\\' && i + 1 < len) i++;
    smtp_buf_addc(to, s[i]);
  }
}

static void add_comment(smtp_buf *out, const char *s, size_t len) {
  size_t i;

  smtp_buf_addc(out, '(');
  for (i = 0; i < len; i++) {
    if (s[i] == '(' || s[i] == ')' || s[i] == '\\') smtp_buf_addc(out, '\\');
    smtp_buf_addc(out, s[i]);
  }
  smtp_buf_addc(out, ')');
}

/* Decode a phrase or comment in its place. What would bring control characters
 * into the field stays as it is. */
static void decode_to(reader *r, size_t end,
                      void (*add)(smtp_buf *, const char *, size_t)) {
  bool comment = r->s[r->i] == '(';
  smtp_buf plain, text;

  smtp_buf_init(&plain);
  smtp_buf_init(&text);
  add_unquoted(&plain, r->s + r->i + comment, end - r->i - 2 * (size_t)comment);
  smtp_word_decode(&text, smtp_buf_data(&plain), smtp_buf_len(&plain));
  if (plain.failed || text.failed) r->out->failed = true;
  if (smtp_text_has_control(smtp_buf_data(&text), smtp_buf_len(&text))) {
    copy_to(r, end);
  } else {
    add(r->out, smtp_buf_data(&text), smtp_buf_len(&text));
    r->i = end;
  }
  smtp_buf_free(&plain);
  smtp_buf_free(&text);
}

/* The end of the words in a row from `i` on; 0: a quoted-string has none. */
static size_t words_end(const reader *r) {
  size_t i = r->i, end = i;

  while (i < r->len && !strchr("(),:;<>@", r->s[i])) {
    if (is_wsp(r->s[i])) {
      i++;
      continue;
    }
    i = end = r->s[i] == '"' ? end_of(r, i) : i + 1;
    if (!i) return 0;
  }
  return end;
}

static void take_words(reader *r) {
  size_t end = words_end(r), next;
  bool is_phrase;

  if (!end) {
    copy_to(r, r->len);
    return;
  }
  next = skip_gap(r, end);
  is_phrase = next < r->len ? r->s[next] == '<' || r->s[next] == ':' ||
                                  (r->is_phrases && r->s[next] == ',')
                            : r->is_phrases;
  if (is_phrase && !r->after_at && has_word(r->s + r->i, end - r->i))
    decode_to(r, end, smtp_address_add_phrase);
  else
    copy_to(r, end);
}

static void take_enclosed(reader *r) {
  size_t end = end_of(r, r->i);

  if (end && r->s[r->i] == '(' && has_word(r->s + r->i, end - r->i))
    decode_to(r, end, add_comment);
  else
    copy_to(r, end ? end : r->len);
}

static void take_token(reader *r) {
  char c = r->s[r->i];

  if (c == '(' || c == '<') {
    take_enclosed(r);
  } else if (strchr("),:;>@", c) || is_wsp(c)) {
    copy_to(r, r->i + 1);
    if (!is_wsp(c)) r->after_at = c == '@';
  } else {
    take_words(r);
    r->after_at = false;
  }
}

bool smtp_mailbox_decode(smtp_buf *out, const char *raw, size_t len,
                         bool is_phrases) {
  smtp_buf text;
  bool odd;
  reader r = {.out = out, .is_phrases = is_phrases};

  smtp_buf_init(&text);
  odd = smtp_word_unfold(&text, raw, len);
  r.s = smtp_buf_data(&text);
  r.len = smtp_buf_len(&text);
  if (!has_word(r.s, r.len) || memchr(r.s, 0, r.len)) copy_to(&r, r.len);
  while (r.i < r.len)
    take_token(&r);
  if (text.failed) out->failed = true;
  smtp_buf_free(&text);
  return odd;
}
