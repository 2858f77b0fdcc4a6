/* Character classes, UTF-8 and ASCII case, see text.h. */
#include "base/text.h"

#include <stdint.h>
#include <string.h>

/* One row of bits for each ASCII byte, in the order of the enum; spec/base
 * derives the same table from the grammar and compares. */
/* clang-format off */
static const uint16_t classes_of[256] = {
    0x400, 0x400, 0x400, 0x400, 0x400, 0x400, 0x400, 0x400,
    0x400, 0x480, 0x400, 0x400, 0x400, 0x400, 0x400, 0x400,
    0x400, 0x400, 0x400, 0x400, 0x400, 0x400, 0x400, 0x400,
    0x400, 0x400, 0x400, 0x400, 0x400, 0x400, 0x400, 0x400,
    0x090, 0x378, 0x260, 0x378, 0x378, 0x378, 0x378, 0x378,
    0x230, 0x230, 0x378, 0x378, 0x270, 0x378, 0x370, 0x278,
    0x37E, 0x37E, 0x37E, 0x37E, 0x37E, 0x37E, 0x37E, 0x37E,
    0x37E, 0x37E, 0x070, 0x270, 0x270, 0x278, 0x270, 0x278,
    0x270, 0x37D, 0x37D, 0x37D, 0x37D, 0x37D, 0x37D, 0x379,
    0x379, 0x379, 0x379, 0x379, 0x379, 0x379, 0x379, 0x379,
    0x379, 0x379, 0x379, 0x379, 0x379, 0x379, 0x379, 0x379,
    0x379, 0x379, 0x379, 0x250, 0x200, 0x250, 0x378, 0x378,
    0x378, 0x37D, 0x37D, 0x37D, 0x37D, 0x37D, 0x37D, 0x379,
    0x379, 0x379, 0x379, 0x379, 0x379, 0x379, 0x379, 0x379,
    0x379, 0x379, 0x379, 0x379, 0x379, 0x379, 0x379, 0x379,
    0x379, 0x379, 0x379, 0x378, 0x378, 0x378, 0x378, 0x400,
};
/* clang-format on */

#define EACH(byte) (UINT64_MAX / 255 * (byte))

unsigned smtp_text_classes(unsigned char c) {
  return classes_of[c];
}

bool smtp_text_is(unsigned char c, unsigned classes) {
  return (classes_of[c] & classes) != 0;
}

bool smtp_text_all(const char *s, size_t len, unsigned classes) {
  size_t i;

  for (i = 0; i < len; i++)
    if (!smtp_text_is((unsigned char)s[i], classes)) return false;
  return true;
}

/* Eight bytes at a step; the sums cannot borrow from a neighbour in a way
 * that hides a hit, only (above a hit) feign one, and then there is a hit. */
static bool word_has_control(uint64_t w) {
  uint64_t below_space = (w - EACH(0x20)) & ~w;
  uint64_t del = w ^ EACH(0x7F);

  return ((below_space | ((del - EACH(1)) & ~del)) & EACH(0x80)) != 0;
}

bool smtp_text_has_control(const char *s, size_t len) {
  uint64_t w;

  for (; len >= sizeof w; s += sizeof w, len -= sizeof w) {
    memcpy(&w, s, sizeof w);
    if (word_has_control(w)) return true;
  }
  for (; len; s++, len--)
    if (smtp_text_is((unsigned char)*s, SMTP_TEXT_CONTROL)) return true;
  return false;
}

bool smtp_text_has_8bit(const char *s, size_t len) {
  uint64_t w[4];

  for (; len >= sizeof w; s += sizeof w, len -= sizeof w) {
    memcpy(w, s, sizeof w);
    if ((w[0] | w[1] | w[2] | w[3]) & EACH(0x80)) return true;
  }
  for (; len >= sizeof w[0]; s += sizeof w[0], len -= sizeof w[0]) {
    memcpy(w, s, sizeof w[0]);
    if (w[0] & EACH(0x80)) return true;
  }
  for (; len; s++, len--)
    if ((unsigned char)*s & 0x80) return true;
  return false;
}

/* RFC 3629, section 4: what the second byte may be depends on the first. */
size_t smtp_text_utf8_step(const char *s, size_t len) {
  unsigned char first = len ? (unsigned char)s[0] : 0xFF;
  unsigned char low = 0x80, high = 0xBF;
  size_t n, i;

  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  n = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (n > len) return 0;
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  if ((unsigned char)s[1] < low || (unsigned char)s[1] > high) return 0;
  for (i = 2; i < n; i++)
    if (((unsigned char)s[i] & 0xC0) != 0x80) return 0;
  return n;
}

bool smtp_text_is_utf8(const char *s, size_t len) {
  size_t step;

  while (len) {
    if (len >= 32 && !smtp_text_has_8bit(s, 32))
      step = 32;
    else if ((unsigned char)*s < 0x80)
      step = 1;
    else
      step = smtp_text_utf8_step(s, len);
    if (!step) return false;
    s += step;
    len -= step;
  }
  return true;
}

char smtp_text_lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool smtp_text_equals(const char *a, size_t a_len, const char *b,
                      size_t b_len) {
  size_t i;

  if (a_len != b_len) return false;
  for (i = 0; i < a_len; i++)
    if (smtp_text_lower(a[i]) != smtp_text_lower(b[i])) return false;
  return true;
}

bool smtp_text_starts(const char *s, size_t len, const char *prefix) {
  size_t want = strlen(prefix);

  return len >= want && smtp_text_equals(s, want, prefix, want);
}
