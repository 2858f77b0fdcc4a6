/* The grammar of addresses over the tokens of address_token.c, see address.h.
 * A mailbox is a row of words, and the token that follows says what they
 * were: a display name (<), a local part (@), a group's name (:). */
#include "base/address.h"

#include <string.h>

#include "base/host.h"
#include "base/text.h"

static const char gap_inside[] = "space or comment inside of the address";

static smtp_error refuse(smtp_address_list *l, const char *fault) {
  l->fault = fault;
  return SMTP_ERR_ADDRESS;
}

static bool is_atext(unsigned char c) {
  return c >= 0x80 || smtp_text_is(c, SMTP_TEXT_ATEXT);
}

static bool is_dot_atom(const char *s, size_t len) {
  size_t i;

  if (!len || s[0] == '.' || s[len - 1] == '.') return false;
  for (i = 0; i < len; i++) {
    if (s[i] == '.' ? s[i - 1] == '.' : !is_atext((unsigned char)s[i]))
      return false;
  }
  return true;
}

static void add_quoted(smtp_buf *out, const char *s, size_t len) {
  size_t i;

  smtp_buf_addc(out, '"');
  for (i = 0; i < len; i++) {
    if (s[i] == '"' || s[i] == '\\') smtp_buf_addc(out, '\\');
    smtp_buf_addc(out, s[i]);
  }
  smtp_buf_addc(out, '"');
}

void smtp_address_add_local(smtp_buf *out, const char *local, size_t len) {
  if (is_dot_atom(local, len))
    smtp_buf_add(out, local, len);
  else
    add_quoted(out, local, len);
}

void smtp_address_add_phrase(smtp_buf *out, const char *name, size_t len) {
  bool plain = len && name[0] != ' ' && name[len - 1] != ' ';
  size_t i;

  for (i = 0; i < len && plain; i++)
    plain =
        name[i] == ' ' ? name[i - 1] != ' ' : is_atext((unsigned char)name[i]);
  if (plain)
    smtp_buf_add(out, name, len);
  else
    add_quoted(out, name, len);
}

size_t smtp_address_domain(const char *addr_spec, size_t len) {
  size_t i = 0;

  if (len && addr_spec[0] == '"')
    for (i = 1; i < len && addr_spec[i] != '"'; i++)
      if (addr_spec[i] == '\\') i++;
  while (i < len && addr_spec[i] != '@')
    i++;
  return i < len ? i + 1 : len;
}

static smtp_error next(smtp_address_list *l) {
  l->fault = smtp_address_token_next(&l->lexer);
  return l->fault ? SMTP_ERR_ADDRESS : SMTP_OK;
}

/* C1 controls are as unwelcome as C0 ones; they exist in UTF-8 only. */
static bool has_c1(const char *s, size_t len) {
  size_t i;

  for (i = 0; i + 1 < len; i++)
    if ((unsigned char)s[i] == 0xC2 && (unsigned char)s[i + 1] < 0xA0)
      return true;
  return false;
}

/* Append a local part, written anew. Beyond `enough` bytes between quotes even
 * escapes could not bring it below the limit. */
static smtp_error write_local(smtp_address_list *l, smtp_address_token word) {
  enum { enough = 2 * SMTP_ADDRESS_LOCAL_MAX };
  const char *s = l->lexer.s + word.start;
  char content[enough + 2];

  if (word.len > sizeof content)
    return refuse(l, "local part longer than 64 octets");
  if (word.kind == 'q') {
    smtp_address_add_local(&l->addr, content,
                           smtp_address_token_unquote(content, s, word.len));
    return SMTP_OK;
  }
  if (!is_dot_atom(s, word.len)) return refuse(l, "misplaced dot");
  smtp_buf_add(&l->addr, s, word.len);
  return SMTP_OK;
}

/* What was written is what gets checked, not what was read. */
static smtp_error add_local(smtp_address_list *l, smtp_address_token word) {
  smtp_error e;
  const char *written;
  size_t len;

  smtp_buf_clear(&l->addr);
  e = write_local(l, word);
  if (e != SMTP_OK) return e;
  written = smtp_buf_data(&l->addr);
  len = smtp_buf_len(&l->addr);
  if (smtp_text_has_control(written, len) || has_c1(written, len))
    return refuse(l, "control character");
  if (len > SMTP_ADDRESS_LOCAL_MAX)
    return refuse(l, "local part longer than 64 octets");
  l->kind =
      smtp_text_has_8bit(written, len) ? SMTP_ADDRESS_UTF8 : SMTP_ADDRESS_ASCII;
  return SMTP_OK;
}

