/* Charsets, see charset.h. A name comes from mail: it reaches iconv only when
 * it is short and made of harmless characters, and never with a suffix. */
#include "intl/charset.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

#define NAME_ROOM 48

typedef enum charset_kind {
  NONE,
  ASCII,
  UNKNOWN,
  UTF8,
  LATIN1,
  CP1252,
  OTHER
} charset_kind;

typedef struct charset {
  charset_kind kind;
  char reads[NAME_ROOM], writes[NAME_ROOM]; /* OTHER: names for iconv */
} charset;

/* Names without case and punctuation. What is not here keeps its own name. */
/* clang-format off */
static const struct {
  const char *key;
  charset_kind kind;
  const char *reads, *writes;
} known[] = {
  {"usascii",             ASCII,   "", ""},
  {"ascii",               ASCII,   "", ""},
  {"ansix341968",         ASCII,   "", ""},
  {"iso646us",            ASCII,   "", ""},
  {"unknown8bit",         UNKNOWN, "", ""}, /* RFC 1428 */
  {"xunknown",            UNKNOWN, "", ""},
  {"unknown",             UNKNOWN, "", ""},
  {"8bit",                UNKNOWN, "", ""},
  {"binary",              UNKNOWN, "", ""},
  {"default",             UNKNOWN, "", ""},
  {"utf8",                UTF8,    "", ""},
  {"unicode11utf8",       UTF8,    "", ""},
  {"cp65001",             UTF8,    "", ""},
  {"iso88591",            LATIN1,  "", ""},
  {"iso885911987",        LATIN1,  "", ""},
  {"88591",               LATIN1,  "", ""},
  {"latin1",              LATIN1,  "", ""},
  {"l1",                  LATIN1,  "", ""},
  {"cp819",               LATIN1,  "", ""},
  {"ibm819",              LATIN1,  "", ""},
  {"windows1252",         CP1252,  "", ""},
  {"cp1252",              CP1252,  "", ""},
  {"xcp1252",             CP1252,  "", ""},
  {"ansi",                CP1252,  "", ""},
  {"gb2312",              OTHER,   "GB18030",     "GB2312"},
  {"xgb2312",             OTHER,   "GB18030",     "GB2312"},
  {"euccn",               OTHER,   "GB18030",     "GB2312"},
  {"gbk",                 OTHER,   "GB18030",     "GBK"},
  {"xgbk",                OTHER,   "GB18030",     "GBK"},
  {"cp936",               OTHER,   "GB18030",     "GBK"},
  {"xxbig5",              OTHER,   "BIG5",        "BIG5"},
  {"ksc56011987",         OTHER,   "CP949",       "EUC-KR"},
  {"ksc5601",             OTHER,   "CP949",       "EUC-KR"},
  {"euckr",               OTHER,   "CP949",       "EUC-KR"},
  {"shiftjis",            OTHER,   "CP932",       "SHIFT_JIS"},
  {"sjis",                OTHER,   "CP932",       "SHIFT_JIS"},
  {"xsjis",               OTHER,   "CP932",       "SHIFT_JIS"},
  {"windows31j",          OTHER,   "CP932",       "CP932"},
  {"xeucjp",              OTHER,   "EUC-JP",      "EUC-JP"},
  {"iso88596i",           OTHER,   "ISO-8859-6",  "ISO-8859-6"},
  {"iso88596e",           OTHER,   "ISO-8859-6",  "ISO-8859-6"},
  {"iso88598i",           OTHER,   "ISO-8859-8",  "ISO-8859-8"}, /* RFC 1556 */
  {"iso88598e",           OTHER,   "ISO-8859-8",  "ISO-8859-8"},
  {"xmacroman",           OTHER,   "MACINTOSH",   "MACINTOSH"},
  {"unicode11utf7",       OTHER,   "UTF-7",       "UTF-7"},
  {"win1250",             OTHER,   "CP1250",      "CP1250"},
  {"win1251",             OTHER,   "CP1251",      "CP1251"},
  {"koi8",                OTHER,   "KOI8-R",      "KOI8-R"},
  /* what iconv takes for the host's own, whatever that may be */
  {"char",                NONE,    "", ""},
  {"wchart",              NONE,    "", ""},
  {"internal",            NONE,    "", ""},
};
/* clang-format on */

