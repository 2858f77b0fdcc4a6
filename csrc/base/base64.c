/* Base64 encoding, see base64.h: the plain path goes twelve bits at a step
 * through a table of character pairs. */
#include "base/base64.h"

#include <string.h>

#include "base/base64_x86.h"

/* Beyond what is asked for: the vector path stores in steps of 16. */
#define SLACK 16
/* One line without an end is done in portions of this many bytes. */
#define PORTION 48

/* clang-format off */
#define PAIRS(a) \
  {a,'A'},{a,'B'},{a,'C'},{a,'D'},{a,'E'},{a,'F'},{a,'G'},{a,'H'}, \
  {a,'I'},{a,'J'},{a,'K'},{a,'L'},{a,'M'},{a,'N'},{a,'O'},{a,'P'}, \
  {a,'Q'},{a,'R'},{a,'S'},{a,'T'},{a,'U'},{a,'V'},{a,'W'},{a,'X'}, \
  {a,'Y'},{a,'Z'},{a,'a'},{a,'b'},{a,'c'},{a,'d'},{a,'e'},{a,'f'}, \
  {a,'g'},{a,'h'},{a,'i'},{a,'j'},{a,'k'},{a,'l'},{a,'m'},{a,'n'}, \
  {a,'o'},{a,'p'},{a,'q'},{a,'r'},{a,'s'},{a,'t'},{a,'u'},{a,'v'}, \
  {a,'w'},{a,'x'},{a,'y'},{a,'z'},{a,'0'},{a,'1'},{a,'2'},{a,'3'}, \
  {a,'4'},{a,'5'},{a,'6'},{a,'7'},{a,'8'},{a,'9'},{a,'+'},{a,'/'}

static const char pairs[4096][2] = {
  PAIRS('A'), PAIRS('B'), PAIRS('C'), PAIRS('D'), PAIRS('E'), PAIRS('F'),
  PAIRS('G'), PAIRS('H'), PAIRS('I'), PAIRS('J'), PAIRS('K'), PAIRS('L'),
  PAIRS('M'), PAIRS('N'), PAIRS('O'), PAIRS('P'), PAIRS('Q'), PAIRS('R'),
  PAIRS('S'), PAIRS('T'), PAIRS('U'), PAIRS('V'), PAIRS('W'), PAIRS('X'),
  PAIRS('Y'), PAIRS('Z'), PAIRS('a'), PAIRS('b'), PAIRS('c'), PAIRS('d'),
  PAIRS('e'), PAIRS('f'), PAIRS('g'), PAIRS('h'), PAIRS('i'), PAIRS('j'),
  PAIRS('k'), PAIRS('l'), PAIRS('m'), PAIRS('n'), PAIRS('o'), PAIRS('p'),
  PAIRS('q'), PAIRS('r'), PAIRS('s'), PAIRS('t'), PAIRS('u'), PAIRS('v'),
  PAIRS('w'), PAIRS('x'), PAIRS('y'), PAIRS('z'), PAIRS('0'), PAIRS('1'),
  PAIRS('2'), PAIRS('3'), PAIRS('4'), PAIRS('5'), PAIRS('6'), PAIRS('7'),
  PAIRS('8'), PAIRS('9'), PAIRS('+'), PAIRS('/'),
};
/* clang-format on */

/* Whole groups of three bytes; returns where to go on writing. */
static char *put_groups(char *out, const unsigned char *in, size_t len) {
  size_t i;

  for (i = 0; i + 3 <= len; i += 3, out += 4) {
    unsigned n = (unsigned)in[i] << 16 | (unsigned)in[i + 1] << 8 | in[i + 2];

    memcpy(out, pairs[n >> 12], 2);
    memcpy(out + 2, pairs[n & 0xFFF], 2);
  }
  return out;
}

/* The last group, of one or two bytes. */
static char *put_tail(char *out, const unsigned char *in, size_t len) {
  unsigned n = (unsigned)in[0] << 16 | (len > 1 ? (unsigned)in[1] << 8 : 0);

  memcpy(out, pairs[n >> 12], 2);
  out[2] = len > 1 ? pairs[n & 0xFFF][0] : '=';
  out[3] = '=';
  return out + 4;
}

static size_t quantum_of(size_t width) {
  return width < 4 ? 3 : width / 4 * 3;
}

size_t smtp_base64_lines_len(size_t len, size_t width, size_t eol_len) {
  size_t quantum = quantum_of(width);
  size_t lines = len / quantum + (len % quantum != 0);

  return (len / 3 + (len % 3 != 0)) * 4 + lines * eol_len;
}

