/* A record of the dialogue for people, secrets masked: what follows the
 * mechanism in AUTH, every response, and every challenge (334). */
#ifndef SMTP_ENGINE_TRACE_H
#define SMTP_ENGINE_TRACE_H

#include "base/buf.h"

typedef enum smtp_direction {
  SMTP_DIRECTION_SENT = '>',
  SMTP_DIRECTION_RECEIVED = '<'
} smtp_direction;

typedef struct smtp_trace {
  bool on;
  smtp_buf records;
} smtp_trace;

void smtp_trace_init(smtp_trace *t);
void smtp_trace_free(smtp_trace *t);

/* Record bytes as they are. */
void smtp_trace_bytes(smtp_trace *t, smtp_direction d, const char *s,
                      size_t len);
/* Record a command line; of a secret one, only "AUTH mechanism" is shown. */
void smtp_trace_command(smtp_trace *t, const char *s, size_t len, bool secret);
/* The line is an AUTH command: what follows the mechanism is secret. */
bool smtp_trace_is_auth(const char *s, size_t len);
/* Record bytes of any number of lines, each AUTH line (all lines: `secret`)
 * masked. */
void smtp_trace_raw(smtp_trace *t, const char *s, size_t len, bool secret);
/* Record a reply again as lines. */
void smtp_trace_reply(smtp_trace *t, int code, const char *enhanced,
                      const char *text, size_t len);

/* The oldest record, borrowed until the next call; false when there is none. */
bool smtp_trace_take(smtp_trace *t, smtp_direction *d, const char **s,
                     size_t *len);

#endif
