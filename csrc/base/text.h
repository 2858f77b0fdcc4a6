/* Bytes as text: character classes of the mail RFCs, the checks that keep
 * control characters and bad UTF-8 out, ASCII case. Knows no locale: the
 * C library's <ctype.h> is not used. Rests on libc alone. */
#ifndef SMTP_BASE_TEXT_H
#define SMTP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Classes, to be or-ed. All are sets of ASCII bytes: a byte above 0x7F
 * belongs to none of them. */
enum {
  SMTP_TEXT_ALPHA = 1u << 0,
  SMTP_TEXT_DIGIT = 1u << 1,
  SMTP_TEXT_HEX = 1u << 2,
  SMTP_TEXT_ATEXT = 1u << 3,   /* RFC 5321 and 5322: what an atom is made of */
  SMTP_TEXT_QTEXT = 1u << 4,   /* qtextSMTP: 32-126 but not " and \ */
  SMTP_TEXT_DTEXT = 1u << 5,   /* dcontent: 33-126 but not [ \ ] */
  SMTP_TEXT_CTEXT = 1u << 6,   /* comment text: 33-126 but not ( \ ) */
  SMTP_TEXT_WSP = 1u << 7,     /* space, tab */
  SMTP_TEXT_TOKEN = 1u << 8,   /* RFC 2045 token */
  SMTP_TEXT_FTEXT = 1u << 9,   /* field name: 33-126 but not : */
  SMTP_TEXT_CONTROL = 1u << 10 /* 0-31 and 127 */
};
#define SMTP_TEXT_ALNUM (SMTP_TEXT_ALPHA | SMTP_TEXT_DIGIT)

/* The classes of a byte. */
unsigned smtp_text_classes(unsigned char c);
/* The byte belongs to one of the classes. */
bool smtp_text_is(unsigned char c, unsigned classes);
/* Every byte belongs to one of the classes; true for no bytes. */
bool smtp_text_all(const char *s, size_t len, unsigned classes);

/* A byte 0x00-0x1F or 0x7F is among them: never to reach a command line. */
bool smtp_text_has_control(const char *s, size_t len);
/* A byte above 0x7F is among them. Made for whole bodies: wide steps. */
bool smtp_text_has_8bit(const char *s, size_t len);
/* Well-formed by RFC 3629: no overlong form, no surrogate, none above
 * U+10FFFF, nothing cut off. ASCII is well-formed. */
bool smtp_text_is_utf8(const char *s, size_t len);
/* Bytes of the well-formed sequence that `s` begins with (1-4); 0 when it
 * begins with none. */
size_t smtp_text_utf8_step(const char *s, size_t len);

/* ASCII A-Z in lower case, every other byte as it is. */
char smtp_text_lower(char c);
/* The same text but for ASCII case. */
bool smtp_text_equals(const char *a, size_t a_len, const char *b, size_t b_len);
/* `s` begins with `prefix` (zero-terminated) but for ASCII case. */
bool smtp_text_starts(const char *s, size_t len, const char *prefix);

#endif
