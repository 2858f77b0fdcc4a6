/* The tokens of an address list, see address_token.h. Control characters and
 * malformed UTF-8 have been refused before; a tab may be white space. */
#include "base/address_token.h"

#include <string.h>

#include "base/text.h"

static bool is_wsp(char c) {
  return c == ' ' || c == '\t';
}

/* A word keeps its dots: who needs a dot-atom looks where they stand. */
static bool is_word_char(char c) {
  return (unsigned char)c >= 0x80 || c == '.' ||
         smtp_text_is((unsigned char)c, SMTP_TEXT_ATEXT);
}

/* quoted-pair: a backslash and one of 32-126 (quoted-pairSMTP, RFC 5321). */
static bool is_pair(const char *s, size_t len) {
  return len >= 2 && (unsigned char)s[1] >= 32 && (unsigned char)s[1] <= 126;
}

/* From "(" to its ")", counting those inside. */
static const char *skip_comment(smtp_address_lexer *l) {
  size_t depth = 1, from = ++l->at;

  if (smtp_buf_len(&l->comment)) smtp_buf_addc(&l->comment, ' ');
  for (; l->at < l->len; l->at++) {
    char c = l->s[l->at];

    if (c == '\\') {
      if (!is_pair(l->s + l->at, l->len - l->at)) break;
      smtp_buf_add(&l->comment, l->s + from, l->at - from);
      from = ++l->at;
    } else if (c == '(') {
      depth++;
    } else if (c == ')' && --depth == 0) {
      smtp_buf_add(&l->comment, l->s + from, l->at - from);
      l->at++;
      return NULL;
    }
  }
  return "comment without its )";
}

static const char *skip_gap(smtp_address_lexer *l) {
  const char *fault = NULL;

  l->token.gap = false;
  while (!fault && l->at < l->len) {
    if (l->s[l->at] == '(')
      fault = skip_comment(l);
    else if (is_wsp(l->s[l->at]))
      l->at++;
    else
      break;
    l->token.gap = true;
  }
  return fault;
}

static const char *take_quoted(smtp_address_lexer *l) {
  l->token.kind = 'q';
  for (l->at++; l->at < l->len; l->at++) {
    if (l->s[l->at] == '"') {
      l->at++;
      return NULL;
    }
    if (l->s[l->at] != '\\') continue;
    if (!is_pair(l->s + l->at, l->len - l->at)) return "bad escape";
    l->at++;
  }
  return "quoted string without its end";
}

static const char *take_literal(smtp_address_lexer *l) {
  l->token.kind = 'l';
  l->at++;
  while (l->at < l->len &&
         smtp_text_is((unsigned char)l->s[l->at], SMTP_TEXT_DTEXT))
    l->at++;
  if (l->at == l->len || l->s[l->at] != ']') return "bad address literal";
  l->at++;
  return NULL;
}

static const char *take_word(smtp_address_lexer *l) {
  l->token.kind = 'w';
  while (l->at < l->len && is_word_char(l->s[l->at]))
    l->at++;
  return NULL;
}

static const char *take_token(smtp_address_lexer *l) {
  char c;

  if (l->at == l->len) {
    l->token.kind = 0;
    return NULL;
  }
  c = l->s[l->at];
  if (c == '"') return take_quoted(l);
  if (c == '[') return take_literal(l);
  if (is_word_char(c)) return take_word(l);
  if (!strchr("<>@,;:", c)) return "stray special character";
  l->token.kind = c;
  l->at++;
  return NULL;
}

const char *smtp_address_token_next(smtp_address_lexer *l) {
  const char *fault = skip_gap(l);

  l->token.start = l->at;
  if (!fault) fault = take_token(l);
  l->token.len = l->at - l->token.start;
  return fault;
}

size_t smtp_address_token_unquote(char *to, const char *s, size_t len) {
  size_t n = 0, i;

  for (i = 1; i + 1 < len; i++) {
    if (s[i] == '\\') i++;
    to[n++] = s[i];
  }
  return n;
}