static smtp_error add_domain(smtp_address_list *l) {
  const char *s = l->lexer.s + l->lexer.token.start;
  size_t len = l->lexer.token.len;

  if (l->envelope && l->lexer.token.gap) return refuse(l, gap_inside);
  if (l->lexer.token.kind == 'l') {
    if (!smtp_host_is_literal(s, len)) return refuse(l, "bad address literal");
  } else {
    if (l->lexer.token.kind != 'w') return refuse(l, "no domain after the @");
    if (len > SMTP_HOST_DOMAIN_MAX)
      return refuse(l, "domain longer than 255 octets");
    if (!smtp_host_is_domain(s, len) || has_c1(s, len))
      return refuse(l, "bad domain");
  }
  smtp_buf_addc(&l->addr, '@');
  smtp_buf_add(&l->addr, s, len);
  if (smtp_buf_len(&l->addr) + 2 > SMTP_ADDRESS_PATH_MAX)
    return refuse(l, "longer than 256 octets");
  if (l->kind == SMTP_ADDRESS_ASCII && smtp_text_has_8bit(s, len))
    l->kind = SMTP_ADDRESS_IDNA;
  return next(l);
}

/* The rest of an addr-spec whose local part is `word`; the current token is
 * the one after it. */
static smtp_error take_addr_spec(smtp_address_list *l,
                                 smtp_address_token word) {
  smtp_error e = add_local(l, word);

  if (e != SMTP_OK) return e;
  if (l->lexer.token.kind != '@')
    return word.kind == 'w' ? SMTP_OK
                            : refuse(l, "quoted string without a domain");
  if (l->envelope && l->lexer.token.gap) return refuse(l, gap_inside);
  e = next(l);
  return e != SMTP_OK ? e : add_domain(l);
}

static bool is_word(const smtp_address_list *l) {
  return l->lexer.token.kind == 'w' || l->lexer.token.kind == 'q';
}

/* "<" addr-spec ">", the current token being the "<". */
static smtp_error take_angle(smtp_address_list *l) {
  smtp_address_token word;
  smtp_error e = next(l);

  if (e != SMTP_OK) return e;
  if (l->lexer.token.kind == '@') return refuse(l, "source route");
  if (!is_word(l)) return refuse(l, "no address after the <");
  word = l->lexer.token;
  if (l->envelope && word.gap) return refuse(l, gap_inside);
  e = next(l);
  if (e == SMTP_OK) e = take_addr_spec(l, word);
  if (e != SMTP_OK) return e;
  if (l->lexer.token.kind != '>') return refuse(l, "no > after the address");
  if (l->envelope && l->lexer.token.gap) return refuse(l, gap_inside);
  l->saw_named = true;
  return next(l);
}

static void add_word(smtp_address_list *l) {
  const char *s = l->lexer.s + l->lexer.token.start;
  char *at = smtp_buf_reserve(&l->name, l->lexer.token.len);

  if (!at) return;
  if (l->lexer.token.kind == 'q')
    smtp_buf_extend(&l->name,
                    smtp_address_token_unquote(at, s, l->lexer.token.len));
  else
    smtp_buf_add(&l->name, s, l->lexer.token.len);
}

/* Words up to the token that tells what they are. */
static smtp_error take_words(smtp_address_list *l, size_t *count) {
  smtp_error e = SMTP_OK;

  smtp_buf_clear(&l->name);
  for (*count = 0; e == SMTP_OK && is_word(l); ++*count) {
    if (l->lexer.token.gap && *count) smtp_buf_addc(&l->name, ' ');
    add_word(l);
    e = next(l);
  }
  return e;
}

/* An addr-spec without brackets; the comments around it are its name. */
static smtp_error take_bare(smtp_address_list *l, smtp_address_token word,
                            size_t words) {
  smtp_error e;

  if (words == 0) return refuse(l, "no address where one is due");
  if (words > 1) return refuse(l, "several words without < and >");
  if (l->lexer.token.kind != '@') l->saw_local = true;
  e = take_addr_spec(l, word);
  smtp_buf_clear(&l->name);
  smtp_buf_add(&l->name, smtp_buf_data(&l->lexer.comment),
               smtp_buf_len(&l->lexer.comment));
  return e;
}

static smtp_error take_mailbox(smtp_address_list *l, smtp_address_item *item) {
  smtp_address_token first = l->lexer.token;
  size_t words;
  smtp_error e = take_words(l, &words);

  if (e != SMTP_OK) return e;
  *item = SMTP_ADDRESS_MAILBOX;
  if (l->lexer.token.kind == '<') return take_angle(l);
  if (l->lexer.token.kind != ':') return take_bare(l, first, words);
  if (!words) return refuse(l, "group without a name");
  if (l->envelope) return refuse(l, "a group");
  if (l->in_group) return refuse(l, "group inside of a group");
  l->in_group = true;
  *item = SMTP_ADDRESS_GROUP;
  smtp_buf_clear(&l->lexer.comment);
  return next(l);
}

