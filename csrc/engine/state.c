/* The transition table, see state.h. Read it across; a command is a line. */
#include "engine/state.h"

#include "base/text.h"

#include <string.h>

#define STAY (-1)
#define IN(name) (1u << SMTP_STATE_##name)
#define GO(name) SMTP_STATE_##name
#define IDLE (IN(READY) | IN(MAIL) | IN(RCPT))

typedef struct row {
  const char *name;
  unsigned legal;   /* states it may be sent in */
  int success;      /* state after 2yz */
  int intermediate; /* state after 3yz */
  int failure;      /* state after 4yz and 5yz */
  bool ends_group;
} row;

/* clang-format off */
static const row law[SMTP_COMMANDS] = {
  /*                      name        legal in      2yz        3yz          4/5yz      ends group */
  [SMTP_CMD_GREETING] = {"greeting", IN(GREETING), GO(READY), GO(READY),   GO(READY), true},
  [SMTP_CMD_EHLO]     = {"EHLO",     IDLE,         GO(READY), STAY,        STAY,      true},
  [SMTP_CMD_HELO]     = {"HELO",     IDLE,         GO(READY), STAY,        STAY,      true},
  [SMTP_CMD_LHLO]     = {"LHLO",     IDLE,         GO(READY), STAY,        STAY,      true},
  [SMTP_CMD_STARTTLS] = {"STARTTLS", IDLE,         GO(READY), STAY,        STAY,      true},
  [SMTP_CMD_AUTH]     = {"AUTH",     IDLE,         GO(READY), GO(AUTH),    GO(READY), true},
  [SMTP_CMD_MAIL]     = {"MAIL",     IDLE,         GO(MAIL),  STAY,        STAY,      false},
  [SMTP_CMD_RCPT]     = {"RCPT",     IDLE,         GO(RCPT),  STAY,        STAY,      false},
  [SMTP_CMD_DATA]     = {"DATA",     IDLE,         STAY,      GO(CONTENT), STAY,      true},
  [SMTP_CMD_CONTENT]  = {"message",  IN(CONTENT),  GO(READY), GO(READY),   GO(READY), false},
  [SMTP_CMD_RSET]     = {"RSET",     IDLE,         GO(READY), STAY,        STAY,      false},
  [SMTP_CMD_NOOP]     = {"NOOP",     IDLE,         STAY,      STAY,        STAY,      true},
  [SMTP_CMD_VRFY]     = {"VRFY",     IDLE,         STAY,      STAY,        STAY,      true},
  [SMTP_CMD_EXPN]     = {"EXPN",     IDLE,         STAY,      STAY,        STAY,      true},
  [SMTP_CMD_HELP]     = {"HELP",     IDLE,         STAY,      STAY,        STAY,      true},
  [SMTP_CMD_QUIT]     = {"QUIT",     IDLE,         GO(CLOSED),STAY,        GO(CLOSED),true},
  [SMTP_CMD_OTHER]    = {"",         IDLE,         STAY,      STAY,        STAY,      true},
};
/* clang-format on */

const char *smtp_state_command_name(smtp_command c) {
  return law[c].name;
}

smtp_command smtp_state_command(const char *verb, size_t len) {
  int c;

  for (c = SMTP_CMD_EHLO; c < SMTP_CMD_OTHER; c++)
    if (c != SMTP_CMD_CONTENT && strlen(law[c].name) == len &&
        smtp_text_equals(verb, len, law[c].name, len))
      return (smtp_command)c;
  return SMTP_CMD_OTHER;
}

bool smtp_state_is_legal(smtp_state s, smtp_command c) {
  return (law[c].legal & (1u << s)) != 0;
}

smtp_state smtp_state_after(smtp_state s, smtp_command c, int code) {
  int next;

  if (code == 421 || s == SMTP_STATE_CLOSED) return SMTP_STATE_CLOSED;
  switch (code / 100) {
  case 2:
    next = law[c].success;
    break;
  case 3:
    next = law[c].intermediate;
    break;
  default:
    next = law[c].failure;
  }
  return next == STAY ? s : (smtp_state)next;
}

bool smtp_state_ends_group(smtp_command c) {
  return law[c].ends_group;
}
