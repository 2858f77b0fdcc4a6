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

void smtp_trace_command(smtp_trace *t, const char *s, size_t len,
                        bool secret) {
  smtp_buf line;
  const char *space;

  if (!t->on) return;
  if (!secret) {
    smtp_trace_bytes(t, SMTP_DIRECTION_SENT, s, len);
    return;
  }
  smtp_buf_init(&line);
  if (smtp_text_starts(s, len, "AUTH ")) {
    space = memchr(s + 5, ' ', len - 5);
    smtp_buf_add(&line, s, space ? (size_t)(space - s) + 1 : len - 2);
    smtp_buf_adds(&line, space ? "****\r\n" : "\r\n");
  } else {
    smtp_buf_adds(&line, "****\r\n");
  }
  smtp_trace_bytes(t, SMTP_DIRECTION_SENT, smtp_buf_data(&line),
                   smtp_buf_len(&line));
  smtp_buf_wipe(&line);
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
