/* What a writer is going to write, worked out before its first byte leaves, so
 * that whatever can fail fails then, and the length is known: header blocks
 * and boundaries as ready bytes, bodies as references with the transformation
 * that they go through. Flat: bodies are neither copied nor encoded here. */
#ifndef SMTP_MIME_PLAN_H
#define SMTP_MIME_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "mime/choice.h"
#include "mime/header.h"
#include "mime/message.h"

typedef enum smtp_segment_kind {
  SMTP_SEGMENT_READY, /* heads[start, start + len) */
  SMTP_SEGMENT_AS_IS, /* a block */
  SMTP_SEGMENT_BLOCK, /* a block, transformed */
  SMTP_SEGMENT_FED    /* bytes from outside, transformed */
} smtp_segment_kind;

typedef struct smtp_segment {
  smtp_segment_kind kind;
  smtp_transfer transfer;
  size_t start, len;
  smtp_block *block;
  size_t index;     /* FED: which, from 0, in the order of the tree */
  long long length; /* FED: bytes to come, -1 when unknown */
} smtp_segment;

typedef struct smtp_extra {
  const char *name, *value;
  size_t name_len, value_len;
} smtp_extra;

/* All borrowed for the call. */
typedef struct smtp_plan_options {
  smtp_header_style style;
  bool allow_8bit;
  bool only_7bit;  /* what was labelled 8bit by hand, or read, is encoded all
                      the same, unless it is signed */
  bool for_wire;   /* fields that were read with raw 8-bit bytes are encoded
                      too, unless it is signed */
  bool keep_lines; /* what was read keeps its line ends; style.eol is for what
                      is added */
  const smtp_extra *drop; /* names of top fields that are left out */
  size_t drop_count;
  const smtp_extra *add; /* top fields that are added when there is none */
  size_t add_count;
  const long long *fed; /* lengths of the bodies that will be fed, or -1 */
  size_t fed_count;
} smtp_plan_options;

typedef struct smtp_plan {
  smtp_buf heads;
  smtp_segment *segments;
  size_t count, room;
  bool has_8bit; /* bytes above 0x7F in a body */
  bool has_utf8; /* or in a header field */
} smtp_plan;

/* One more segment, zeroed but for its kind; NULL when there is no memory. */
smtp_segment *smtp_plan_add(smtp_plan *plan, smtp_segment_kind kind);

/* `complaint` gets a sentence when a field is refused. The plan is freed by the
 * caller in any case. */
smtp_error smtp_plan_make(smtp_plan *p, const smtp_message *m,
                          const smtp_plan_options *options,
                          smtp_buf *complaint);
void smtp_plan_free(smtp_plan *p);

#endif
