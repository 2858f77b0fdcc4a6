/* What the specs of base ask the C functions that Lua cannot reach:
 *
 *   probe classes          a line "byte classes" for each byte
 *   probe path|list|date   parse standard input; "ok" or "refused"
 *   probe scan             each byte at each place of texts of each length,
 *                          against a byte-by-byte search
 *   probe encode WIDTH     standard input in base64, lines of WIDTH, CRLF
 *   probe repeat N         lines of "parser TAB before TAB unit TAB after":
 * parse before, N times the unit, after probe memory           each parser with
 * every allocation failing once */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/base64.h"
#include "base/date.h"
#include "base/text.h"

static void read_all(smtp_buf *b) {
  size_t n;
  char *at;

  smtp_buf_init(b);
  while ((at = smtp_buf_reserve(b, 65536)) != NULL) {
    n = fread(at, 1, 65536, stdin);
    if (!n) break;
    smtp_buf_extend(b, n);
  }
}

static void print_classes(void) {
  unsigned c;

  for (c = 0; c < 256; c++)
    printf("%u %u\n", c, smtp_text_classes((unsigned char)c));
}

static smtp_error parse_list(const char *s, size_t len) {
  smtp_address_list l;
  smtp_address_item item;
  smtp_error e;

  smtp_address_list_init(&l, s, len);
  do
    e = smtp_address_list_next(&l, &item);
  while (e == SMTP_OK && item != SMTP_ADDRESS_DONE);
  smtp_address_list_free(&l);
  return e;
}

static smtp_error parse_path(const char *s, size_t len) {
  smtp_address_kind kind;
  smtp_buf out;
  smtp_error e;

  smtp_buf_init(&out);
  e = smtp_address_path(s, len, &out, &kind);
  smtp_buf_free(&out);
  return e;
}

static void encode(const smtp_buf *in, size_t width) {
  smtp_buf out;

  smtp_buf_init(&out);
  smtp_base64_encode_lines(&out, smtp_buf_data(in), smtp_buf_len(in), width,
                           "\r\n", 2);
  fwrite(smtp_buf_data(&out), 1, smtp_buf_len(&out), stdout);
  smtp_buf_free(&out);
}

/* Fail the first allocation, then the second, …, until nothing fails. */
static int fail_each(smtp_error (*parse)(const char *, size_t),
                     const char *text) {
  size_t n;
  smtp_error e = SMTP_ERR_NOMEM;

  for (n = 1; e == SMTP_ERR_NOMEM && n < 1000; n++) {
    smtp_allocation_fail_at(n);
    e = parse(text, strlen(text));
    smtp_allocation_fail_at(0);
  }
  return e == SMTP_OK && n > 2;
}

static int survives_lack_of_memory(void) {
  return fail_each(parse_path, "Name <\"a b\"@example.org> (comment)") &&
         fail_each(parse_list, "g: \"A B\" <a@b>, c@d (e);, Name <x@y>");
}

/* The byte `c` at `place` among bytes that are neither. */
static int scan_finds(size_t len, size_t place, int c, char filler) {
  char text[80];
  int control = c < 32 || c == 127;

  memset(text, filler, sizeof text);
  text[place] = (char)c;
  if (smtp_text_has_control(text, len) != control) return 0;
  return smtp_text_has_8bit(text, len) ==
         (c > 127 || (filler & 0x80 && len > 1));
}

static int scans_each_place(void) {
  size_t len, place;
  int c;

  for (len = 1; len <= 80; len++)
    for (place = 0; place < len; place++)
      for (c = 0; c < 256; c++)
        if (!scan_finds(len, place, c, ' ') ||
            !scan_finds(len, place, c, (char)0xFF))
          return 0;
  return !smtp_text_has_control("\n", 0) && !smtp_text_has_8bit("\xFF", 0);
}

static smtp_error parse_date(const char *s, size_t len) {
  smtp_date date;

  return smtp_date_parse(s, len, &date);
}

static smtp_error parse(const char *what, const char *s, size_t len) {
  if (!strcmp(what, "path")) return parse_path(s, len);
  if (!strcmp(what, "list")) return parse_list(s, len);
  return parse_date(s, len);
}

/* The fields of a line are cut apart in place. */
static void repeat_line(char *line, size_t times) {
  char *field[4];
  smtp_buf text;
  size_t i;

  for (i = 0; i < 4; i++) {
    field[i] = line;
    line += strcspn(line, "\t");
    if (*line) *line++ = 0;
  }
  smtp_buf_init(&text);
  smtp_buf_adds(&text, field[1]);
  for (i = 0; i < times; i++)
    smtp_buf_adds(&text, field[2]);
  smtp_buf_adds(&text, field[3]);
  parse(field[0], smtp_buf_data(&text), smtp_buf_len(&text));
  smtp_buf_free(&text);
}

static void repeat_lines(const smtp_buf *in, size_t times) {
  char line[256];
  const char *s = smtp_buf_data(in), *end = s + smtp_buf_len(in), *stop;

  for (; s < end; s = stop + 1) {
    stop = memchr(s, '\n', (size_t)(end - s));
    if (!stop || (size_t)(stop - s) >= sizeof line) return;
    memcpy(line, s, (size_t)(stop - s));
    line[stop - s] = 0;
    repeat_line(line, times);
  }
}

static void answer(const char *what, const smtp_buf *in, const char *argument) {
  size_t number = strtoul(argument, NULL, 10);

  if (!strcmp(what, "encode"))
    encode(in, number);
  else if (!strcmp(what, "repeat"))
    repeat_lines(in, number);
  else
    puts(parse(what, smtp_buf_data(in), smtp_buf_len(in)) == SMTP_OK
             ? "ok"
             : "refused");
}

int main(int argc, char **argv) {
  smtp_buf in;

  if (argc < 2) return 2;
  if (!strcmp(argv[1], "classes")) return print_classes(), 0;
  if (!strcmp(argv[1], "memory")) {
    puts(survives_lack_of_memory() ? "ok" : "failed");
    return 0;
  }
  if (!strcmp(argv[1], "scan")) {
    puts(scans_each_place() ? "ok" : "failed");
    return 0;
  }
  read_all(&in);
  answer(argv[1], &in, argc > 2 ? argv[2] : "76");
  smtp_buf_free(&in);
  return 0;
}
