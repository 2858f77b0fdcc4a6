/* Header fields, see header.h. */
#include "mime/header.h"

#include <string.h>

#include "base/text.h"
#include "mime/mailbox.h"
#include "mime/param.h"
#include "mime/word.h"

#define NAME_MAX_LEN 200
#define GAP_MAX                                                                \
  40 /* a longer run of blanks is encoded: it cannot be folded                 \
      */

typedef smtp_error write_value(smtp_fold *f, const char *s, size_t len,
                               const char **why);

static write_value write_text, write_plain, write_ids, write_params;

/* A name that is not here is unstructured text. `Resent-X` is as `X`. */
/* clang-format off */
static const struct {
  const char *name;
  write_value *write;
} fields[] = {
  {"From",                        smtp_mailbox_write},
  {"To",                          smtp_mailbox_write},
  {"Cc",                          smtp_mailbox_write},
  {"Bcc",                         smtp_mailbox_write},
  {"Sender",                      smtp_mailbox_write},
  {"Reply-To",                    smtp_mailbox_write},
  {"Disposition-Notification-To", smtp_mailbox_write},
  {"Return-Receipt-To",           smtp_mailbox_write},
  {"Mail-Followup-To",            smtp_mailbox_write},
  {"List-Id",                     smtp_mailbox_write},
  {"Keywords",                    smtp_mailbox_write},
  {"Content-Type",                write_params},
  {"Content-Disposition",         write_params},
  {"Content-Transfer-Encoding",   write_plain},
  {"Content-ID",                  write_plain},
  {"Message-ID",                  write_plain},
  {"In-Reply-To",                 write_ids},
  {"References",                  write_ids},
  {"Date",                        write_plain},
  {"MIME-Version",                write_plain},
  {"Return-Path",                 write_plain},
  {"Received",                    write_plain},
  {"DKIM-Signature",              write_plain},
  {"Authentication-Results",      write_plain},
  {"Auto-Submitted",              write_plain},
  {"List-Unsubscribe",            write_plain},
  {"List-Unsubscribe-Post",       write_plain},
  {"List-Help",                   write_plain},
  {"List-Subscribe",              write_plain},
  {"List-Post",                   write_plain},
  {"List-Owner",                  write_plain},
  {"List-Archive",                write_plain},
};
/* clang-format on */

static write_value *writer_of(const char *name, size_t len) {
  size_t i;

  if (smtp_text_starts(name, len, "Resent-")) name += 7, len -= 7;
  for (i = 0; i < sizeof fields / sizeof *fields; i++)
    if (smtp_text_equals(name, len, fields[i].name, strlen(fields[i].name)))
      return fields[i].write;
  return write_text;
}

bool smtp_header_is_address(const char *name, size_t len) {
  return writer_of(name, len) == smtp_mailbox_write &&
         !smtp_text_equals(name, len, "Keywords", 8) &&
         !smtp_text_equals(name, len, "List-Id", 7);
}

bool smtp_header_decode(smtp_buf *out, const char *name, size_t name_len,
                        const char *raw, size_t len) {
  write_value *write = writer_of(name, name_len);

  if (write == write_params) return smtp_param_decode(out, raw, len);
  if (write == smtp_mailbox_write)
    return smtp_mailbox_decode(out, raw, len,
                               smtp_text_equals(name, name_len, "Keywords", 8));
  return smtp_word_decode(out, raw, len);
}

bool smtp_header_is_name(const char *name, size_t len) {
  return len && len <= NAME_MAX_LEN &&
         smtp_text_all(name, len, SMTP_TEXT_FTEXT);
}

static size_t skip(const char *s, size_t len, size_t i, bool blanks) {
  while (i < len && smtp_text_is((unsigned char)s[i], SMTP_TEXT_WSP) == blanks)
    i++;
  return i;
}

static bool has_wide_gap(const char *s, size_t len) {
  size_t i = 0;

  while (i < len) {
    size_t end = skip(s, len, i, true);

    if (end - i > GAP_MAX) return true;
    i = skip(s, len, end, false);
  }
  return false;
}

/* The end of the words from `word` on that all need encoding; 0: none does. */
static size_t encoded_run(const smtp_fold *f, const char *s, size_t len,
                          size_t word) {
  size_t last = 0;

  while (word < len) {
    size_t end = skip(s, len, word, false);

    if (!smtp_word_must_encode(f, s + word, end - word) &&
        end - word < SMTP_LINE_HARD_LIMIT - NAME_MAX_LEN - GAP_MAX)
      break;
    last = end;
    word = skip(s, len, end, true);
  }
  return last;
}

