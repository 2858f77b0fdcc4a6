/* Mailbox lists, see mailbox.h. The value is cut into words (atoms and
 * quoted-strings that touch), angle-bracketed addresses, comments and
 * separators; words without "@" in a row are a phrase. */
#include "mime/mailbox.h"

#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "intl/domain.h"
#include "mime/word.h"

#define COMMENT_DEPTH 20
/* What may follow without a place to fold: the separators " :;,". */
#define BEHIND 4

typedef struct cursor {
  smtp_fold *f;
  const char *s;
  size_t len, i;
  bool gap;     /* white space was seen, or belongs here */
  bool bare;    /* behind an address that has no angle brackets */
  bool encoded; /* behind encoded-words: white space must follow them in a
                   phrase (RFC 2047 section 5, rule 3) */
  const char **why;
} cursor;

static smtp_error refuse(cursor *c, smtp_error e, const char *why) {
  *c->why = why;
  return e;
}

static bool is_wsp(char ch) {
  return smtp_text_is((unsigned char)ch, SMTP_TEXT_WSP);
}

static void skip_blanks(cursor *c) {
  while (c->i < c->len && is_wsp(c->s[c->i])) {
    c->i++;
    c->gap = true;
  }
}

static size_t take_gap(cursor *c) {
  size_t len = c->gap || c->encoded;

  c->gap = c->encoded = false;
  return len;
}

static void put(cursor *c, const char *s, size_t len) {
  smtp_fold_word(c->f, " ", take_gap(c), s, len);
}

static void put_encoded(cursor *c, const char *s, size_t len) {
  smtp_word_encode(c->f, " ", take_gap(c), s, len);
}

/* One past the quoted-string at `i`; 0 when it has no end. */
static size_t quoted_end(const cursor *c, size_t i) {
  for (i++; i < c->len; i++) {
    if (c->s[i] == '"') return i + 1;
    if (c->s[i] == '\\') i++;
  }
  return 0;
}

static bool ends_word(char ch) {
  return is_wsp(ch) || strchr("(),:;<>", ch) != NULL;
}

typedef struct word {
  size_t start, end;
  bool is_address; /* an "@" outside quotes */
} word;

/* Atoms and quoted-strings without white space between them. */
static bool read_word(const cursor *c, size_t i, word *w) {
  w->start = i;
  w->is_address = false;
  while (i < c->len && !ends_word(c->s[i])) {
    if (c->s[i] == '"') {
      i = quoted_end(c, i);
      if (!i) return false;
      continue;
    }
    if (c->s[i] == '@') w->is_address = true;
    if (w->is_address && c->s[i] == '[') /* a domain literal may hold ":" */
      while (i + 1 < c->len && c->s[i] != ']' && !is_wsp(c->s[i + 1]))
        i++;
    i++;
  }
  w->end = i;
  return true;
}

/* Append the words' text without quotes, white space as one space. */
static void add_unquoted(smtp_buf *out, const char *s, size_t len) {
  bool quoted = false;
  size_t i;

  for (i = 0; i < len; i++) {
    if (s[i] == '"') {
      quoted = !quoted;
    } else if (quoted && s[i] == '\\' && i + 1 < len) {
      smtp_buf_addc(out, s[++i]);
    } else if (quoted || !is_wsp(s[i])) {
      smtp_buf_addc(out, s[i]);
    } else if (i && !is_wsp(s[i - 1])) {
      smtp_buf_addc(out, ' ');
    }
  }
}

/* The address with its domain as A-labels; false when it has no such form. */
static bool add_ascii(smtp_buf *out, const char *s, size_t len) {
  smtp_address_kind kind;
  smtp_buf path;
  size_t at;
  bool done;

  smtp_buf_init(&path);
  done = smtp_address_path(s, len, &path, &kind) == SMTP_OK &&
         kind == SMTP_ADDRESS_IDNA;
  if (done) {
    at = smtp_address_domain(smtp_buf_data(&path), smtp_buf_len(&path));
    smtp_buf_add(out, smtp_buf_data(&path), at);
    done = smtp_domain_to_ascii(out, smtp_buf_data(&path) + at,
                                smtp_buf_len(&path) - at) == SMTP_OK;
  }
  smtp_buf_free(&path);
  return done;
}

static smtp_error put_idna(cursor *c, const char *s, size_t len) {
  bool angle = *s == '<', done;
  smtp_buf text;

  smtp_buf_init(&text);
  if (angle) smtp_buf_addc(&text, '<');
  done = add_ascii(&text, s, len);
  if (angle) smtp_buf_addc(&text, '>');
  if (done) put(c, smtp_buf_data(&text), smtp_buf_len(&text));
  if (text.failed) c->f->out->failed = true;
  smtp_buf_free(&text);
  return done ? SMTP_OK
              : refuse(c, SMTP_ERR_ADDRESS,
                       "a non-ASCII address needs a server with SMTPUTF8");
}

static smtp_error put_address(cursor *c, size_t start, size_t end) {
  if (!c->f->utf8 && smtp_text_has_8bit(c->s + start, end - start))
    return put_idna(c, c->s + start, end - start);
  put(c, c->s + start, end - start);
  return SMTP_OK;
}

