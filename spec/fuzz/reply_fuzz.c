/* Whatever the bytes and however they are cut: the parser yields the same
 * replies, or the same error, whole as byte by byte; codes are 200 to 599,
 * texts hold no line end but the LF between lines, and no limit is exceeded;
 * and the keywords read from any text are tokens in lower case. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/extension.h"
#include "engine/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_LINE = 60, MAX_LINES = 4 };

static void require(bool claim) {
  if (!claim) abort();
}

static void check_reply(const smtp_reply *r) {
  size_t lines = 1, i;

  require(r->code >= 200 && r->code <= 599);
  require(r->text_len <= MAX_LINE * MAX_LINES);
  for (i = 0; i < r->text_len; i++)
    lines += r->text[i] == '\n';
  require(lines <= MAX_LINES);
  require(strlen(r->enhanced) < sizeof r->enhanced);
  if (r->enhanced[0]) require(r->enhanced[0] == '0' + r->code / 100);
}

static void record(smtp_buf *log, const smtp_reply *r) {
  smtp_buf_addu(log, (unsigned)r->code);
  smtp_buf_adds(log, r->enhanced);
  smtp_buf_addc(log, '|');
  smtp_buf_add(log, r->text, r->text_len);
  smtp_buf_addc(log, '\0');
}

/* All replies of what is in `in`. */
static smtp_error take_all(smtp_reply_parser *p, smtp_buf *in, bool plain,
                           smtp_buf *log) {
  smtp_reply reply;
  smtp_error e;
  bool found;

  while ((e = smtp_reply_take(p, in, plain, &reply, &found)) == SMTP_OK &&
         found) {
    check_reply(&reply);
    record(log, &reply);
  }
  if (e != SMTP_OK) require(reply.code == -1 && reply.text_len <= 200);
  return e;
}

static smtp_error run(const char *s, size_t size, size_t piece, bool plain,
                      smtp_buf *log) {
  smtp_reply_parser p;
  smtp_error e = SMTP_OK;
  smtp_buf in;
  size_t i, n;

  smtp_buf_init(&in);
  smtp_reply_init(&p, MAX_LINE, MAX_LINES);
  for (i = 0; e == SMTP_OK && i < size; i += n) {
    n = piece < size - i ? piece : size - i;
    smtp_buf_add(&in, s + i, n);
    e = take_all(&p, &in, plain, log);
    require(e != SMTP_OK || smtp_buf_len(&in) <= MAX_LINE);
  }
  smtp_reply_free(&p);
  smtp_buf_free(&in);
  return e;
}

static void check_keywords(const char *s, size_t size) {
  smtp_extensions x;
  const char *keyword, *parameters;
  size_t at = 0;

  smtp_extension_init(&x);
  require(smtp_extension_read(&x, s, size) == SMTP_OK);
  while (smtp_extension_next(&x, &at, &keyword, &parameters)) {
    require(*keyword && *keyword != '-');
    require(strspn(keyword, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
            strlen(keyword));
    require(!strchr(parameters, '\n'));
    require(*parameters != ' ' && *parameters != '\t');
  }
  require(at == smtp_buf_len(&x.list));
  smtp_extension_free(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bool plain = size && (data[0] & 1);
  size_t piece = size ? data[0] / 2 % 20 + 1 : 1;
  const char *s = (const char *)data;
  smtp_buf whole, bytewise, pieces;
  smtp_error e;

  if (!size) return 0;
  s++, size--;
  smtp_buf_init(&whole);
  smtp_buf_init(&bytewise);
  smtp_buf_init(&pieces);
  e = run(s, size, size ? size : 1, plain, &whole);
  require(run(s, size, 1, plain, &bytewise) == e);
  require(run(s, size, piece, plain, &pieces) == e);
  require(smtp_buf_len(&whole) == smtp_buf_len(&bytewise));
  require(smtp_buf_len(&whole) == smtp_buf_len(&pieces));
  require(!memcmp(smtp_buf_data(&whole), smtp_buf_data(&bytewise),
                  smtp_buf_len(&whole)));
  require(!memcmp(smtp_buf_data(&whole), smtp_buf_data(&pieces),
                  smtp_buf_len(&whole)));
  check_keywords(s, size);
  smtp_buf_free(&whole);
  smtp_buf_free(&bytewise);
  smtp_buf_free(&pieces);
  return 0;
}
