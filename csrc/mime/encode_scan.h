/* How quoted-printable looks at several bytes at once: only encode.c and
 * encode_decode.c ask. With SSE2 sixteen, else eight; SMTP_NO_VECTOR leaves
 * the sixteen out. */
#ifndef SMTP_MIME_ENCODE_SCAN_H
#define SMTP_MIME_ENCODE_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && defined(__GNUC__) && !defined(SMTP_NO_VECTOR)
#include <emmintrin.h>

#define SMTP_ENCODE_SCAN_STEP 16

/* The place of the lowest bit, the step when there is none. */
static inline size_t smtp_encode_scan_first(int bits) {
  return (size_t)__builtin_ctz((unsigned)bits | 1u << SMTP_ENCODE_SCAN_STEP);
}

/* How many of the step's bytes, from the front, are printable ASCII (32-126)
 * and no "=". */
static inline size_t smtp_encode_scan_plain(const char *s) {
  __m128i v = _mm_loadu_si128((const __m128i *)(const void *)s);
  __m128i odd = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('=')),
                             _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7F)));

  odd = _mm_or_si128(odd, _mm_cmplt_epi8(v, _mm_set1_epi8(' ')));
  return smtp_encode_scan_first(_mm_movemask_epi8(odd));
}

/* How many, from the front, are above 127. */
static inline size_t smtp_encode_scan_high(const char *s) {
  __m128i v = _mm_loadu_si128((const __m128i *)(const void *)s);

  return smtp_encode_scan_first(~_mm_movemask_epi8(v) & 0xFFFF);
}

#else

#define SMTP_ENCODE_SCAN_STEP 8
#define SMTP_ENCODE_SCAN_EACH(byte) (UINT64_MAX / 255 * (byte))

/* The high bit of each byte that is zero, and perhaps of some behind one. */
static inline uint64_t smtp_encode_scan_zeros(uint64_t w) {
  return (w - SMTP_ENCODE_SCAN_EACH(1)) & ~w;
}

#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

/* The first byte of which the high bit is set. */
static inline size_t smtp_encode_scan_first(uint64_t w) {
  w &= SMTP_ENCODE_SCAN_EACH(0x80);
  return w ? (size_t)__builtin_ctzll(w) / 8 : SMTP_ENCODE_SCAN_STEP;
}

static inline uint64_t smtp_encode_scan_load(const char *s) {
  uint64_t w;

  memcpy(&w, s, sizeof w);
  return w;
}

#else

static inline size_t smtp_encode_scan_first(uint64_t w) {
  size_t n = 0;

  while (n < SMTP_ENCODE_SCAN_STEP && !(w >> 8 * n & 0x80))
    n++;
  return n;
}

static inline uint64_t smtp_encode_scan_load(const char *s) {
  uint64_t w = 0;
  size_t i;

  for (i = 0; i < SMTP_ENCODE_SCAN_STEP; i++)
    w |= (uint64_t)(unsigned char)s[i] << 8 * i;
  return w;
}

#endif

static inline size_t smtp_encode_scan_plain(const char *s) {
  uint64_t w = smtp_encode_scan_load(s);
  uint64_t odd = w | ((w - SMTP_ENCODE_SCAN_EACH(0x20)) & ~w);

  odd |= smtp_encode_scan_zeros(w ^ SMTP_ENCODE_SCAN_EACH('='));
  odd |= smtp_encode_scan_zeros(w ^ SMTP_ENCODE_SCAN_EACH(0x7F));
  return smtp_encode_scan_first(odd);
}

static inline size_t smtp_encode_scan_high(const char *s) {
  return smtp_encode_scan_first(~smtp_encode_scan_load(s));
}

#endif

#endif
