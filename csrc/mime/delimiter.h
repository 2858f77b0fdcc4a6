/* Lines of a message that is being read, and the delimiter lines that cut it
 * into parts (RFC 2046 section 5.1.1). A line ends with CRLF, LF or CR: mail
 * that was stored somewhere has all three. */
#ifndef SMTP_MIME_DELIMITER_H
#define SMTP_MIME_DELIMITER_H

#include <stdbool.h>
#include <stddef.h>

/* The boundaries that are in force, the innermost first. */
typedef struct smtp_delimiters {
  const char *boundary; /* borrowed */
  size_t len;
  const struct smtp_delimiters *around;
} smtp_delimiters;

typedef struct smtp_delimiter {
  const smtp_delimiters *of; /* whose boundary it is */
  size_t at;                 /* of its first "-" */
  size_t next;               /* of the line behind it */
  bool last;                 /* the closing one, "--boundary--" */
} smtp_delimiter;

/* The end of the line that begins at `at`, without its line end; *next is the
 * beginning of the one behind it. */
size_t smtp_delimiter_line(const char *s, size_t len, size_t at, size_t *next);
typedef enum smtp_line_ends {
  SMTP_LINE_ENDS_NONE,
  SMTP_LINE_ENDS_LF,
  SMTP_LINE_ENDS_CRLF,
  SMTP_LINE_ENDS_MIXED /* with each other, or with bare CRs */
} smtp_line_ends;

smtp_line_ends smtp_delimiter_line_ends(const char *s, size_t len);
/* `at`, or what it becomes when the line end before it is left out; not less
 * than `start`. */
size_t smtp_delimiter_trim(const char *s, size_t start, size_t at);
/* The line that begins at `at` is a delimiter. */
bool smtp_delimiter_is(const char *s, size_t len, size_t at,
                       const smtp_delimiters *in_force, smtp_delimiter *found);
/* The first delimiter in the lines from `at`, which begins one, on. Linear;
 * text without hyphens is passed at the speed of memchr. */
bool smtp_delimiter_find(const char *s, size_t len, size_t at,
                         const smtp_delimiters *in_force,
                         smtp_delimiter *found);

#endif
