/* Tag lists, RFC 6376 section 3.2: "v=1; d=example.com; b=…", in signatures and
 * in key records. Strict: what does not match the grammar, or names a tag
 * twice, is no tag list. */
#ifndef SMTP_CRYPTO_DKIM_TAGS_H
#define SMTP_CRYPTO_DKIM_TAGS_H

#include <stdbool.h>
#include <stddef.h>

/* More tags than that are refused. */
#define SMTP_DKIM_TAGS_MAX 64

/* Points into the list. */
typedef struct smtp_dkim_tag {
  const char *name;
  size_t name_len;
  const char *value; /* without white space around it; folds are left in it */
  size_t value_len;
  const char *slot; /* all between "=" and ";" */
  size_t slot_len;
} smtp_dkim_tag;

/* All tags of a list into `tags`; false when it is none. */
bool smtp_dkim_tags_read(const char *s, size_t len,
                         smtp_dkim_tag tags[SMTP_DKIM_TAGS_MAX], size_t *count);
/* The tag of that name (zero-terminated; case counts), else NULL. */
const smtp_dkim_tag *smtp_dkim_tags_find(const smtp_dkim_tag *tags,
                                         size_t count, const char *name);

#endif
