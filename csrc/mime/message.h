/* A message as a tree: header fields in their order, and a body that is bytes,
 * parts, or bytes that somebody else will feed. What is held here is content
 * (UTF-8 text, unencoded bytes); how it looks on the wire is decided by the
 * writer. Rests on base alone: no clock, no randomness, no files.
 *
 * Messages and blocks are counted: whoever keeps one calls _keep, and _drop
 * when done. A part may sit in several messages; a cycle is refused. */
#ifndef SMTP_MIME_MESSAGE_H
#define SMTP_MIME_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

/* Deeper trees are refused, when built and when written. */
#define SMTP_MESSAGE_DEPTH 100
/* Room for a boundary, RFC 2046 section 5.1.1, and its zero. */
#define SMTP_BOUNDARY_SIZE 71

/* Bytes that never change, shared by a message and the writers at work on it,
 * so that a body may be replaced while it is being sent. */
typedef struct smtp_block {
  size_t refs;
  size_t len;
  char bytes[];
} smtp_block;

/* A copy of the bytes, held once; NULL when there is no memory. */
smtp_block *smtp_block_new(const char *bytes, size_t len);
smtp_block *smtp_block_keep(smtp_block *b);
void smtp_block_drop(smtp_block *b);

typedef enum smtp_field_form {
  SMTP_FIELD_TEXT,  /* the value is text, encoded and folded on output */
  SMTP_FIELD_RAW,   /* as read: written back unchanged, decoded on reading */
  SMTP_FIELD_CHOSEN /* a transfer encoding that the writer may choose anew */
} smtp_field_form;

typedef struct smtp_field {
  char *name; /* zero-terminated; the value lies behind it */
  size_t name_len;
  const char *value;
  size_t value_len;
  smtp_field_form form;
} smtp_field;

typedef enum smtp_body {
  SMTP_BODY_NONE,
  SMTP_BODY_BYTES,
  SMTP_BODY_FED, /* comes from outside while it is being written */
  SMTP_BODY_PARTS
} smtp_body;

/* Its members are for the room to read; only message.c changes them. */
typedef struct smtp_message {
  size_t refs;
  smtp_field *fields;
  size_t field_count, field_room;
  smtp_body body;
  bool exact;          /* arrives byte for byte: no change of line ends */
  smtp_block *content; /* BYTES */
  struct smtp_message **parts;
  size_t part_count, part_room;
  smtp_block *preamble, *epilogue;   /* NULL: none */
  char boundary[SMTP_BOUNDARY_SIZE]; /* when the header names none */
  struct smtp_message *next_doomed;
} smtp_message;

smtp_message *smtp_message_new(void);
smtp_message *smtp_message_keep(smtp_message *m);
void smtp_message_drop(smtp_message *m);

/* Fields.
 * Values are taken as they are: smtp_header_check comes first. */

/* The index of the first field of that name at or behind `from`, else
 * field_count. Names match but for ASCII case. */
size_t smtp_message_find(const smtp_message *m, const char *name,
                         size_t name_len, size_t from);
/* The first field of that name, else NULL. */
const smtp_field *smtp_message_field(const smtp_message *m, const char *name);

smtp_error smtp_message_add(smtp_message *m, const char *name, size_t name_len,
                            const char *value, size_t value_len,
                            smtp_field_form form);
/* The same, before all others: where a trace or a signature belongs. */
smtp_error smtp_message_prepend(smtp_message *m, const char *name,
                                size_t name_len, const char *value,
                                size_t value_len, smtp_field_form form);
/* Replace the value of field `i`; its name and place stay. */
smtp_error smtp_message_put(smtp_message *m, size_t i, const char *value,
                            size_t value_len, smtp_field_form form);
/* Remove every field of that name but the first `keep` of them; returns how
 * many went. */
size_t smtp_message_remove(smtp_message *m, const char *name, size_t name_len,
                           size_t keep);

/* Body. */

void smtp_message_clear_body(smtp_message *m);
/* `exact`: an attachment, whose bytes must arrive unchanged; else text, whose
 * line ends become those of the output. */
smtp_error smtp_message_set_bytes(smtp_message *m, const char *bytes,
                                  size_t len, bool exact);
/* The body is fed to the writer. */
void smtp_message_set_fed(smtp_message *m);
/* No parts yet; `random` (16 bytes at least) makes the boundary. */
void smtp_message_set_parts(smtp_message *m, const unsigned char *random,
                            size_t len);
/* Add a part, which is kept. SMTP_ERR_STATE when the body is bytes, when the
 * part contains `m`, or when the tree grows too deep. */
smtp_error smtp_message_attach(smtp_message *m, smtp_message *part);
/* The body, and the Content- fields that describe it, move to the new and
 * empty message `to`; the other fields stay. */
smtp_error smtp_message_move(smtp_message *m, smtp_message *to);
/* NULL removes it. */
smtp_error smtp_message_set_preamble(smtp_message *m, const char *s,
                                     size_t len);
smtp_error smtp_message_set_epilogue(smtp_message *m, const char *s,
                                     size_t len);

/* The header has a type, and it is `type` (zero-terminated, lower case); with a
 * slash at its end, whatever the subtype. */
bool smtp_message_is(const smtp_message *m, const char *type);

#endif
