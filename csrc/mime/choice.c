/* Choosing a transfer encoding, see choice.h. */
#include "mime/choice.h"

#include <string.h>

#include "base/text.h"
#include "mime/fold.h"
#include "mime/param.h"

static const char *const transfer_names[] = {"7bit", "8bit", "quoted-printable",
                                             "base64"};

const char *smtp_transfer_name(smtp_transfer t) {
  return transfer_names[t];
}

/* Which encoding. */

typedef struct census {
  size_t high;    /* bytes above 0x7F */
  size_t special; /* that quoted-printable spends three characters on */
  size_t longest; /* line */
  bool nul;
} census;

static void count(census *c, const smtp_block *b) {
  size_t i, line = 0;

  memset(c, 0, sizeof *c);
  for (i = 0; i < b->len; i++) {
    unsigned char ch = (unsigned char)b->bytes[i];

    if (ch == '\n' || ch == '\r') {
      line = 0;
      continue;
    }
    if (++line > c->longest) c->longest = line;
    if (ch >= 0x80) c->high++;
    if (ch >= 0x7F || ch == '=' || (ch < 0x20 && ch != '\t')) c->special++;
    if (!ch) c->nul = true;
  }
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

smtp_transfer smtp_choice_transfer(const smtp_message *m, bool allow_8bit) {
  bool text =
      !smtp_message_field(m, "Content-Type") || smtp_message_is(m, "text/");
  census c;

  if (m->body == SMTP_BODY_FED || m->exact) return SMTP_TRANSFER_BASE64;
  if (m->body != SMTP_BODY_BYTES) return SMTP_TRANSFER_7BIT;
  count(&c, m->content);
  if (!c.high && !c.nul && c.longest <= SMTP_LINE_HARD_LIMIT)
    return SMTP_TRANSFER_7BIT;
  if (!text) return SMTP_TRANSFER_BASE64;
  if (allow_8bit && !c.nul && c.longest <= SMTP_LINE_HARD_LIMIT)
    return SMTP_TRANSFER_8BIT;
  return c.special * 2 + m->content->len / 38 <= m->content->len / 3 + 8
             ? SMTP_TRANSFER_QP
             : SMTP_TRANSFER_BASE64;
}