/* Words that need encoding and follow one another are encoded as one text, for
 * the white space between two encoded-words is lost (RFC 2047 section 6.2).
 * The first word stays on the line of the name. */
static smtp_error write_text(smtp_fold *f, const char *s, size_t len,
                             const char **why) {
  size_t i = 0;

  (void)why;
  if (has_wide_gap(s, len)) {
    smtp_word_encode(f, " ", 1, s, len);
    return SMTP_OK;
  }
  while (i < len) {
    size_t word = skip(s, len, i, true), run = encoded_run(f, s, len, word);
    const char *gap = i ? s + i : " ";
    size_t gap_len = i ? word - i : 1, end = skip(s, len, word, false);

    if (run) {
      smtp_word_encode(f, gap, gap_len, s + word, run - word);
      end = run;
    } else if (i) {
      smtp_fold_word(f, gap, gap_len, s + word, end - word);
    } else {
      smtp_fold_add(f, gap, gap_len);
      smtp_fold_add(f, s + word, end - word);
    }
    i = end;
  }
  return SMTP_OK;
}

/* Message ids, dates, tags: nothing here may be encoded. */
static smtp_error write_plain(smtp_fold *f, const char *s, size_t len,
                              const char **why) {
  if (!f->utf8 && smtp_text_has_8bit(s, len)) {
    *why = "non-ASCII text has no place in this field";
    return SMTP_ERR_HEADER;
  }
  smtp_fold_words(f, " ", 1, s, len);
  return SMTP_OK;
}

/* Message ids that touch get white space between them, to fold at. */
static smtp_error write_ids(smtp_fold *f, const char *s, size_t len,
                            const char **why) {
  smtp_buf spaced;
  size_t i;
  smtp_error e;

  smtp_buf_init(&spaced);
  for (i = 0; i < len; i++) {
    if (i && s[i] == '<' && s[i - 1] == '>') smtp_buf_addc(&spaced, ' ');
    smtp_buf_addc(&spaced, s[i]);
  }
  e = write_plain(f, smtp_buf_data(&spaced), smtp_buf_len(&spaced), why);
  if (spaced.failed) f->out->failed = true;
  smtp_buf_free(&spaced);
  return e;
}

/* Parameters. */

/* RFC 2231 attribute-char */
static bool is_attribute_char(char c) {
  return smtp_text_is((unsigned char)c, SMTP_TEXT_TOKEN) && !strchr("*'%", c);
}

static void add_percent(smtp_buf *out, const char *s, size_t len) {
  static const char digits[] = "0123456789ABCDEF";
  size_t i;

  for (i = 0; i < len; i++) {
    unsigned char c = (unsigned char)s[i];

    if (is_attribute_char(s[i])) {
      smtp_buf_addc(out, s[i]);
      continue;
    }
    smtp_buf_addc(out, '%');
    smtp_buf_addc(out, digits[c >> 4]);
    smtp_buf_addc(out, digits[c & 15]);
  }
}

static size_t percent_cost(const char *s, size_t len) {
  size_t i, cost = 0;

  for (i = 0; i < len; i++)
    cost += is_attribute_char(s[i]) ? 1 : 3;
  return cost;
}

/* Bytes of whole characters that fit into `room` when percent-encoded. */
static size_t take_chunk(const char *s, size_t len, size_t room) {
  size_t taken = 0, cost = 0;

  while (taken < len) {
    size_t step = smtp_text_utf8_step(s + taken, len - taken);

    if (!step) step = 1;
    cost += percent_cost(s + taken, step);
    if (cost > room && taken) break;
    taken += step;
  }
  return taken;
}

/* One param, or numbered pieces of it where a line does not hold it. */
static void write_extended(smtp_fold *f, const smtp_param *p, const char *value,
                           size_t len) {
  size_t room =
      f->max_line > p->name_len + 30 ? f->max_line - p->name_len - 14 : 30;
  bool pieces = percent_cost(value, len) + 6 > room;
  unsigned n = 0;

  do {
    size_t taken = pieces ? take_chunk(value, len, n ? room : room - 7) : len;
    smtp_buf piece;

    smtp_buf_init(&piece);
    smtp_buf_add(&piece, p->name, p->name_len);
    smtp_buf_addc(&piece, '*');
    if (pieces) {
      smtp_buf_addu(&piece, n);
      smtp_buf_addc(&piece, '*');
    }
    smtp_buf_adds(&piece, n ? "=" : "=utf-8''");
    add_percent(&piece, value, taken);
    value += taken;
    len -= taken;
    smtp_fold_add(f, ";", 1);
    f->max_line -= len > 0; /* for the semicolon behind it */
    smtp_fold_word(f, " ", 1, smtp_buf_data(&piece), smtp_buf_len(&piece));
    f->max_line += len > 0;
    if (piece.failed) f->out->failed = true;
    smtp_buf_free(&piece);
    n++;
  } while (len);
}

