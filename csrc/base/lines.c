/* Line ends, see lines.h. Long runs without anything to change are found 16
 * bytes at a time where SSE2 is at hand (SMTP_NO_VECTOR leaves it out). */
#include "base/lines.h"

#include <string.h>

#if defined(__SSE2__) && defined(__GNUC__) && !defined(SMTP_NO_VECTOR)
#include <emmintrin.h>
#define SMTP_LINES_SSE2 1
#endif

/* Bytes that are counted with sums of one byte each, which compilers know how
 * to do in parallel. */
#define BLOCK 64

size_t smtp_lines_fit(const char *s, size_t len, bool dots) {
  size_t i = 0;

#ifdef SMTP_LINES_SSE2
  const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');
  /* Without dots an LF that begins a row "LF LF", which is odd anyway. */
  const __m128i dot = _mm_set1_epi8(dots ? '.' : '\n');

  for (; i + 17 <= len; i += 16) {
    __m128i here = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
    __m128i next = _mm_loadu_si128((const __m128i *)(const void *)(s + i + 1));
    __m128i odd =
        _mm_xor_si128(_mm_cmpeq_epi8(here, cr), _mm_cmpeq_epi8(next, lf));
    __m128i stuff =
        _mm_and_si128(_mm_cmpeq_epi8(here, lf), _mm_cmpeq_epi8(next, dot));
    int hits = _mm_movemask_epi8(_mm_or_si128(odd, stuff));

    if (hits) {
      i += (size_t)__builtin_ctz((unsigned)hits);
      break;
    }
  }
#endif
  /* The byte that stopped the wide steps, or the tail, byte by byte. */
  for (; i + 1 < len; i++) {
    if ((s[i] == '\r') != (s[i + 1] == '\n')) break;
    if (dots && s[i] == '\n' && s[i + 1] == '.') break;
  }
  return i;
}

/* Of BLOCK bytes, one more of which can be read: how many are CR or LF, and how
 * many of these begin a CRLF. */
static size_t count_ends(const char *s, size_t *pairs) {
  unsigned char ends = 0, both = 0;
  size_t i;

  for (i = 0; i < BLOCK; i++) {
    unsigned char cr = s[i] == '\r', lf = s[i] == '\n', next = s[i + 1] == '\n';

    ends = (unsigned char)(ends + (cr | lf));
    both = (unsigned char)(both + (cr & next));
  }
  *pairs += both;
  return ends;
}

unsigned long long smtp_lines_measure(const char *s, size_t len,
                                      size_t eol_len) {
  size_t ends = 0, pairs = 0, i = 0;

  for (; len - i > BLOCK; i += BLOCK)
    ends += count_ends(s + i, &pairs);
  for (; i < len; i++) {
    ends += s[i] == '\r' || s[i] == '\n';
    pairs += s[i] == '\r' && i + 1 < len && s[i + 1] == '\n';
  }
  return (unsigned long long)(len - ends) +
         (unsigned long long)(ends - pairs) * eol_len;
}

bool smtp_lines_exceed(const char *s, size_t len, size_t limit) {
  size_t start = 0, end;

  /* From the farthest that a line may end, back to the last end before. */
  while (len - start > limit) {
    end = start + limit;
    while (s[end] != '\n' && s[end] != '\r')
      if (end-- == start) return true;
    start = end + 1;
  }
  return false;
}
