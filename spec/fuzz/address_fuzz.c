/* Whatever the bytes: an address that is taken is clean (no control character,
 * within RFC 5321's lengths, one line of valid UTF-8), means the same when read
 * again, with brackets or alone, as a path or in a list; and no parser reads
 * beyond its input. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "intl/domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool claim) {
  if (!claim) abort();
}

static bool same(const smtp_buf *a, const smtp_buf *b) {
  return smtp_buf_len(a) == smtp_buf_len(b) &&
         !memcmp(smtp_buf_data(a), smtp_buf_data(b), smtp_buf_len(a));
}

static void check_clean(const smtp_buf *b) {
  const char *s = smtp_buf_data(b);
  size_t len = smtp_buf_len(b), at = smtp_address_domain(s, len);

  require(!smtp_text_has_control(s, len));
  require(smtp_text_is_utf8(s, len));
  require(len + 2 <= SMTP_ADDRESS_PATH_MAX);
  require((at < len ? at - 1 : len) <= SMTP_ADDRESS_LOCAL_MAX);
  require(!memchr(s + at, '>', len - at) && !memchr(s + at, ' ', len - at));
  require(s[0] == '"' || (!memchr(s, '>', len) && !memchr(s, ' ', len)));
}

/* The normal form is a fixed point. */
static void check_again(const smtp_buf *spec, smtp_address_kind kind) {
  smtp_buf bracketed, again;
  smtp_address_kind second;

  smtp_buf_init(&bracketed);
  smtp_buf_init(&again);
  smtp_buf_addc(&bracketed, '<');
  smtp_buf_add(&bracketed, smtp_buf_data(spec), smtp_buf_len(spec));
  smtp_buf_addc(&bracketed, '>');
  require(smtp_address_path(smtp_buf_data(&bracketed), smtp_buf_len(&bracketed),
                            &again, &second) == SMTP_OK);
  require(same(spec, &again) && kind == second);
  smtp_buf_free(&again);
  require(smtp_address_path(smtp_buf_data(spec), smtp_buf_len(spec), &again,
                            &second) == SMTP_OK);
  require(same(spec, &again) && kind == second);
  smtp_buf_free(&again);
  smtp_buf_free(&bracketed);
}

static void check_ascii(const smtp_buf *spec) {
  const char *s = smtp_buf_data(spec);
  size_t len = smtp_buf_len(spec), at = smtp_address_domain(s, len);
  smtp_buf ascii;

  smtp_buf_init(&ascii);
  if (smtp_domain_to_ascii(&ascii, s + at, len - at) == SMTP_OK) {
    require(!smtp_text_has_8bit(smtp_buf_data(&ascii), smtp_buf_len(&ascii)));
    require(smtp_text_all(smtp_buf_data(&ascii), smtp_buf_len(&ascii),
                          SMTP_TEXT_DTEXT));
  }
  smtp_buf_free(&ascii);
}

static void check_path(const char *s, size_t len) {
  smtp_buf spec;
  smtp_address_kind kind;

  smtp_buf_init(&spec);
  if (smtp_address_path(s, len, &spec, &kind) != SMTP_OK) {
    require(smtp_address_path_fault(s, len) != NULL);
  } else if (smtp_buf_len(&spec)) {
    check_clean(&spec);
    check_again(&spec, kind);
    if (kind == SMTP_ADDRESS_IDNA) check_ascii(&spec);
  }
  smtp_buf_free(&spec);
}

static void check_list(const char *s, size_t len) {
  smtp_address_list l;
  smtp_address_item item = SMTP_ADDRESS_DONE;
  smtp_error e;

  smtp_address_list_init(&l, s, len);
  do {
    e = smtp_address_list_next(&l, &item);
    if (e == SMTP_OK && item == SMTP_ADDRESS_MAILBOX) {
      check_clean(&l.addr);
      check_again(&l.addr, l.kind);
    }
  } while (e == SMTP_OK && item != SMTP_ADDRESS_DONE);
  require(e == SMTP_OK || l.fault);
  smtp_address_list_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  check_path((const char *)data, size);
  check_list((const char *)data, size);
  return 0;
}
