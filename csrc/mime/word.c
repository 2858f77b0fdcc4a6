/* Writing encoded-words, see word.h. Q uses the small alphabet that is safe in
 * every place (RFC 2047 section 5, rule 3), phrases included. */
#include "mime/word.h"

#include <string.h>

#include "base/base64.h"
#include "base/text.h"

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
