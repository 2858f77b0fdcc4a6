/* Reading encoded-words, see word.h. As lenient as readers of real mail must be
 * (a word beside other text, blanks within Q), but in one pass: no search
 * goes past the next question mark. */
#include <string.h>

#include "base/base64.h"
#include "base/text.h"
#include "intl/charset.h"
#include "mime/encode.h"
#include "mime/word.h"

typedef struct encoded_word {
  const char *charset, *text;
  size_t charset_len, text_len, len;
  bool b;
} encoded_word;

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next question mark; blanks may not come before it, or (in the text, where
 * senders forget to encode them) no line ends. */
static size_t find_mark(const char *s, size_t len, size_t i, bool in_text) {
  while (i < len && s[i] != '?' &&
         (in_text ? s[i] != '\r' && s[i] != '\n' : !is_blank(s[i])))
    i++;
  return i;
}

/* =?charset?B?text?= at the start of `s`. */
static bool read_frame(const char *s, size_t len, encoded_word *w) {
  size_t charset_end, i;

  if (len < 8 || s[0] != '=' || s[1] != '?') return false;
  charset_end = find_mark(s, len, 2, false);
  if (charset_end == 2 || charset_end + 3 >= len || s[charset_end] != '?')
    return false;
  if (s[charset_end + 2] != '?') return false;
  w->b = smtp_text_lower(s[charset_end + 1]) == 'b';
  if (!w->b && smtp_text_lower(s[charset_end + 1]) != 'q') return false;
  i = charset_end + 3;
  w->text = s + i;
  i = find_mark(s, len, i, true);
  if (i + 1 >= len || s[i] != '?' || s[i + 1] != '=') return false;
  w->text_len = (size_t)(s + i - w->text);
  w->charset = s + 2;
  w->charset_len = charset_end - 2;
  for (i = 0; i < w->charset_len; i++) /* RFC 2231: charset*language */
    if (w->charset[i] == '*') w->charset_len = i;
  w->len = (size_t)(w->text + w->text_len + 2 - s);
  return true;
}

/* Some programs leave the padding out. */
static bool decode_b(smtp_buf *bytes, const encoded_word *w) {
  size_t i, count = 0;

  if (smtp_base64_decode_lenient(bytes, w->text, w->text_len) == SMTP_OK)
    return true;
  for (i = 0; i < w->text_len; i++) {
    if (!smtp_text_is((unsigned char)w->text[i], SMTP_TEXT_ALNUM) &&
        w->text[i] != '+' && w->text[i] != '/')
      return false;
    count++;
  }
  return count % 4 != 1;
}

/* Append the bytes that the word stands for, in its charset. */
static bool decode_word(smtp_buf *bytes, const encoded_word *w) {
  smtp_encode_dequopri d;

  if (w->b) return decode_b(bytes, w);
  smtp_encode_dequopri_init(&d, true);
  smtp_encode_dequopri_update(&d, bytes, w->text, w->text_len);
  smtp_encode_dequopri_final(&d, bytes); /* what is malformed stays as it is */
  return true;
}

/* Append text of the header itself. */
static void add_text(smtp_buf *out, const char *s, size_t len, bool is_utf8) {
  bool replaced;

  if (is_utf8)
    smtp_buf_add(out, s, len);
  else
    smtp_charset_to_utf8(out, "iso-8859-1", 10, s, len, &replaced);
}

/* Append the same without its line ends. */
static void add_unfolded(smtp_buf *out, const char *s, size_t len,
                         bool is_utf8) {
  size_t i = 0, from = 0;

  for (; i < len; i++) {
    if (s[i] != '\r' && s[i] != '\n') continue;
    add_text(out, s + from, i - from, is_utf8);
    from = i + 1;
  }
  add_text(out, s + from, len - from, is_utf8);
}

static size_t skip_blanks(const char *s, size_t len, size_t i) {
  while (i < len && is_blank(s[i]))
    i++;
  return i;
}

