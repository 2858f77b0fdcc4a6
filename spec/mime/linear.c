/* How much work hostile input makes: each case reads N and 2 N bytes of one
 * shape under callgrind, which dumps the instructions of each reading with a
 * label "CASE SIZE". See linear_spec.lua. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#include "base/address.h"
#include "base/base64.h"
#include "base/date.h"
#include "mime/encode.h"
#include "mime/header.h"
#include "mime/mailbox.h"
#include "mime/param.h"
#include "mime/parser.h"
#include "mime/word.h"
#include "mime/writer.h"

#define SIZE 8192

static smtp_buf out;

static void parse(const char *s, size_t len) {
  static const unsigned char random[SMTP_PARSER_RANDOM];
  smtp_parser_limits limits = {SMTP_PARSER_DEPTH, SMTP_PARSER_PARTS,
                               SMTP_PARSER_FIELDS};
  smtp_block *input = smtp_block_new(s, len);
  smtp_message *m = NULL;
  size_t from_len;

  if (input && !smtp_parser_read(input, &limits, random, &m, &from_len))
    smtp_message_drop(m);
  smtp_block_drop(input);
}

/* Reading, and writing what was read, its header made anew. */
static void rewrite(const char *s, size_t len) {
  static const unsigned char random[SMTP_PARSER_RANDOM];
  smtp_parser_limits limits = {SMTP_PARSER_DEPTH, SMTP_PARSER_PARTS,
                               SMTP_PARSER_FIELDS};
  smtp_block *input = smtp_block_new(s, len);
  smtp_plan_options options;
  smtp_message *m = NULL;
  smtp_writer *w;
  const char *bytes;
  size_t n;
  smtp_error e;

  memset(&options, 0, sizeof options);
  options.style.eol = "\r\n";
  options.style.max_line = 78;
  if (!input || smtp_parser_read(input, &limits, random, &m, &n)) abort();
  smtp_message_add(m, "X-New", 5, "v", 1, SMTP_FIELD_TEXT);
  w = smtp_writer_new(m, &options, &e, &out);
  if (w) {
    while (smtp_writer_read(w, &bytes, &n) == SMTP_WRITER_BYTES)
      continue;
    smtp_writer_free(w);
  }
  smtp_message_drop(m);
  smtp_block_drop(input);
}

static void decode_words(const char *s, size_t len) {
  smtp_word_decode(&out, s, len);
}

static void decode_mailboxes(const char *s, size_t len) {
  smtp_mailbox_decode(&out, s, len, false);
}

static void decode_params(const char *s, size_t len) {
  smtp_param_decode(&out, s, len);
}

static void get_param(const char *s, size_t len) {
  smtp_param_get(s, len, "n", 1, &out);
}

static void set_param(const char *s, size_t len) {
  smtp_param_set(&out, s, len, "n", 1, "v", 1);
}

static void list_addresses(const char *s, size_t len) {
  smtp_address_list l;
  smtp_address_item item = SMTP_ADDRESS_MAILBOX;

  smtp_address_list_init(&l, s, len);
  while (item != SMTP_ADDRESS_DONE && !smtp_address_list_next(&l, &item))
    continue;
  smtp_address_list_free(&l);
}

static void read_path(const char *s, size_t len) {
  smtp_address_kind kind;

  smtp_address_path(s, len, &out, &kind);
}

static void write_field(const char *name, const char *s, size_t len) {
  smtp_header_style style = {"\r\n", 78, false, true};
  const char *why = "";

  smtp_header_write_text(&out, name, strlen(name), s, len, &style, &why);
}

static void write_text(const char *s, size_t len) {
  write_field("Subject", s, len);
}

static void write_mailboxes(const char *s, size_t len) {
  write_field("To", s, len);
}

static void write_params(const char *s, size_t len) {
  write_field("Content-Type", s, len);
}

static void write_ids(const char *s, size_t len) {
  write_field("References", s, len);
}

static void encode_quopri(const char *s, size_t len) {
  smtp_encode_options options = {true, false, true, true};
  smtp_encode_quopri q;

  smtp_encode_quopri_init(&q, options);
  smtp_encode_quopri_update(&q, &out, s, len);
  smtp_encode_quopri_final(&q, &out);
}

static void decode_quopri(const char *s, size_t len) {
  smtp_encode_dequopri d;

  smtp_encode_dequopri_init(&d, false);
  smtp_encode_dequopri_update(&d, &out, s, len);
  (void)!smtp_encode_dequopri_final(&d, &out);
}

static void decode_base64(const char *s, size_t len) {
  (void)!smtp_base64_decode_lenient(&out, s, len);
}

static void parse_date(const char *s, size_t len) {
  smtp_date date;

  (void)!smtp_date_parse(s, len, &date);
}

