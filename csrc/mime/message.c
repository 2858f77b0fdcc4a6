/* The tree, see message.h. A field is one piece of memory: its name, a zero (a
 * colon when it is raw), its value, a zero. */
#include "mime/message.h"

#include <string.h>

#include "base/text.h"
#include "mime/param.h"

static const struct {
  const char *name, *text;
} defects[] = {
#define DEFECT_ROW(symbol, name, text) {name, text},
    SMTP_DEFECTS(DEFECT_ROW)
#undef DEFECT_ROW
};

const char *smtp_defect_name(smtp_defect d) {
  return defects[d].name;
}

const char *smtp_defect_text(smtp_defect d) {
  return defects[d].text;
}

smtp_message *smtp_message_new(void) {
  smtp_message *m = smtp_allocate(sizeof *m);

  if (m) m->refs = 1;
  return m;
}

smtp_message *smtp_message_keep(smtp_message *m) {
  if (m) m->refs++;
  return m;
}

static void forget(smtp_block **b) {
  smtp_block_drop(*b);
  *b = NULL;
}

smtp_line_ends smtp_message_line_ends(const smtp_message *m) {
  return m->raw ? smtp_delimiter_line_ends(m->raw->bytes, m->raw->len)
                : m->line_ends;
}

/* The message is not any more what was read; what is added to it gets the line
 * ends that the rest has. */
static void forget_raw(smtp_message *m) {
  m->line_ends = smtp_message_line_ends(m);
  forget(&m->raw);
}

/* The body is not any more what was read. */
static void forget_body(smtp_message *m) {
  forget_raw(m);
  forget(&m->raw_body);
}

/* A tree may be deep: the doomed are chained, not visited by recursion. */
void smtp_message_drop(smtp_message *m) {
  smtp_message *doomed = NULL;

  if (!m || --m->refs) return;
  while (m) {
    size_t i;

    for (i = 0; i < m->part_count; i++) {
      if (--m->parts[i]->refs) continue;
      m->parts[i]->next_doomed = doomed;
      doomed = m->parts[i];
    }
    m->part_count = 0;
    for (i = 0; i < m->field_count; i++)
      smtp_release(m->fields[i].name);
    smtp_release(m->fields);
    forget(&m->raw);
    smtp_message_clear_body(m);
    smtp_block_drop(m->preamble);
    smtp_block_drop(m->epilogue);
    smtp_release(m);
    m = doomed;
    if (m) doomed = m->next_doomed;
  }
}

size_t smtp_message_find(const smtp_message *m, const char *name,
                         size_t name_len, size_t from) {
  size_t i;

  for (i = from; i < m->field_count; i++)
    if (smtp_text_equals(m->fields[i].name, m->fields[i].name_len, name,
                         name_len))
      return i;
  return m->field_count;
}

const smtp_field *smtp_message_field(const smtp_message *m, const char *name) {
  size_t i = smtp_message_find(m, name, strlen(name), 0);

  return i < m->field_count ? &m->fields[i] : NULL;
}

/* The block of a field; NULL when there is no memory. */
static char *make_field(smtp_field *f, const char *name, size_t name_len,
                        const char *value, size_t value_len,
                        smtp_field_form form) {
  char *block = smtp_allocate(name_len + value_len + 2);

  if (!block) return NULL;
  memcpy(block, name, name_len);
  if (value_len) memcpy(block + name_len + 1, value, value_len);
  if (form == SMTP_FIELD_RAW) block[name_len] = ':';
  f->name = block;
  f->name_len = name_len;
  f->value = block + name_len + 1;
  f->value_len = value_len;
  f->form = form;
  return block;
}

static bool make_room(smtp_message *m) {
  size_t room = m->field_room ? m->field_room * 2 : 8;
  smtp_field *fields;

  if (m->field_count < m->field_room) return true;
  fields = smtp_reallocate(m->fields, room * sizeof *fields);
  if (!fields) return false;
  m->fields = fields;
  m->field_room = room;
  return true;
}

smtp_error smtp_message_add(smtp_message *m, const char *name, size_t name_len,
                            const char *value, size_t value_len,
                            smtp_field_form form) {
  if (!make_room(m) || !make_field(&m->fields[m->field_count], name, name_len,
                                   value, value_len, form))
    return SMTP_ERR_NOMEM;
  m->field_count++;
  forget_raw(m);
  return SMTP_OK;
}

