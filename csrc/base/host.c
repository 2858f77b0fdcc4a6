/* Host names and address literals, see host.h. */
#include "base/host.h"

#include "base/text.h"

static bool is_letter(unsigned char c) {
  return c >= 0x80 || c == '_' || smtp_text_is(c, SMTP_TEXT_ALNUM);
}

static bool is_label(const char *s, size_t len) {
  size_t i;

  if (!len || s[0] == '-' || s[len - 1] == '-') return false;
  for (i = 0; i < len; i++)
    if (!is_letter((unsigned char)s[i]) && s[i] != '-') return false;
  return len <= SMTP_HOST_LABEL_MAX || smtp_text_has_8bit(s, len);
}

bool smtp_host_is_domain(const char *s, size_t len) {
  size_t start = 0, i;

  if (!len || len > SMTP_HOST_DOMAIN_MAX) return false;
  for (i = 0; i <= len; i++) {
    if (i < len && s[i] != '.') continue;
    if (!is_label(s + start, i - start)) return false;
    start = i + 1;
  }
  return true;
}

/* One to three digits, at most 255; returns how many, 0 when it is none. */
static size_t take_octet(const char *s, size_t len) {
  unsigned value = 0;
  size_t n = 0;

  while (n < len && n < 3 && smtp_text_is((unsigned char)s[n], SMTP_TEXT_DIGIT))
    value = value * 10 + (unsigned)(s[n++] - '0');
  return value <= 255 ? n : 0;
}

bool smtp_host_is_ipv4(const char *s, size_t len) {
  size_t at = 0, n;
  int octets = 0;

  for (;;) {
    n = take_octet(s + at, len - at);
    if (!n) return false;
    at += n;
    if (++octets == 4) return at == len;
    if (at == len || s[at++] != '.') return false;
  }
}

static size_t take_hex(const char *s, size_t len) {
  size_t n = 0;

  while (n < len && n < 4 && smtp_text_is((unsigned char)s[n], SMTP_TEXT_HEX))
    n++;
  return n;
}

/* RFC 4291, section 2.2: eight groups, or fewer with one "::"; the last two
 * may be written as an IPv4 address. */
bool smtp_host_is_ipv6(const char *s, size_t len) {
  size_t at = 0, n;
  int groups = 0;
  bool gap = len >= 2 && s[0] == ':' && s[1] == ':';

  if (gap) at = 2;
  while (at < len) {
    n = take_hex(s + at, len - at);
    if (at + n < len && s[at + n] == '.') {
      groups += 2;
      return smtp_host_is_ipv4(s + at, len - at) &&
             (gap ? groups < 8 : groups == 8);
    }
    if (!n || ++groups > 8) return false;
    at += n;
    if (at == len) break;
    if (s[at++] != ':' || at == len) return false;
    if (s[at] != ':') continue;
    if (gap) return false;
    gap = true;
    at++;
  }
  return gap ? groups < 8 : groups == 8;
}

bool smtp_host_is_literal(const char *s, size_t len) {
  if (len < 2 || s[0] != '[' || s[len - 1] != ']') return false;
  s++;
  len -= 2;
  if (smtp_text_starts(s, len, "IPv6:"))
    return smtp_host_is_ipv6(s + 5, len - 5);
  return smtp_host_is_ipv4(s, len);
}
