/* EHLO keywords, see extension.h. */
#include "engine/extension.h"

#include "base/text.h"

#include <string.h>

/* The keywords that the engine acts on; all others are for its callers. */
static const struct {
  const char *keyword;
  smtp_extension bit;
} known[] = {
    {"pipelining", SMTP_EXT_PIPELINING},
    {"chunking", SMTP_EXT_CHUNKING},
    {"starttls", SMTP_EXT_STARTTLS},
};

void smtp_extension_init(smtp_extensions *x) {
  x->offered = 0;
  smtp_buf_init(&x->list);
}

void smtp_extension_free(smtp_extensions *x) {
  smtp_buf_free(&x->list);
}

void smtp_extension_clear(smtp_extensions *x) {
  x->offered = 0;
  smtp_buf_clear(&x->list);
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/* Length of the keyword at the start of a line, 0 when there is none. */
static size_t keyword_length(const char *s, size_t len) {
  size_t n = 0;

  while (n < len && (smtp_text_is((unsigned char)s[n], SMTP_TEXT_ALNUM) ||
                     (n && s[n] == '-')))
    n++;
  return n;
}

static void take_line(smtp_extensions *x, const char *s, size_t len) {
  size_t n = keyword_length(s, len), i;
  const char *keyword;

  if (!n || (n < len && !is_blank(s[n]) && s[n] != '=')) return;
  if (memchr(s, '\0', len)) return;
  i = smtp_buf_len(&x->list);
  smtp_buf_add(&x->list, s, n);
  smtp_buf_addc(&x->list, '\0');
  s += n;
  len -= n;
  while (len && (is_blank(*s) || *s == '='))
    s++, len--;
  smtp_buf_add(&x->list, s, len);
  smtp_buf_addc(&x->list, '\0');
  if (x->list.failed) return;
  for (; x->list.base[x->list.start + i]; i++)
    x->list.base[x->list.start + i] =
        smtp_text_lower(x->list.base[x->list.start + i]);
  keyword = smtp_buf_data(&x->list) + i - n;
  for (i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(keyword, known[i].keyword) == 0) x->offered |= known[i].bit;
}

smtp_error smtp_extension_read(smtp_extensions *x, const char *text,
                               size_t len) {
  const char *end = text + len, *lf = memchr(text, '\n', len);

  smtp_extension_clear(x);
  while (lf) {
    const char *line = lf + 1;

    lf = memchr(line, '\n', (size_t)(end - line));
    take_line(x, line, (size_t)((lf ? lf : end) - line));
  }
  return x->list.failed ? SMTP_ERR_NOMEM : SMTP_OK;
}

bool smtp_extension_next(const smtp_extensions *x, size_t *at,
                         const char **keyword, const char **parameters) {
  if (*at >= smtp_buf_len(&x->list)) return false;
  *keyword = smtp_buf_data(&x->list) + *at;
  *parameters = *keyword + strlen(*keyword) + 1;
  *at =
      (size_t)(*parameters - smtp_buf_data(&x->list)) + strlen(*parameters) + 1;
  return true;
}
