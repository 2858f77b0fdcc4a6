/* The plan, see plan.h. One walk through the tree, no deeper than
 * SMTP_MESSAGE_DEPTH. */
#include "mime/plan.h"

#include <string.h>

#include "base/text.h"
#include "mime/param.h"

/* Where the walk is: the message and the boundaries around it. */
typedef struct place {
  const smtp_message *m;
  const struct place *around;
  const char *boundary; /* of `m` itself, once it is known */
  int depth;
} place;

typedef struct planner {
  smtp_plan *plan;
  const smtp_plan_options *o;
  smtp_buf *complaint;
  size_t fed;    /* bodies to be fed, so far */
  size_t sealed; /* heads before this are in a segment */
} planner;

/* Some leaf below is 8bit: then so are the containers (RFC 2045 6.4). */
static bool needs_8bit(const planner *p, const smtp_message *m, int depth) {
  size_t i;

  if (depth > SMTP_MESSAGE_DEPTH || smtp_choice_fixed(m, p->o->only_7bit))
    return false;
  for (i = 0; i < m->part_count; i++)
    if (needs_8bit(p, m->parts[i], depth + 1)) return true;
  return m->body == SMTP_BODY_BYTES &&
         !smtp_choice_is_verbatim(m, p->o->only_7bit) &&
         smtp_choice_transfer(m, p->o->allow_8bit) == SMTP_TRANSFER_8BIT;
}

/* Segments. */

static smtp_segment *add_segment(smtp_plan *plan, smtp_segment_kind kind) {
  smtp_segment *s;

  if (plan->count == plan->room) {
    size_t room = plan->room ? plan->room * 2 : 4;

    s = smtp_reallocate(plan->segments, room * sizeof *s);
    if (!s) return NULL;
    plan->segments = s;
    plan->room = room;
  }
  s = &plan->segments[plan->count++];
  memset(s, 0, sizeof *s);
  s->kind = kind;
  return s;
}

/* Make one segment of the bytes that have come to the heads since the last. */
static smtp_error seal(planner *p) {
  size_t end = smtp_buf_len(&p->plan->heads);
  smtp_segment *s;

  if (end == p->sealed) return SMTP_OK;
  s = add_segment(p->plan, SMTP_SEGMENT_READY);
  if (!s) return SMTP_ERR_NOMEM;
  s->start = p->sealed;
  s->len = end - p->sealed;
  p->sealed = end;
  return SMTP_OK;
}

static smtp_error add_block(planner *p, smtp_block *b, smtp_transfer transfer) {
  smtp_error e = seal(p);
  smtp_segment *s;

  if (e || !b || !b->len) return e;
  s = add_segment(p->plan, SMTP_SEGMENT_BLOCK);
  if (!s) return SMTP_ERR_NOMEM;
  s->transfer = transfer;
  s->block = smtp_block_keep(b);
  s->len = b->len;
  if (transfer < SMTP_TRANSFER_QP && smtp_text_has_8bit(b->bytes, b->len))
    p->plan->has_8bit = true;
  return SMTP_OK;
}

static smtp_error add_fed(planner *p, smtp_transfer transfer) {
  smtp_error e = seal(p);
  smtp_segment *s = e ? NULL : add_segment(p->plan, SMTP_SEGMENT_FED);

  if (!s) return e ? e : SMTP_ERR_NOMEM;
  s->transfer = transfer;
  s->index = p->fed++;
  s->length = s->index < p->o->fed_count ? p->o->fed[s->index] : -1;
  if (transfer < SMTP_TRANSFER_QP) p->plan->has_8bit = true;
  return SMTP_OK;
}

static void add_text(planner *p, const char *text) {
  smtp_buf_adds(&p->plan->heads, text);
}

static void add_eol(planner *p) {
  add_text(p, p->o->style.eol);
}

/* Header blocks. */

static smtp_error complain(planner *p, smtp_error e, const char *name,
                           size_t len, const char *why) {
  size_t i;

  if (e == SMTP_ERR_NOMEM || smtp_buf_len(p->complaint)) return e;
  smtp_buf_adds(p->complaint, "header '");
  for (i = 0; i < len && i < 60; i++)
    smtp_buf_addc(p->complaint, name[i] > 32 && name[i] < 127 ? name[i] : '?');
  smtp_buf_adds(p->complaint, "': ");
  smtp_buf_adds(p->complaint, why);
  return e;
}

