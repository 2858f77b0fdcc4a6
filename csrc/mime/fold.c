/* Folding, see fold.h. */
#include "mime/fold.h"

#include <string.h>

#include "base/text.h"

void smtp_fold_init(smtp_fold *f, smtp_buf *out, const char *eol,
                    size_t max_line, bool utf8) {
  memset(f, 0, sizeof *f);
  f->out = out;
  f->eol = eol;
  f->max_line = max_line;
  f->utf8 = utf8;
}

void smtp_fold_add(smtp_fold *f, const char *s, size_t len) {
  smtp_buf_add(f->out, s, len);
  f->column += len;
  if (f->column > SMTP_LINE_HARD_LIMIT) f->too_long = true;
}

void smtp_fold_word(smtp_fold *f, const char *gap, size_t gap_len,
                    const char *s, size_t len) {
  if (gap_len && f->column + gap_len + len > f->max_line && f->column > 1) {
    smtp_buf_adds(f->out, f->eol);
    f->column = 0;
  }
  smtp_fold_add(f, gap, gap_len);
  smtp_fold_add(f, s, len);
}

void smtp_fold_words(smtp_fold *f, const char *gap, size_t gap_len,
                     const char *s, size_t len) {
  bool first = true;
  size_t i = 0;

  while (i < len) {
    size_t start = i, word;

    while (i < len && smtp_text_is((unsigned char)s[i], SMTP_TEXT_WSP))
      i++;
    word = i;
    while (i < len && !smtp_text_is((unsigned char)s[i], SMTP_TEXT_WSP))
      i++;
    if (first) {
      smtp_fold_add(f, gap, gap_len);
      smtp_fold_add(f, s + start, i - start);
      first = false;
    } else if (word == i) {
      smtp_fold_add(f, s + start, i - start); /* no line of blanks alone */
    } else {
      smtp_fold_word(f, s + start, word - start, s + word, i - word);
    }
  }
}
