/* Names and sentences of the failures in error.h. */
#include "base/error.h"

static const struct {
  const char *name, *text;
} table[] = {
#define SMTP_ERROR_ROW(symbol, name, text) {name, text},
    SMTP_ERRORS(SMTP_ERROR_ROW)
#undef SMTP_ERROR_ROW
};

const char *smtp_error_name(smtp_error e) {
  return table[e].name;
}

const char *smtp_error_text(smtp_error e) {
  return table[e].text;
}
