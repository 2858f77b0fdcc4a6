/* Choosing a transfer encoding, see choice.h. */
#include "mime/choice.h"

#include <string.h>

#include "base/lines.h"
#include "base/text.h"
#include "mime/fold.h"
#include "mime/param.h"

static const char *const transfer_names[] = {"7bit", "8bit", "quoted-printable",
                                             "base64"};

const char *smtp_transfer_name(smtp_transfer t) {
  return transfer_names[t];
}

/* Which encoding. */

#define BLOCK 64

/* Quoted-printable spends three characters on it. */
static unsigned char is_special(char byte) {
  unsigned char c = (unsigned char)byte;
  unsigned char odd = (unsigned char)(c - 0x20) >= 0x7F - 0x20;
  unsigned char white = (c == '\t') | (c == '\n') | (c == '\r');

  return (odd & !white) | (c == '=');
}

/* Sums of one byte over a fixed number of bytes: a compiler knows how to do
 * these in parallel. */
static size_t count_special(const smtp_block *b) {
  size_t total = 0, i = 0, k;

  for (; b->len - i >= BLOCK; i += BLOCK) {
    unsigned char sum = 0;

    for (k = 0; k < BLOCK; k++)
      sum = (unsigned char)(sum + is_special(b->bytes[i + k]));
    total += sum;
  }
  for (; i < b->len; i++)
    total += is_special(b->bytes[i]);
  return total;
}

/* No NUL and no line too long for any server (RFC 5321 section 4.5.3.1.6). */
static bool has_lines(const smtp_block *b) {
  return !memchr(b->bytes, 0, b->len) &&
         !smtp_lines_exceed(b->bytes, b->len, SMTP_LINE_HARD_LIMIT);
}

static bool is_value(const smtp_field *f, const char *value) {
  size_t len;
  const char *s = smtp_param_main(f->value, f->value_len, &len);

  return smtp_text_equals(s, len, value, strlen(value));
}

const smtp_field *smtp_choice_fixed(const smtp_message *m, bool only_7bit) {
  const smtp_field *f = smtp_message_field(m, "Content-Transfer-Encoding");

  if (!f || f->form == SMTP_FIELD_CHOSEN) return NULL;
  if (only_7bit && (is_value(f, "8bit") || is_value(f, "binary") ||
                    (f->form == SMTP_FIELD_RAW && is_value(f, "7bit"))))
    return NULL; /* the same bytes, so they can be encoded anew */
  return f;
}

static bool is_composite(const smtp_message *m) {
  return smtp_message_is(m, "multipart/") || smtp_message_is(m, "message/");
}

bool smtp_choice_is_verbatim(const smtp_message *m, bool only_7bit) {
  return smtp_choice_fixed(m, only_7bit) ||
         (m->body == SMTP_BODY_BYTES &&
          (is_composite(m) || (m->raw_body && !only_7bit)));
}

/* The text's characters are units of several bytes, some of which look like
 * line ends and are none. */
static bool is_wide(const smtp_message *m) {
  static const char *const names[] = {"utf-16", "utf-32", "utf16",     "utf32",
                                      "ucs-",   "ucs2",   "iso-10646", "ucs4"};
  const smtp_field *f = smtp_message_field(m, "Content-Type");
  smtp_buf charset;
  bool wide = false;
  size_t i;

  if (!f) return false;
  smtp_buf_init(&charset);
  if (smtp_param_get(f->value, f->value_len, "charset", 7, &charset))
    for (i = 0; i < sizeof names / sizeof *names; i++)
      if (smtp_text_starts(smtp_buf_data(&charset), smtp_buf_len(&charset),
                           names[i]))
        wide = true;
  smtp_buf_free(&charset);
  return wide;
}

smtp_transfer smtp_choice_transfer(const smtp_message *m, bool allow_8bit) {
  const smtp_block *b = m->content;
  bool is_ascii, fits;

  if (m->body == SMTP_BODY_FED || m->exact) return SMTP_TRANSFER_BASE64;
  if (m->body != SMTP_BODY_BYTES) return SMTP_TRANSFER_7BIT;
  if (is_wide(m)) return SMTP_TRANSFER_BASE64;
  is_ascii = !smtp_text_has_8bit(b->bytes, b->len);
  fits = has_lines(b);
  if (is_ascii && fits) return SMTP_TRANSFER_7BIT;
  if (smtp_message_field(m, "Content-Type") && !smtp_message_is(m, "text/"))
    return SMTP_TRANSFER_BASE64;
  if (allow_8bit && fits) return SMTP_TRANSFER_8BIT;
  return count_special(b) * 2 + b->len / 38 <= b->len / 3 + 8
             ? SMTP_TRANSFER_QP
             : SMTP_TRANSFER_BASE64;
}
