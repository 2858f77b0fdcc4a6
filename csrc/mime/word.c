/* Encoded-words, see word.h. Q uses the small alphabet that is safe in every
 * place (RFC 2047 section 5, rule 3), phrases included. */
#include "mime/word.h"

#include <string.h>

#include "base/base64.h"
#include "base/text.h"
#include "mime/encode.h"

#define PREFIX_LEN 10 /* =?utf-8?q? */
#define FRAME_LEN 12  /* and ?= */
#define WORD_MAX 75   /* RFC 2047 section 2 */

bool smtp_word_must_encode(const smtp_fold *f, const char *s, size_t len) {
  size_t i;

  for (i = 0; i < len; i++) {
    unsigned char c = (unsigned char)s[i];

    if (c >= 0x80 && !f->utf8) return true;
    if ((c < 0x20 && c != '\t') || c == 0x7F) return true;
    if (c == '=' && i + 1 < len && s[i + 1] == '?') return true;
  }
  return false;
}

static size_t q_cost(unsigned char c) {
  return c == ' ' || smtp_text_is(c, SMTP_TEXT_ALNUM) ||
                 (c && strchr("!*+-/", c))
             ? 1
             : 3;
}

static size_t b_cost(size_t bytes) {
  return (bytes + 2) / 3 * 4;
}

static void add_q(smtp_fold *f, const char *s, size_t len) {
  static const char digits[] = "0123456789ABCDEF";
  size_t i;

  for (i = 0; i < len; i++) {
    unsigned char c = (unsigned char)s[i];
    char code[3] = {'=', digits[c >> 4], digits[c & 15]};

    if (c == ' ') code[0] = '_';
    if (q_cost(c) == 1 && c != ' ') code[0] = (char)c;
    smtp_fold_add(f, code, q_cost(c));
  }
}

/* Bytes of whole characters whose encoding fits into `room`; at least one
 * character. */
static size_t take_chunk(const char *s, size_t len, size_t room, bool b) {
  size_t taken = 0, cost = 0;

  while (taken < len) {
    size_t step = smtp_text_utf8_step(s + taken, len - taken), i;

    if (!step) step = 1;
    if (b)
      cost = b_cost(taken + step);
    else
      for (i = 0; i < step; i++)
        cost += q_cost((unsigned char)s[taken + i]);
    if (cost > room && taken) break;
    taken += step;
  }
  return taken;
}

static void add_word(smtp_fold *f, const char *s, size_t len, bool b) {
  size_t before;

  smtp_fold_add(f, b ? "=?utf-8?b?" : "=?utf-8?q?", PREFIX_LEN);
  if (b) {
    before = smtp_buf_len(f->out);
    smtp_base64_encode(f->out, s, len);
    f->column += smtp_buf_len(f->out) - before;
  } else {
    add_q(f, s, len);
  }
  smtp_fold_add(f, "?=", 2);
}

void smtp_word_encode(smtp_fold *f, const char *gap, size_t gap_len,
                      const char *s, size_t len) {
  size_t i, q = 0;
  bool b;

  for (i = 0; i < len; i++)
    q += q_cost((unsigned char)s[i]);
  b = b_cost(len) < q;
  while (len) {
    /* one column is left for a comma or parenthesis behind the word */
    size_t used = f->column + gap_len + 1, room, n;

    if (gap_len && used + FRAME_LEN + 12 > f->max_line && f->column > 1) {
      smtp_buf_adds(f->out, f->eol);
      f->column = 0;
      used = gap_len + 1;
    }
    room = f->max_line > used ? f->max_line - used : 0;
    if (room > WORD_MAX) room = WORD_MAX;
    room = room > FRAME_LEN ? room - FRAME_LEN : 0;
    n = take_chunk(s, len, room, b);
    smtp_fold_add(f, gap, gap_len);
    add_word(f, s, n, b);
    s += n;
    len -= n;
    gap = " ";
    gap_len = 1;
  }
}

/* Reading. */

typedef struct encoded_word {
  const char *charset, *text;
  size_t charset_len, text_len, len;
  bool b;
} encoded_word;

static size_t find_mark(const char *s, size_t len, size_t i) {
  while (i < len && s[i] != '?' && s[i] != ' ')
    i++;
  return i;
}

/* =?charset?B?text?= at the start of `s`. */
static bool read_frame(const char *s, size_t len, encoded_word *w) {
  size_t charset_end, i;

  if (len < 8 || s[0] != '=' || s[1] != '?') return false;
  charset_end = find_mark(s, len, 2);
  if (charset_end == 2 || charset_end + 3 >= len || s[charset_end] != '?')
    return false;
  if (s[charset_end + 2] != '?') return false;
  w->b = smtp_text_lower(s[charset_end + 1]) == 'b';
  if (!w->b && smtp_text_lower(s[charset_end + 1]) != 'q') return false;
  i = charset_end + 3;
  w->text = s + i;
  i = find_mark(s, len, i);
  if (i + 1 >= len || s[i] != '?' || s[i + 1] != '=') return false;
  w->text_len = (size_t)(s + i - w->text);
  w->charset = s + 2;
  w->charset_len = charset_end - 2;
  for (i = 0; i < w->charset_len; i++) /* RFC 2231: charset*language */
    if (w->charset[i] == '*') w->charset_len = i;
  w->len = (size_t)(w->text + w->text_len + 2 - s);
  return true;
}

