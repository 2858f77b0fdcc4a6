/* Writing command lines and ESMTP parameters, see command.h. */
#include "engine/command.h"

#include "base/text.h"

#include <string.h>

static smtp_error check(const char *s, size_t len) {
  if (smtp_text_has_control(s, len)) return SMTP_ERR_ARGUMENT;
  return smtp_text_is_utf8(s, len) ? SMTP_OK : SMTP_ERR_UTF8;
}

smtp_error smtp_command_write(smtp_buf *out, const char *verb, size_t verb_len,
                              const char *args, size_t args_len, size_t limit) {
  smtp_error e = check(verb, verb_len);

  if (e == SMTP_OK) e = check(args, args_len);
  if (e != SMTP_OK) return e;
  if (verb_len + args_len + 3 > limit) return SMTP_ERR_TOO_LONG;
  if (!smtp_buf_reserve(out, verb_len + args_len + 3)) return SMTP_ERR_NOMEM;
  smtp_buf_add(out, verb, verb_len);
  if (args_len) {
    smtp_buf_addc(out, ' ');
    smtp_buf_add(out, args, args_len);
  }
  smtp_buf_adds(out, "\r\n");
  return SMTP_OK;
}

/* esmtp-value: any visible ASCII but "=", or UTF-8 (RFC 5321 §4.1.2, 6531). */
static bool is_value(const char *s, size_t len) {
  size_t i;

  for (i = 0; i < len; i++)
    if (s[i] == '=' || s[i] == ' ') return false;
  return len > 0 && check(s, len) == SMTP_OK;
}

static bool is_number(const char *s, size_t len) {
  return len > 0 && len <= 20 && smtp_text_all(s, len, SMTP_TEXT_DIGIT);
}

static bool is_signed(const char *s, size_t len) {
  return len && *s == '-' ? is_number(s + 1, len - 1) : is_number(s, len);
}

static bool is_body(const char *s, size_t len) {
  return smtp_text_equals(s, len, "7BIT", 4) ||
         smtp_text_equals(s, len, "8BITMIME", 8) ||
         smtp_text_equals(s, len, "BINARYMIME", 10);
}

static bool is_ret(const char *s, size_t len) {
  return smtp_text_equals(s, len, "FULL", 4) ||
         smtp_text_equals(s, len, "HDRS", 4);
}

/* NEVER alone, or a list of SUCCESS, FAILURE and DELAY (RFC 3461 §4.1). */
static bool is_notify(const char *s, size_t len) {
  const char *end = s + len;

  if (smtp_text_equals(s, len, "NEVER", 5)) return true;
  for (;;) {
    const char *comma = memchr(s, ',', (size_t)(end - s));
    size_t n = (size_t)((comma ? comma : end) - s);

    if (!smtp_text_equals(s, n, "SUCCESS", 7) &&
        !smtp_text_equals(s, n, "FAILURE", 7) &&
        !smtp_text_equals(s, n, "DELAY", 5))
      return false;
    if (!comma) return true;
    s = comma + 1;
  }
}

/* xtext (RFC 3461 §4): "+" and "=" and all that is not visible ASCII become
 * "+HH". Control characters are refused before, though they could be encoded:
 * none belongs into an envelope. */
static void add_xtext(smtp_buf *out, const char *s, size_t len) {
  static const char hex[] = "0123456789ABCDEF";
  size_t i;

  for (i = 0; i < len; i++) {
    unsigned char c = (unsigned char)s[i];

    if (c > 32 && c < 127 && c != '+' && c != '=') {
      smtp_buf_addc(out, (char)c);
      continue;
    }
    smtp_buf_addc(out, '+');
    smtp_buf_addc(out, hex[c >> 4]);
    smtp_buf_addc(out, hex[c & 15]);
  }
}

/* "addr-type;address": the type is an atom and stays, the address is xtext
 * (RFC 3461 §4.2). */
static bool add_orcpt(smtp_buf *out, const char *s, size_t len) {
  const char *semicolon = memchr(s, ';', len);
  size_t type = semicolon ? (size_t)(semicolon - s) : 0;

  if (!type || !smtp_text_all(s, type, SMTP_TEXT_ATEXT)) return false;
  smtp_buf_add(out, s, type + 1);
  add_xtext(out, s + type + 1, len - type - 1);
  return len > type + 1;
}

