/* Whatever the challenges, in every mechanism: each step gives a response or an
 * error and never reads beyond the challenge; SCRAM is proven only by the
 * signature of one who knows the password, and never goes beyond its bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "crypto/hash.h"
#include "engine/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool claim) {
  if (!claim) abort();
}

static smtp_span text(const char *s) {
  smtp_span t = {s, strlen(s)};

  return t;
}

static const char *const mechanisms[] = {"PLAIN",
                                         "LOGIN",
                                         "CRAM-MD5",
                                         "XOAUTH2",
                                         "OAUTHBEARER",
                                         "EXTERNAL",
                                         "SCRAM-SHA-1",
                                         "SCRAM-SHA-256",
                                         "SCRAM-SHA-512",
                                         "SCRAM-SHA-1-PLUS",
                                         "SCRAM-SHA-256-PLUS"};

static const char nonce[] = "fyko";

/* Counts of iterations that would only cost time are made small. */
static void tame(char *s, size_t len) {
  size_t i;

  for (i = 0; i + 7 < len; i++)
    if (s[i] == 'i' && s[i + 1] == '=') memcpy(s + i + 2, "04096", 5);
}

static void converse(smtp_auth *a, const uint8_t *data, size_t size) {
  smtp_buf response;
  smtp_error e = SMTP_OK;
  unsigned turns = 0;
  size_t len;
  char *copy;

  smtp_buf_init(&response);
  if (smtp_auth_starts(a)) e = smtp_auth_step(a, NULL, 0, &response);
  while (e == SMTP_OK && size && turns++ < 20) {
    len = *data++, size--;
    if (len > size) len = size;
    copy = malloc(len ? len : 1); /* so that a byte beyond it is noticed */
    require(copy != NULL);
    memcpy(copy, data, len);
    tame(copy, len);
    smtp_buf_clear(&response);
    e = smtp_auth_step(a, copy, len, &response);
    free(copy);
    data += len, size -= len;
  }
  require(turns <= 5);
  smtp_buf_wipe(&response);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  smtp_credentials c;
  smtp_error why;
  smtp_span name;
  smtp_auth *a;
  bool scram;

  if (!size) return 0;
  memset(&c, 0, sizeof c);
  name = text(mechanisms[data[0] % (sizeof mechanisms / sizeof *mechanisms)]);
  scram = !memcmp(name.s, "SCRAM", name.len < 5 ? name.len : 5);
  c.user = text("u=s,er");
  c.password = text("pencil");
  c.token = text("token");
  c.nonce = text(nonce);
  c.authzid = text(data[0] & 128 ? "other" : "");
  c.binding_type = text("tls-exporter");
  c.binding = text("bound bytes");
  a = smtp_auth_new(name, &c, &why);
  if (!a) return 0;
  converse(a, data + 1, size - 1);
  require(smtp_auth_is_proven(a) != scram);
  smtp_auth_free(a);
  return 0;
}