static void add_utf8(smtp_buf *out, const char *s, size_t len, bool latin1) {
  size_t i;

  if (!latin1 && smtp_text_is_utf8(s, len)) {
    smtp_buf_add(out, s, len);
    return;
  }
  for (i = 0; i < len; i++) {
    unsigned char c = (unsigned char)s[i];

    if (c < 0x80) {
      smtp_buf_addc(out, (char)c);
    } else {
      smtp_buf_addc(out, (char)(0xC0 | c >> 6));
      smtp_buf_addc(out, (char)(0x80 | (c & 0x3F)));
    }
  }
}

static void decode_q(smtp_buf *out, const char *s, size_t len) {
  smtp_encode_dequopri d;

  smtp_encode_dequopri_init(&d, true);
  smtp_encode_dequopri_update(&d, out, s, len);
  smtp_encode_dequopri_final(&d, out); /* what is malformed stays as it is */
}

static bool is_charset(const encoded_word *w, const char *name) {
  return smtp_text_equals(w->charset, w->charset_len, name, strlen(name));
}

/* Append the undecoded bytes of a word whose charset is known here. */
static bool decode_word(smtp_buf *bytes, const encoded_word *w, bool *latin1) {
  *latin1 = is_charset(w, "iso-8859-1");
  if (!*latin1 && !is_charset(w, "utf-8") && !is_charset(w, "us-ascii"))
    return false;
  if (w->b)
    return smtp_base64_decode_lenient(bytes, w->text, w->text_len) == SMTP_OK;
  decode_q(bytes, w->text, w->text_len);
  return true;
}

/* Bytes of words that follow one another are joined before they are judged:
 * some composers split characters. */
typedef struct word_run {
  smtp_buf bytes;
  bool latin1;
  bool open; /* the last thing seen was a word */
} word_run;

static void end_run(smtp_buf *out, word_run *run) {
  if (run->open)
    add_utf8(out, smtp_buf_data(&run->bytes), smtp_buf_len(&run->bytes),
             run->latin1);
  smtp_buf_clear(&run->bytes);
  run->open = false;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Append white space without its line ends. */
static void add_blanks(smtp_buf *out, const char *s, size_t len) {
  size_t i;

  for (i = 0; i < len; i++)
    if (s[i] != '\r' && s[i] != '\n') smtp_buf_addc(out, s[i]);
}

static bool take_encoded(smtp_buf *out, word_run *run, const char *s,
                         size_t len, size_t blanks, size_t *used) {
  encoded_word w;
  bool latin1;
  size_t mark = smtp_buf_len(&run->bytes);

  if (!read_frame(s + blanks, len - blanks, &w)) return false;
  if (!decode_word(&run->bytes, &w, &latin1)) {
    smtp_buf_truncate(&run->bytes, mark);
    return false;
  }
  if (!run->open) add_blanks(out, s, blanks);
  if (run->open && latin1 != run->latin1) {
    smtp_buf tail = run->bytes;

    tail.start += mark;
    add_utf8(out, smtp_buf_data(&run->bytes), mark, run->latin1);
    add_utf8(out, smtp_buf_data(&tail), smtp_buf_len(&tail), latin1);
    smtp_buf_clear(&run->bytes);
  }
  run->latin1 = latin1;
  run->open = true;
  *used = blanks + w.len;
  return true;
}

bool smtp_word_decode(smtp_buf *out, const char *raw, size_t len) {
  word_run run = {0};
  bool odd = !smtp_text_is_utf8(raw, len), failed;
  size_t i = 0;

  smtp_buf_init(&run.bytes);
  while (i < len && is_blank(raw[i]))
    i++;
  while (i < len) {
    size_t blanks = 0, used = 0, n;

    while (i + blanks < len && is_blank(raw[i + blanks]))
      blanks++;
    if (!take_encoded(out, &run, raw + i, len - i, blanks, &used)) {
      end_run(out, &run);
      add_blanks(out, raw + i, blanks);
      n = blanks;
      do
        n++;
      while (i + n < len && !is_blank(raw[i + n]) && raw[i + n] != '=');
      if (i + n > len) n = len - i;
      add_utf8(out, raw + i + blanks, n - blanks, odd);
      used = n;
    }
    i += used;
  }
  end_run(out, &run);
  failed = run.bytes.failed;
  smtp_buf_free(&run.bytes);
  if (failed) out->failed = true;
  return odd;
}
