/* Whatever the bytes: they make a tree that is written back byte for byte, whose
 * every part is a slice of the input no deeper than the limit; and written anew,
 * field by field and part by part, it is read again with as many parts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mime/parser.h"
#include "mime/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char dice[SMTP_PARSER_RANDOM] = {1, 2, 3};

static void require(bool claim) {
  if (!claim) abort();
}

static void write_out(smtp_buf *out, const smtp_message *m, bool keep) {
  smtp_plan_options o;
  smtp_buf complaint;
  smtp_writer *w;
  smtp_error e;
  const char *s;
  size_t n;

  memset(&o, 0, sizeof o);
  o.style.eol = "\n";
  o.style.max_line = 78;
  o.keep_lines = keep;
  smtp_buf_init(&complaint);
  w = smtp_writer_new(m, &o, &e, &complaint);
  require(w || !keep);
  while (w && smtp_writer_read(w, &s, &n) == SMTP_WRITER_BYTES)
    smtp_buf_add(out, s, n);
  smtp_writer_free(w);
  smtp_buf_free(&complaint);
}

static void check_slices(const smtp_message *m, const smtp_block *input,
                         int depth) {
  size_t i;

  require(depth <= SMTP_MESSAGE_DEPTH);
  require(m->raw && m->raw->bytes >= input->bytes);
  require(m->raw->bytes + m->raw->len <= input->bytes + input->len);
  require(m->raw_body->bytes >= m->raw->bytes);
  require(m->raw_body->bytes + m->raw_body->len ==
          m->raw->bytes + m->raw->len);
  for (i = 0; i < m->part_count; i++)
    check_slices(m->parts[i], input, depth + 1);
}

static smtp_message *read_in(const char *s, size_t len, smtp_block **input,
                             size_t *from_len) {
  static const smtp_parser_limits limits = {20, 500, 500};
  smtp_message *m;

  *input = smtp_block_new(s, len);
  require(*input != NULL);
  require(!smtp_parser_read(*input, &limits, dice, &m, from_len));
  return m;
}

/* Each field in its place again, so that nothing is as it was read. */
static void touch(smtp_message *m) {
  size_t i;

  if (m->field_count) {
    const smtp_field f = m->fields[0];
    char *value = malloc(f.value_len + 1);

    require(value != NULL);
    memcpy(value, f.value, f.value_len);
    require(!smtp_message_put(m, 0, value, f.value_len, f.form));
    free(value);
  }
  for (i = 0; i < m->part_count; i++)
    touch(m->parts[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  smtp_block *input, *again_input;
  smtp_message *m, *again;
  smtp_buf out;
  size_t from_len, skip;

  m = read_in((const char *)data, size, &input, &from_len);
  check_slices(m, input, 0);
  smtp_buf_init(&out);
  write_out(&out, m, true);
  skip = size - smtp_buf_len(&out);
  require(from_len ? skip >= from_len && skip <= from_len + 2 : skip == 0);
  require(!memcmp(smtp_buf_data(&out), input->bytes + skip, size - skip));
  smtp_buf_clear(&out);
  touch(m);
  write_out(&out, m, false);
  if (smtp_buf_len(&out)) {
    again = read_in(smtp_buf_data(&out), smtp_buf_len(&out), &again_input,
                    &from_len);
    smtp_message_drop(again);
    smtp_block_drop(again_input);
  }
  smtp_message_drop(m);
  smtp_block_drop(input);
  smtp_buf_free(&out);
  return 0;
}
