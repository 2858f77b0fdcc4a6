/* The record of the dialogue, see trace.h. */
#include "engine/trace.h"

#include "base/text.h"

#include <string.h>

typedef struct record {
  smtp_direction direction;
  size_t len;
} record;

void smtp_trace_init(smtp_trace *t) {
  t->on = false;
  smtp_buf_init(&t->records);
}

void smtp_trace_free(smtp_trace *t) {
  smtp_buf_free(&t->records);
}

void smtp_trace_bytes(smtp_trace *t, smtp_direction d, const char *s,
                      size_t len) {
  record r;

  if (!t->on || !len) return;
  memset(&r, 0, sizeof r);
  r.direction = d;
  r.len = len;
  /* Room for both: half a record would be read beyond its end. */
  if (!smtp_buf_reserve(&t->records, sizeof r + len)) return;
  smtp_buf_add(&t->records, &r, sizeof r);
  smtp_buf_add(&t->records, s, len);
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool smtp_trace_is_auth(const char *s, size_t len) {
  while (len && is_blank(*s))
    s++, len--;
  return smtp_text_starts(s, len, "AUTH") && (len == 4 || is_blank(s[4]));
}

/* Length of "AUTH mechanism" at the start of a line, 0 if it is not there. */
static size_t shown_length(const char *s, size_t len) {
  size_t n = 5;

  if (!smtp_text_starts(s, len, "AUTH ")) return 0;
  while (n < len && !is_blank(s[n]))
    n++;
  return n;
}

void smtp_trace_command(smtp_trace *t, const char *s, size_t len, bool secret) {
  smtp_buf line;
  size_t shown;

  if (!t->on) return;
  if (!secret) {
    smtp_trace_bytes(t, SMTP_DIRECTION_SENT, s, len);
    return;
  }
  smtp_buf_init(&line);
  shown = shown_length(s, len);
  smtp_buf_add(&line, s, shown);
  while (len > shown && is_blank(s[len - 1]))
    len--;
  if (shown && len > shown) smtp_buf_addc(&line, ' ');
  if (len > shown) smtp_buf_adds(&line, "****");
  smtp_buf_adds(&line, "\r\n");
  smtp_trace_bytes(t, SMTP_DIRECTION_SENT, smtp_buf_data(&line),
                   smtp_buf_len(&line));
  smtp_buf_wipe(&line);
}

void smtp_trace_raw(smtp_trace *t, const char *s, size_t len, bool secret) {
  const char *end = s + len, *lf;

  for (; t->on && s < end; s = lf) {
    lf = memchr(s, '\n', (size_t)(end - s));
    lf = lf ? lf + 1 : end;
    if (secret || smtp_trace_is_auth(s, (size_t)(lf - s)))
      smtp_trace_command(t, s, (size_t)(lf - s), true);
    else
      smtp_trace_bytes(t, SMTP_DIRECTION_SENT, s, (size_t)(lf - s));
  }
}

void smtp_trace_reply(smtp_trace *t, int code, const char *enhanced,
                      const char *text, size_t len) {
  const char *end = text + len, *lf;
  smtp_buf lines;

  if (!t->on) return;
  smtp_buf_init(&lines);
  if (code == 334) {
    text = "****";
    end = text + 4;
  }
  do {
    lf = memchr(text, '\n', (size_t)(end - text));
    smtp_buf_addu(&lines, (unsigned)code);
    smtp_buf_addc(&lines, lf ? '-' : ' ');
    smtp_buf_adds(&lines, enhanced);
    if (*enhanced) smtp_buf_addc(&lines, ' ');
    smtp_buf_add(&lines, text, (size_t)((lf ? lf : end) - text));
    smtp_buf_adds(&lines, "\r\n");
    text = lf ? lf + 1 : end;
  } while (lf);
  smtp_trace_bytes(t, SMTP_DIRECTION_RECEIVED, smtp_buf_data(&lines),
                   smtp_buf_len(&lines));
  smtp_buf_free(&lines);
}

bool smtp_trace_take(smtp_trace *t, smtp_direction *d, const char **s,
                     size_t *len) {
  record r;

  if (smtp_buf_len(&t->records) < sizeof r) return false;
  memcpy(&r, smtp_buf_data(&t->records), sizeof r);
  smtp_buf_consume(&t->records, sizeof r);
  *d = r.direction;
  *s = smtp_buf_data(&t->records);
  *len = r.len;
  smtp_buf_consume(&t->records, r.len);
  return true;
}
