/* Base64 with vectors, see base64_x86.h. Twelve bytes become sixteen
 * characters: each 3 bytes are spread over 4, shifted apart by two multiplies,
 * and turned into letters by adding what a 16-entry table says; decoding goes
 * the same way back, and two further tables, of a character's high and of its
 * low half, have a bit in common for what is not of the alphabet (W. Mula,
 * D. Lemire, "Faster Base64 Encoding and Decoding using AVX2 Instructions").
 * SSSE3 is enough: lines of 76 fit 16-byte steps better than 32-byte ones,
 * and a processor that splits the wider ones is slower with them (4.6 against
 * 6.2 GB/s on a first-generation EPYC). SMTP_NO_VECTOR leaves it out. */
#include "base/base64_x86.h"

#if defined(__GNUC__) && defined(__x86_64__) && !defined(SMTP_NO_VECTOR)

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define TARGET __attribute__((target("ssse3")))
#define INLINE TARGET static inline __attribute__((always_inline))

/* What the last load of a line may read beyond the line. */
#define LOOKAHEAD 16
/* A line of a mail: characters, and the bytes in them. */
#define MIME_WIDTH 76
#define MIME_QUANTUM 57

/* Twelve bytes, of sixteen that are read, to sixteen characters. */
INLINE void store_12(char *out, const unsigned char *in) {
  /* What to add to a value, by class: 0 A-Z, 1 a-z, 2-11 digits, 12 +, 13 /. */
  const __m128i offsets = _mm_setr_epi8(
      'A', 'a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
      '0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 0, 0);
  const __m128i spread =
      _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
  __m128i v = _mm_loadu_si128((const __m128i *)(const void *)in);
  __m128i high, low, kind;

  v = _mm_shuffle_epi8(v, spread);
  high = _mm_mulhi_epu16(_mm_and_si128(v, _mm_set1_epi32(0x0FC0FC00)),
                         _mm_set1_epi32(0x04000040));
  low = _mm_mullo_epi16(_mm_and_si128(v, _mm_set1_epi32(0x003F03F0)),
                        _mm_set1_epi32(0x01000010));
  v = _mm_or_si128(high, low);
  kind = _mm_subs_epu8(v, _mm_set1_epi8(51));
  kind = _mm_sub_epi8(kind, _mm_cmpgt_epi8(v, _mm_set1_epi8(25)));
  v = _mm_add_epi8(v, _mm_shuffle_epi8(offsets, kind));
  _mm_storeu_si128((__m128i *)(void *)out, v);
}

INLINE void store_48(char *out, const unsigned char *in) {
  store_12(out, in);
  store_12(out + 16, in + 12);
  store_12(out + 32, in + 24);
  store_12(out + 48, in + 36);
}

/* What is stored beyond a line's end gets overwritten. */
TARGET static size_t lines(char *out, const unsigned char *in, size_t len,
                           size_t quantum, const char *eol, size_t eol_len) {
  size_t taken = 0, i, to;

  for (; len - taken >= quantum + LOOKAHEAD; taken += quantum) {
    for (i = to = 0; i + 48 <= quantum; i += 48, to += 64)
      store_48(out + to, in + taken + i);
    for (; i < quantum; i += 12, to += 16)
      store_12(out + to, in + taken + i);
    out += quantum / 3 * 4;
    if (eol_len) memcpy(out, eol, eol_len);
    out += eol_len;
  }
  return taken;
}

/* The same for lines of 76 that end with CRLF: what most mail has. */
TARGET static size_t mime_lines(char *out, const unsigned char *in, size_t len,
                                const char *eol) {
  const unsigned char *at = in, *end = in + len;
  char crlf[2];

  memcpy(crlf, eol, sizeof crlf);
  for (; end - at >= MIME_QUANTUM + LOOKAHEAD; at += MIME_QUANTUM) {
    store_48(out, at);
    store_12(out + 64, at + 48);
    memcpy(out + MIME_WIDTH, crlf, sizeof crlf);
    out += MIME_WIDTH + sizeof crlf;
  }
  return (size_t)(at - in);
}

size_t smtp_base64_x86_lines(char *out, const unsigned char *in, size_t len,
                             size_t quantum, const char *eol, size_t eol_len) {
  if (len < quantum + LOOKAHEAD || !__builtin_cpu_supports("ssse3")) return 0;
  if (quantum == MIME_QUANTUM && eol_len == 2)
    return mime_lines(out, in, len, eol);
  return lines(out, in, len, quantum, eol, eol_len);
}

/* Sixteen characters to twelve bytes, sixteen being written. The result has a
 * bit set where a character is not one of the alphabet. */
INLINE __m128i load_16(char *out, const unsigned char *in) {
  /* By high half: what to add; "/" differs from its neighbours. */
  const __m128i offsets =
      _mm_setr_epi8(0, 63 - '/', 62 - '+', 52 - '0', -'A', -'A', 26 - 'a',
                    26 - 'a', 0, 0, 0, 0, 0, 0, 0, 0);
  const __m128i high_kinds =
      _mm_setr_epi8(16, 16, 1, 2, 4, 8, 4, 8, 16, 16, 16, 16, 16, 16, 16, 16);
  const __m128i low_kinds = _mm_setr_epi8(21, 17, 17, 17, 17, 17, 17, 17, 17,
                                          17, 19, 26, 27, 27, 27, 26);
  const __m128i gather =
      _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
  const __m128i half = _mm_set1_epi8(0x0F);
  __m128i v = _mm_loadu_si128((const __m128i *)(const void *)in);
  __m128i high = _mm_and_si128(_mm_srli_epi32(v, 4), half);
  __m128i low = _mm_and_si128(v, half), wrong;

  wrong = _mm_and_si128(_mm_shuffle_epi8(high_kinds, high),
                        _mm_shuffle_epi8(low_kinds, low));
  high = _mm_add_epi8(high, _mm_cmpeq_epi8(v, _mm_set1_epi8('/')));
  v = _mm_add_epi8(v, _mm_shuffle_epi8(offsets, high));
  v = _mm_maddubs_epi16(v, _mm_set1_epi32(0x01400140));
  v = _mm_madd_epi16(v, _mm_set1_epi32(0x00011000));
  _mm_storeu_si128((__m128i *)(void *)out, _mm_shuffle_epi8(v, gather));
  return wrong;
}

INLINE bool is_right(__m128i wrong) {
  return _mm_movemask_epi8(_mm_cmpgt_epi8(wrong, _mm_setzero_si128())) == 0;
}

/* One line; the last sixteen characters overlap those before them. */
INLINE bool load_mime_line(char *out, const unsigned char *in) {
  __m128i a = load_16(out, in), b = load_16(out + 12, in + 16);
  __m128i c = load_16(out + 24, in + 32), d = load_16(out + 36, in + 48);
  __m128i e = load_16(out + MIME_QUANTUM - 12, in + MIME_WIDTH - 16);

  a = _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d));
  return is_right(_mm_or_si128(a, e));
}