/* `unit` again and again between the others; "#" in it counts upwards from
 * 1000000, "~" downwards from 9999999. */
typedef struct shape {
  void (*work)(const char *s, size_t len);
  const char *name, *before, *unit, *after;
} shape;

#define MIXED "Content-Type: multipart/mixed; boundary=b\n\n"

/* clang-format off */
static const shape shapes[] = {
  {parse, "header fields",             "", "X-#: v\n", ""},
  {parse, "fields without a name",     "", ": v\n", ""},
  {parse, "a field of many lines",     "X: a\n", " b\n", ""},
  {parse, "a line without an end",     "", "x", ""},
  {parse, "a header line without end", "X: ", "x", ""},
  {parse, "line feeds",                "", "\n", ""},
  {parse, "line feeds in a body",      MIXED, "\n", ""},
  {parse, "carriage returns",          MIXED, "\r", ""},
  {parse, "both in turn",              MIXED, "\r\n\n\r", ""},
  {parse, "mbox lines",                "", "From x\n", ""},
  {parse, "types",                     "", "Content-Type: multipart/mixed; boundary=b#\n", "\n--b\n"},
  {parse, "parts",                     MIXED, "--b\n\nx\n", "--b--\n"},
  {parse, "empty parts",               MIXED, "--b\n", ""},
  {parse, "parts behind the end",      MIXED "--b--\n", "--b\n", ""},
  {parse, "ends",                      MIXED, "--b--\n", ""},
  {parse, "almost delimiters",         MIXED, "--bx\n", ""},
  {parse, "dashes",                    MIXED, "--", ""},
  {parse, "lines of dashes",           MIXED, "--\n", ""},
  {parse, "delimiters in one line",    MIXED, "--b", ""},
  {parse, "blanks behind a delimiter", MIXED "--b", " \t", "x\n"},
  {parse, "nested multiparts",         "", "Content-Type: multipart/mixed; boundary=b#\n\n--b#\n", ""},
  {parse, "nested with one boundary",  "", MIXED "--b\n", ""},
  {parse, "nested without boundaries", "", "Content-Type: multipart/mixed\n\n", ""},
  {parse, "nested messages",           "", "Content-Type: message/rfc822\n\n", ""},
  {parse, "digests",                   "Content-Type: multipart/digest; boundary=b\n\n", "--b\n\nA: b\n\n", ""},
  {parse, "multiparts side by side",   MIXED,
    "--b\nContent-Type: multipart/mixed; boundary=c#\n\n--c#\n\nx\n", ""},
  {parse, "a long boundary",           "Content-Type: multipart/mixed; boundary=\"", "b", "\"\n\n--b\n"},
  {rewrite, "fields, written",         "", "X-#: v\n", "\n"},
  {rewrite, "encodings, written",      "", "Content-Transfer-Encoding: 8bit\n", "\nx"},
  {rewrite, "parts, written",          MIXED, "--b\n\nx\n", "--b--\n"},
  {rewrite, "nested, written",         "", "Content-Type: multipart/mixed; boundary=b#\n\n--b#\n", ""},
  {decode_words, "encoded-words",      "", "=?utf-8?q?a?= ", ""},
  {decode_words, "words without gaps", "", "=?utf-8?b?YQ==?=", ""},
  {decode_words, "unknown charsets",   "", "=?x-#?q?a?= ", ""},
  {decode_words, "words in Latin-1",   "", "=?iso-8859-1?q?=E4?= ", ""},
  {decode_words, "beginnings",         "", "=?", ""},
  {decode_words, "charsets alone",     "", "=?utf-8?", ""},
  {decode_words, "words without end",  "", "=?utf-8?q?", ""},
  {decode_words, "ends of words",      "", "?=", ""},
  {decode_words, "one long word",      "=?utf-8?q?", "=41", "?="},
  {decode_words, "broken base64",      "=?utf-8?b?", "Y", "?="},
  {decode_words, "gaps",               "=?utf-8?q?a?=", " \r\n ", "=?utf-8?q?a?="},
  {decode_mailboxes, "names",          "", "=?utf-8?q?a?= <a@b>, ", ""},
  {decode_mailboxes, "open quotes",    "", "\"", ""},
  {decode_mailboxes, "open comments",  "", "(", ""},
  {decode_mailboxes, "words, no list", "", "=?utf-8?q?a?= (", ""},
  {get_param, "parameters",            "a/b", "; a#=b", ""},
  {get_param, "continuations",         "a/b; n*0=x", "; n*#=x", ""},
  {get_param, "from last to first",    "a/b", "; n*~=x", "; n*0=x"},
  {get_param, "one twice",             "a/b", "; n*0=x", ""},
  {get_param, "percent signs",         "a/b; n*=utf-8''", "%41%", ""},
  {get_param, "semicolons",            "a/b", ";", ""},
  {get_param, "open strings",          "a/b", "; a=\"", ""},
  {get_param, "backslashes",           "a/b; n=\"", "\\", ""},
  {get_param, "comments",              "a/b", "(", ""},
  {decode_params, "parameters, read",  "a/b", "; a#=\"=?utf-8?q?a?=\"", ""},
  {decode_params, "parts, read",       "a/b", "; n*#*=%41", ""},
  {set_param, "parameters, set",       "a/b", "; a#=b", ""},
  {set_param, "parts, set",            "a/b", "; n*#=x", ""},
  {list_addresses, "addresses",        "", "a@b, ", "a@b"},
  {list_addresses, "groups",           "", "g:a@b;, ", ""},
  {list_addresses, "nested groups",    "", "g:", ""},
  {list_addresses, "comments, nested", "", "(", ""},
  {list_addresses, "comments in a row", "", "(c)", "a@b"},
  {list_addresses, "quotes",           "", "\"a\" ", "<a@b>"},
  {list_addresses, "angles",           "", "<", ""},
  {list_addresses, "commas",           "", ",", ""},
  {list_addresses, "atoms",            "", "a ", "<a@b>"},
  {list_addresses, "dots",             "", "a.", "a@b"},
  {list_addresses, "routes",           "<", "@a,", "@b:a@b>"},
  {list_addresses, "at signs",         "", "a@", ""},
  {read_path, "a path of comments",    "", "(c)", "a@b"},
  {read_path, "a long path",           "", "a", "@b"},
  {write_text, "words",                "", "word ", ""},
  {write_text, "a token",              "", "x", ""},
  {write_text, "umlauts",              "", "\303\244", ""},
  {write_text, "words with umlauts",   "", "w\303\244rd ", ""},
  {write_text, "blanks",               "", " ", ""},
  {write_mailboxes, "mailboxes",       "", "N\303\244me <a@b>, ", "a@b"},
  {write_mailboxes, "a long name",     "", "n\303\244me ", "<a@b>"},
  {write_mailboxes, "long comments",   "a@b (", "n\303\244me ", ")"},
  {write_params, "a long parameter",   "a/b; n=\"", "\303\244", "\""},
  {write_params, "many parameters",    "a/b", "; a#=\"b c\"", ""},
  {write_ids, "ids",                   "", "<#@b> ", ""},
  {encode_quopri, "blanks, encoded",   "", " ", ""},
  {encode_quopri, "a line, encoded",   "", "x", ""},
  {encode_quopri, "lines, encoded",    "", "\303\244 \n", ""},
  {decode_quopri, "blanks, decoded",   "", " ", ""},
  {decode_quopri, "equal signs",       "", "=", ""},
  {decode_quopri, "soft breaks",       "", "= \r", ""},
  {decode_base64, "base64",            "", "YWJj\n", ""},
  {decode_base64, "padding",           "", "=", ""},
  {decode_base64, "no base64",         "", "Y-", ""},
  {parse_date, "comments in a date",   "Mon, ", "(", ""},
  {parse_date, "blanks in a date",     "Mon, ", " ", ""},
  {parse_date, "digits",               "Mon, ", "1", ""},
};
/* clang-format on */