static smtp_error write_text(planner *p, const char *name, size_t name_len,
                             const char *value, size_t value_len) {
  const char *why = "";
  smtp_error e = smtp_header_write_text(&p->plan->heads, name, name_len, value,
                                        value_len, &p->o->style, &why);

  return e ? complain(p, e, name, name_len, why) : SMTP_OK;
}

static smtp_error write_field(planner *p, const smtp_field *f) {
  const char *why = "";
  smtp_error e = smtp_header_write(&p->plan->heads, f, &p->o->style, &why);

  return e ? complain(p, e, f->name, f->name_len, why) : SMTP_OK;
}

static smtp_error write_named(planner *p, const char *name, const char *value) {
  return write_text(p, name, strlen(name), value, strlen(value));
}

static bool is_dropped(const planner *p, const smtp_field *f) {
  size_t i;

  for (i = 0; i < p->o->drop_count; i++)
    if (smtp_text_equals(f->name, f->name_len, p->o->drop[i].name,
                         p->o->drop[i].name_len))
      return true;
  return false;
}

static bool is_multipart(const smtp_message *m) {
  return m->body == SMTP_BODY_PARTS &&
         !(smtp_message_is(m, "message/") && m->part_count == 1);
}

/* The boundary that the header names, else the message's own; into `out`. */
static void find_boundary(const smtp_message *m, smtp_buf *out) {
  const smtp_field *f = smtp_message_field(m, "Content-Type");

  if (!f || !smtp_param_get(f->value, f->value_len, "boundary", 8, out) ||
      !smtp_buf_len(out))
    smtp_buf_adds(out, m->boundary);
  smtp_buf_addc(out, '\0');
}

/* Append the value of Content-Type as it has to be written: with a boundary for
 * parts, with a charset for text that is not ASCII. False: as it is. */
static bool mend_type(const planner *p, const smtp_message *m,
                      const smtp_field *f, smtp_buf *out) {
  smtp_buf old;
  bool has;

  smtp_buf_init(&old);
  if (is_multipart(m)) {
    has = smtp_message_is(m, "multipart/") &&
          smtp_param_get(f->value, f->value_len, "boundary", 8, &old) &&
          smtp_buf_len(&old);
    if (!has && smtp_message_is(m, "multipart/"))
      smtp_param_set(out, f->value, f->value_len, "boundary", 8, m->boundary,
                     strlen(m->boundary));
    else if (!has)
      smtp_param_set(out, "multipart/mixed", 15, "boundary", 8, m->boundary,
                     strlen(m->boundary));
  } else {
    has = f->form == SMTP_FIELD_RAW || m->body != SMTP_BODY_BYTES ||
          smtp_choice_is_verbatim(m, p->o->only_7bit) ||
          !smtp_message_is(m, "text/") ||
          !smtp_text_has_8bit(m->content->bytes, m->content->len) ||
          smtp_param_get(f->value, f->value_len, "charset", 7, &old);
    if (!has)
      smtp_param_set(out, f->value, f->value_len, "charset", 7, "utf-8", 5);
  }
  if (old.failed) out->failed = true;
  smtp_buf_free(&old);
  return !has;
}

static smtp_error write_type(planner *p, const smtp_message *m,
                             const smtp_field *f) {
  smtp_buf mended;
  smtp_error e;

  smtp_buf_init(&mended);
  if (mend_type(p, m, f, &mended))
    e = write_text(p, f->name, f->name_len, smtp_buf_data(&mended),
                   smtp_buf_len(&mended));
  else
    e = write_field(p, f);
  if (mended.failed) e = SMTP_ERR_NOMEM;
  smtp_buf_free(&mended);
  return e;
}

static bool is_transfer(const smtp_field *f) {
  return smtp_text_equals(f->name, f->name_len, "Content-Transfer-Encoding",
                          25);
}

static smtp_error write_own_fields(planner *p, const place *at) {
  const smtp_message *m = at->m;
  smtp_error e = SMTP_OK;
  size_t i;

  for (i = 0; i < m->field_count && !e; i++) {
    const smtp_field *f = &m->fields[i];

    if (is_transfer(f) && !smtp_choice_fixed(m, p->o->only_7bit)) continue;
    if (!at->around && is_dropped(p, f)) continue;
    if (f == smtp_message_field(m, "Content-Type"))
      e = write_type(p, m, f);
    else
      e = write_field(p, f);
  }
  return e;
}

