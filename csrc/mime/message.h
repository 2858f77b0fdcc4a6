/* A message as a tree: header fields in their order, and a body that is bytes,
 * parts, or bytes that somebody else will feed. What is held here is content
 * (UTF-8 text, unencoded bytes); how it looks on the wire is decided by the
 * writer. Rests on base alone: no clock, no randomness, no files.
 *
 * A message that was read remembers its bytes too, until something is changed:
 * so what nobody touched goes out as it came.
 *
 * Messages are counted, as blocks are: whoever keeps one calls _keep, and _drop
 * when done. A part may sit in several messages; a cycle is refused. */
#ifndef SMTP_MIME_MESSAGE_H
#define SMTP_MIME_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "mime/block.h"
#include "mime/delimiter.h"

/* Deeper trees are refused, when built and when written. */
#define SMTP_MESSAGE_DEPTH 100
/* Room for a boundary, RFC 2046 section 5.1.1, and its zero. */
#define SMTP_BOUNDARY_SIZE 71

typedef enum smtp_field_form {
  SMTP_FIELD_TEXT,  /* the value is text, encoded and folded on output */
  SMTP_FIELD_RAW,   /* as read: written back unchanged, decoded on reading */
  SMTP_FIELD_CHOSEN /* a transfer encoding that the writer may choose anew */
} smtp_field_form;

typedef struct smtp_field {
  char *name; /* RAW: of the whole line as read, without its line end */
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

/* What was wrong with a message that was read: names of Python's email.errors
 * where it has one. A bit each in smtp_message.defects. */
/* clang-format off */
#define SMTP_DEFECTS(X)                                                        \
  X(FIRST_CONTINUATION, "FirstHeaderLineIsContinuationDefect",                 \
    "the first header line begins with white space")                           \
  X(MISPLACED_FROM,     "MisplacedEnvelopeHeaderDefect",                       \
    "an mbox From line stands within the header")                              \
  X(NO_NAME,            "InvalidHeaderDefect",                                 \
    "a header line has no field name")                                         \
  X(NO_SEPARATOR,       "MissingHeaderBodySeparatorDefect",                    \
    "no blank line between header and body")                                   \
  X(HEADER_8BIT,        "UndecodableBytesDefect",                              \
    "the header has bytes that are not UTF-8, read as Latin-1")                \
  X(NO_BOUNDARY,        "NoBoundaryInMultipartDefect",                         \
    "a multipart without a boundary parameter")                                \
  X(NO_START,           "StartBoundaryNotFoundDefect",                         \
    "the boundary of a multipart never occurs")                                \
  X(NO_CLOSE,           "CloseBoundaryNotFoundDefect",                         \
    "a multipart is not closed")                                               \
  X(NO_PARTS,           "MultipartInvariantViolationDefect",                   \
    "a multipart without parts")                                               \
  X(ENCODED_MULTIPART,  "InvalidMultipartContentTransferEncodingDefect",       \
    "a multipart with a transfer encoding")                                    \
  X(BASE64,             "InvalidBase64CharactersDefect",                       \
    "base64 with characters that do not belong to it")                         \
  X(BASE64_PADDING,     "InvalidBase64PaddingDefect",                          \
    "base64 that is cut short")                                                \
  X(QUOPRI,             "InvalidQuotedPrintableDefect",                        \
    "malformed quoted-printable")                                              \
  X(CHARSET,            "UndecodableTextDefect",                               \
    "text that is not in its charset")                                         \
  X(TOO_DEEP,           "DepthLimitDefect",                                    \
    "parts nested too deep were left as they are")                             \
  X(TOO_MANY,           "CountLimitDefect",                                    \
    "too many parts or header fields: the rest was left as it is")
/* clang-format on */

typedef enum smtp_defect {
#define SMTP_DEFECT_ENUM(symbol, name, text) SMTP_DEFECT_##symbol,
  SMTP_DEFECTS(SMTP_DEFECT_ENUM)
#undef SMTP_DEFECT_ENUM
      SMTP_DEFECT_COUNT
} smtp_defect;

const char *smtp_defect_name(smtp_defect d);
const char *smtp_defect_text(smtp_defect d);

/* Its members are for the room to read; only message.c changes them. */
typedef struct smtp_message {
  size_t refs;
  smtp_field *fields;
  size_t field_count, field_room;
  smtp_body body;
  bool exact;          /* arrives byte for byte: no change of line ends */
  bool in_digest;      /* without a type it is message/rfc822 */
  smtp_block *content; /* BYTES */
  struct smtp_message **parts;
  size_t part_count, part_room;
  smtp_block *preamble, *epilogue;   /* NULL: none */
  char boundary[SMTP_BOUNDARY_SIZE]; /* when the header names none */
  smtp_block *raw;           /* header and body as read; NULL once changed */
  smtp_block *raw_body;      /* the body as read; NULL once changed */
  smtp_block *read_boundary; /* that the parts as read are cut by; or NULL */
  smtp_line_ends line_ends;  /* that `raw` had, once that is forgotten */
  unsigned defects;          /* a bit for each smtp_defect */
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
/* Add a field from its line as read (RFC 5322 section 2.2; `len` without the
 * last line end): name, perhaps white space, colon at `colon`, value. */
smtp_error smtp_message_add_line(smtp_message *m, const char *line, size_t len,
                                 size_t name_len, size_t colon);
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
/* The same of a block, which is kept. */
void smtp_message_set_block(smtp_message *m, smtp_block *b, bool exact);
/* The body is fed to the writer. */
void smtp_message_set_fed(smtp_message *m);
/* No parts yet; `random` (16 bytes at least) makes the boundary. */
void smtp_message_set_parts(smtp_message *m, const unsigned char *random,
                            size_t len);
/* Add a part, which is kept. SMTP_ERR_STATE when the body is bytes, when the
 * part contains `m`, or when the tree grows too deep. */
smtp_error smtp_message_attach(smtp_message *m, smtp_message *part);
/* The bytes that a message was read from: the whole, and its body. They are
 * kept, and forgotten as the message is changed. */
smtp_error smtp_message_set_raw(smtp_message *m, smtp_block *input,
                                size_t start, size_t body, size_t end);
/* The body becomes bytes as they were read, a slice of `input`. */
smtp_error smtp_message_set_slice(smtp_message *m, smtp_block *input,
                                  size_t start, size_t end);
/* The boundary that cuts the body as read. */
smtp_error smtp_message_set_read_boundary(smtp_message *m, const char *s,
                                          size_t len);
/* Nothing was changed since it was read, in the message and all its parts. */
bool smtp_message_is_as_read(const smtp_message *m);
/* The same of its body alone. */
bool smtp_message_has_body_as_read(const smtp_message *m);
/* Of what it was read from, whatever was changed since; none when it was not
 * read. Costs a look at all of it. */
smtp_line_ends smtp_message_line_ends(const smtp_message *m);

/* The body, and the Content- fields that describe it, move to the new and
 * empty message `to`; the other fields stay. */
smtp_error smtp_message_move(smtp_message *m, smtp_message *to);
/* NULL removes it. */
smtp_error smtp_message_set_preamble(smtp_message *m, const char *s,
                                     size_t len);
smtp_error smtp_message_set_epilogue(smtp_message *m, const char *s,
                                     size_t len);

/* The header has a type (or the part gets one from the digest that it is in),
 * and it is `type` (zero-terminated, lower case); with a slash at its end,
 * whatever the subtype. */
bool smtp_message_is(const smtp_message *m, const char *type);

#endif