static void add_unit(smtp_buf *b, const char *unit, int i) {
  for (; *unit; unit++) {
    char digits[12];

    if (*unit == '#' || *unit == '~') {
      snprintf(digits, sizeof digits, "%d", *unit == '#' ? 1000000 + i : 9999999 - i);
      smtp_buf_add(b, digits, strlen(digits));
    } else {
      smtp_buf_addc(b, *unit);
    }
  }
}

static void measure(const shape *s, size_t size) {
  smtp_buf b;
  char label[80];
  int i;

  smtp_buf_init(&b);
  smtp_buf_add(&b, s->before, strlen(s->before));
  for (i = 0; smtp_buf_len(&b) < size; i++)
    add_unit(&b, s->unit, i);
  smtp_buf_add(&b, s->after, strlen(s->after));
  snprintf(label, sizeof label, "%s %zu", s->name, size);
  smtp_buf_clear(&out);
  CALLGRIND_START_INSTRUMENTATION;
  CALLGRIND_ZERO_STATS;
  s->work(smtp_buf_data(&b), smtp_buf_len(&b));
  CALLGRIND_DUMP_STATS_AT(label);
  CALLGRIND_STOP_INSTRUMENTATION;
  smtp_buf_free(&b);
}

int main(void) {
  size_t i;

  smtp_buf_init(&out);
  for (i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    shapes[i].work("", 0); /* what is made once */
    measure(&shapes[i], SIZE);
    measure(&shapes[i], 2 * SIZE);
    printf("%s\n", shapes[i].name);
  }
  smtp_buf_free(&out);
  return 0;
}