/* What RFC 2047 forbids and old readers understand: encoded-words between
 * quotation marks. */
static void write_twin(smtp_fold *f, const smtp_param *p, const char *value,
                       size_t len) {
  smtp_fold_add(f, ";", 1);
  smtp_fold_word(f, " ", 1, p->name, p->name_len);
  smtp_fold_add(f, "=\"", 2);
  smtp_word_encode(f, "", 0, value, len);
  smtp_fold_add(f, "\"", 1);
}

static bool is_printable(const char *s, size_t len) {
  return !smtp_text_has_control(s, len) && !smtp_text_has_8bit(s, len);
}

/* A token, or in quotation marks: can be written as it came. */
static bool is_well_spelt(const smtp_param *p) {
  return p->value_len &&
         (*p->value == '"' ||
          smtp_text_all(p->value, p->value_len, SMTP_TEXT_TOKEN));
}

static void write_param(smtp_fold *f, const smtp_param *p) {
  smtp_buf value, piece;
  size_t len;

  smtp_buf_init(&value);
  smtp_buf_init(&piece);
  if (p->value) smtp_param_unquote(&value, p->value, p->value_len);
  len = smtp_buf_len(&value);
  smtp_param_add(&piece, p->name, p->name_len, smtp_buf_data(&value), len);
  smtp_buf_consume(&piece, 2);
  if (!p->value || is_well_spelt(p)) {
    smtp_buf_clear(&piece);
    smtp_buf_add(&piece, p->name, p->name_len);
    if (p->value) smtp_buf_addc(&piece, '=');
    smtp_buf_add(&piece, p->value, p->value_len);
  }
  if (p->value && !memchr(p->name, '*', p->name_len) &&
      (smtp_word_must_encode(f, smtp_buf_data(&value), len) ||
       !is_printable(smtp_buf_data(&value), len) ||
       smtp_buf_len(&piece) + 1 > f->max_line)) {
    if (f->twins && len) write_twin(f, p, smtp_buf_data(&value), len);
    write_extended(f, p, smtp_buf_data(&value), len);
  } else {
    smtp_fold_add(f, ";", 1);
    smtp_fold_word(f, " ", 1, smtp_buf_data(&piece), smtp_buf_len(&piece));
  }
  if (value.failed || piece.failed) f->out->failed = true;
  smtp_buf_free(&value);
  smtp_buf_free(&piece);
}

static smtp_error write_params(smtp_fold *f, const char *s, size_t len,
                               const char **why) {
  size_t pos = 0, after, main_len;
  const char *main_text = smtp_param_main(s, len, &main_len);
  smtp_param p, next;
  bool semicolon; /* comes behind the parameter */

  if (!is_printable(main_text, main_len)) {
    *why = "the value before the parameters is not printable ASCII";
    return SMTP_ERR_HEADER;
  }
  smtp_fold_words(f, " ", 1, main_text, main_len);
  while (smtp_param_next(s, len, &pos, &p)) {
    if (!p.name_len || !smtp_text_all(p.name, p.name_len, SMTP_TEXT_TOKEN)) {
      *why = "a parameter's name is not a token";
      return SMTP_ERR_HEADER;
    }
    if (!p.closed) {
      *why = "a parameter's quotation marks do not match";
      return SMTP_ERR_HEADER;
    }
    if (p.value && memchr(p.name, '*', p.name_len) &&
        !is_printable(p.value, p.value_len)) {
      *why = "the value of a parameter with '*' is not printable ASCII";
      return SMTP_ERR_HEADER;
    }
    after = pos;
    semicolon = smtp_param_next(s, len, &after, &next);
    f->max_line -= semicolon;
    write_param(f, &p);
    f->max_line += semicolon;
  }
  return SMTP_OK;
}

/* The chokepoint. */

