/* The header blocks of a plan, see planner.h: the fields that there are, and
 * those that the body needs. */
#include "mime/planner.h"

#include <string.h>

#include "base/text.h"
#include "mime/param.h"

smtp_error smtp_planner_complain(smtp_planner *p, smtp_error e,
                                 const char *name, size_t len,
                                 const char *why) {
  size_t i;

  if (e == SMTP_ERR_NOMEM || smtp_buf_len(p->complaint)) return e;
  smtp_buf_adds(p->complaint, "header '");
  for (i = 0; i < len && i < 60; i++)
    smtp_buf_addc(p->complaint, name[i] > 32 && name[i] < 127 ? name[i] : '?');
  smtp_buf_adds(p->complaint, "': ");
  smtp_buf_adds(p->complaint, why);
  return e;
}

static smtp_error write_text(smtp_planner *p, const char *name, size_t name_len,
                             const char *value, size_t value_len) {
  const char *why = "";
  smtp_error e = smtp_header_write_text(&p->plan->heads, name, name_len, value,
                                        value_len, &p->o->style, &why);

  return e ? smtp_planner_complain(p, e, name, name_len, why) : SMTP_OK;
}

/* A field as it was read that no reader could be expected to understand. */
static bool must_mend(const smtp_planner *p, const smtp_field *f) {
  return p->for_wire && f->form == SMTP_FIELD_RAW &&
         smtp_text_has_8bit(f->value, f->value_len) &&
         !(p->o->style.utf8 && smtp_text_is_utf8(f->value, f->value_len));
}

static smtp_error mend_field(smtp_planner *p, const smtp_field *f) {
  smtp_field text = *f;
  smtp_buf decoded;
  const char *why = "";
  smtp_error e;

  smtp_buf_init(&decoded);
  smtp_header_decode(&decoded, f->name, f->name_len, f->value, f->value_len);
  text.form = SMTP_FIELD_TEXT;
  text.value = smtp_buf_data(&decoded);
  text.value_len = smtp_buf_len(&decoded);
  e = decoded.failed
          ? SMTP_ERR_NOMEM
          : smtp_header_write(&p->plan->heads, &text, &p->o->style, &why);
  smtp_buf_free(&decoded);
  return e;
}

static smtp_error write_field(smtp_planner *p, const smtp_field *f) {
  smtp_header_style style = p->o->style;
  const char *why = "";
  smtp_error e;

  if (must_mend(p, f) && (e = mend_field(p, f)) != SMTP_ERR_HEADER &&
      e != SMTP_ERR_ADDRESS)
    return e;
  if (p->o->keep_lines && f->form == SMTP_FIELD_RAW) style.eol = NULL;
  e = smtp_header_write(&p->plan->heads, f, &style, &why);
  if (!e && !style.eol) smtp_planner_eol(p);
  return e ? smtp_planner_complain(p, e, f->name, f->name_len, why) : SMTP_OK;
}

static smtp_error write_named(smtp_planner *p, const char *name,
                              const char *value) {
  return write_text(p, name, strlen(name), value, strlen(value));
}

static bool is_dropped(const smtp_planner *p, const smtp_field *f) {
  size_t i;

  for (i = 0; i < p->o->drop_count; i++)
    if (smtp_text_equals(f->name, f->name_len, p->o->drop[i].name,
                         p->o->drop[i].name_len))
      return true;
  return false;
}

/* Parts that follow one another without boundaries: the message in a
 * message/rfc822, the blocks of a message/delivery-status. */
static bool is_wrapper(const smtp_message *m) {
  return m->body == SMTP_BODY_PARTS &&
         ((m->part_count == 1 && smtp_message_is(m, "message/")) ||
          smtp_message_is(m, "message/delivery-status"));
}

bool smtp_planner_is_multipart(const smtp_message *m) {
  return m->body == SMTP_BODY_PARTS && !is_wrapper(m);
}

void smtp_planner_boundary(const smtp_message *m, smtp_buf *out) {
  const smtp_field *f = smtp_message_field(m, "Content-Type");

  if (!f || !smtp_message_is(m, "multipart/") ||
      !smtp_param_boundary(f->value, f->value_len, out))
    smtp_buf_adds(out, m->boundary);
  smtp_buf_addc(out, '\0');
}

bool smtp_planner_is_boundary(const char *s) {
  size_t len = strlen(s), i;

  if (!len || len > 70 || s[len - 1] == ' ') return false;
  for (i = 0; i < len; i++)
    if (!smtp_text_is((unsigned char)s[i], SMTP_TEXT_ALNUM) &&
        !strchr("'()+_,-./:=? ", s[i]))
      return false;
  return true;
}

static bool is_utf8(const smtp_message *m) {
  return smtp_text_is_utf8(m->content->bytes, m->content->len);
}

/* The charset of text that says none: RFC 1428 where nobody knows. */
static const char *charset_of(const smtp_message *m) {
  return is_utf8(m) ? "utf-8" : "unknown-8bit";
}

/* Append the value of Content-Type as it has to be written: with a boundary for
 * parts, with a charset for text that is not ASCII. False: as it is. */
