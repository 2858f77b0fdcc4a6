/* Base64 with vectors, see base64_x86.h. Twelve bytes become sixteen
 * characters: each 3 bytes are spread over 4, shifted apart by two multiplies,
 * and turned into letters by adding what a 16-entry table says (W. Mula,
 * D. Lemire, "Faster Base64 Encoding and Decoding using AVX2 Instructions").
 * SMTP_NO_VECTOR leaves it out. */
#include "base/base64_x86.h"

#if defined(__GNUC__) && defined(__x86_64__) && !defined(SMTP_NO_VECTOR)

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define TARGET(set) __attribute__((target(set)))
#define INLINE(set) TARGET(set) static inline __attribute__((always_inline))

/* What the last load of a line may read beyond the line. */
#define LOOKAHEAD 32

/* What to add to a value, by class: 0 a-z, 1-10 digits, 11 +, 12 /, 13 A-Z. */
#define OFFSETS                                                                \
  'a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,        \
      '0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0
#define SPREAD 1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10

INLINE("ssse3") __m128i encode_12(const unsigned char *in) {
  __m128i v = _mm_loadu_si128((const __m128i *)(const void *)in);
  __m128i high, low, kind;

  v = _mm_shuffle_epi8(v, _mm_setr_epi8(SPREAD));
  high = _mm_mulhi_epu16(_mm_and_si128(v, _mm_set1_epi32(0x0FC0FC00)),
                         _mm_set1_epi32(0x04000040));
  low = _mm_mullo_epi16(_mm_and_si128(v, _mm_set1_epi32(0x003F03F0)),
                        _mm_set1_epi32(0x01000010));
  v = _mm_or_si128(high, low);
  kind = _mm_subs_epu8(v, _mm_set1_epi8(51));
  kind = _mm_or_si128(kind, _mm_and_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(26)),
                                          _mm_set1_epi8(13)));
  return _mm_add_epi8(v, _mm_shuffle_epi8(_mm_setr_epi8(OFFSETS), kind));
}

INLINE("avx2") __m256i encode_24(const unsigned char *in) {
  __m256i v = _mm256_inserti128_si256(
      _mm256_castsi128_si256(
          _mm_loadu_si128((const __m128i *)(const void *)in)),
      _mm_loadu_si128((const __m128i *)(const void *)(in + 12)), 1);
  __m256i high, low, kind;

  v = _mm256_shuffle_epi8(v, _mm256_setr_epi8(SPREAD, SPREAD));
  high = _mm256_mulhi_epu16(_mm256_and_si256(v, _mm256_set1_epi32(0x0FC0FC00)),
                            _mm256_set1_epi32(0x04000040));
  low = _mm256_mullo_epi16(_mm256_and_si256(v, _mm256_set1_epi32(0x003F03F0)),
                           _mm256_set1_epi32(0x01000010));
  v = _mm256_or_si256(high, low);
  kind = _mm256_subs_epu8(v, _mm256_set1_epi8(51));
  kind = _mm256_or_si256(
      kind, _mm256_and_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(26), v),
                             _mm256_set1_epi8(13)));
  return _mm256_add_epi8(
      v, _mm256_shuffle_epi8(_mm256_setr_epi8(OFFSETS, OFFSETS), kind));
}

/* The usual line end in one store. */
static inline char *put_eol(char *out, const char *eol, size_t eol_len) {
  if (eol_len == 2)
    memcpy(out, eol, 2);
  else
    memcpy(out, eol, eol_len);
  return out + eol_len;
}

TARGET("ssse3")
static size_t lines_ssse3(char *out, const unsigned char *in, size_t len,
                          size_t quantum, const char *eol, size_t eol_len) {
  size_t taken = 0, i;

  for (; len - taken >= quantum + LOOKAHEAD; taken += quantum) {
    for (i = 0; i < quantum; i += 12)
      _mm_storeu_si128((__m128i *)(void *)(out + i / 3 * 4),
                       encode_12(in + taken + i));
    out = put_eol(out + quantum / 3 * 4, eol, eol_len);
  }
  return taken;
}

TARGET("avx2")
static size_t lines_avx2(char *out, const unsigned char *in, size_t len,
                         size_t quantum, const char *eol, size_t eol_len) {
  size_t taken = 0, i;

  for (; len - taken >= quantum + LOOKAHEAD; taken += quantum) {
    const unsigned char *line = in + taken;

    for (i = 0; i + 12 < quantum; i += 24)
      _mm256_storeu_si256((__m256i *)(void *)(out + i / 3 * 4),
                          encode_24(line + i));
    if (i < quantum)
      _mm_storeu_si128((__m128i *)(void *)(out + i / 3 * 4),
                       encode_12(line + i));
    out = put_eol(out + quantum / 3 * 4, eol, eol_len);
  }
  return taken;
}

size_t smtp_base64_x86_lines(char *out, const unsigned char *in, size_t len,
                             size_t quantum, const char *eol, size_t eol_len) {
  if (len < quantum + LOOKAHEAD) return 0;
  if (__builtin_cpu_supports("avx2"))
    return lines_avx2(out, in, len, quantum, eol, eol_len);
  if (__builtin_cpu_supports("ssse3"))
    return lines_ssse3(out, in, len, quantum, eol, eol_len);
  return 0;
}

#else

size_t smtp_base64_x86_lines(char *out, const unsigned char *in, size_t len,
                             size_t quantum, const char *eol, size_t eol_len) {
  (void)out, (void)in, (void)len, (void)quantum, (void)eol, (void)eol_len;
  return 0;
}

#endif
