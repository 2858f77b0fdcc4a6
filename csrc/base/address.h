/* Addresses: one strict parser for the paths of an envelope (RFC 5321) and
 * the mailboxes and groups of a header (RFC 5322, with the UTF-8 of RFC 6531
 * and 6532). It reads tokens from left to right, once, without recursion:
 * linear time and no stack. What does not follow the grammar is refused,
 * never guessed; what comes out is written anew from the parsed parts.
 *
 * Refused everywhere: control characters, malformed UTF-8, source routes,
 * empty list members, a quoted string as part of a longer local part, a
 * domain that is neither host name nor address literal, more than 64 octets
 * of local part or 256 of path. Rests on base/buf, text and host. */
#ifndef SMTP_BASE_ADDRESS_H
#define SMTP_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address_token.h"
#include "base/buf.h"
#include "base/error.h"

#define SMTP_ADDRESS_LOCAL_MAX 64 /* octets, RFC 5321 section 4.5.3.1.1 */
#define SMTP_ADDRESS_PATH_MAX 256 /* octets with < and >, section 4.5.3.1.3 */

/* What a path needs to travel. */
typedef enum smtp_address_kind {
  SMTP_ADDRESS_ASCII, /* nothing */
  SMTP_ADDRESS_IDNA, /* only the domain is not ASCII: an A-label, or SMTPUTF8 */
  SMTP_ADDRESS_UTF8  /* the local part is not ASCII: SMTPUTF8 */
} smtp_address_kind;

/* Parse what a caller gave for an envelope: "a@b", "<a@b>", "Name <a@b>",
 * "a@b (comment)", or a local part alone ("postmaster"); exactly one mailbox.
 * Spaces and comments inside of the addr-spec are refused. Appends the
 * addr-spec without brackets, its local part quoted only where it must be;
 * nothing for "" and "<>", the null reverse-path. SMTP_ERR_ADDRESS, or
 * SMTP_ERR_NOMEM when `addr_spec` has failed. */
smtp_error smtp_address_path(const char *s, size_t len, smtp_buf *addr_spec,
                             smtp_address_kind *kind);
/* Why _path refuses it: a static phrase, NULL when it does not. */
const char *smtp_address_path_fault(const char *s, size_t len);

/* Where the domain of a normalised addr-spec begins; `len` when it has
 * none. The only safe way: a quoted local part may hold an @. */
size_t smtp_address_domain(const char *addr_spec, size_t len);

/* Append a local part as it is if it is a dot-atom, else as a quoted string. */
void smtp_address_add_local(smtp_buf *out, const char *local, size_t len);
/* Append a display name: as it is when it is made of atoms and single spaces,
 * else as a quoted string. Encoded-words are the header's business. */
void smtp_address_add_phrase(smtp_buf *out, const char *name, size_t len);

/* What smtp_address_list_next found. */
typedef enum smtp_address_item {
  SMTP_ADDRESS_DONE,     /* the end of a well-formed list */
  SMTP_ADDRESS_MAILBOX,  /* `name` and `addr` are set */
  SMTP_ADDRESS_GROUP,    /* a group named `name` begins; its mailboxes follow */
  SMTP_ADDRESS_GROUP_END /* it ends */
} smtp_address_item;

/* An address list of a header, read in pieces. Trust none of them before
 * SMTP_ADDRESS_DONE. Initialise, _next until done or an error, free. */
typedef struct smtp_address_list {
  smtp_buf name;          /* display name, unescaped; for "a@b (Name)" the
                             comment; encoded-words not decoded */
  smtp_buf addr;          /* addr-spec, normalised as by _path */
  smtp_address_kind kind; /* of addr */
  const char *fault;      /* after SMTP_ERR_ADDRESS: a static phrase */
  /* private */
  smtp_address_lexer lexer;
  smtp_address_item last;
  bool envelope, started, in_group;
  bool saw_named, saw_local; /* <a@b>; a local part alone */
} smtp_address_list;

/* `s` is an unfolded field body, borrowed until _free. */
void smtp_address_list_init(smtp_address_list *l, const char *s, size_t len);
void smtp_address_list_free(smtp_address_list *l);
/* The next item. Sticky on error. A mailbox without a domain is only good in
 * a list without named mailboxes: "Doe, John <j@example.org>" is refused. */
smtp_error smtp_address_list_next(smtp_address_list *l,
                                  smtp_address_item *item);

#endif
