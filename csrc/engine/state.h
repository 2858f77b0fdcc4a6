/* The session's law: which command may be sent in which state, what its reply
 * makes of the state, and which commands end a pipelining group.
 *
 * The table in state.c is the only place that knows. It follows RFC 5321 §4.1.4
 * as far as a client must: it does not forbid what the server may well refuse
 * (a caller may send commands out of order), only what would be understood as
 * something else, such as a command in the midst of a message. */
#ifndef SMTP_ENGINE_STATE_H
#define SMTP_ENGINE_STATE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum smtp_command {
  SMTP_CMD_GREETING, /* nothing is sent; the server speaks first */
  SMTP_CMD_EHLO,
  SMTP_CMD_HELO,
  SMTP_CMD_LHLO,
  SMTP_CMD_STARTTLS,
  SMTP_CMD_AUTH,
  SMTP_CMD_MAIL,
  SMTP_CMD_RCPT,
  SMTP_CMD_DATA,
  SMTP_CMD_CONTENT, /* the message itself, after 354 */
  SMTP_CMD_RSET,
  SMTP_CMD_NOOP,
  SMTP_CMD_VRFY,
  SMTP_CMD_EXPN,
  SMTP_CMD_HELP,
  SMTP_CMD_QUIT,
  SMTP_CMD_OTHER,
  SMTP_COMMANDS
} smtp_command;

typedef enum smtp_state {
  SMTP_STATE_GREETING, /* connected, greeting not yet read */
  SMTP_STATE_READY,    /* no transaction */
  SMTP_STATE_MAIL,     /* MAIL accepted, no recipient yet */
  SMTP_STATE_RCPT,     /* at least one recipient accepted */
  SMTP_STATE_CONTENT,  /* 354 received: only the message may be sent */
  SMTP_STATE_AUTH,     /* 334 received: only a response may be sent */
  SMTP_STATE_CLOSED    /* QUIT answered, 421, or failed */
} smtp_state;

/* "MAIL", …; "greeting" and "message" for what has no verb. */
const char *smtp_state_command_name(smtp_command c);
/* The command with this verb (any case), SMTP_CMD_OTHER when unknown. */
smtp_command smtp_state_command(const char *verb, size_t len);

bool smtp_state_is_legal(smtp_state s, smtp_command c);
/* The state after a reply with `code` to `c`. 421 closes from anywhere, and
 * what is closed stays so. */
smtp_state smtp_state_after(smtp_state s, smtp_command c, int code);
/* Nothing may be sent behind it before its reply has come (RFC 2920 §3.1). */
bool smtp_state_ends_group(smtp_command c);

#endif
