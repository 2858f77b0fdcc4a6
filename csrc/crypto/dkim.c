/* The message as DKIM sees it, see dkim.h. */
#include "crypto/dkim.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/text.h"
#include "crypto/dkim_tags.h"

typedef struct field {
  size_t start, len, name_len;
} field;

typedef struct body_hash {
  EVP_MD_CTX *sha256; /* NULL: not asked for */
  smtp_dkim_body body;
  unsigned long long len;
  unsigned char digest[SMTP_DKIM_HASH_SIZE];
  bool failed;
} body_hash;

struct smtp_dkim {
  smtp_buf header;
  size_t line; /* where its last line begins */
  bool complete, malformed, finished;
  field *fields;
  size_t field_count, field_room;
  body_hash bodies[2];
};

smtp_dkim *smtp_dkim_new(void) {
  return smtp_allocate(sizeof(smtp_dkim));
}

void smtp_dkim_free(smtp_dkim *d) {
  size_t i;

  if (!d) return;
  for (i = 0; i < 2; i++)
    EVP_MD_CTX_free(d->bodies[i].sha256);
  smtp_release(d->fields);
  smtp_buf_free(&d->header);
  smtp_release(d);
}

/* Header. */

/* The length of the name that a line begins with; 0: the line is no field. */
static size_t name_of(const char *s, size_t len) {
  size_t name_len = 0, i;

  while (name_len < len &&
         smtp_text_is((unsigned char)s[name_len], SMTP_TEXT_FTEXT))
    name_len++;
  for (i = name_len; i < len; i++)
    if (!smtp_text_is((unsigned char)s[i], SMTP_TEXT_WSP)) break;
  return i < len && s[i] == ':' ? name_len : 0;
}

static smtp_error add_field(smtp_dkim *d, size_t start, size_t len,
                            size_t name_len) {
  if (d->field_count == SMTP_DKIM_FIELDS_MAX) return SMTP_ERR_TOO_LONG;
  if (d->field_count == d->field_room) {
    size_t room = d->field_room ? d->field_room * 2 : 32;
    field *fields = smtp_reallocate(d->fields, room * sizeof *fields);

    if (!fields) return SMTP_ERR_NOMEM;
    d->fields = fields;
    d->field_room = room;
  }
  d->fields[d->field_count].start = start;
  d->fields[d->field_count].len = len;
  d->fields[d->field_count++].name_len = name_len;
  return SMTP_OK;
}

/* One line of the header, its line end taken off. */
static smtp_error take_line(smtp_dkim *d, size_t start, size_t len) {
  const char *s = smtp_buf_data(&d->header) + start;
  field *last = d->field_count ? &d->fields[d->field_count - 1] : NULL;
  size_t name_len;

  if (len && smtp_text_is((unsigned char)*s, SMTP_TEXT_WSP)) {
    if (last)
      last->len = start + len - last->start;
    else
      d->malformed = true;
    return SMTP_OK;
  }
  name_len = name_of(s, len);
  if (name_len) return add_field(d, start, len, name_len);
  if (start || !smtp_text_starts(s, len, "From ")) d->malformed = true;
  return SMTP_OK;
}

/* The line that ends with the header's last byte, a LF. */
static smtp_error end_line(smtp_dkim *d) {
  const char *s = smtp_buf_data(&d->header);
  size_t start = d->line, end = smtp_buf_len(&d->header) - 1;

  if (end > start && s[end - 1] == '\r') end--;
  d->line = smtp_buf_len(&d->header);
  if (end > start) return take_line(d, start, end - start);
  d->complete = true;
  return SMTP_OK;
}

smtp_error smtp_dkim_header(smtp_dkim *d, const char *bytes, size_t len,
                            size_t *used) {
  smtp_error e = SMTP_OK;

  *used = 0;
  while (!e && !d->complete && *used < len) {
    const char *s = bytes + *used;
    const char *lf = memchr(s, '\n', len - *used);
    size_t n = lf ? (size_t)(lf - s) + 1 : len - *used;

    if (n > SMTP_DKIM_HEADER_MAX - smtp_buf_len(&d->header))
      return SMTP_ERR_TOO_LONG;
    smtp_buf_add(&d->header, s, n);
    if (d->header.failed) return SMTP_ERR_NOMEM;
    *used += n;
    if (lf) e = end_line(d);
  }
  return e;
}

bool smtp_dkim_is_complete(const smtp_dkim *d) {
  return d->complete;
}

bool smtp_dkim_is_malformed(const smtp_dkim *d) {
  return d->malformed;
}

size_t smtp_dkim_field_count(const smtp_dkim *d) {
  return d->field_count;
}

const char *smtp_dkim_field(const smtp_dkim *d, size_t i, size_t *len,
                            size_t *name_len) {
  *len = d->fields[i].len;
  *name_len = d->fields[i].name_len;
  return smtp_buf_data(&d->header) + d->fields[i].start;
}

/* Body. */

static void update(void *context, const char *bytes, size_t len) {
  body_hash *h = context;

  h->len += len;
  if (EVP_DigestUpdate(h->sha256, bytes, len) != 1) h->failed = true;
}

smtp_error smtp_dkim_want(smtp_dkim *d, smtp_dkim_canon canon) {
  body_hash *h = &d->bodies[canon];
  int worked;

  if (h->sha256) return SMTP_OK;
  if (!(h->sha256 = EVP_MD_CTX_new())) return SMTP_ERR_NOMEM;
  ERR_set_mark();
  worked = EVP_DigestInit_ex(h->sha256, EVP_sha256(), NULL);
  ERR_pop_to_mark();
  smtp_dkim_body_init(&h->body, canon, update, h);
  return worked == 1 ? SMTP_OK : SMTP_ERR_MECHANISM;
}