static smtp_error take_group_end(smtp_address_list *l,
                                 smtp_address_item *item) {
  l->in_group = false;
  *item = SMTP_ADDRESS_GROUP_END;
  return next(l);
}

/* "," and the mailbox that must follow. */
static smtp_error take_another(smtp_address_list *l, smtp_address_item *item) {
  smtp_error e;

  if (l->lexer.token.kind != ',')
    return refuse(l, "something follows the address");
  smtp_buf_clear(&l->lexer.comment);
  e = next(l);
  return e == SMTP_OK ? take_mailbox(l, item) : e;
}

static smtp_error finish(smtp_address_list *l, smtp_address_item *item) {
  if (l->in_group) return refuse(l, "group without its ;");
  if (l->saw_named && l->saw_local)
    return refuse(l, "an address without a domain among others");
  *item = SMTP_ADDRESS_DONE;
  return SMTP_OK;
}

/* The first token, once the text as a whole has been found clean. */
static smtp_error begin(smtp_address_list *l) {
  size_t i;

  l->started = true;
  for (i = 0; i < l->lexer.len; i++)
    if (smtp_text_is((unsigned char)l->lexer.s[i], SMTP_TEXT_CONTROL) &&
        (l->envelope || l->lexer.s[i] != '\t'))
      return refuse(l, "control character");
  if (!smtp_text_is_utf8(l->lexer.s, l->lexer.len))
    return refuse(l, "not UTF-8");
  return next(l);
}

static smtp_error take_item(smtp_address_list *l, smtp_address_item *item) {
  bool fresh = !l->started || l->last == SMTP_ADDRESS_GROUP;
  smtp_error e = l->started ? SMTP_OK : begin(l);

  if (e != SMTP_OK) return e;
  if (!l->lexer.token.kind) return finish(l, item);
  if (l->lexer.token.kind == ';' && l->in_group &&
      l->last != SMTP_ADDRESS_GROUP_END)
    return take_group_end(l, item);
  return fresh ? take_mailbox(l, item) : take_another(l, item);
}

void smtp_address_list_init(smtp_address_list *l, const char *s, size_t len) {
  memset(l, 0, sizeof *l);
  l->lexer.s = s;
  l->lexer.len = len;
}

void smtp_address_list_free(smtp_address_list *l) {
  smtp_buf_free(&l->name);
  smtp_buf_free(&l->addr);
  smtp_buf_free(&l->lexer.comment);
}

smtp_error smtp_address_list_next(smtp_address_list *l,
                                  smtp_address_item *item) {
  smtp_error e = l->fault ? SMTP_ERR_ADDRESS : take_item(l, item);

  if (e != SMTP_OK) return e;
  l->last = *item;
  if (l->name.failed || l->addr.failed || l->lexer.comment.failed)
    return SMTP_ERR_NOMEM;
  return SMTP_OK;
}

static bool is_null_path(const char *s, size_t len) {
  return !len || (len == 2 && s[0] == '<' && s[1] == '>');
}

/* The one mailbox of `l`, with nothing after it. */
static smtp_error take_path(smtp_address_list *l) {
  smtp_address_item item = SMTP_ADDRESS_DONE;
  smtp_error e;

  l->envelope = true;
  e = smtp_address_list_next(l, &item);
  if (e != SMTP_OK) return e;
  if (item == SMTP_ADDRESS_DONE) return refuse(l, "no address");
  if (l->lexer.token.kind == ',') return refuse(l, "more than one address");
  if (l->lexer.token.kind) return refuse(l, "something follows the address");
  return SMTP_OK;
}

smtp_error smtp_address_path(const char *s, size_t len, smtp_buf *addr_spec,
                             smtp_address_kind *kind) {
  smtp_address_list l;
  smtp_error e;

  *kind = SMTP_ADDRESS_ASCII;
  if (is_null_path(s, len)) return SMTP_OK;
  smtp_address_list_init(&l, s, len);
  e = take_path(&l);
  if (e == SMTP_OK) {
    smtp_buf_add(addr_spec, smtp_buf_data(&l.addr), smtp_buf_len(&l.addr));
    *kind = l.kind;
  }
  smtp_address_list_free(&l);
  return e == SMTP_OK && addr_spec->failed ? SMTP_ERR_NOMEM : e;
}

const char *smtp_address_path_fault(const char *s, size_t len) {
  smtp_address_list l;
  const char *fault;

  if (is_null_path(s, len)) return NULL;
  smtp_address_list_init(&l, s, len);
  fault = take_path(&l) == SMTP_ERR_ADDRESS ? l.fault : NULL;
  smtp_address_list_free(&l);
  return fault;
}