smtp_error smtp_message_add_line(smtp_message *m, const char *line, size_t len,
                                 size_t name_len, size_t colon) {
  smtp_field *f;

  if (!make_room(m)) return SMTP_ERR_NOMEM;
  f = &m->fields[m->field_count];
  if (!make_field(f, line, colon, line + colon + 1, len - colon - 1,
                  SMTP_FIELD_RAW))
    return SMTP_ERR_NOMEM;
  f->name_len = name_len;
  m->field_count++;
  forget_raw(m);
  return SMTP_OK;
}

smtp_error smtp_message_put(smtp_message *m, size_t i, const char *value,
                            size_t value_len, smtp_field_form form) {
  smtp_field *f = &m->fields[i];
  char *old = f->name;

  if (!make_field(f, old, f->name_len, value, value_len, form))
    return SMTP_ERR_NOMEM;
  smtp_release(old);
  forget_raw(m);
  return SMTP_OK;
}

smtp_error smtp_message_prepend(smtp_message *m, const char *name,
                                size_t name_len, const char *value,
                                size_t value_len, smtp_field_form form) {
  smtp_error e = smtp_message_add(m, name, name_len, value, value_len, form);
  smtp_field added;

  if (e) return e;
  added = m->fields[m->field_count - 1];
  memmove(m->fields + 1, m->fields, (m->field_count - 1) * sizeof added);
  m->fields[0] = added;
  return SMTP_OK;
}

size_t smtp_message_remove(smtp_message *m, const char *name, size_t name_len,
                           size_t keep) {
  size_t from, to = 0, seen = 0;

  for (from = 0; from < m->field_count; from++) {
    smtp_field *f = &m->fields[from];

    if (smtp_text_equals(f->name, f->name_len, name, name_len) && ++seen > keep)
      smtp_release(f->name);
    else
      m->fields[to++] = *f;
  }
  from = m->field_count - to;
  m->field_count = to;
  if (from) forget_raw(m);
  return from;
}

void smtp_message_clear_body(smtp_message *m) {
  size_t i;

  forget_body(m);
  forget(&m->read_boundary);
  for (i = 0; i < m->part_count; i++)
    smtp_message_drop(m->parts[i]);
  smtp_release(m->parts);
  m->parts = NULL;
  m->part_count = m->part_room = 0;
  smtp_block_drop(m->content);
  m->content = NULL;
  m->body = SMTP_BODY_NONE;
  m->exact = false;
}

smtp_error smtp_message_set_bytes(smtp_message *m, const char *bytes,
                                  size_t len, bool exact) {
  smtp_block *b = smtp_block_new(bytes, len);

  if (!b) return SMTP_ERR_NOMEM;
  smtp_message_set_block(m, b, exact);
  smtp_block_drop(b);
  return SMTP_OK;
}

void smtp_message_set_block(smtp_message *m, smtp_block *b, bool exact) {
  smtp_block_keep(b);
  smtp_message_clear_body(m);
  m->body = SMTP_BODY_BYTES;
  m->content = b;
  m->exact = exact;
}

void smtp_message_set_fed(smtp_message *m) {
  smtp_message_clear_body(m);
  m->body = SMTP_BODY_FED;
  m->exact = true;
}

/* "=_" occurs neither in quoted-printable nor in base64 (RFC 2045, 6.7). */
static void make_boundary(char *out, const unsigned char *random, size_t len) {
  static const char digits[] = "0123456789abcdef";
  size_t i;

  *out++ = '=';
  *out++ = '_';
  for (i = 0; i < len && i < 32; i++) {
    *out++ = digits[random[i] >> 4];
    *out++ = digits[random[i] & 15];
  }
  *out = '\0';
}

void smtp_message_set_parts(smtp_message *m, const unsigned char *random,
                            size_t len) {
  smtp_message_clear_body(m);
  m->body = SMTP_BODY_PARTS;
  make_boundary(m->boundary, random, len);
}

/* How deep the tree under `m` is, and whether `other` is in it. Parts may be
 * shared, so the work is bounded by `left` too. */
static bool fits(const smtp_message *m, const smtp_message *other, int depth,
                 size_t *left) {
  size_t i;

  if (m == other || depth > SMTP_MESSAGE_DEPTH || *left == 0) return false;
  --*left;
  for (i = 0; i < m->part_count; i++)
    if (!fits(m->parts[i], other, depth + 1, left)) return false;
  return true;
}

