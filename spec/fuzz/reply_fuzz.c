/* Invariant: whatever a server says and however it is cut, the parser yields
 * the same replies, or the same one error, whole as bytewise. */
#include "engine/reply.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Everything that replies say, as one text. */
static void note(smtp_buf *log, const smtp_reply *reply) {
  smtp_buf_addu(log, (unsigned long long)reply->code);
  smtp_buf_addc(log, ' ');
  smtp_buf_adds(log, reply->enhanced);
  smtp_buf_addc(log, ' ');
  smtp_buf_add(log, reply->text, reply->text_len);
  smtp_buf_addc(log, '\0');
}

static smtp_error take_all(smtp_reply_parser *p, smtp_buf *in, smtp_buf *log) {
  smtp_error error;
  bool found;

  do {
    smtp_reply reply;

    error = smtp_reply_take(p, in, false, &reply, &found);
    if (!error && found) note(log, &reply);
  } while (!error && found);
  return error;
}

static smtp_error replay(const uint8_t *bytes, size_t len, size_t step,
                         smtp_buf *log) {
  smtp_reply_parser parser;
  smtp_buf in;
  smtp_error error = SMTP_OK;

  smtp_reply_init(&parser, 64, 8);
  smtp_buf_init(&in);
  while (len && !error) {
    size_t n = len < step ? len : step;

    smtp_buf_add(&in, bytes, n);
    bytes += n;
    len -= n;
    error = take_all(&parser, &in, log);
  }
  smtp_buf_free(&in);
  smtp_reply_free(&parser);
  return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  smtp_buf whole, bytewise;

  smtp_buf_init(&whole);
  smtp_buf_init(&bytewise);
  if (replay(bytes, len, len, &whole) != replay(bytes, len, 1, &bytewise))
    abort();
  if (smtp_buf_len(&whole) != smtp_buf_len(&bytewise)) abort();
  if (memcmp(smtp_buf_data(&whole), smtp_buf_data(&bytewise),
             smtp_buf_len(&whole)) != 0)
    abort();
  smtp_buf_free(&whole);
  smtp_buf_free(&bytewise);
  return 0;
}
