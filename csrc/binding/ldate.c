/* Dates for Lua: core.format_date, core.format_ctime, core.parse_date. The
 * clock and the zone come from Lua, so a date can be tested. */
#include "base/date.h"
#include "binding/binding.h"

/* Enough for every form. */
#define DATE_MAX 64

/* Seconds as a whole number, fractions cut off; raises when there is none. */
static int64_t check_seconds(lua_State *L, int arg) {
  lua_Number n = luaL_checknumber(L, arg);

  luaL_argcheck(L, n > -1e15 && n < 1e15, arg, "not a time");
  return (int64_t)n - (n < (lua_Number)(int64_t)n);
}

static int check_offset(lua_State *L, int arg) {
  lua_Integer n = luaL_optinteger(L, arg, 0);

  luaL_argcheck(L, n > -1440 && n < 1440, arg, "not a zone offset");
  return (int)n;
}

/* The text is copied out, so that no block is held while Lua may raise. */
static int push_date(lua_State *L, bool possible, smtp_buf *b) {
  char text[DATE_MAX];
  size_t len = smtp_buf_len(b), i;
  bool failed = b->failed;

  for (i = 0; i < len && i < sizeof text; i++)
    text[i] = smtp_buf_data(b)[i];
  smtp_buf_free(b);
  if (failed) return smtp_push_failure(L, SMTP_ERR_NOMEM, NULL);
  if (!possible)
    return smtp_push_failure(L, SMTP_ERR_HEADER, "year outside 1 to 9999");
  lua_pushlstring(L, text, i);
  return 1;
}

/* format_date(seconds [, offset_minutes [, "offset"|"unknown"|"gmt"]]) */
static int format_date(lua_State *L) {
  static const char *const names[] = {"offset", "unknown", "gmt", NULL};
  static const smtp_date_zone zones[] = {SMTP_DATE_OFFSET, SMTP_DATE_UNKNOWN,
                                         SMTP_DATE_GMT};
  int64_t seconds = check_seconds(L, 1);
  int offset = check_offset(L, 2);
  smtp_date_zone zone = zones[luaL_checkoption(L, 3, "offset", names)];
  smtp_buf b;

  smtp_buf_init(&b);
  return push_date(L, smtp_date_format(&b, seconds, offset, zone), &b);
}

/* format_ctime(seconds [, offset_minutes]) */
static int format_ctime(lua_State *L) {
  int64_t seconds = check_seconds(L, 1);
  int offset = check_offset(L, 2);
  smtp_buf b;

  smtp_buf_init(&b);
  return push_date(L, smtp_date_format_ctime(&b, seconds, offset), &b);
}

/* parse_date(s) -> seconds [, offset_minutes when the date tells it] */
static int parse_date(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  smtp_date date;

  if (smtp_date_parse(s, len, &date) != SMTP_OK)
    return smtp_push_failure(L, SMTP_ERR_HEADER, "not a valid date");
  lua_pushinteger(L, (lua_Integer)date.seconds);
  if (!date.has_offset) return 1;
  lua_pushinteger(L, date.offset);
  return 2;
}

static const luaL_Reg functions[] = {
    {"format_date", format_date},
    {"format_ctime", format_ctime},
    {"parse_date", parse_date},
    {NULL, NULL},
};

void smtp_ldate_open(lua_State *L) {
  smtp_setfuncs(L, functions);
}