static smtp_error write_phrase(cursor *c, size_t end, bool encode) {
  size_t start = c->i, i = start;
  smtp_buf text;

  c->i = end;
  if (encode) {
    smtp_buf_init(&text);
    add_unquoted(&text, c->s + start, end - start);
    put_encoded(c, smtp_buf_data(&text), smtp_buf_len(&text));
    c->encoded = true;
    if (text.failed) c->f->out->failed = true;
    smtp_buf_free(&text);
    return SMTP_OK;
  }
  while (i < end) {
    word w;

    if (is_wsp(c->s[i])) {
      c->gap = true;
      i++;
      continue;
    }
    read_word(c, i, &w);
    put(c, c->s + w.start, w.end - w.start);
    i = w.end;
  }
  return SMTP_OK;
}

/* Words up to a separator, or to a word that is an address. */
static smtp_error write_words(cursor *c) {
  size_t i = c->i, end = i;
  bool encode = false;
  word w = {0, 0, false};

  for (;;) {
    while (i < c->len && is_wsp(c->s[i]))
      i++;
    if (i == c->len || (ends_word(c->s[i]))) break;
    if (!read_word(c, i, &w))
      return refuse(c, SMTP_ERR_HEADER, "a quotation mark without its partner");
    if (w.is_address) break;
    if (smtp_word_must_encode(c->f, c->s + i, w.end - i) ||
        w.end - i + 2 > c->f->max_line)
      encode = true;
    i = end = w.end;
  }
  if (end > c->i && encode && (w.is_address || c->bare))
    return refuse(c, SMTP_ERR_HEADER, "a name beside an address without '<'");
  if (end > c->i) return write_phrase(c, end, encode);
  c->i = w.end;
  c->bare = true;
  return put_address(c, w.start, w.end);
}

static smtp_error write_angle(cursor *c) {
  size_t start = c->i, i = start + 1;

  while (i < c->len && c->s[i] != '>') {
    if (c->s[i] == '<')
      return refuse(c, SMTP_ERR_HEADER, "'<' within an address");
    i = c->s[i] == '"' ? quoted_end(c, i) : i + 1;
    if (!i)
      return refuse(c, SMTP_ERR_HEADER, "a quotation mark without its partner");
  }
  if (i >= c->len) return refuse(c, SMTP_ERR_HEADER, "'<' without '>'");
  c->i = i + 1;
  return put_address(c, start, i + 1);
}

/* The text of a comment, escapes removed. */
static void add_unescaped(smtp_buf *out, const char *s, size_t len) {
  size_t i;

  for (i = 0; i < len; i++) {
    if (s[i] == '\\' && i + 1 < len) i++;
    smtp_buf_addc(out, s[i]);
  }
}

static smtp_error write_comment(cursor *c) {
  size_t start = c->i, i = start + 1, depth = 1;
  const char *s = c->s;
  smtp_buf text;

  for (; i < c->len && depth; i++) {
    if (s[i] == '\\')
      i++;
    else if (s[i] == '(')
      depth++;
    else if (s[i] == ')')
      depth--;
    if (depth > COMMENT_DEPTH) break;
  }
  if (depth || i > c->len) return refuse(c, SMTP_ERR_HEADER, "'(' without ')'");
  c->i = i;
  if (smtp_word_must_encode(c->f, s + start, i - start)) {
    smtp_buf_init(&text);
    add_unescaped(&text, s + start + 1, i - start - 2);
    put(c, "(", 1);
    put_encoded(c, smtp_buf_data(&text), smtp_buf_len(&text));
    smtp_fold_add(c->f, ")", 1);
    if (text.failed) c->f->out->failed = true;
    smtp_buf_free(&text);
  } else {
    smtp_fold_words(c->f, " ", take_gap(c), s + start, i - start);
  }
  return SMTP_OK;
}

static smtp_error write_token(cursor *c) {
  char ch = c->s[c->i];

  if (ch == '<') return write_angle(c);
  if (ch == '(') return write_comment(c);
  if (ch == ')' || ch == '>')
    return refuse(c, SMTP_ERR_HEADER, "a closing bracket without its partner");
  if (!ends_word(ch)) return write_words(c);
  smtp_fold_add(c->f, " ", c->encoded);
  smtp_fold_add(c->f, &ch, 1);
  c->i++;
  c->bare = c->encoded = false;
  c->gap = ch == ',';
  return SMTP_OK;
}

smtp_error smtp_mailbox_write(smtp_fold *f, const char *s, size_t len,
                              const char **why) {
  cursor c = {f, s, len, 0, true, false, false, why};
  smtp_error e = SMTP_OK;

  f->max_line -= BEHIND;
  while (len && is_wsp(s[len - 1]))
    c.len = --len;
  skip_blanks(&c);
  while (c.i < c.len && e == SMTP_OK) {
    e = write_token(&c);
    skip_blanks(&c);
  }
  f->max_line += BEHIND;
  return e;
}
