/* Canonical forms, see dkim_canonical.h. Line ends and white space are held
 * back until it is known whether something follows them; they are counted, so
 * that a gigabyte of empty lines takes no memory. */
#include "crypto/dkim_canonical.h"

#include <string.h>

#include "base/text.h"

/* RFC 6376 section 3.4.2 */
static void relax_field(smtp_buf *out, const char *s, size_t len) {
  size_t name_len = 0, i;
  bool had_space = false;

  while (name_len < len && s[name_len] != ':')
    name_len++;
  i = name_len + 1;
  while (name_len &&
         smtp_text_is((unsigned char)s[name_len - 1], SMTP_TEXT_WSP))
    name_len--;
  for (size_t n = 0; n < name_len; n++)
    smtp_buf_addc(out, smtp_text_lower(s[n]));
  smtp_buf_addc(out, ':');
  name_len = smtp_buf_len(out);
  for (; i < len; i++) {
    if (s[i] == '\n' || (s[i] == '\r' && i + 1 < len && s[i + 1] == '\n'))
      continue;
    if (smtp_text_is((unsigned char)s[i], SMTP_TEXT_WSP)) {
      had_space = true;
      continue;
    }
    if (had_space && smtp_buf_len(out) > name_len) smtp_buf_addc(out, ' ');
    had_space = false;
    smtp_buf_addc(out, s[i]);
  }
}

void smtp_dkim_canonical_field(smtp_buf *out, const char *field, size_t len,
                               smtp_dkim_canon canon) {
  size_t i;

  if (canon == SMTP_DKIM_RELAXED) {
    relax_field(out, field, len);
    return;
  }
  for (i = 0; i < len; i++) {
    if (field[i] == '\n' && (!i || field[i - 1] != '\r'))
      smtp_buf_addc(out, '\r');
    smtp_buf_addc(out, field[i]);
  }
}

void smtp_dkim_body_init(smtp_dkim_body *b, smtp_dkim_canon canon,
                         void (*put)(void *context, const char *bytes,
                                     size_t len),
                         void *context) {
  memset(b, 0, sizeof *b);
  b->canon = canon;
  b->put = put;
  b->context = context;
}

static void flush(smtp_dkim_body *b) {
  if (b->held) b->put(b->context, b->staging, b->held);
  b->held = 0;
}

static void put(smtp_dkim_body *b, const char *s, size_t len) {
  if (len > sizeof b->staging - b->held) flush(b);
  if (len > sizeof b->staging) {
    b->put(b->context, s, len);
    return;
  }
  memcpy(b->staging + b->held, s, len);
  b->held += len;
}

/* Content, and before it what had to wait for it. */
static void put_content(smtp_dkim_body *b, const char *s, size_t len) {
  for (; b->breaks; b->breaks--)
    put(b, "\r\n", 2);
  if (b->had_space) put(b, " ", 1);
  b->had_space = false;
  b->has_content = true;
  put(b, s, len);
}

static void end_line(smtp_dkim_body *b) {
  b->had_cr = b->had_space = false;
  b->breaks++;
}

/* How many bytes from `s` are content. */
static size_t content_len(const smtp_dkim_body *b, const char *s, size_t len) {
  size_t i;

  for (i = 0; i < len; i++) {
    if (s[i] == '\r' || s[i] == '\n') break;
    if (b->canon == SMTP_DKIM_RELAXED && (s[i] == ' ' || s[i] == '\t')) break;
  }
  return i;
}

void smtp_dkim_body_update(smtp_dkim_body *b, const char *bytes, size_t len) {
  size_t i = 0;

  while (i < len) {
    size_t n = content_len(b, bytes + i, len - i);

    if (b->had_cr && bytes[i] != '\n') {
      b->had_cr = false;
      put_content(b, "\r", 1);
    }
    if (n)
      put_content(b, bytes + i, n);
    else if (bytes[i] == '\n')
      end_line(b);
    else if (bytes[i] == '\r')
      b->had_cr = true;
    else
      b->had_space = true;
    i += n ? n : 1;
  }
}

void smtp_dkim_body_final(smtp_dkim_body *b) {
  if (b->had_cr) put_content(b, "\r", 1);
  b->had_cr = b->had_space = false;
  b->breaks = 0;
  /* RFC 6376 section 3.4.3: no body is one line end; 3.4.4: it is nothing */
  if (b->has_content || b->canon == SMTP_DKIM_SIMPLE) put(b, "\r\n", 2);
  flush(b);
}
