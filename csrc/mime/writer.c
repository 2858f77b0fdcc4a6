/* The writer, see writer.h: carries out a plan, segment by segment. */
#include "mime/writer.h"

#include <string.h>

#include "mime/transform.h"

#define CHUNK 32768 /* bytes handed out at once, about */
#define PIECE 16384 /* of a body, transformed at once */

struct smtp_writer {
  smtp_plan plan;
  size_t at;     /* the segment at work */
  size_t offset; /* how much of it is done */
  long long fed; /* bytes fed to it */
  bool begun, fed_end;
  smtp_transform transform;
  smtp_buf out;
  size_t handed; /* bytes of `out` that the reader has seen */
  smtp_error error;
  char eol[3];
};

smtp_writer *smtp_writer_new(const smtp_message *m,
                             const smtp_plan_options *options, smtp_error *e,
                             smtp_buf *complaint) {
  smtp_writer *w = smtp_allocate(sizeof *w);

  *e = SMTP_ERR_NOMEM;
  if (!w) return NULL;
  smtp_buf_init(&w->out);
  strncpy(w->eol, options->style.eol, sizeof w->eol - 1);
  *e = smtp_plan_make(&w->plan, m, options, complaint);
  if (*e == SMTP_OK) return w;
  smtp_writer_free(w);
  return NULL;
}

void smtp_writer_free(smtp_writer *w) {
  if (!w) return;
  smtp_plan_free(&w->plan);
  smtp_buf_free(&w->out);
  smtp_release(w);
}

static void begin_segment(smtp_writer *w, const smtp_segment *s) {
  if (w->begun) return;
  smtp_transform_init(&w->transform, s->transfer, w->eol);
  w->begun = true;
  w->fed = 0;
  w->fed_end = false;
  w->offset = 0;
}

static void end_segment(smtp_writer *w, const smtp_segment *s) {
  if (s->kind == SMTP_SEGMENT_BLOCK || s->kind == SMTP_SEGMENT_FED)
    smtp_transform_final(&w->transform, &w->out);
  w->begun = false;
  w->at++;
}

/* One piece of the segment at work; true when it needs to be fed. */
static bool advance(smtp_writer *w, const smtp_segment *s) {
  size_t n = s->len - w->offset;

  if (s->kind == SMTP_SEGMENT_FED) {
    if (!w->fed_end) return true;
    end_segment(w, s);
    return false;
  }
  if (n > PIECE) n = PIECE;
  if (s->kind == SMTP_SEGMENT_READY)
    smtp_buf_add(&w->out, smtp_buf_data(&w->plan.heads) + s->start + w->offset,
                 n);
  else if (s->kind == SMTP_SEGMENT_AS_IS)
    smtp_buf_add(&w->out, s->block->bytes + w->offset, n);
  else
    smtp_transform_update(&w->transform, &w->out, s->block->bytes + w->offset,
                          n);
  w->offset += n;
  if (w->offset == s->len) end_segment(w, s);
  return false;
}

smtp_writer_state smtp_writer_read(smtp_writer *w, const char **bytes,
                                   size_t *len) {
  bool wants = false;

  smtp_buf_consume(&w->out, w->handed);
  w->handed = 0;
  while (!wants && !w->error && w->at < w->plan.count &&
         smtp_buf_len(&w->out) < CHUNK) {
    const smtp_segment *s = &w->plan.segments[w->at];

    begin_segment(w, s);
    wants = advance(w, s);
  }
  if (w->out.failed && !w->error) w->error = SMTP_ERR_NOMEM;
  if (w->error) return SMTP_WRITER_FAILED;
  *bytes = smtp_buf_data(&w->out);
  *len = w->handed = smtp_buf_len(&w->out);
  if (wants && *len < CHUNK) {
    w->handed = 0;
    return SMTP_WRITER_WANTS;
  }
  return *len ? SMTP_WRITER_BYTES : SMTP_WRITER_DONE;
}

static const smtp_segment *wanting(const smtp_writer *w) {
  const smtp_segment *s =
      w->at < w->plan.count ? &w->plan.segments[w->at] : NULL;

  return s && s->kind == SMTP_SEGMENT_FED && w->begun && !w->fed_end ? s : NULL;
}

size_t smtp_writer_wanted(const smtp_writer *w) {
  const smtp_segment *s = wanting(w);

  return s ? s->index : 0;
}

smtp_error smtp_writer_feed(smtp_writer *w, const char *bytes, size_t len) {
  if (w->error) return w->error;
  if (!wanting(w)) return SMTP_ERR_STATE;
  w->fed += (long long)len;
  smtp_transform_update(&w->transform, &w->out, bytes, len);
  return w->out.failed ? SMTP_ERR_NOMEM : SMTP_OK;
}

smtp_error smtp_writer_feed_end(smtp_writer *w) {
  const smtp_segment *s = wanting(w);

  if (w->error) return w->error;
  if (!s) return SMTP_ERR_STATE;
  if (s->length >= 0 && s->length != w->fed) return w->error = SMTP_ERR_STATE;
  w->fed_end = true;
  return SMTP_OK;
}

smtp_error smtp_writer_error(const smtp_writer *w) {
  return w->error;
}

bool smtp_writer_measure(const smtp_writer *w, unsigned long long *len) {
  size_t i;

  *len = 0;
  for (i = 0; i < w->plan.count; i++) {
    const smtp_segment *s = &w->plan.segments[i];

    if (s->kind == SMTP_SEGMENT_READY || s->kind == SMTP_SEGMENT_AS_IS) {
      *len += s->len;
    } else if (s->kind == SMTP_SEGMENT_BLOCK) {
      *len +=
          smtp_transform_measure(s->transfer, w->eol, s->block->bytes, s->len);
    } else {
      if (s->length < 0 || s->transfer != SMTP_TRANSFER_BASE64) return false;
      *len += smtp_transform_measure(s->transfer, w->eol, NULL,
                                     (unsigned long long)s->length);
    }
  }
  return true;
}

bool smtp_writer_has_8bit(const smtp_writer *w) {
  return w->plan.has_8bit;
}

bool smtp_writer_has_utf8(const smtp_writer *w) {
  return w->plan.has_utf8;
}