/* Windows-1252 from 0x80 to 0x9F; what it leaves out stays a control. */
static const uint16_t cp1252[32] = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
    0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008D, 0x017D, 0x008F,
    0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
    0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178,
};

static const char *trim(const char *s, size_t *len) {
  while (*len && (*s == ' ' || *s == '\t' || *s == '"' || *s == '\''))
    s++, --*len;
  while (*len && (s[*len - 1] == ' ' || s[*len - 1] == '\t' ||
                  s[*len - 1] == '"' || s[*len - 1] == '\''))
    --*len;
  return s;
}

static bool is_harmless(char c) {
  return smtp_text_is((unsigned char)c, SMTP_TEXT_ALNUM) ||
         (c && strchr("-_.:+()", c));
}

static void set_names(charset *c, const char *reads, const char *writes) {
  memcpy(c->reads, reads, strlen(reads) + 1);
  memcpy(c->writes, writes, strlen(writes) + 1);
}

static charset find(const char *name, size_t len) {
  charset c = {.kind = NONE};
  char own[NAME_ROOM], key[NAME_ROOM];
  size_t i, n = 0;

  name = trim(name, &len);
  if (!len || len >= NAME_ROOM) return c;
  for (i = 0; i < len; i++) {
    if (!is_harmless(name[i])) return c;
    own[i] = name[i];
    if (smtp_text_is((unsigned char)name[i], SMTP_TEXT_ALNUM))
      key[n++] = smtp_text_lower(name[i]);
  }
  own[i] = key[n] = 0;
  c.kind = OTHER;
  set_names(&c, own, own);
  for (i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(key, known[i].key) == 0) {
      c.kind = known[i].kind;
      set_names(&c, known[i].reads, known[i].writes);
    }
  return c;
}

static void add_code_point(smtp_buf *out, uint32_t c) {
  char s[3] = {(char)c};
  size_t n = 1;

  if (c >= 0x800) {
    s[0] = (char)(0xE0 | c >> 12);
    s[1] = (char)(0x80 | (c >> 6 & 0x3F));
    s[2] = (char)(0x80 | (c & 0x3F));
    n = 3;
  } else if (c >= 0x80) {
    s[0] = (char)(0xC0 | c >> 6);
    s[1] = (char)(0x80 | (c & 0x3F));
    n = 2;
  }
  smtp_buf_add(out, s, n);
}

/* Bytes from `i` on that are ASCII. */
static size_t count_ascii(const char *s, size_t len, size_t i) {
  size_t n = 0;

  while (i + n < len && (unsigned char)s[i + n] < 0x80)
    n++;
  return n;
}

static void read_cp1252(smtp_buf *out, const char *s, size_t len) {
  size_t i = 0;

  while (i < len) {
    size_t n = count_ascii(s, len, i);
    unsigned char c;

    smtp_buf_add(out, s + i, n);
    i += n;
    if (i == len) break;
    c = (unsigned char)s[i++];
    add_code_point(out, c < 0xA0 ? cp1252[c - 0x80] : c);
  }
}

/* How much of what begins with a malformed sequence one U+FFFD stands for: the
 * longest beginning of a good one (Unicode, section 3.9), at least a byte. */
static size_t bad_length(const char *s, size_t len) {
  char whole[4] = {0};
  size_t n, size;

  for (n = len < 3 ? len : 3; n > 1; n--) {
    memcpy(whole, s, n);
    for (size = n + 1; size <= sizeof whole; size++) {
      memset(whole + n, 0x80, size - n);
      if (smtp_text_utf8_step(whole, size) == size) return n;
    }
  }
  return 1;
}

static void read_utf8(smtp_buf *out, const char *s, size_t len,
                      bool *replaced) {
  size_t i = 0, from = 0;

  if (smtp_text_is_utf8(s, len)) {
    smtp_buf_add(out, s, len);
    return;
  }
  while (i < len) {
    size_t step = smtp_text_utf8_step(s + i, len - i);

    if (!step) {
      smtp_buf_add(out, s + from, i - from);
      smtp_buf_adds(out, "\xEF\xBF\xBD");
      step = bad_length(s + i, len - i);
      from = i + step;
      *replaced = true;
    }
    i += step;
  }
  smtp_buf_add(out, s + from, len - from);
}