/* Behind each line end inside the field comes white space; no CR, LF or NUL
 * stands anywhere else. Looks at the bytes that were made, not at how. */
static bool is_one_field(const char *s, size_t len, const char *eol) {
  size_t eol_len = strlen(eol), i = 0;

  while (i < len) {
    if (s[i] == '\0') return false;
    if (s[i] != '\r' && s[i] != '\n') {
      i++;
      continue;
    }
    if (len - i < eol_len || memcmp(s + i, eol, eol_len) != 0) return false;
    i += eol_len;
    if (i < len && !smtp_text_is((unsigned char)s[i], SMTP_TEXT_WSP))
      return false;
  }
  return true;
}

static smtp_error check_bytes(const char *name, size_t name_len,
                              const char *value, size_t value_len,
                              const char **why) {
  if (!smtp_header_is_name(name, name_len)) {
    *why = "not a valid field name";
    return SMTP_ERR_HEADER;
  }
  if (value_len &&
      (memchr(value, '\r', value_len) || memchr(value, '\n', value_len) ||
       memchr(value, '\0', value_len))) {
    *why = "CR, LF or NUL in the value";
    return SMTP_ERR_HEADER;
  }
  if (!smtp_text_is_utf8(value, value_len)) {
    *why = "the value is not valid UTF-8";
    return SMTP_ERR_UTF8;
  }
  return SMTP_OK;
}

static const char *trim(const char *s, size_t *len) {
  while (*len && smtp_text_is((unsigned char)s[*len - 1], SMTP_TEXT_WSP))
    --*len;
  while (*len && smtp_text_is((unsigned char)*s, SMTP_TEXT_WSP))
    s++, --*len;
  return s;
}

smtp_error smtp_header_write_text(smtp_buf *out, const char *name,
                                  size_t name_len, const char *value,
                                  size_t value_len,
                                  const smtp_header_style *style,
                                  const char **why) {
  size_t mark = smtp_buf_len(out);
  smtp_error e = check_bytes(name, name_len, value, value_len, why);
  smtp_fold f;

  if (e) return e;
  smtp_fold_init(&f, out, style->eol, style->max_line, style->utf8);
  f.twins = style->twins;
  smtp_fold_add(&f, name, name_len);
  smtp_fold_add(&f, ":", 1);
  value = trim(value, &value_len);
  if (value_len)
    e = writer_of(name, name_len)(&f, value, value_len, why);
  else
    smtp_fold_add(&f, " ", 1);
  smtp_buf_adds(out, style->eol);
  if (!e && f.too_long) {
    *why = "a part that cannot be folded exceeds 998 characters";
    e = SMTP_ERR_HEADER;
  }
  if (!e && out->failed) e = SMTP_ERR_NOMEM;
  if (!e && !is_one_field(smtp_buf_data(out) + mark, smtp_buf_len(out) - mark,
                          style->eol)) {
    *why = "would not remain one field";
    e = SMTP_ERR_HEADER;
  }
  if (e) smtp_buf_truncate(out, mark);
  return e;
}

/* The line as read, folds and all. */
static void write_raw(smtp_buf *out, const smtp_field *field, const char *eol) {
  const char *s = field->name, *end = field->value + field->value_len;

  if (!eol) {
    smtp_buf_add(out, s, (size_t)(end - s));
    return;
  }
  for (; s < end; s++) {
    if (*s == '\r' && s + 1 < end && s[1] == '\n') continue;
    if (*s == '\n' || *s == '\r')
      smtp_buf_adds(out, eol);
    else
      smtp_buf_addc(out, *s);
  }
  smtp_buf_adds(out, eol);
}

smtp_error smtp_header_write(smtp_buf *out, const smtp_field *field,
                             const smtp_header_style *style, const char **why) {
  if (field->form != SMTP_FIELD_RAW)
    return smtp_header_write_text(out, field->name, field->name_len,
                                  field->value, field->value_len, style, why);
  write_raw(out, field, style->eol);
  return out->failed ? SMTP_ERR_NOMEM : SMTP_OK;
}

smtp_error smtp_header_check(const char *name, size_t name_len,
                             const char *value, size_t value_len,
                             const char **why) {
  static const smtp_header_style lenient = {"\n", 78, true, false};
  smtp_buf scratch;
  smtp_error e;

  smtp_buf_init(&scratch);
  e = smtp_header_write_text(&scratch, name, name_len, value, value_len,
                             &lenient, why);
  smtp_buf_free(&scratch);
  return e;
}
