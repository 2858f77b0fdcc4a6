/* Whatever the bytes and however they are cut: a tag list is read within its
 * bounds, tags in order and none twice; a message read whole and in pieces has
 * the same fields and the same hashes, a canonical form is its own canonical
 * form, and what is signed never fails but for its reasons. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/dkim.h"
#include "crypto/dkim_tags.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool claim) {
  if (!claim) abort();
}

static bool same(const smtp_buf *a, const smtp_buf *b) {
  return smtp_buf_len(a) == smtp_buf_len(b) &&
         !memcmp(smtp_buf_data(a), smtp_buf_data(b), smtp_buf_len(a));
}

static size_t piece(const char *s, size_t at, size_t size) {
  size_t n = (size_t)(s[at] & 7) + 1;

  return n < size - at ? n : size - at;
}

static void check_tags(const char *s, size_t size) {
  smtp_dkim_tag tags[SMTP_DKIM_TAGS_MAX];
  size_t count, i;
  const char *at = s;

  if (!smtp_dkim_tags_read(s, size, tags, &count)) return;
  require(count > 0);
  for (i = 0; i < count; i++) {
    char name[64];

    require(tags[i].name >= at && tags[i].name_len > 0);
    require(tags[i].slot > tags[i].name && tags[i].value >= tags[i].slot);
    at = tags[i].slot + tags[i].slot_len;
    require(tags[i].value + tags[i].value_len <= at && at <= s + size);
    if (tags[i].name_len >= sizeof name) continue;
    memcpy(name, tags[i].name, tags[i].name_len);
    name[tags[i].name_len] = '\0';
    require(smtp_dkim_tags_find(tags, count, name) == &tags[i]);
  }
}

static void collect(void *context, const char *bytes, size_t len) {
  smtp_buf_add(context, bytes, len);
}

static void canonical(smtp_buf *out, const char *s, size_t size,
                      smtp_dkim_canon canon, bool pieces) {
  smtp_dkim_body b;
  size_t i, n;

  smtp_buf_init(out);
  smtp_dkim_body_init(&b, canon, collect, out);
  for (i = 0; i < size; i += n) {
    n = pieces ? piece(s, i, size) : size;
    smtp_dkim_body_update(&b, s + i, n);
  }
  smtp_dkim_body_final(&b);
}

static void check_body(const char *s, size_t size, smtp_dkim_canon canon) {
  smtp_buf whole, pieces, again;

  canonical(&whole, s, size, canon, false);
  canonical(&pieces, s, size, canon, true);
  require(same(&whole, &pieces));
  canonical(&again, smtp_buf_data(&whole), smtp_buf_len(&whole), canon, true);
  require(same(&whole, &again));
  smtp_buf_free(&whole);
  smtp_buf_free(&pieces);
  smtp_buf_free(&again);
}

/* A header's end belongs to no piece alone. */
static smtp_dkim *read_message(const char *s, size_t size, bool pieces) {
  smtp_dkim *d = smtp_dkim_new();
  size_t i, n, used;

  require(d && !smtp_dkim_want(d, SMTP_DKIM_RELAXED));
  for (i = 0; i < size; i += n) {
    n = pieces ? piece(s, i, size) : size;
    require(!smtp_dkim_header(d, s + i, n, &used) && used <= n);
    if (smtp_dkim_is_complete(d))
      require(!smtp_dkim_body_bytes(d, s + i + used, n - used));
    else
      require(used == n);
  }
  if (!smtp_dkim_is_complete(d))
    require(!smtp_dkim_header(d, "\r\n\r\n", 4, &used));
  require(!smtp_dkim_finish(d));
  return d;
}

static void sign(const smtp_dkim *d, const char *s, size_t size,
                 smtp_buf *out) {
  size_t i, len, name_len, count = smtp_dkim_field_count(d);
  const char *field;
  smtp_error e;

  smtp_buf_init(out);
  for (i = 0; i < count && i < 3; i++) {
    field = smtp_dkim_field(d, i, &len, &name_len);
    require(name_len > 0 && name_len < len);
    e = smtp_dkim_input(d, s, size, SMTP_DKIM_SIMPLE, field, len, i, out);
    require(e == SMTP_OK || e == SMTP_ERR_HEADER || e == SMTP_ERR_TOO_LONG);
  }
}

static void check_message(const char *s, size_t size) {
  smtp_dkim *whole = read_message(s, size, false);
  smtp_dkim *pieces = read_message(s, size, true);
  unsigned char a[SMTP_DKIM_HASH_SIZE], b[SMTP_DKIM_HASH_SIZE];
  unsigned long long a_len, b_len;
  smtp_buf one, other;

  require(smtp_dkim_field_count(whole) == smtp_dkim_field_count(pieces));
  require(smtp_dkim_is_malformed(whole) == smtp_dkim_is_malformed(pieces));
  require(!smtp_dkim_hash(whole, SMTP_DKIM_RELAXED, a, &a_len));
  require(!smtp_dkim_hash(pieces, SMTP_DKIM_RELAXED, b, &b_len));
  require(a_len == b_len && !memcmp(a, b, sizeof a));
  sign(whole, s, size, &one);
  sign(pieces, s, size, &other);
  require(same(&one, &other));
  smtp_buf_free(&one);
  smtp_buf_free(&other);
  smtp_dkim_free(whole);
  smtp_dkim_free(pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *s = (const char *)data;

  check_tags(s, size);
  check_body(s, size, SMTP_DKIM_SIMPLE);
  check_body(s, size, SMTP_DKIM_RELAXED);
  check_message(s, size);
  return 0;
}
