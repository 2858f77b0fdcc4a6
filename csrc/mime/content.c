/* Content, see content.h. */
#include "mime/content.h"

#include <string.h>

#include "base/base64.h"
#include "base/text.h"
#include "mime/encode.h"

static void note(smtp_message *m, smtp_defect d) {
  m->defects |= 1u << d;
}

/* RFC 2045 section 6.8 has line breaks skipped; what else is foreign to base64
 * is an accident. */
static void decode_base64(smtp_message *m, smtp_buf *out) {
  smtp_base64_decoder d;

  smtp_base64_decoder_init(&d, false);
  smtp_base64_decoder_update(&d, out, m->content->bytes, m->content->len);
  if (d.foreign) note(m, SMTP_DEFECT_BASE64);
  if (smtp_base64_decoder_final(&d, out) == SMTP_ERR_ENCODING)
    note(m, SMTP_DEFECT_BASE64_PADDING);
}

static void decode_quopri(smtp_message *m, smtp_buf *out) {
  smtp_encode_dequopri d;

  smtp_encode_dequopri_init(&d, false);
  smtp_encode_dequopri_update(&d, out, m->content->bytes, m->content->len);
  if (smtp_encode_dequopri_final(&d, out)) note(m, SMTP_DEFECT_QUOPRI);
}

/* The encoding's name: a token, perhaps between comments. */
static bool is_encoding(const smtp_field *f, const char *name) {
  const char *s = f->value, *end = s + f->value_len;
  size_t n = 0;

  while (s < end && !smtp_text_is((unsigned char)*s, SMTP_TEXT_TOKEN))
    s++;
  while (n < (size_t)(end - s) &&
         smtp_text_is((unsigned char)s[n], SMTP_TEXT_TOKEN))
    n++;
  return smtp_text_equals(s, n, name, strlen(name));
}

void smtp_content_decode(smtp_message *m, smtp_buf *out) {
  const smtp_field *f = smtp_message_field(m, "Content-Transfer-Encoding");
  bool is_encoded = f && f->form != SMTP_FIELD_CHOSEN;

  if (m->body != SMTP_BODY_BYTES) return;
  if (is_encoded && is_encoding(f, "base64"))
    decode_base64(m, out);
  else if (is_encoded && is_encoding(f, "quoted-printable"))
    decode_quopri(m, out);
  else
    smtp_buf_add(out, m->content->bytes, m->content->len);
}
