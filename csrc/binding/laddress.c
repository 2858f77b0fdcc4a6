/* Addresses for Lua: core.parse_path, core.parse_mailboxes, core.quote_path,
 * core.phrase, core.domain_to_ascii, core.is_utf8. What cannot be parsed gives
 * nil, "address" and a sentence that shows the address and what is wrong with
 * it. */
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "binding/binding.h"
#include "intl/domain.h"

/* Bytes of a bad address that its error shows. */
#define SHOWN 80

static const char *const kind_names[] = {
    [SMTP_ADDRESS_ASCII] = "ascii",
    [SMTP_ADDRESS_IDNA] = "idna",
    [SMTP_ADDRESS_UTF8] = "utf8",
};

/* A copy that is safe to print: control characters and what is not UTF-8 as
 * \xNN, cut when long. */
static void make_printable(char *to, size_t room, const char *s, size_t len) {
  size_t i, n = 0, step;

  for (i = 0; i < len && i < SHOWN && n + 8 < room; i += step) {
    bool control = smtp_text_is((unsigned char)s[i], SMTP_TEXT_CONTROL);

    step = control ? 0 : smtp_text_utf8_step(s + i, len - i);
    memcpy(to + n, s + i, step);
    n += step;
    if (step) continue;
    step = 1;
    n += (size_t)snprintf(to + n, room - n, "\\x%02X",
                          (unsigned)(unsigned char)s[i]);
  }
  strcpy(to + n, i < len ? "..." : "");
}

static int push_fault(lua_State *L, smtp_error e, const char *s, size_t len,
                      const char *fault) {
  char shown[4 * SHOWN + 8], text[sizeof shown + 128];

  if (e != SMTP_ERR_ADDRESS) return smtp_push_failure(L, e, NULL);
  make_printable(shown, sizeof shown, s, len);
  snprintf(text, sizeof text, "not a valid address: '%s' (%s)", shown,
           fault ? fault : "malformed");
  return smtp_push_failure(L, e, text);
}

/* A path in memory of the caller's, so that no block is held while Lua may
 * raise. */
typedef struct path {
  char text[2 * SMTP_ADDRESS_PATH_MAX]; /* with room for an A-label's growth */
  size_t len;
  smtp_address_kind kind;
} path;

static void keep(path *p, const smtp_buf *b) {
  p->len = smtp_buf_len(b);
  memcpy(p->text, smtp_buf_data(b), p->len);
}

static smtp_error parse(path *p, const char *s, size_t len) {
  smtp_buf b;
  smtp_error e;

  smtp_buf_init(&b);
  e = smtp_address_path(s, len, &b, &p->kind);
  if (e == SMTP_OK) keep(p, &b);
  smtp_buf_free(&b);
  return e;
}

/* The path with its domain as A-labels; false when it has no such form. */
static bool to_ascii(path *p) {
  size_t at = smtp_address_domain(p->text, p->len);
  smtp_buf b;
  bool converted;

  smtp_buf_init(&b);
  smtp_buf_add(&b, p->text, at);
  converted = smtp_domain_to_ascii(&b, p->text + at, p->len - at) == SMTP_OK &&
              smtp_buf_len(&b) + 2 <= SMTP_ADDRESS_PATH_MAX;
  if (converted) keep(p, &b);
  smtp_buf_free(&b);
  return converted;
}

/* A domain that has no A-labels goes to no server, not even to one that takes
 * UTF-8: that one would map it to some other domain. */
static bool is_without_domain(const path *p, const path *ascii) {
  size_t at = smtp_address_domain(p->text, p->len);

  return !ascii->len && smtp_domain_can_convert() &&
         smtp_text_has_8bit(p->text + at, p->len - at);
}

/* parse_path(s) -> addr_spec, kind [, addr_spec with A-labels] */
static int parse_path(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  path p, ascii;
  smtp_error e = parse(&p, s, len);

  if (e != SMTP_OK)
    return push_fault(L, e, s, len, smtp_address_path_fault(s, len));
  ascii = p;
  if (p.kind == SMTP_ADDRESS_ASCII || !to_ascii(&ascii)) ascii.len = 0;
  if (is_without_domain(&p, &ascii))
    return push_fault(L, SMTP_ERR_ADDRESS, s, len, "bad domain");
  lua_pushlstring(L, p.text, p.len);
  lua_pushstring(L, kind_names[p.kind]);
  if (p.kind != SMTP_ADDRESS_IDNA || !ascii.len) return 2;
  lua_pushlstring(L, ascii.text, ascii.len);
  return 3;
}