smtp_error smtp_dkim_body_bytes(smtp_dkim *d, const char *bytes, size_t len) {
  size_t i;

  if (!d->complete || d->finished) return SMTP_ERR_STATE;
  for (i = 0; i < 2; i++)
    if (d->bodies[i].sha256)
      smtp_dkim_body_update(&d->bodies[i].body, bytes, len);
  return SMTP_OK;
}

smtp_error smtp_dkim_finish(smtp_dkim *d) {
  size_t i;

  if (!d->complete || d->finished) return SMTP_ERR_STATE;
  d->finished = true;
  ERR_set_mark();
  for (i = 0; i < 2; i++) {
    body_hash *h = &d->bodies[i];

    if (!h->sha256) continue;
    smtp_dkim_body_final(&h->body);
    if (EVP_DigestFinal_ex(h->sha256, h->digest, NULL) != 1) h->failed = true;
  }
  ERR_pop_to_mark();
  return SMTP_OK;
}

smtp_error smtp_dkim_hash(const smtp_dkim *d, smtp_dkim_canon canon,
                          unsigned char out[SMTP_DKIM_HASH_SIZE],
                          unsigned long long *len) {
  const body_hash *h = &d->bodies[canon];

  if (!d->finished || !h->sha256) return SMTP_ERR_STATE;
  memcpy(out, h->digest, sizeof h->digest);
  *len = h->len;
  return h->failed ? SMTP_ERR_MECHANISM : SMTP_OK;
}

/* What is signed. */

/* The next name of a list, without white space around it; false at the end. */
static bool next_name(const char *s, size_t len, size_t *pos, const char **name,
                      size_t *name_len) {
  const unsigned blank = SMTP_TEXT_WSP | SMTP_TEXT_CONTROL;
  size_t from = *pos, to;

  if (from > len) return false;
  for (to = from; to < len && s[to] != ':'; to++)
    ;
  *pos = to + 1;
  while (from < to && smtp_text_is((unsigned char)s[from], blank))
    from++;
  while (from < to && smtp_text_is((unsigned char)s[to - 1], blank))
    to--;
  *name = s + from;
  *name_len = to - from;
  return true;
}

/* The last field of that name that no name before took; field_count: none,
 * which is signed as nothing at all. */
static size_t take_field(const smtp_dkim *d, const char *name, size_t name_len,
                         bool *taken) {
  const char *header = smtp_buf_data(&d->header);
  size_t i;

  for (i = d->field_count; i-- > 0;) {
    const field *f = &d->fields[i];

    if (taken[i] ||
        !smtp_text_equals(header + f->start, f->name_len, name, name_len))
      continue;
    taken[i] = true;
    return i;
  }
  return d->field_count;
}

static smtp_error add_fields(const smtp_dkim *d, const char *names, size_t len,
                             smtp_dkim_canon canon, bool *taken,
                             smtp_buf *out) {
  size_t pos = 0, count = 0, name_len;
  const char *name;

  while (next_name(names, len, &pos, &name, &name_len)) {
    size_t i, field_len, unused;
    const char *s;

    if (++count > SMTP_DKIM_NAMES_MAX) return SMTP_ERR_TOO_LONG;
    i = take_field(d, name, name_len, taken);
    if (i == d->field_count) continue;
    s = smtp_dkim_field(d, i, &field_len, &unused);
    smtp_dkim_canonical_field(out, s, field_len, canon);
    smtp_buf_adds(out, "\r\n");
  }
  return SMTP_OK;
}

/* The signature's field, b= without its value. */
static smtp_error add_own(const char *own, size_t len, smtp_dkim_canon canon,
                          smtp_buf *out) {
  const char *colon = memchr(own, ':', len);
  smtp_dkim_tag tags[SMTP_DKIM_TAGS_MAX];
  const smtp_dkim_tag *b;
  size_t count, before;
  smtp_buf field_text;
  bool failed;

  if (!colon) return SMTP_ERR_HEADER;
  before = (size_t)(colon + 1 - own);
  if (!smtp_dkim_tags_read(own + before, len - before, tags, &count) ||
      !(b = smtp_dkim_tags_find(tags, count, "b")))
    return SMTP_ERR_HEADER;
  before = (size_t)(b->slot - own);
  smtp_buf_init(&field_text);
  smtp_buf_add(&field_text, own, before);
  smtp_buf_add(&field_text, b->slot + b->slot_len, len - before - b->slot_len);
  smtp_dkim_canonical_field(out, smtp_buf_data(&field_text),
                            smtp_buf_len(&field_text), canon);
  failed = field_text.failed;
  smtp_buf_free(&field_text);
  return failed ? SMTP_ERR_NOMEM : SMTP_OK;
}

smtp_error smtp_dkim_input(const smtp_dkim *d, const char *names, size_t len,
                           smtp_dkim_canon canon, const char *own,
                           size_t own_len, size_t except, smtp_buf *out) {
  bool *taken = smtp_allocate(d->field_count + 1);
  smtp_error e;

  if (!taken) return SMTP_ERR_NOMEM;
  if (except < d->field_count) taken[except] = true;
  e = add_fields(d, names, len, canon, taken, out);
  if (!e) e = add_own(own, own_len, canon, out);
  smtp_release(taken);
  return !e && out->failed ? SMTP_ERR_NOMEM : e;
}
