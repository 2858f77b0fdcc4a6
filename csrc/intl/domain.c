/* Domains through libidn2, see domain.h. */
#include "intl/domain.h"

#include <stdint.h>
#include <string.h>

#include "base/host.h"
#include "base/text.h"

/* UTF-8 octets of a domain that is looked at; its A-labels are shorter than
 * 255, and no code point takes more than 4. */
#define UTF8_MAX 1020

/* What UTS #46 drops ("ignored"), so that what a person reads and where the
 * mail goes would differ; and the three signs that only its STD3 rules forbid
 * without ASCII showing up in the result. */
static const struct {
  uint32_t first, last;
} unfit[] = {
    {0x00AD, 0x00AD}, {0x034F, 0x034F},   {0x180B, 0x180F},   {0x200B, 0x200B},
    {0x2060, 0x2064}, {0x2260, 0x2260},   {0x226E, 0x226F},   {0xFE00, 0xFE0F},
    {0xFEFF, 0xFEFF}, {0x1BCA0, 0x1BCA3}, {0xE0100, 0xE01EF},
};

static uint32_t code_point(const char *s, size_t step) {
  static const unsigned char lead[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  uint32_t c = (unsigned char)s[0] & lead[step];
  size_t i;

  for (i = 1; i < step; i++)
    c = c << 6 | ((unsigned char)s[i] & 0x3F);
  return c;
}

static bool is_unfit(uint32_t c) {
  size_t i;

  for (i = 0; i < sizeof unfit / sizeof *unfit; i++)
    if (c >= unfit[i].first && c <= unfit[i].last) return true;
  return false;
}

/* Well-formed UTF-8 without a zero byte or an unfit code point. */
static bool is_fit(const char *s, size_t len) {
  size_t i, step;

  for (i = 0; i < len; i += step) {
    step = smtp_text_utf8_step(s + i, len - i);
    if (!step || !s[i] || is_unfit(code_point(s + i, step))) return false;
  }
  return true;
}

#ifdef SMTP_HAVE_IDN2

#include <idn2.h>

bool smtp_domain_can_convert(void) {
  return true;
}

/* Not IDN2_USE_STD3_ASCII_RULES: libidn2 2.3 then drops what the rules forbid
 * (space, @, full-width @) from the label instead of refusing it. What comes
 * out is checked here. */
static smtp_error convert(smtp_buf *out, const char *domain) {
  enum { flags = IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL };
  uint8_t *ascii = NULL;
  smtp_error e = SMTP_ERR_ADDRESS;
  int rc = idn2_lookup_u8((const uint8_t *)domain, &ascii, flags);
  const char *text = (const char *)ascii;

  if (rc == IDN2_MALLOC) e = SMTP_ERR_NOMEM;
  if (rc == IDN2_OK && smtp_host_is_domain(text, strlen(text)) &&
      !smtp_text_has_8bit(text, strlen(text))) {
    smtp_buf_adds(out, text);
    e = out->failed ? SMTP_ERR_NOMEM : SMTP_OK;
  }
  if (ascii) idn2_free(ascii);
  return e;
}

#else

bool smtp_domain_can_convert(void) {
  return false;
}

static smtp_error convert(smtp_buf *out, const char *domain) {
  (void)out, (void)domain;
  return SMTP_ERR_ADDRESS;
}

#endif

smtp_error smtp_domain_to_ascii(smtp_buf *out, const char *domain, size_t len) {
  char text[UTF8_MAX + 1];

  if (len > UTF8_MAX || !is_fit(domain, len)) return SMTP_ERR_ADDRESS;
  if (!smtp_text_has_8bit(domain, len)) {
    if (!smtp_host_is_domain(domain, len)) return SMTP_ERR_ADDRESS;
    smtp_buf_add(out, domain, len);
    return out->failed ? SMTP_ERR_NOMEM : SMTP_OK;
  }
  memcpy(text, domain, len);
  text[len] = 0;
  return convert(out, text);
}