static smtp_error write_extra_fields(planner *p, const smtp_message *m,
                                     bool *has_version) {
  smtp_error e = SMTP_OK;
  size_t i;

  for (i = 0; i < p->o->add_count && !e; i++) {
    const smtp_extra *x = &p->o->add[i];

    if (smtp_text_equals(x->name, x->name_len, "MIME-Version", 12))
      *has_version = true;
    if (smtp_message_find(m, x->name, x->name_len, 0) == m->field_count)
      e = write_text(p, x->name, x->name_len, x->value, x->value_len);
  }
  return e;
}

/* The fields that the body needs and the header lacks. */
static smtp_error write_needed_fields(planner *p, const place *at,
                                      smtp_transfer transfer) {
  const smtp_message *m = at->m;
  bool has_version = at->around || smtp_message_field(m, "MIME-Version");
  bool chosen = smtp_message_field(m, "Content-Transfer-Encoding") &&
                !smtp_choice_fixed(m, p->o->only_7bit);
  bool encoded = !smtp_choice_fixed(m, p->o->only_7bit) && (chosen || transfer);
  bool typed =
      smtp_message_field(m, "Content-Type") || !(encoded || is_multipart(m));
  smtp_error e = SMTP_OK;

  if (!at->around) e = write_extra_fields(p, m, &has_version);
  if (!e && !has_version && (encoded || !typed))
    e = write_named(p, "MIME-Version", "1.0");
  if (!e && !typed && is_multipart(m)) {
    static const smtp_field none = {NULL, 0, "", 0, SMTP_FIELD_TEXT};
    smtp_field f = none;
    char name[] = "Content-Type";

    f.name = name;
    f.name_len = sizeof name - 1;
    e = write_type(p, m, &f);
  } else if (!e && !typed) {
    e = write_named(p, "Content-Type",
                    m->exact || m->body == SMTP_BODY_FED
                        ? "application/octet-stream"
                        : "text/plain; charset=\"utf-8\"");
  }
  if (!e && encoded)
    e = write_named(p, "Content-Transfer-Encoding",
                    smtp_transfer_name(transfer));
  return e;
}

/* Bodies. */

/* RFC 2046 section 5.1.1 */
static bool is_boundary(const char *s) {
  size_t len = strlen(s), i;

  if (!len || len > 70 || s[len - 1] == ' ') return false;
  for (i = 0; i < len; i++)
    if (!smtp_text_is((unsigned char)s[i], SMTP_TEXT_ALNUM) &&
        !strchr("'()+_,-./:=? ", s[i]))
      return false;
  return true;
}

static const char *search(const char *s, size_t len, const char *what) {
  size_t n = strlen(what);
  const char *end = s + len;

  while ((size_t)(end - s) >= n) {
    s = memchr(s, *what, (size_t)(end - s) - n + 1);
    if (!s) return NULL;
    if (memcmp(s, what, n) == 0) return s;
    s++;
  }
  return NULL;
}

/* A boundary around the body occurs in it: its reader would cut it there. */
static bool collides(const place *at, const smtp_block *b) {
  const place *outer;

  for (outer = at->around; outer; outer = outer->around) {
    const char *s = b->bytes, *found;
    size_t len = b->len;

    if (!outer->boundary) continue;
    while ((found = search(s, len, outer->boundary))) {
      if (found - b->bytes >= 2 && found[-1] == '-' && found[-2] == '-')
        return true;
      len -= (size_t)(found + 1 - s);
      s = found + 1;
    }
  }
  return false;
}

static smtp_error plan_message(planner *p, const place *at);

static smtp_error plan_part(planner *p, const place *at,
                            const smtp_message *part) {
  place below = {part, at, NULL, at->depth + 1};

  return plan_message(p, &below);
}

static void add_delimiter(planner *p, const char *boundary, bool last) {
  add_text(p, "--");
  add_text(p, boundary);
  if (last) add_text(p, "--");
  add_eol(p);
}

