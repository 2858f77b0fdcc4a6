/* Runs of plain bytes, eight at a step, see encode_scan.h. */
#include "mime/encode_scan.h"

#include <stdint.h>
#include <string.h>

#define EACH(byte) (UINT64_MAX / 255 * (byte))

/* The high bit of each byte that is zero, and perhaps of some above one. */
static uint64_t zeros(uint64_t w) {
  return (w - EACH(1)) & ~w;
}

/* The high bit of each byte that is not plain, and perhaps of some above. */
static uint64_t unfit(uint64_t w) {
  uint64_t control = (w - EACH(0x20)) & ~w;

  return (w | control | zeros(w ^ EACH('=')) | zeros(w ^ EACH(0x7F))) &
         EACH(0x80);
}

size_t smtp_encode_scan_plain(const char *s, size_t len) {
  size_t n = 0;
  uint64_t w;

  for (; n + sizeof w <= len; n += sizeof w) {
    memcpy(&w, s + n, sizeof w);
    w = unfit(w);
#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (w) return n + (size_t)__builtin_ctzll(w) / 8;
#else
    if (w) break;
#endif
  }
  while (n < len && s[n] >= ' ' && s[n] <= '~' && s[n] != '=')
    n++;
  return n;
}
