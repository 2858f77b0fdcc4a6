/* Reading messages, see parser.h. Recursive, with a depth that is bounded. What
 * the tree lacks (unfinished parts, junk between fields) is kept in the raw
 * bytes that each part remembers. */
#include "mime/parser.h"

#include <string.h>

#include "base/text.h"
#include "mime/delimiter.h"
#include "mime/param.h"

typedef struct parser {
  smtp_block *input;
  const char *s;
  size_t len;
  size_t at; /* the beginning of the line to be read next */
  smtp_parser_limits left;
  size_t multiparts;
  const unsigned char *random;
} parser;

/* Where an entity is read, and by what it ends. */
typedef struct place {
  const smtp_delimiters *around;
  size_t depth;
  bool in_digest; /* without a type it is a message (RFC 2046 section 5.1.5) */
} place;

static void note(smtp_message *m, smtp_defect d) {
  m->defects |= 1u << d;
}

/* Header. */

typedef struct line {
  size_t start, end, next; /* end: without its line end */
} line;

static line look(const parser *p, size_t at) {
  line l = {at, 0, 0};

  l.end = smtp_delimiter_line(p->s, p->len, at, &l.next);
  return l;
}

static bool begins_with_blank(const parser *p, size_t at) {
  return at < p->len && smtp_text_is((unsigned char)p->s[at], SMTP_TEXT_WSP);
}

/* "From " and a sender, not the field "From :". */
static bool is_mbox_line(const parser *p, const line *l) {
  size_t i = l->start + 4;

  if (l->end - l->start < 5 || memcmp(p->s + l->start, "From ", 5) != 0)
    return false;
  while (i < l->end && begins_with_blank(p, i))
    i++;
  return i == l->end || p->s[i] != ':';
}

/* The colon of the field that begins with the line, else its end; RFC 5322
 * section 4.5 allows white space before it. */
static size_t find_colon(const parser *p, const line *l, size_t *name_len) {
  size_t i = l->start;

  while (i < l->end && smtp_text_is((unsigned char)p->s[i], SMTP_TEXT_FTEXT))
    i++;
  *name_len = i - l->start;
  while (*name_len && i < l->end && begins_with_blank(p, i))
    i++;
  return i < l->end && p->s[i] == ':' ? i : l->end;
}

/* The lines of a field from `l` on; `l` becomes the last of them. */
static void take_folded(const parser *p, line *l) {
  size_t start = l->start;

  while (begins_with_blank(p, l->next))
    *l = look(p, l->next);
  l->start = start;
}

static smtp_error add_field(parser *p, smtp_message *m, const line *l,
                            size_t name_len, size_t colon) {
  const char *s = p->s + l->start;
  size_t len = l->end - l->start;

  if (!p->left.fields) {
    note(m, SMTP_DEFECT_TOO_MANY);
    return SMTP_OK;
  }
  p->left.fields--;
  if (!smtp_text_is_utf8(s, len)) note(m, SMTP_DEFECT_HEADER_8BIT);
  return smtp_message_add_line(m, s, len, name_len, colon - l->start);
}

/* One line, or a field of several; false when the header is over. */
static bool read_header_line(parser *p, smtp_message *m, size_t start,
                             smtp_error *e) {
  line l = look(p, p->at);
  size_t name_len, colon = find_colon(p, &l, &name_len);

  if (l.end == l.start) {
    p->at = l.next;
    return false;
  }
  if (begins_with_blank(p, l.start)) {
    note(m, SMTP_DEFECT_FIRST_CONTINUATION);
  } else if (is_mbox_line(p, &l)) {
    if (l.start != start) note(m, SMTP_DEFECT_MISPLACED_FROM);
  } else if (colon == l.end) {
    note(m, SMTP_DEFECT_NO_SEPARATOR);
    return false;
  } else {
    take_folded(p, &l);
    if (name_len)
      *e = add_field(p, m, &l, name_len, colon);
    else
      note(m, SMTP_DEFECT_NO_NAME);
  }
  p->at = l.next;
  return true;
}

/* Leaves `at` where the body begins. */
static smtp_error read_header(parser *p, smtp_message *m,
                              const smtp_delimiters *around) {
  size_t start = p->at;
  smtp_delimiter d;
  smtp_error e = SMTP_OK;

  while (!e && p->at < p->len &&
         !smtp_delimiter_is(p->s, p->len, p->at, around, &d))
    if (!read_header_line(p, m, start, &e)) break;
  return e;
}

/* What the header says of the body. */