typedef enum form { BARE, PLAIN, XTEXT, ORCPT } form;

static const struct parameter {
  const char *keyword, *extension;
  form form;
  bool (*fits)(const char *s, size_t len);
  size_t most; /* length as sent, 0 when nobody has set a limit */
} parameters[] = {
    {"SIZE", "SIZE", PLAIN, is_number, 0},             /* RFC 1870 */
    {"BODY", "8BITMIME", PLAIN, is_body, 0},           /* RFC 6152, 3030 */
    {"SMTPUTF8", "SMTPUTF8", BARE, NULL, 0},           /* RFC 6531 */
    {"REQUIRETLS", "REQUIRETLS", BARE, NULL, 0},       /* RFC 8689 */
    {"RET", "DSN", PLAIN, is_ret, 0},                  /* RFC 3461 §4.3 */
    {"ENVID", "DSN", XTEXT, NULL, 100},                /* RFC 3461 §4.4 */
    {"NOTIFY", "DSN", PLAIN, is_notify, 0},            /* RFC 3461 §4.1 */
    {"ORCPT", "DSN", ORCPT, NULL, 500},                /* RFC 3461 §4.2 */
    {"AUTH", "AUTH", XTEXT, NULL, 0},                  /* RFC 4954 §5 */
    {"BY", "DELIVERBY", PLAIN, NULL, 0},               /* RFC 2852 */
    {"HOLDFOR", "FUTURERELEASE", PLAIN, is_number, 0}, /* RFC 4865 */
    {"HOLDUNTIL", "FUTURERELEASE", PLAIN, NULL, 0},
    {"MT-PRIORITY", "MT-PRIORITY", PLAIN, is_signed, 0}, /* RFC 6710 */
};

static const struct parameter *find(const char *keyword, size_t len) {
  size_t i;

  for (i = 0; i < sizeof parameters / sizeof *parameters; i++)
    if (smtp_text_equals(keyword, len, parameters[i].keyword,
                         strlen(parameters[i].keyword)))
      return &parameters[i];
  return NULL;
}

/* esmtp-keyword: letters, digits and inner hyphens (RFC 5321 §4.1.2). */
static bool is_keyword(const char *s, size_t len) {
  size_t i;

  if (!len || !smtp_text_is((unsigned char)*s, SMTP_TEXT_ALNUM)) return false;
  for (i = 1; i < len; i++)
    if (s[i] != '-' && !smtp_text_is((unsigned char)s[i], SMTP_TEXT_ALNUM))
      return false;
  return true;
}

static bool add_value(smtp_buf *out, const struct parameter *p, const char *s,
                      size_t len) {
  if (p && p->form == BARE) return false;
  if (!len || check(s, len) != SMTP_OK) return false;
  if (p && p->form == ORCPT) return add_orcpt(out, s, len);
  if (p && p->form == XTEXT) {
    add_xtext(out, s, len);
    return true;
  }
  smtp_buf_add(out, s, len);
  return is_value(s, len) && (!p || !p->fits || p->fits(s, len));
}

smtp_error smtp_command_parameter(smtp_buf *out, const char *keyword,
                                  size_t keyword_len, const char *value,
                                  size_t value_len, const char **extension) {
  const struct parameter *p = find(keyword, keyword_len);
  size_t before = smtp_buf_len(out), at;
  bool fits = is_keyword(keyword, keyword_len);

  *extension = p ? p->extension : NULL;
  if (fits) {
    smtp_buf_addc(out, ' ');
    smtp_buf_add(out, keyword, keyword_len);
    if (value) smtp_buf_addc(out, '=');
    at = smtp_buf_len(out);
    fits = value ? add_value(out, p, value, value_len) : !p || p->form == BARE;
    if (p && p->most && smtp_buf_len(out) - at > p->most) fits = false;
  }
  if (out->failed) return SMTP_ERR_NOMEM;
  if (fits) return SMTP_OK;
  smtp_buf_truncate(out, before);
  return SMTP_ERR_PARAMETER;
}