static smtp_error plan_parts(planner *p, const place *at) {
  const smtp_message *m = at->m;
  smtp_error e = SMTP_OK;
  size_t i;

  if (m->preamble) {
    e = add_block(p, m->preamble, SMTP_TRANSFER_8BIT);
    add_eol(p);
  }
  for (i = 0; i < m->part_count && !e; i++) {
    add_delimiter(p, at->boundary, false);
    e = plan_part(p, at, m->parts[i]);
    add_eol(p);
  }
  if (!m->part_count) { /* RFC 2046: at least one; here it is, empty */
    add_delimiter(p, at->boundary, false);
    add_eol(p);
    add_eol(p);
  }
  add_delimiter(p, at->boundary, true);
  if (!e && m->epilogue) e = add_block(p, m->epilogue, SMTP_TRANSFER_8BIT);
  return e;
}

static smtp_error plan_multipart(planner *p, place *at) {
  smtp_buf boundary;
  smtp_error e = SMTP_OK;
  const place *outer;

  smtp_buf_init(&boundary);
  find_boundary(at->m, &boundary);
  at->boundary = smtp_buf_data(&boundary);
  if (boundary.failed)
    e = SMTP_ERR_NOMEM;
  else if (!is_boundary(at->boundary))
    e = complain(p, SMTP_ERR_HEADER, "Content-Type", 12,
                 "not a valid boundary");
  for (outer = at->around; outer && !e; outer = outer->around)
    if (outer->boundary &&
        !strncmp(outer->boundary, at->boundary, strlen(outer->boundary)))
      e = complain(p, SMTP_ERR_HEADER, "Content-Type", 12,
                   "the boundary of a part around this one");
  if (!e) e = plan_parts(p, at);
  smtp_buf_free(&boundary);
  at->boundary = NULL;
  return e;
}

static smtp_error plan_body(planner *p, place *at, smtp_transfer transfer) {
  const smtp_message *m = at->m;

  if (is_multipart(m)) return plan_multipart(p, at);
  if (m->body == SMTP_BODY_PARTS) return plan_part(p, at, m->parts[0]);
  if (m->body == SMTP_BODY_FED) return add_fed(p, transfer);
  if (m->body == SMTP_BODY_NONE) return SMTP_OK;
  if (transfer != SMTP_TRANSFER_BASE64 && collides(at, m->content))
    return complain(p, SMTP_ERR_HEADER, "Content-Type", 12,
                    "the boundary occurs in a part");
  return add_block(p, m->content, transfer);
}

static smtp_transfer choose(const planner *p, const smtp_message *m) {
  if (m->body == SMTP_BODY_PARTS)
    return needs_8bit(p, m, 0) ? SMTP_TRANSFER_8BIT : SMTP_TRANSFER_7BIT;
  if (smtp_choice_is_verbatim(m, p->o->only_7bit)) return SMTP_TRANSFER_7BIT;
  return smtp_choice_transfer(m, p->o->allow_8bit);
}

static smtp_error plan_message(planner *p, const place *given) {
  place at = *given;
  smtp_transfer transfer;
  smtp_error e;

  if (at.depth > SMTP_MESSAGE_DEPTH) return SMTP_ERR_STATE;
  transfer = choose(p, at.m);
  e = write_own_fields(p, &at);
  if (!e) e = write_needed_fields(p, &at, transfer);
  if (e) return e;
  if (smtp_text_has_8bit(smtp_buf_data(&p->plan->heads) + p->sealed,
                         smtp_buf_len(&p->plan->heads) - p->sealed))
    p->plan->has_utf8 = true;
  add_eol(p);
  return plan_body(p, &at, transfer);
}

smtp_error smtp_plan_make(smtp_plan *plan, const smtp_message *m,
                          const smtp_plan_options *options,
                          smtp_buf *complaint) {
  planner p = {plan, options, complaint, 0, 0};
  place top = {m, NULL, NULL, 0};
  smtp_error e;

  memset(plan, 0, sizeof *plan);
  e = plan_message(&p, &top);
  if (!e) e = seal(&p);
  return !e && plan->heads.failed ? SMTP_ERR_NOMEM : e;
}

void smtp_plan_free(smtp_plan *p) {
  size_t i;

  for (i = 0; i < p->count; i++)
    smtp_block_drop(p->segments[i].block);
  smtp_release(p->segments);
  smtp_buf_free(&p->heads);
  memset(p, 0, sizeof *p);
}