/* The body goes through a transfer encoding (RFC 2045 section 6.1). */
static bool is_encoded(const smtp_message *m) {
  static const char *const plain[] = {"7bit", "8bit", "binary"};
  const smtp_field *f = smtp_message_field(m, "Content-Transfer-Encoding");
  size_t len, i;
  const char *s;

  if (!f) return false;
  s = smtp_param_main(f->value, f->value_len, &len);
  for (i = 0; i < sizeof plain / sizeof *plain; i++)
    if (smtp_text_equals(s, len, plain[i], strlen(plain[i]))) return false;
  return len != 0;
}

static bool find_boundary(const smtp_message *m, smtp_buf *out) {
  const smtp_field *f = smtp_message_field(m, "Content-Type");

  return f && smtp_param_boundary(f->value, f->value_len, out);
}

/* Bodies. Each leaves `at` at the delimiter that ends it, or at the end. */

static smtp_error read_entity(parser *p, smtp_message *m, const place *at);

static void seek_delimiter(parser *p, const smtp_delimiters *around) {
  smtp_delimiter d;

  p->at = smtp_delimiter_find(p->s, p->len, p->at, around, &d) ? d.at : p->len;
}

/* Where what began at `start` ends: the line end before a delimiter belongs to
 * the delimiter. */
static size_t end_of(const parser *p, size_t start) {
  return p->at < p->len ? smtp_delimiter_trim(p->s, start, p->at) : p->len;
}

static smtp_error read_leaf(parser *p, smtp_message *m, const place *at) {
  size_t start = p->at;

  seek_delimiter(p, at->around);
  return smtp_message_set_slice(m, p->input, start, end_of(p, start));
}

static void begin_parts(parser *p, smtp_message *m) {
  unsigned char random[SMTP_PARSER_RANDOM];
  size_t i, n = ++p->multiparts;

  memcpy(random, p->random, sizeof random);
  for (i = 0; n; i++, n >>= 8)
    random[i] ^= (unsigned char)n;
  smtp_message_set_parts(m, random, sizeof random);
}

static smtp_error read_part(parser *p, smtp_message *m, const place *below) {
  smtp_message *part = smtp_message_new();
  smtp_error e = part ? read_entity(p, part, below) : SMTP_ERR_NOMEM;

  if (!e) e = smtp_message_attach(m, part);
  smtp_message_drop(part);
  return e;
}

/* True, and a note, when one more part would be one too many. */
static bool is_full(parser *p, smtp_message *m, const place *at) {
  if (at->depth >= p->left.depth)
    note(m, SMTP_DEFECT_TOO_DEEP);
  else if (!p->left.parts)
    note(m, SMTP_DEFECT_TOO_MANY);
  else
    return false;
  return true;
}

static smtp_error read_epilogue(parser *p, smtp_message *m, const place *at) {
  size_t start = p->at, end;

  seek_delimiter(p, at->around);
  end = end_of(p, start);
  if (start == p->len || start == p->at) return SMTP_OK;
  return smtp_message_set_epilogue(m, p->s + start, end - start);
}

/* Parts from the delimiter `d` on, until another boundary, or the end. */
static smtp_error read_parts(parser *p, smtp_message *m, const place *at,
                             const place *below, smtp_delimiter *d) {
  smtp_error e = SMTP_OK;

  while (!e && d->of == below->around) {
    bool more;

    p->at = d->next;
    if (d->last) return read_epilogue(p, m, at);
    more = smtp_delimiter_is(p->s, p->len, p->at, below->around, d);
    if (more && d->of == below->around) continue; /* repeated: as one */
    if (is_full(p, m, at)) return read_epilogue(p, m, at);
    p->left.parts--;
    e = read_part(p, m, below);
    if (p->at == p->len ||
        !smtp_delimiter_is(p->s, p->len, p->at, below->around, d))
      break;
  }
  note(m, SMTP_DEFECT_NO_CLOSE);
  return e;
}

static smtp_error read_multipart(parser *p, smtp_message *m, const place *at,
                                 const smtp_buf *boundary) {
  smtp_delimiters own = {smtp_buf_data(boundary), smtp_buf_len(boundary),
                         at->around};
  place below = {&own, at->depth + 1, smtp_message_is(m, "multipart/digest")};
  size_t start = p->at;
  smtp_delimiter d;
  smtp_error e = SMTP_OK;

  if (!smtp_delimiter_find(p->s, p->len, start, &own, &d) || d.of != &own ||
      d.last) {
    note(m, SMTP_DEFECT_NO_START);
    return read_leaf(p, m, at);
  }
  if (is_full(p, m, at)) return read_leaf(p, m, at);
  begin_parts(p, m);
  if (d.at > start)
    e = smtp_message_set_preamble(
        m, p->s + start, smtp_delimiter_trim(p->s, start, d.at) - start);
  if (!e) e = read_parts(p, m, at, &below, &d);
  if (!e && !m->part_count) note(m, SMTP_DEFECT_NO_PARTS);
  return e;
}

