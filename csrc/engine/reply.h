/* Replies (RFC 5321 §4.2): bytes in, whole replies out; any cut of the bytes
 * gives the same replies. Strict and bounded: a line is three digits, then a
 * hyphen, a space or the end; the codes of one reply agree; lines and their
 * number have limits. A lone LF ends a line as well. */
#ifndef SMTP_ENGINE_REPLY_H
#define SMTP_ENGINE_REPLY_H

#include "base/buf.h"
#include "base/error.h"

typedef struct smtp_reply {
  int code;
  const char *text; /* lines without codes, joined by LF; borrowed */
  size_t text_len;
  char enhanced[12]; /* RFC 2034 code such as "2.1.5", or "" */
} smtp_reply;

typedef struct smtp_reply_parser {
  size_t max_line;  /* bytes in a line, its line end included */
  size_t max_lines; /* lines in a reply */
  size_t scanned;   /* of the input: bytes known to hold no LF */
  size_t lines;
  int code;
  smtp_buf text;
  char enhanced[12];
  bool complete; /* the texts belong to a reply already handed out */
} smtp_reply_parser;

/* Limits of 0 mean the defaults: 4096 bytes, 1000 lines. */
void smtp_reply_init(smtp_reply_parser *p, size_t max_line, size_t max_lines);
void smtp_reply_free(smtp_reply_parser *p);

/* Take the next reply off the front of `in`. `*found` tells whether there was a
 * whole one (then `reply` is valid until the next call). `plain` leaves
 * enhanced status codes in the text of a positive reply: greetings and EHLO
 * have none (RFC 2034 §3). After an error the input is not to be used again;
 * `reply` then holds the offending line. */
smtp_error smtp_reply_take(smtp_reply_parser *p, smtp_buf *in, bool plain,
                           smtp_reply *reply, bool *found);
/* The bytes so far are a beginning of a reply that is not whole. */
bool smtp_reply_is_partial(const smtp_reply_parser *p, const smtp_buf *in);

#endif