static void read_unknown(smtp_buf *out, const char *s, size_t len,
                         bool *replaced) {
  if (smtp_text_has_8bit(s, len)) *replaced = true;
  if (smtp_text_is_utf8(s, len))
    smtp_buf_add(out, s, len);
  else
    read_cp1252(out, s, len);
}

#ifdef SMTP_HAVE_ICONV

#include <errno.h>
#include <iconv.h>

/* Room for what one call of iconv makes. */
#define STEP 512

bool smtp_charset_has_iconv(void) {
  return true;
}

typedef struct conversion {
  iconv_t descriptor;
  smtp_buf *out;
  char *from;
  size_t left;
  size_t lossy; /* characters that were changed on the way */
} conversion;

/* One call of iconv, with `from` or (at the end) without; its errno, 0 when
 * all was taken. */
static int convert_some(conversion *c, bool finish) {
  char *to = smtp_buf_reserve(c->out, STEP);
  size_t room = STEP, changed;

  if (!to) return ENOMEM;
  changed = iconv(c->descriptor, finish ? NULL : &c->from,
                  finish ? NULL : &c->left, &to, &room);
  smtp_buf_extend(c->out, STEP - room);
  if (changed == (size_t)-1) return errno;
  c->lossy += changed;
  return 0;
}

/* Take everything up to the end or to what is malformed. */
static int convert_all(conversion *c) {
  int why;

  do
    why = convert_some(c, false);
  while (why == E2BIG);
  return why;
}

static void flush(conversion *c) {
  while (convert_some(c, true) == E2BIG)
    ;
}

/* As mail spells some of what iconv knows with hyphens. */
static void use_hyphens(char *name) {
  for (; *name; name++)
    if (*name == '_') *name = '-';
}

/* From UTF-8 into the charset, or the other way. */
static iconv_t open_pair(const char *name, bool write) {
  return write ? iconv_open(name, "UTF-8") : iconv_open("UTF-8", name);
}

static smtp_error begin(conversion *c, smtp_buf *out, charset *named,
                        bool write, const char *s, size_t len) {
  char *name = write ? named->writes : named->reads;

  c->descriptor = open_pair(name, write);
  if (c->descriptor == (iconv_t)-1) {
    use_hyphens(name);
    c->descriptor = open_pair(name, write);
  }
  if (c->descriptor == (iconv_t)-1)
    return errno == ENOMEM ? SMTP_ERR_NOMEM : SMTP_ERR_CHARSET;
  c->out = out;
  c->from = (char *)(uintptr_t)s; /* iconv does not write there */
  c->left = len;
  c->lossy = 0;
  return SMTP_OK;
}

static smtp_error read_other(smtp_buf *out, charset *named, const char *s,
                             size_t len, bool *replaced) {
  conversion c;
  smtp_error e = begin(&c, out, named, false, s, len);

  if (e) return e;
  for (;;) {
    int why = convert_all(&c);

    if (why != EILSEQ && why != EINVAL) break;
    *replaced = true;
    smtp_buf_adds(out, "\xEF\xBF\xBD");
    if (why == EINVAL || !c.left) break;
    c.from++;
    c.left--;
  }
  flush(&c);
  iconv_close(c.descriptor);
  return SMTP_OK;
}

static smtp_error write_other(smtp_buf *out, charset *named, const char *s,
                              size_t len) {
  conversion c;
  smtp_error e = begin(&c, out, named, true, s, len);

  if (e) return e;
  if (convert_all(&c) || c.lossy) e = SMTP_ERR_ENCODING;
  flush(&c);
  iconv_close(c.descriptor);
  return e;
}

#else

bool smtp_charset_has_iconv(void) {
  return false;
}