TARGET static size_t load_mime_lines(char **out, const unsigned char *in,
                                     size_t len) {
  size_t i = 0;

  while (len - i >= MIME_WIDTH + 2) {
    const unsigned char *eol = in + i + MIME_WIDTH;
    size_t eol_len = *eol == '\n' ? 1 : *eol == '\r' && eol[1] == '\n' ? 2 : 0;

    if (!eol_len || !load_mime_line(*out, in + i)) break;
    *out += MIME_QUANTUM;
    i += MIME_WIDTH + eol_len;
  }
  return i;
}

TARGET static size_t load_groups(char *out, const unsigned char *in,
                                 size_t len) {
  size_t i;

  for (i = 0; len - i >= 16; i += 16, out += 12)
    if (!is_right(load_16(out, in + i))) break;
  return i;
}

size_t smtp_base64_x86_groups(char *out, const unsigned char *in, size_t len) {
  return __builtin_cpu_supports("ssse3") ? load_groups(out, in, len) : 0;
}

size_t smtp_base64_x86_mime_lines(char **out, const unsigned char *in,
                                  size_t len) {
  return __builtin_cpu_supports("ssse3") ? load_mime_lines(out, in, len) : 0;
}

#else

size_t smtp_base64_x86_lines(char *out, const unsigned char *in, size_t len,
                             size_t quantum, const char *eol, size_t eol_len) {
  (void)out, (void)in, (void)len, (void)quantum, (void)eol, (void)eol_len;
  return 0;
}

size_t smtp_base64_x86_groups(char *out, const unsigned char *in, size_t len) {
  (void)out, (void)in, (void)len;
  return 0;
}

size_t smtp_base64_x86_mime_lines(char **out, const unsigned char *in,
                                  size_t len) {
  (void)out, (void)in, (void)len;
  return 0;
}

#endif
