/* The inside of a plan in the making, shared by planner.c (the walk),
 * planner_segment.c and planner_header.c. */
#ifndef SMTP_MIME_PLANNER_H
#define SMTP_MIME_PLANNER_H

#include "mime/plan.h"

/* Where the walk is: the message and the boundaries around it. */
typedef struct smtp_place {
  const smtp_message *m;
  const struct smtp_place *around;
  const char *boundary; /* of `m` itself, once it is known */
  int depth;
} smtp_place;

typedef struct smtp_planner {
  smtp_plan *plan;
  const smtp_plan_options *o;
  smtp_buf *complaint;
  size_t fed;    /* bodies to be fed, so far */
  size_t sealed; /* heads before this are in a segment */
  /* of the options; all false where it is signed, for there nothing depends on
     the reader */
  bool allow_8bit, only_7bit, for_wire;
} smtp_planner;

/* Segments. */

/* Append to the heads. */
void smtp_planner_text(smtp_planner *p, const char *text);
void smtp_planner_eol(smtp_planner *p);
/* Make one segment of the bytes that have come to the heads since the last. */
smtp_error smtp_planner_seal(smtp_planner *p);
smtp_error smtp_planner_block(smtp_planner *p, smtp_block *b,
                              smtp_transfer transfer);
/* Bytes that were read, and go out as they were. */
smtp_error smtp_planner_read(smtp_planner *p, smtp_block *b);
smtp_error smtp_planner_fed(smtp_planner *p, smtp_transfer transfer);

/* Header fields. */

/* Note what is wrong with a field, unless something was noted; returns `e`. */
smtp_error smtp_planner_complain(smtp_planner *p, smtp_error e,
                                 const char *name, size_t len, const char *why);
/* Parts with boundaries between them. */
bool smtp_planner_is_multipart(const smtp_message *m);
/* Append the boundary that the header names, else the message's own, and a
 * zero. */
void smtp_planner_boundary(const smtp_message *m, smtp_buf *out);
/* RFC 2046 section 5.1.1; zero-terminated */
bool smtp_planner_is_boundary(const char *s);
/* The fields are what they would be if none were left out, added or encoded. */
bool smtp_planner_has_fields_as_read(const smtp_planner *p,
                                     const smtp_place *at);
/* The header block without the blank line at its end. */
smtp_error smtp_planner_header(smtp_planner *p, const smtp_place *at,
                               smtp_transfer transfer);

#endif