static smtp_error read_other(smtp_buf *out, charset *named, const char *s,
                             size_t len, bool *replaced) {
  (void)out, (void)named, (void)s, (void)len, (void)replaced;
  return SMTP_ERR_CHARSET;
}

static smtp_error write_other(smtp_buf *out, charset *named, const char *s,
                              size_t len) {
  (void)out, (void)named, (void)s, (void)len;
  return SMTP_ERR_CHARSET;
}

#endif

/* iconv's promise of UTF-8 is checked, not trusted. */
static smtp_error read_checked(smtp_buf *out, charset *named, const char *s,
                               size_t len, bool *replaced) {
  smtp_buf made;
  smtp_error e;

  smtp_buf_init(&made);
  e = read_other(&made, named, s, len, replaced);
  if (!e && made.failed) e = SMTP_ERR_NOMEM;
  if (!e) read_utf8(out, smtp_buf_data(&made), smtp_buf_len(&made), replaced);
  smtp_buf_free(&made);
  return e;
}

smtp_error smtp_charset_to_utf8(smtp_buf *out, const char *name,
                                size_t name_len, const char *s, size_t len,
                                bool *replaced) {
  charset c = find(name, name_len);
  smtp_error e = SMTP_OK;

  *replaced = false;
  switch (c.kind) {
  case NONE:
    return SMTP_ERR_CHARSET;
  case ASCII:
  case UNKNOWN:
    read_unknown(out, s, len, replaced);
    break;
  case UTF8:
    read_utf8(out, s, len, replaced);
    break;
  case LATIN1:
  case CP1252:
    read_cp1252(out, s, len);
    break;
  case OTHER:
    e = read_checked(out, &c, s, len, replaced);
    break;
  }
  return !e && out->failed ? SMTP_ERR_NOMEM : e;
}

/* The byte of a character of two or three bytes; 0 when there is none. */
static unsigned char byte_of(const char *s, size_t step, charset_kind kind) {
  unsigned char a = (unsigned char)s[0], b = (unsigned char)s[1];
  uint32_t c = (uint32_t)(a & 0x1F) << 6 | (b & 0x3F);
  unsigned i;

  if (step > 3) return 0;
  if (step == 3)
    c = (uint32_t)(a & 0x0F) << 12 | (uint32_t)(b & 0x3F) << 6 |
        ((unsigned char)s[2] & 0x3F);
  if (c >= 0xA0 && c <= 0xFF) return (unsigned char)c;
  for (i = 0; kind == CP1252 && i < 32; i++)
    if (cp1252[i] == c) return (unsigned char)(0x80 + i);
  return 0;
}

static smtp_error write_single(smtp_buf *out, charset_kind kind, const char *s,
                               size_t len) {
  size_t i = 0;

  while (i < len) {
    size_t n = count_ascii(s, len, i), step;
    unsigned char c;

    smtp_buf_add(out, s + i, n);
    i += n;
    if (i == len) break;
    step = smtp_text_utf8_step(s + i, len - i);
    c = byte_of(s + i, step, kind);
    if (!c) return SMTP_ERR_ENCODING;
    smtp_buf_addc(out, (char)c);
    i += step;
  }
  return SMTP_OK;
}

smtp_error smtp_charset_from_utf8(smtp_buf *out, const char *name,
                                  size_t name_len, const char *s, size_t len) {
  size_t mark = smtp_buf_len(out);
  charset c = find(name, name_len);
  smtp_error e = SMTP_OK;

  if (!smtp_text_is_utf8(s, len)) return SMTP_ERR_UTF8;
  switch (c.kind) {
  case NONE:
    return SMTP_ERR_CHARSET;
  case ASCII:
  case UNKNOWN:
    if (smtp_text_has_8bit(s, len)) return SMTP_ERR_ENCODING;
    smtp_buf_add(out, s, len);
    break;
  case UTF8:
    smtp_buf_add(out, s, len);
    break;
  case LATIN1:
  case CP1252:
    e = write_single(out, c.kind, s, len);
    break;
  case OTHER:
    e = write_other(out, &c, s, len);
    break;
  }
  if (out->failed) return SMTP_ERR_NOMEM;
  if (e) smtp_buf_truncate(out, mark);
  return e;
}