/* One block of fields, and what else stands before the next blank line; the
 * rest of the body when it is the last that may be a part. */
static smtp_error read_block(parser *p, smtp_message *part) {
  size_t start = p->at, body;
  smtp_error e = read_header(p, part, NULL);

  body = p->at;
  if (part->defects & 1u << SMTP_DEFECT_NO_SEPARATOR) {
    while (p->at < p->len) {
      line l = look(p, p->at);

      p->at = l.next;
      if (l.start == l.end) break;
    }
  }
  if (!p->left.parts) p->at = p->len;
  if (!e) e = smtp_message_set_slice(part, p->input, body, p->at);
  if (!e) e = smtp_message_set_raw(part, p->input, start, body, p->at);
  return e;
}

/* Blocks of fields with blank lines between them (RFC 3464 section 2.1). */
static smtp_error read_blocks(parser *p, smtp_message *m, const place *at) {
  size_t start = p->at;
  parser whole = *p;
  smtp_error e = SMTP_OK;

  if (is_full(p, m, at)) return read_leaf(p, m, at);
  seek_delimiter(&whole, at->around);
  begin_parts(p, m);
  p->len = end_of(&whole, start);
  while (!e && p->at < p->len) {
    smtp_message *part = smtp_message_new();

    p->left.parts--;
    e = part ? read_block(p, part) : SMTP_ERR_NOMEM;
    if (!e) e = smtp_message_attach(m, part);
    smtp_message_drop(part);
  }
  p->at = whole.at;
  p->len = whole.len;
  return e;
}

static smtp_error read_message(parser *p, smtp_message *m, const place *at) {
  place below = {at->around, at->depth + 1, false};

  if (is_full(p, m, at)) return read_leaf(p, m, at);
  p->left.parts--;
  begin_parts(p, m);
  return read_part(p, m, &below);
}

static smtp_error read_body(parser *p, smtp_message *m, const place *at,
                            smtp_buf *boundary) {
  if (smtp_message_is(m, "multipart/")) {
    if (is_encoded(m)) note(m, SMTP_DEFECT_ENCODED_MULTIPART);
    if (find_boundary(m, boundary)) return read_multipart(p, m, at, boundary);
    note(m, SMTP_DEFECT_NO_BOUNDARY);
  } else if (smtp_message_is(m, "message/delivery-status")) {
    return read_blocks(p, m, at);
  } else if (smtp_message_is(m, "message/") && !is_encoded(m)) {
    return read_message(p, m, at);
  }
  return read_leaf(p, m, at);
}

static smtp_error read_entity(parser *p, smtp_message *m, const place *at) {
  size_t start = p->at, body, end;
  smtp_buf boundary;
  smtp_error e = read_header(p, m, at->around);

  if (e) return e;
  m->in_digest = at->in_digest;
  smtp_buf_init(&boundary);
  body = p->at;
  e = read_body(p, m, at, &boundary);
  end = end_of(p, start);
  if (body > end) body = end;
  if (!e) e = smtp_message_set_raw(m, p->input, start, body, end);
  if (!e && m->body == SMTP_BODY_PARTS && smtp_buf_len(&boundary))
    e = smtp_message_set_read_boundary(m, smtp_buf_data(&boundary),
                                       smtp_buf_len(&boundary));
  if (boundary.failed) e = SMTP_ERR_NOMEM;
  smtp_buf_free(&boundary);
  return e;
}

/* The mbox line that the message begins with: one that something else than text
 * follows, or it is text itself. */
static size_t skip_mbox_line(parser *p) {
  line first = look(p, 0), second = look(p, first.next);
  size_t name_len;

  if (!is_mbox_line(p, &first)) return 0;
  if (second.start < second.end &&
      find_colon(p, &second, &name_len) == second.end)
    return 0;
  p->at = first.next;
  return first.end;
}

smtp_error smtp_parser_read(smtp_block *input, const smtp_parser_limits *limits,
                            const unsigned char random[SMTP_PARSER_RANDOM],
                            smtp_message **m, size_t *from_len) {
  parser p = {input, input->bytes, input->len, 0, *limits, 0, random};
  place top = {NULL, 0, false};
  smtp_error e;

  *from_len = 0;
  *m = smtp_message_new();
  if (!*m) return SMTP_ERR_NOMEM;
  if (p.left.depth > SMTP_PARSER_DEPTH) p.left.depth = SMTP_PARSER_DEPTH;
  if (p.left.parts > SMTP_PARSER_PARTS) p.left.parts = SMTP_PARSER_PARTS;
  if (p.len) *from_len = skip_mbox_line(&p);
  e = read_entity(&p, *m, &top);
  if (e) {
    smtp_message_drop(*m);
    *m = NULL;
  }
  return e;
}
