/* DKIM-Signature, see dkim_write.h. A tag goes to the next line when it would
 * pass the fold; h= is folded at its colons, where white space is allowed. */
#include "crypto/dkim_write.h"

#include <string.h>

#include "base/base64.h"
#include "base/host.h"
#include "base/text.h"

#define LINE_MAX 76
#define SIGNATURE_WIDTH 72

static const char canon_names[2][8] = {"simple", "relaxed"};
static const char kind_names[2][16] = {"rsa-sha256", "ed25519-sha256"};

/* Checks. */

static bool is_domain(const char *s, size_t len) {
  return smtp_host_is_domain(s, len) && !smtp_text_has_8bit(s, len);
}

/* RFC 1035: "selector._domainkey.domain" is a name of at most 253 characters */
static bool is_selector(const smtp_dkim_signature *s) {
  return is_domain(s->selector, s->selector_len) &&
         s->selector_len + sizeof "._domainkey." - 1 + s->domain_len <= 253;
}

/* "[local]@" and the domain or one below it, RFC 6376 section 3.5, i= */
static bool is_identity(const smtp_dkim_signature *s) {
  const char *identity = s->identity;
  size_t len = s->identity_len, at = len, below;

  while (at && identity[at - 1] != '@')
    at--;
  if (!at || smtp_text_has_control(identity, len) ||
      !smtp_text_is_utf8(identity, len) || !is_domain(identity + at, len - at))
    return false;
  if (len - at < s->domain_len) return false;
  below = len - s->domain_len;
  return smtp_text_equals(identity + below, s->domain_len, s->domain,
                          s->domain_len) &&
         (below == at || identity[below - 1] == '.');
}

/* Names between single colons, without ";" (RFC 6376 section 3.5, h=). */
static bool are_names(const char *s, size_t len) {
  size_t i, start = 0;

  for (i = 0; i <= len; i++) {
    if (i < len && s[i] != ':') {
      if (s[i] == ';' || !smtp_text_is((unsigned char)s[i], SMTP_TEXT_FTEXT))
        return false;
      continue;
    }
    if (i == start) return false;
    start = i + 1;
  }
  return true;
}

static const char *fault(const smtp_dkim_signature *s) {
  if (!is_domain(s->domain, s->domain_len)) return "the domain is no domain";
  if (!is_selector(s)) return "the selector is no selector";
  if (s->identity && !is_identity(s))
    return "the identity is no address in the domain";
  if (!are_names(s->names, s->names_len))
    return "a header to be signed has no valid name";
  return NULL;
}

/* Writing. */

typedef struct line {
  smtp_buf *out;
  size_t column;
} line;

/* Something that is not to be broken; `space` comes before it, or a fold. */
static void add_word(line *l, const char *s, size_t len, const char *space) {
  size_t space_len = strlen(space);

  if (l->column + space_len + len > LINE_MAX && l->column > 1) {
    smtp_buf_adds(l->out, "\r\n ");
    l->column = 1;
  } else {
    smtp_buf_add(l->out, space, space_len);
    l->column += space_len;
  }
  smtp_buf_add(l->out, s, len);
  l->column += len;
}

/* What is in `word`, which is emptied. */
static void add_buf(line *l, smtp_buf *word) {
  smtp_buf_addc(word, ';');
  if (word->failed) l->out->failed = true;
  add_word(l, smtp_buf_data(word), smtp_buf_len(word), " ");
  smtp_buf_clear(word);
}

static void add_tag(line *l, smtp_buf *word, const char *name,
                    const char *value, size_t len) {
  smtp_buf_adds(word, name);
  smtp_buf_add(word, value, len);
  add_buf(l, word);
}

static void add_number(line *l, smtp_buf *word, const char *name,
                       long long value) {
  if (value < 0) return;
  smtp_buf_adds(word, name);
  smtp_buf_addu(word, (unsigned long long)value);
  add_buf(l, word);
}

/* dkim-quoted-printable, RFC 6376 section 2.11 */
static void add_identity(line *l, smtp_buf *word, const char *s, size_t len) {
  static const char digits[] = "0123456789ABCDEF";
  size_t i;

  smtp_buf_adds(word, "i=");
  for (i = 0; i < len; i++) {
    unsigned char c = (unsigned char)s[i];

    if (c > ' ' && c < 0x7F && c != ';' && c != '=') {
      smtp_buf_addc(word, s[i]);
      continue;
    }
    smtp_buf_addc(word, '=');
    smtp_buf_addc(word, digits[c >> 4]);
    smtp_buf_addc(word, digits[c & 15]);
  }
  add_buf(l, word);
}

static void add_names(line *l, const char *s, size_t len) {
  const char *space = " ";
  size_t start = 0, i;
  smtp_buf word;

  smtp_buf_init(&word);
  smtp_buf_adds(&word, "h=");
  for (i = 0; i <= len; i++) {
    if (i < len && s[i] != ':') continue;
    smtp_buf_add(&word, s + start, i - start);
    smtp_buf_addc(&word, i < len ? ':' : ';');
    if (word.failed) l->out->failed = true;
    add_word(l, smtp_buf_data(&word), smtp_buf_len(&word), space);
    smtp_buf_clear(&word);
    space = "";
    start = i + 1;
  }
  smtp_buf_free(&word);
}

smtp_error smtp_dkim_write(smtp_buf *out, const smtp_dkim_signature *s,
                           const char **why) {
  const char *kind = kind_names[s->kind];
  line l = {out, 0};
  smtp_buf word;

  *why = fault(s);
  if (*why) return SMTP_ERR_HEADER;
  smtp_buf_init(&word);
  add_word(&l, "DKIM-Signature:", sizeof "DKIM-Signature:" - 1, "");
  add_tag(&l, &word, "v=", "1", 1);
  add_tag(&l, &word, "a=", kind, strlen(kind));
  smtp_buf_adds(&word, "c=");
  smtp_buf_adds(&word, canon_names[s->header]);
  smtp_buf_addc(&word, '/');
  smtp_buf_adds(&word, canon_names[s->body]);
  add_buf(&l, &word);
  add_tag(&l, &word, "d=", s->domain, s->domain_len);
  add_tag(&l, &word, "s=", s->selector, s->selector_len);
  if (s->identity) add_identity(&l, &word, s->identity, s->identity_len);
  add_number(&l, &word, "t=", s->time);
  add_number(&l, &word, "x=", s->expiry);
  add_names(&l, s->names, s->names_len);
  smtp_buf_adds(&word, "bh=");
  smtp_base64_encode(&word, s->hash, SMTP_DKIM_HASH_SIZE);
  add_buf(&l, &word);
  smtp_buf_free(&word);
  smtp_buf_adds(out, "\r\n b=");
  return out->failed ? SMTP_ERR_NOMEM : SMTP_OK;
}

void smtp_dkim_write_signature(smtp_buf *out, const char *bytes, size_t len) {
  static const char eol[] = "\r\n ";

  smtp_base64_encode_lines(out, bytes, len, SIGNATURE_WIDTH, eol,
                           sizeof eol - 1);
  if (len && !out->failed)
    smtp_buf_truncate(out, smtp_buf_len(out) - (sizeof eol - 1));
}
