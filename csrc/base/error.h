/* Every failure that the C rooms can report: a number below, a name for Lua
 * (lua/smtplib/errors.lua maps names to error classes) and a sentence for
 * people. 0 is success. A new failure is one line in SMTP_ERRORS. */
#ifndef SMTP_BASE_ERROR_H
#define SMTP_BASE_ERROR_H

/* clang-format off */
#define SMTP_ERRORS(X)                                                         \
  X(OK,               "ok",               "no error")                          \
  X(NOMEM,            "nomem",            "out of memory")                     \
  /* what a caller handed in */                                                \
  X(ARGUMENT,         "argument",         "control character in a command")    \
  X(TOO_LONG,         "too_long",         "command line too long")             \
  X(ADDRESS,          "address",          "not a valid address")               \
  X(UTF8,             "utf8",             "not valid UTF-8")                   \
  X(PARAMETER,        "parameter",        "not a valid ESMTP parameter")       \
  X(ENCODING,         "encoding",         "malformed encoded data")            \
  X(CHARSET,          "charset",          "unknown charset")                   \
  X(HEADER,           "header",           "not a valid header field")          \
  X(STATE,            "state",            "not possible in this state")        \
  X(SMIME,            "smime",            "S/MIME failed")                     \
  /* what the server did */                                                    \
  X(CLOSED,           "closed",           "connection closed by the server")   \
  X(REPLY_MALFORMED,  "reply_malformed",  "malformed reply")                   \
  X(REPLY_TOO_LONG,   "reply_too_long",   "reply too long")                    \
  X(UNSOLICITED,      "unsolicited",      "unsolicited reply")                 \
  X(INJECTED,         "injected",         "plain text after the STARTTLS reply") \
  X(CHALLENGES,       "challenges",       "too many authentication challenges") \
  X(CHALLENGE,        "challenge",        "malformed authentication challenge") \
  X(FORGED,           "forged",           "the server could not prove that it knows the password") \
  X(MECHANISM,        "mechanism",        "authentication mechanism not available") \
  /* TLS */                                                                    \
  X(TLS_SETUP,        "tls_setup",        "TLS could not be set up")           \
  X(TLS_HANDSHAKE,    "tls_handshake",    "TLS handshake failed")              \
  X(TLS_VERIFY,       "tls_verify",       "certificate verification failed")   \
  X(TLS_PROTOCOL,     "tls_protocol",     "TLS protocol error")                \
  X(TLS_TRUNCATED,    "tls_truncated",    "TLS connection cut without close_notify") \
  /* the operating system */                                                   \
  X(TIMEOUT,          "timeout",          "timed out")                         \
  X(LOOKUP,           "lookup",           "host name lookup failed")           \
  X(SYSTEM,           "system",           "system call failed")                \
  X(BROKEN,           "broken",           "the connection was broken earlier")
/* clang-format on */

typedef enum smtp_error {
#define SMTP_ERROR_ENUM(symbol, name, text) SMTP_ERR_##symbol,
  SMTP_ERRORS(SMTP_ERROR_ENUM)
#undef SMTP_ERROR_ENUM
} smtp_error;

#define SMTP_OK SMTP_ERR_OK

/* Static strings. */
const char *smtp_error_name(smtp_error e);
const char *smtp_error_text(smtp_error e);

#endif