bool smtp_word_unfold(smtp_buf *out, const char *raw, size_t len) {
  size_t start = skip_blanks(raw, len, 0);
  bool is_utf8 = smtp_text_is_utf8(raw, len);

  while (len > start && is_blank(raw[len - 1]))
    len--;
  add_unfolded(out, raw + start, len - start, is_utf8);
  return !is_utf8;
}

bool smtp_word_is_encoded(const char *s, size_t len) {
  encoded_word w;
  size_t i = 0;

  while (i < len && read_frame(s + i, len - i, &w))
    i = skip_blanks(s, len, i + w.len);
  return len && i == len;
}

/* Words of one charset that follow one another are joined before they are
 * converted: some composers split characters. */
typedef struct word_run {
  smtp_buf *out;
  smtp_buf bytes;
  const char *start, *end; /* as spelt */
  const char *charset;
  size_t charset_len;
  bool open;         /* the last thing seen was a word */
  bool was_decoded;  /* what `out` ends with came from a word */
  bool odd, is_utf8; /* of the whole field */
} word_run;

/* Words in a charset that is not known stay as they are. */
static void end_run(word_run *r) {
  bool replaced = false;
  smtp_error e;

  if (!r->open) return;
  e = smtp_charset_to_utf8(r->out, r->charset, r->charset_len,
                           smtp_buf_data(&r->bytes), smtp_buf_len(&r->bytes),
                           &replaced);
  if (e == SMTP_ERR_CHARSET)
    add_unfolded(r->out, r->start, (size_t)(r->end - r->start), r->is_utf8);
  if (e == SMTP_ERR_NOMEM) r->out->failed = true;
  r->was_decoded = e == SMTP_OK;
  r->odd = r->odd || replaced || e;
  smtp_buf_clear(&r->bytes);
  r->open = false;
}

/* A word behind `blanks` bytes of white space, which are dropped between two
 * words (RFC 2047 section 6.2). Returns the bytes taken, 0 when there is no
 * word there. */
static size_t take_word(word_run *r, const char *s, size_t len, size_t blanks) {
  encoded_word w;
  size_t mark;

  if (!read_frame(s + blanks, len - blanks, &w)) return 0;
  if (r->open &&
      !smtp_text_equals(w.charset, w.charset_len, r->charset, r->charset_len))
    end_run(r);
  mark = smtp_buf_len(&r->bytes);
  if (!decode_word(&r->bytes, &w)) {
    smtp_buf_truncate(&r->bytes, mark);
    r->odd = true;
    return 0;
  }
  if (!r->open) {
    if (!r->was_decoded) add_unfolded(r->out, s, blanks, true);
    r->start = s + blanks;
    r->charset = w.charset;
    r->charset_len = w.charset_len;
    r->open = true;
  }
  r->end = s + blanks + w.len;
  return blanks + w.len;
}

/* Text up to white space or what may begin a word, at least a byte. */
static size_t take_text(word_run *r, const char *s, size_t len, size_t blanks) {
  size_t n = blanks;

  end_run(r);
  r->was_decoded = false;
  do
    n++;
  while (n < len && !is_blank(s[n]) && s[n] != '=');
  if (n > len) n = len;
  add_unfolded(r->out, s, n, r->is_utf8);
  return n;
}

bool smtp_word_decode(smtp_buf *out, const char *raw, size_t len) {
  word_run r = {.out = out, .is_utf8 = smtp_text_is_utf8(raw, len)};
  size_t i = skip_blanks(raw, len, 0);

  smtp_buf_init(&r.bytes);
  r.odd = !r.is_utf8;
  while (i < len) {
    size_t blanks = skip_blanks(raw, len, i) - i;
    size_t used = take_word(&r, raw + i, len - i, blanks);

    i += used ? used : take_text(&r, raw + i, len - i, blanks);
  }
  end_run(&r);
  if (r.bytes.failed) out->failed = true;
  smtp_buf_free(&r.bytes);
  return r.odd;
}