/* Whole lines of `quantum` bytes; `len` is a multiple of it. */
static char *put_lines(char *out, const unsigned char *in, size_t len,
                       size_t quantum, const char *eol, size_t eol_len) {
  size_t i = smtp_base64_x86_lines(out, in, len, quantum, eol, eol_len);

  out += i / quantum * (quantum / 3 * 4 + eol_len);
  for (; i < len; i += quantum) {
    out = put_groups(out, in + i, quantum);
    if (eol_len) memcpy(out, eol, eol_len);
    out += eol_len;
  }
  return out;
}

static char *put_one_line(char *out, const unsigned char *in, size_t len) {
  size_t whole = len - len % PORTION;

  out = put_lines(out, in, whole, PORTION, "", 0);
  return put_groups(out, in + whole, len - whole);
}

void smtp_base64_encode(smtp_buf *out, const void *in, size_t len) {
  size_t need = (len / 3 + 1) * 4;
  const unsigned char *bytes = in;
  char *start = smtp_buf_reserve(out, need + SLACK), *at;

  if (!start) return;
  at = put_one_line(start, bytes, len);
  if (len % 3) at = put_tail(at, bytes + len - len % 3, len % 3);
  smtp_buf_extend(out, (size_t)(at - start));
}

void smtp_base64_encode_lines(smtp_buf *out, const void *in, size_t len,
                              size_t width, const char *eol, size_t eol_len) {
  smtp_base64_encoder e;

  smtp_base64_encoder_init(&e, width < 4 ? 4 : width, eol, eol_len);
  smtp_base64_encoder_update(&e, out, in, len);
  smtp_base64_encoder_final(&e, out);
}

void smtp_base64_encoder_init(smtp_base64_encoder *e, size_t width,
                              const char *eol, size_t eol_len) {
  memset(e, 0, sizeof *e);
  e->eol = eol_len ? eol : "";
  e->eol_len = eol_len;
  e->width = width && width < 4 ? 4 : width / 4 * 4;
}

/* Part of a line, `len` being whole groups that still fit into it; the line
 * is ended when it is full. */
static char *put_part(smtp_base64_encoder *e, char *out,
                      const unsigned char *in, size_t len) {
  out = put_one_line(out, in, len);
  if (!e->width) return out;
  e->column += len / 3 * 4;
  if (e->column < e->width) return out;
  memcpy(out, e->eol, e->eol_len);
  e->column = 0;
  return out + e->eol_len;
}

/* Whole groups; returns where to go on writing. */
static char *put_all(smtp_base64_encoder *e, char *out, const unsigned char *in,
                     size_t len) {
  size_t quantum = quantum_of(e->width), part;

  if (!e->width) return put_part(e, out, in, len);
  if (e->column) {
    part = (e->width - e->column) / 4 * 3;
    if (part > len) part = len;
    out = put_part(e, out, in, part);
    in += part;
    len -= part;
  }
  if (!len) return out;
  part = len - len % quantum;
  out = put_lines(out, in, part, quantum, e->eol, e->eol_len);
  return put_part(e, out, in + part, len - part);
}

void smtp_base64_encoder_update(smtp_base64_encoder *e, smtp_buf *out,
                                const void *in, size_t len) {
  const unsigned char *bytes = in;
  size_t whole, need;
  char *start, *at;

  while (e->held_len && e->held_len < 3 && len) {
    e->held[e->held_len++] = *bytes++;
    len--;
  }
  need = smtp_base64_lines_len(len, e->width ? e->width : len, e->eol_len);
  start = at = smtp_buf_reserve(out, need + 4 + 2 * e->eol_len + SLACK);
  if (!start) return;
  if (e->held_len == 3) {
    at = put_all(e, at, e->held, 3);
    e->held_len = 0;
  }
  whole = e->held_len ? 0 : len - len % 3;
  at = put_all(e, at, bytes, whole);
  smtp_buf_extend(out, (size_t)(at - start));
  for (; whole < len; whole++)
    e->held[e->held_len++] = bytes[whole];
}

void smtp_base64_encoder_final(smtp_base64_encoder *e, smtp_buf *out) {
  char tail[4];

  if (e->held_len) {
    put_tail(tail, e->held, e->held_len);
    smtp_buf_add(out, tail, sizeof tail);
    e->column += sizeof tail;
  }
  if (e->width && e->column) smtp_buf_add(out, e->eol, e->eol_len);
  e->held_len = e->column = 0;
}