/* quote_path(s) -> "<addr-spec>" */
static int quote_path(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  path p;
  smtp_error e = parse(&p, s, len);
  char quoted[sizeof p.text + 2];

  if (e != SMTP_OK)
    return push_fault(L, e, s, len, smtp_address_path_fault(s, len));
  quoted[0] = '<';
  memcpy(quoted + 1, p.text, p.len);
  quoted[p.len + 1] = '>';
  lua_pushlstring(L, quoted, p.len + 2);
  return 1;
}

/* The list lives in a userdata, so that a Lua error frees its buffers. */
static int collect_list(lua_State *L) {
  smtp_address_list_free(luaL_checkudata(L, 1, "smtplib.addresses"));
  return 0;
}

static void push_text(lua_State *L, const smtp_buf *b) {
  lua_pushlstring(L, smtp_buf_data(b), smtp_buf_len(b));
}

/* Append {name=, addr=, kind=, group=} to the table at `array`. */
static void add_mailbox(lua_State *L, const smtp_address_list *l, int array,
                        int group) {
  lua_createtable(L, 0, 4);
  push_text(L, &l->name);
  lua_setfield(L, -2, "name");
  push_text(L, &l->addr);
  lua_setfield(L, -2, "addr");
  lua_pushstring(L, kind_names[l->kind]);
  lua_setfield(L, -2, "kind");
  lua_pushvalue(L, group);
  lua_setfield(L, -2, "group");
  lua_rawseti(L, array, (int)smtp_rawlen(L, array) + 1);
}

/* parse_mailboxes(s) -> array of {name=, addr=, kind=, group=} */
static int parse_mailboxes(lua_State *L) {
  enum { text = 1, list, array, group };
  size_t len;
  const char *s = luaL_checklstring(L, text, &len);
  smtp_address_item item = SMTP_ADDRESS_DONE;
  smtp_address_list *l;
  smtp_error e;

  lua_settop(L, text);
  l = smtp_push_object(L, sizeof *l, "smtplib.addresses");
  smtp_address_list_init(l, s, len);
  lua_newtable(L);
  lua_pushnil(L);
  while ((e = smtp_address_list_next(l, &item)) == SMTP_OK && item) {
    if (item == SMTP_ADDRESS_MAILBOX) {
      add_mailbox(L, l, array, group);
      continue;
    }
    if (item == SMTP_ADDRESS_GROUP)
      push_text(L, &l->name);
    else
      lua_pushnil(L);
    lua_replace(L, group);
  }
  if (e != SMTP_OK) return push_fault(L, e, s, len, l->fault);
  smtp_address_list_free(l);
  lua_settop(L, array);
  return 1;
}

/* phrase(name) -> the name as it may stand before "<", quoted if it must be */
static int phrase(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  smtp_address_list *l;

  if (smtp_text_has_control(s, len))
    return smtp_push_failure(L, SMTP_ERR_HEADER,
                             "control character in a display name");
  l = smtp_push_object(L, sizeof *l, "smtplib.addresses");
  smtp_address_add_phrase(&l->name, s, len);
  if (l->name.failed) return smtp_push_failure(L, SMTP_ERR_NOMEM, NULL);
  push_text(L, &l->name);
  smtp_address_list_free(l);
  return 1;
}

/* is_utf8(s) -> boolean */
static int is_utf8(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);

  lua_pushboolean(L, smtp_text_is_utf8(s, len));
  return 1;
}

/* domain_to_ascii(domain) -> A-labels */
static int domain_to_ascii(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  path p = {.text = "@", .len = 1};

  if (len + 1 > SMTP_ADDRESS_PATH_MAX)
    return push_fault(L, SMTP_ERR_ADDRESS, s, len, "too long");
  memcpy(p.text + 1, s, len);
  p.len += len;
  if (!to_ascii(&p))
    return push_fault(L, SMTP_ERR_ADDRESS, s, len,
                      smtp_domain_can_convert() ? "bad domain"
                                                : "built without libidn2");
  lua_pushlstring(L, p.text + 1, p.len - 1);
  return 1;
}

static const luaL_Reg list_metamethods[] = {
    {"__gc", collect_list},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"parse_path", parse_path},
    {"parse_mailboxes", parse_mailboxes},
    {"quote_path", quote_path},
    {"phrase", phrase},
    {"is_utf8", is_utf8},
    {"domain_to_ascii", domain_to_ascii},
    {NULL, NULL},
};

void smtp_laddress_open(lua_State *L) {
  smtp_new_class(L, "smtplib.addresses", NULL, list_metamethods);
  smtp_setfuncs(L, functions);
}
