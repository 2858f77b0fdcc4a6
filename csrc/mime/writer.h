/* The message as bytes: a pull source, flat in memory whatever the size of the
 * bodies. Does no I/O: where the content of a part lies outside (a file, a
 * function), the writer says which it wants and is fed.
 *
 *   while ((state = smtp_writer_read(w, &s, &n)) != SMTP_WRITER_DONE)
 *     if (state == SMTP_WRITER_BYTES) take(s, n);
 *     else feed(w, smtp_writer_wanted(w));
 */
#ifndef SMTP_MIME_WRITER_H
#define SMTP_MIME_WRITER_H

#include "mime/plan.h"

typedef enum smtp_writer_state {
  SMTP_WRITER_BYTES,
  SMTP_WRITER_WANTS, /* _feed or _feed_end, then read on */
  SMTP_WRITER_DONE,
  SMTP_WRITER_FAILED /* sticky: smtp_writer_error */
} smtp_writer_state;

typedef struct smtp_writer smtp_writer;

/* A writer for the message as it is now; later changes of the message do not
 * reach it. NULL with *e (and the complaint, a sentence about a header field)
 * when the message cannot be written: nothing fails later but memory and what
 * is fed. */
smtp_writer *smtp_writer_new(const smtp_message *m,
                             const smtp_plan_options *options, smtp_error *e,
                             smtp_buf *complaint);
void smtp_writer_free(smtp_writer *w);

/* The next bytes, borrowed until the next call; never none with _BYTES. */
smtp_writer_state smtp_writer_read(smtp_writer *w, const char **bytes,
                                   size_t *len);
/* After _WANTS: which body, from 0 in the order of the tree. */
size_t smtp_writer_wanted(const smtp_writer *w);
/* SMTP_ERR_STATE when nothing is wanted. */
smtp_error smtp_writer_feed(smtp_writer *w, const char *bytes, size_t len);
/* The wanted body is complete. SMTP_ERR_STATE, sticky, when it was announced
 * with another length. */
smtp_error smtp_writer_feed_end(smtp_writer *w);
smtp_error smtp_writer_error(const smtp_writer *w);

/* All bytes that will come, counted before any is made; false when a fed body
 * has no known length. Costs a look at each text body. */
bool smtp_writer_measure(const smtp_writer *w, unsigned long long *len);
/* Some body goes out with bytes above 0x7F; some header field does. */
bool smtp_writer_has_8bit(const smtp_writer *w);
bool smtp_writer_has_utf8(const smtp_writer *w);

#endif
