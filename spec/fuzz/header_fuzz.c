/* Header fields, read and written. Whatever the bytes, what is read is UTF-8.
 * What is written is lines of at most 998 characters that begin with
 * the name or with white space, ASCII unless the reader takes UTF-8; and read
 * again it is the same text, the same addresses, the same parameter. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "mime/header.h"
#include "mime/param.h"
#include "mime/word.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"Subject", "To", "Content-Type",
                                    "References", "Keywords"};

static void require(bool claim) {
  if (!claim) abort();
}

static bool same(const smtp_buf *a, const smtp_buf *b) {
  return smtp_buf_len(a) == smtp_buf_len(b) &&
         !memcmp(smtp_buf_data(a), smtp_buf_data(b), smtp_buf_len(a));
}

static void decode(const char *name, const char *s, size_t len, smtp_buf *out) {
  smtp_header_decode(out, name, strlen(name), s, len);
  require(smtp_text_is_utf8(smtp_buf_data(out), smtp_buf_len(out)));
}

static void check_lines(const char *s, size_t len, bool utf8) {
  size_t column = 0, i;

  require(len > 2 && s[len - 2] == '\r' && s[len - 1] == '\n');
  for (i = 0; i < len; i++) {
    if (s[i] == '\r') {
      require(s[i + 1] == '\n' && column <= 998);
      require(i + 2 == len || s[i + 2] == ' ' || s[i + 2] == '\t');
      column = 0;
      i++;
      continue;
    }
    require(s[i] != '\n' && s[i]);
    require(utf8 || (unsigned char)s[i] < 128);
    column++;
  }
}

/* The addresses one after the other; false when it is no list, or when one is a
 * local part alone, which is a name as well. */
static bool addresses(const char *s, size_t len, smtp_buf *out) {
  smtp_address_list l;
  smtp_address_item item = SMTP_ADDRESS_MAILBOX;
  smtp_error e = SMTP_OK;

  smtp_address_list_init(&l, s, len);
  while (!e && item != SMTP_ADDRESS_DONE) {
    e = smtp_address_list_next(&l, &item);
    if (e || item == SMTP_ADDRESS_DONE) break;
    smtp_buf_addc(out, (char)('0' + (int)item));
    if (item != SMTP_ADDRESS_MAILBOX) continue;
    if (!memchr(smtp_buf_data(&l.addr), '@', smtp_buf_len(&l.addr)))
      e = SMTP_ERR_ADDRESS;
    smtp_buf_add(out, smtp_buf_data(&l.addr), smtp_buf_len(&l.addr));
  }
  smtp_address_list_free(&l);
  return !e;
}

/* `s` is the text that was written, `raw` how. */
static void check_meaning(const char *name, const char *s, size_t len,
                          const char *raw, size_t raw_len) {
  smtp_buf text, a, b;

  smtp_buf_init(&text);
  smtp_buf_init(&a);
  smtp_buf_init(&b);
  decode(name, raw, raw_len, &text);
  if (!strcmp(name, "Subject")) {
    smtp_buf_add(&a, s, len);
    require(!len || s[0] == ' ' || s[0] == '\t' || s[len - 1] == ' ' ||
            s[len - 1] == '\t' || same(&a, &text));
  } else if (!strcmp(name, "To") && addresses(s, len, &a)) {
    require(addresses(smtp_buf_data(&text), smtp_buf_len(&text), &b));
    /* a domain may have become A-labels */
    require(smtp_text_has_8bit(smtp_buf_data(&a), smtp_buf_len(&a)) ||
            same(&a, &b));
  }
  smtp_buf_free(&text);
  smtp_buf_free(&a);
  smtp_buf_free(&b);
}

static void check_written(const char *name, const char *s, size_t len, bool utf8) {
  smtp_header_style style = {"\r\n", 78, utf8, false};
  const char *why = "";
  size_t name_len = strlen(name);
  smtp_buf out;

  smtp_buf_init(&out);
  if (!smtp_header_write_text(&out, name, name_len, s, len, &style, &why)) {
    check_lines(smtp_buf_data(&out), smtp_buf_len(&out), utf8);
    check_meaning(name, s, len, smtp_buf_data(&out) + name_len + 1,
                  smtp_buf_len(&out) - name_len - 3);
  } else {
    require(!utf8 && *why);
  }
  smtp_buf_free(&out);
}

/* A parameter is read as it was set, whatever the way there. */
static void check_param(const char *s, size_t len, bool utf8, bool twins) {
  smtp_header_style style = {"\r\n", 78, utf8, twins};
  const char *why = "";
  smtp_buf value, out, text;

  smtp_buf_init(&value);
  smtp_buf_init(&out);
  smtp_buf_init(&text);
  smtp_param_set(&value, "a/b; m=\"c; n=d\"", 16, "n", 1, s, len);
  if (!smtp_header_write_text(&out, "Content-Type", 12, smtp_buf_data(&value),
                              smtp_buf_len(&value), &style, &why)) {
    check_lines(smtp_buf_data(&out), smtp_buf_len(&out), utf8);
    require(smtp_param_get(smtp_buf_data(&out) + 13, smtp_buf_len(&out) - 15,
                           "n", 1, &text));
    require(smtp_buf_len(&text) == len &&
            !memcmp(smtp_buf_data(&text), s, len));
  } else {
    require(*why);
  }
  smtp_buf_free(&value);
  smtp_buf_free(&out);
  smtp_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *s, *name, *why;
  smtp_buf text;

  if (!size) return 0;
  name = names[data[0] % (sizeof names / sizeof *names)];
  s = (const char *)data + 1;
  size--;
  smtp_buf_init(&text);
  decode(name, s, size, &text);
  smtp_buf_free(&text);
  if (!smtp_header_check(name, strlen(name), s, size, &why)) {
    check_written(name, s, size, true);
    check_written(name, s, size, false);
  }
  if (size && smtp_text_is_utf8(s, size)) {
    check_param(s, size, false, false);
    check_param(s, size, false, true);
    check_param(s, size, true, false);
  }
  return 0;
}