static bool mend_type(const smtp_planner *p, const smtp_message *m,
                      const smtp_field *f, smtp_buf *out) {
  smtp_buf old;
  bool has;

  smtp_buf_init(&old);
  if (smtp_planner_is_multipart(m)) {
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
          smtp_choice_is_verbatim(m, p->only_7bit) ||
          !smtp_message_is(m, "text/") ||
          !smtp_text_has_8bit(m->content->bytes, m->content->len) ||
          smtp_param_get(f->value, f->value_len, "charset", 7, &old);
    if (!has)
      smtp_param_set(out, f->value, f->value_len, "charset", 7, charset_of(m),
                     strlen(charset_of(m)));
  }
  if (old.failed) out->failed = true;
  smtp_buf_free(&old);
  return !has;
}

static smtp_error write_type(smtp_planner *p, const smtp_message *m,
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

static smtp_error write_own_fields(smtp_planner *p, const smtp_place *at) {
  const smtp_message *m = at->m;
  const smtp_field *type = smtp_message_field(m, "Content-Type");
  bool is_fixed = smtp_choice_fixed(m, p->only_7bit);
  smtp_error e = SMTP_OK;
  size_t i;

  for (i = 0; i < m->field_count && !e; i++) {
    const smtp_field *f = &m->fields[i];

    if (is_transfer(f) && !is_fixed) continue;
    if (!at->around && is_dropped(p, f)) continue;
    if (f == type)
      e = write_type(p, m, f);
    else
      e = write_field(p, f);
  }
  return e;
}

static smtp_error write_extra_fields(smtp_planner *p, const smtp_message *m,
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

/* The type of a part that names none, where the multipart around it gives it
 * another one than it has (RFC 2046 section 5.1.5); else NULL. */
static const char *lost_type(const smtp_place *at) {
  const smtp_message *m = at->m;

  if (!at->around || smtp_message_field(m, "Content-Type") ||
      smtp_message_is(at->around->m, "multipart/digest") == m->in_digest)
    return NULL;
  return m->in_digest ? "message/rfc822" : "text/plain";
}

static const char *default_type(const smtp_place *at, bool encoded) {
  const char *lost = lost_type(at);

  if (lost && !encoded) return lost;
  if (at->m->exact || at->m->body != SMTP_BODY_BYTES)
    return "application/octet-stream";
  return is_utf8(at->m) ? "text/plain; charset=\"utf-8\""
                        : "text/plain; charset=\"unknown-8bit\"";
}

/* The fields that the body needs and the header lacks. */
static smtp_error write_needed_fields(smtp_planner *p, const smtp_place *at,
                                      smtp_transfer transfer) {
  const smtp_message *m = at->m;
  bool has_version = at->around || smtp_message_field(m, "MIME-Version");
  bool chosen = smtp_message_field(m, "Content-Transfer-Encoding") &&
                !smtp_choice_fixed(m, p->only_7bit);
  bool encoded = !smtp_choice_fixed(m, p->only_7bit) && (chosen || transfer);
  bool typed = smtp_message_field(m, "Content-Type") ||
               !(encoded || smtp_planner_is_multipart(m) || lost_type(at));
  smtp_error e = SMTP_OK;

  if (!at->around) e = write_extra_fields(p, m, &has_version);
  if (!e && !has_version && (encoded || !typed))
    e = write_named(p, "MIME-Version", "1.0");
  if (!e && !typed && smtp_planner_is_multipart(m)) {
    static const smtp_field none = {NULL, 0, "", 0, SMTP_FIELD_TEXT};
    smtp_field f = none;
    char name[] = "Content-Type";

    f.name = name;
    f.name_len = sizeof name - 1;
    e = write_type(p, m, &f);
  } else if (!e && !typed) {
    e = write_named(p, "Content-Type", default_type(at, encoded));
  }
  if (!e && encoded)
    e = write_named(p, "Content-Transfer-Encoding",
                    smtp_transfer_name(transfer));
  return e;
}

bool smtp_planner_has_fields_as_read(const smtp_planner *p,
                                     const smtp_place *at) {
  const smtp_message *m = at->m;
  size_t i;

  for (i = 0; i < m->field_count; i++)
    if (must_mend(p, &m->fields[i]) ||
        (!at->around && is_dropped(p, &m->fields[i])))
      return false;
  for (i = 0; i < p->o->add_count && !at->around; i++)
    if (smtp_message_find(m, p->o->add[i].name, p->o->add[i].name_len, 0) ==
        m->field_count)
      return false;
  return m->raw && !lost_type(at);
}

smtp_error smtp_planner_header(smtp_planner *p, const smtp_place *at,
                               smtp_transfer transfer) {
  smtp_error e = write_own_fields(p, at);

  if (!e) e = write_needed_fields(p, at, transfer);
  if (!e && smtp_text_has_8bit(smtp_buf_data(&p->plan->heads) + p->sealed,
                               smtp_buf_len(&p->plan->heads) - p->sealed))
    p->plan->has_utf8 = true;
  return e;
}