smtp_error smtp_message_attach(smtp_message *m, smtp_message *part) {
  size_t left = 100000;

  if (m->body != SMTP_BODY_PARTS || !fits(part, m, 1, &left))
    return SMTP_ERR_STATE;
  if (m->part_count == m->part_room) {
    size_t room = m->part_room ? m->part_room * 2 : 4;
    smtp_message **parts = smtp_reallocate(m->parts, room * sizeof *parts);

    if (!parts) return SMTP_ERR_NOMEM;
    m->parts = parts;
    m->part_room = room;
  }
  m->parts[m->part_count++] = smtp_message_keep(part);
  forget_body(m);
  return SMTP_OK;
}

smtp_error smtp_message_move(smtp_message *m, smtp_message *to) {
  size_t from, kept = 0;
  smtp_error e = SMTP_OK;

  for (from = 0; from < m->field_count && !e; from++) {
    const smtp_field *f = &m->fields[from];

    if (smtp_text_starts(f->name, f->name_len, "Content-"))
      e = smtp_message_add(to, f->name, f->name_len, f->value, f->value_len,
                           f->form);
  }
  if (e) return e;
  for (from = 0; from < m->field_count; from++) {
    if (smtp_text_starts(m->fields[from].name, m->fields[from].name_len,
                         "Content-"))
      smtp_release(m->fields[from].name);
    else
      m->fields[kept++] = m->fields[from];
  }
  m->field_count = kept;
  smtp_message_clear_body(to);
  to->body = m->body;
  to->exact = m->exact;
  to->content = m->content;
  to->parts = m->parts;
  to->part_count = m->part_count;
  to->part_room = m->part_room;
  memcpy(to->boundary, m->boundary, sizeof to->boundary);
  to->raw_body = m->raw_body;
  to->read_boundary = m->read_boundary;
  m->raw_body = m->read_boundary = NULL;
  forget_raw(m);
  m->content = NULL;
  m->parts = NULL;
  m->part_count = m->part_room = 0;
  m->body = SMTP_BODY_NONE;
  m->exact = false;
  return SMTP_OK;
}

static smtp_error set_block(smtp_block **place, const char *s, size_t len) {
  smtp_block *b = NULL;

  if (s && !(b = smtp_block_new(s, len))) return SMTP_ERR_NOMEM;
  smtp_block_drop(*place);
  *place = b;
  return SMTP_OK;
}

smtp_error smtp_message_set_preamble(smtp_message *m, const char *s,
                                     size_t len) {
  forget_body(m);
  return set_block(&m->preamble, s, len);
}

smtp_error smtp_message_set_epilogue(smtp_message *m, const char *s,
                                     size_t len) {
  forget_body(m);
  return set_block(&m->epilogue, s, len);
}

bool smtp_message_is(const smtp_message *m, const char *type) {
  static const char message[] = "message/rfc822";
  const smtp_field *f = smtp_message_field(m, "Content-Type");
  size_t wanted = strlen(type), len = sizeof message - 1;
  const char *s = message;

  if (f)
    s = smtp_param_main(f->value, f->value_len, &len);
  else if (!m->in_digest)
    return false;
  if (type[wanted - 1] != '/') return smtp_text_equals(s, len, type, wanted);
  return len > wanted && smtp_text_starts(s, len, type);
}

smtp_error smtp_message_set_raw(smtp_message *m, smtp_block *input,
                                size_t start, size_t body, size_t end) {
  forget(&m->raw);
  forget(&m->raw_body);
  m->raw = smtp_block_slice(input, start, end - start);
  m->raw_body = smtp_block_slice(input, body, end - body);
  return m->raw && m->raw_body ? SMTP_OK : SMTP_ERR_NOMEM;
}

smtp_error smtp_message_set_slice(smtp_message *m, smtp_block *input,
                                  size_t start, size_t end) {
  smtp_block *b = smtp_block_slice(input, start, end - start);

  if (!b) return SMTP_ERR_NOMEM;
  smtp_message_clear_body(m);
  m->body = SMTP_BODY_BYTES;
  m->content = b;
  return SMTP_OK;
}

smtp_error smtp_message_set_read_boundary(smtp_message *m, const char *s,
                                          size_t len) {
  return set_block(&m->read_boundary, s, len);
}

bool smtp_message_has_body_as_read(const smtp_message *m) {
  size_t i;

  for (i = 0; i < m->part_count; i++)
    if (!smtp_message_is_as_read(m->parts[i])) return false;
  return m->raw_body;
}

bool smtp_message_is_as_read(const smtp_message *m) {
  return m->raw && smtp_message_has_body_as_read(m);
}
