/* Making a plan: one walk through the tree, no deeper than SMTP_MESSAGE_DEPTH.
 */
#include "mime/planner.h"

#include <string.h>

#include "base/text.h"

/* Some leaf below is 8bit: then so are the containers (RFC 2045 6.4). */
static bool needs_8bit(const smtp_planner *p, const smtp_message *m,
                       int depth) {
  size_t i;

  if (depth > SMTP_MESSAGE_DEPTH || smtp_choice_fixed(m, p->only_7bit))
    return false;
  for (i = 0; i < m->part_count; i++)
    if (needs_8bit(p, m->parts[i], depth + 1)) return true;
  return m->body == SMTP_BODY_BYTES &&
         !smtp_choice_is_verbatim(m, p->only_7bit) &&
         smtp_choice_transfer(m, p->allow_8bit) == SMTP_TRANSFER_8BIT;
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

/* The two hyphens of a delimiter stand before `found`, where a line begins or,
 * in what is yet to be cut into lines, may begin. */
static bool is_delimiter(const smtp_block *b, const char *found,
                         smtp_transfer transfer) {
  size_t before = (size_t)(found - b->bytes);

  if (before < 2 || found[-1] != '-' || found[-2] != '-') return false;
  return before == 2 || transfer >= SMTP_TRANSFER_QP || found[-3] == '\n' ||
         found[-3] == '\r';
}

/* A boundary around the body occurs in it: its reader would cut it there. */
static bool collides(const smtp_place *at, const smtp_block *b,
                     smtp_transfer transfer) {
  const smtp_place *outer;

  for (outer = at->around; outer; outer = outer->around) {
    const char *s = b->bytes, *found;
    size_t len = b->len;

    if (!outer->boundary) continue;
    while ((found = search(s, len, outer->boundary))) {
      if (is_delimiter(b, found, transfer)) return true;
      len -= (size_t)(found + 1 - s);
      s = found + 1;
    }
  }
  return false;
}

static smtp_error plan_bytes(smtp_planner *p, const smtp_place *at,
                             smtp_block *b, smtp_transfer transfer) {
  if (b && transfer != SMTP_TRANSFER_BASE64 && collides(at, b, transfer))
    return smtp_planner_complain(p, SMTP_ERR_HEADER, "Content-Type", 12,
                                 "the boundary occurs in a part");
  return smtp_planner_block(p, b, transfer);
}

static smtp_error plan_message(smtp_planner *p, const smtp_place *at);

static smtp_error plan_part(smtp_planner *p, const smtp_place *at,
                            const smtp_message *part) {
  smtp_place below = {part, at, NULL, at->depth + 1};

  return plan_message(p, &below);
}

static void add_delimiter(smtp_planner *p, const char *boundary, bool last) {
  smtp_planner_text(p, "--");
  smtp_planner_text(p, boundary);
  if (last) smtp_planner_text(p, "--");
  smtp_planner_eol(p);
}

static smtp_error plan_parts(smtp_planner *p, const smtp_place *at) {
  const smtp_message *m = at->m;
  const smtp_place inside = {m, at, NULL, at->depth};
  smtp_error e = SMTP_OK;
  size_t i;

  if (m->preamble) {
    e = plan_bytes(p, &inside, m->preamble, SMTP_TRANSFER_8BIT);
    smtp_planner_eol(p);
  }
  for (i = 0; i < m->part_count && !e; i++) {
    add_delimiter(p, at->boundary, false);
    e = plan_part(p, at, m->parts[i]);
    smtp_planner_eol(p);
  }
  if (!m->part_count) { /* RFC 2046: at least one; here it is, empty */
    add_delimiter(p, at->boundary, false);
    smtp_planner_eol(p);
    smtp_planner_eol(p);
  }
  add_delimiter(p, at->boundary, true);
  if (!e && m->epilogue) e = plan_bytes(p, at, m->epilogue, SMTP_TRANSFER_8BIT);
  return e;
}

/* The header still names the boundary that cuts the body as read. */
static bool is_cut_as_read(const smtp_message *m) {
  smtp_buf boundary;
  bool same;

  if (!smtp_planner_is_multipart(m)) return true;
  smtp_buf_init(&boundary);
  smtp_planner_boundary(m, &boundary);
  same = m->read_boundary && !boundary.failed &&
         smtp_buf_len(&boundary) == m->read_boundary->len + 1 &&
         memcmp(smtp_buf_data(&boundary), m->read_boundary->bytes,
                m->read_boundary->len) == 0;
  smtp_buf_free(&boundary);
  return same;
}

static smtp_error plan_multipart(smtp_planner *p, smtp_place *at) {
  smtp_buf boundary;
  smtp_error e = SMTP_OK;
  const smtp_place *outer;

  smtp_buf_init(&boundary);
  smtp_planner_boundary(at->m, &boundary);
  at->boundary = smtp_buf_data(&boundary);
  if (boundary.failed)
    e = SMTP_ERR_NOMEM;
  else if (!smtp_planner_is_boundary(at->boundary) && !is_cut_as_read(at->m))
    e = smtp_planner_complain(p, SMTP_ERR_HEADER, "Content-Type", 12,
                              "not a valid boundary");
  for (outer = at->around; outer && !e; outer = outer->around)
    if (outer->boundary &&
        !strncmp(outer->boundary, at->boundary, strlen(outer->boundary)))
      e = smtp_planner_complain(p, SMTP_ERR_HEADER, "Content-Type", 12,
                                "the boundary of a part around this one");
  if (!e) e = plan_parts(p, at);
  smtp_buf_free(&boundary);
  at->boundary = NULL;
  return e;
}

static smtp_error plan_wrapped(smtp_planner *p, const smtp_place *at) {
  smtp_error e = SMTP_OK;
  size_t i;

  for (i = 0; i < at->m->part_count && !e; i++)
    e = plan_part(p, at, at->m->parts[i]);
  return e;
}

static smtp_error plan_body(smtp_planner *p, smtp_place *at,
                            smtp_transfer transfer) {
  const smtp_message *m = at->m;

  if (smtp_planner_is_multipart(m)) return plan_multipart(p, at);
  if (m->body == SMTP_BODY_PARTS) return plan_wrapped(p, at);
  if (m->body == SMTP_BODY_FED) return smtp_planner_fed(p, transfer);
  if (m->body == SMTP_BODY_NONE) return SMTP_OK;
  return plan_bytes(p, at, m->content, transfer);
}

static bool has_8bit(const smtp_block *b) {
  return smtp_text_has_8bit(b->bytes, b->len);
}

static smtp_transfer choose(const smtp_planner *p, const smtp_message *m) {
  if (m->body == SMTP_BODY_PARTS)
    return needs_8bit(p, m, 0) ? SMTP_TRANSFER_8BIT : SMTP_TRANSFER_7BIT;
  if (smtp_choice_is_verbatim(m, p->only_7bit)) return SMTP_TRANSFER_7BIT;
  return smtp_choice_transfer(m, p->allow_8bit);
}

/* A whole that must reach its reader as it is: a signature covers it. */
static bool is_signed(const smtp_message *m, const smtp_place *around) {
  return smtp_message_is(m, "multipart/signed") ||
         smtp_message_is(m, "multipart/encrypted") ||
         smtp_message_is(m, "application/pkcs7-mime") ||
         smtp_message_is(m, "application/x-pkcs7-mime") ||
         (!around && smtp_message_field(m, "DKIM-Signature"));
}

/* What was read goes out as it was, unless its reader cannot take it. */
static bool may_keep_body(const smtp_planner *p, const smtp_message *m) {
  return smtp_message_has_body_as_read(m) && is_cut_as_read(m) &&
         !(p->only_7bit && has_8bit(m->raw_body));
}

static smtp_error plan_as_read(smtp_planner *p, const smtp_place *at) {
  const smtp_message *m = at->m;
  size_t head = (size_t)(m->raw_body->bytes - m->raw->bytes);

  if (!at->around && smtp_text_has_8bit(m->raw->bytes, head))
    p->plan->has_utf8 = true;
  return smtp_planner_read(p, m->raw);
}

static smtp_error plan_fields_and_body(smtp_planner *p, smtp_place *at) {
  smtp_transfer transfer = choose(p, at->m);
  smtp_error e = smtp_planner_header(p, at, transfer);

  if (e) return e;
  smtp_planner_eol(p);
  if (at->m->raw_body && may_keep_body(p, at->m))
    return smtp_planner_read(p, at->m->raw_body);
  return plan_body(p, at, transfer);
}

static smtp_error plan_message(smtp_planner *p, const smtp_place *given) {
  smtp_place at = *given;
  smtp_planner before = *p;
  smtp_error e;

  if (at.depth > SMTP_MESSAGE_DEPTH) return SMTP_ERR_STATE;
  if (is_signed(at.m, at.around))
    p->allow_8bit = p->only_7bit = p->for_wire = false;
  if (may_keep_body(p, at.m) && smtp_planner_has_fields_as_read(p, &at))
    e = plan_as_read(p, &at);
  else
    e = plan_fields_and_body(p, &at);
  p->allow_8bit = before.allow_8bit;
  p->only_7bit = before.only_7bit;
  p->for_wire = before.for_wire;
  return e;
}

smtp_error smtp_plan_make(smtp_plan *plan, const smtp_message *m,
                          const smtp_plan_options *options,
                          smtp_buf *complaint) {
  smtp_planner p = {plan,
                    options,
                    complaint,
                    0,
                    0,
                    options->allow_8bit,
                    options->only_7bit,
                    options->for_wire};
  smtp_place top = {m, NULL, NULL, 0};
  smtp_error e;

  memset(plan, 0, sizeof *plan);
  e = plan_message(&p, &top);
  if (!e) e = smtp_planner_seal(&p);
  return !e && plan->heads.failed ? SMTP_ERR_NOMEM : e;
}
