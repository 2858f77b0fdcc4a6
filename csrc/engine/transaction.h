/* Mail transactions (RFC 5321 §3.3) and what becomes of them. Several may be
 * in flight; each one's replies decide its outcome, in order. */
#ifndef SMTP_ENGINE_TRANSACTION_H
#define SMTP_ENGINE_TRANSACTION_H

#include "base/buf.h"
#include "engine/state.h"

typedef enum smtp_outcome {
  SMTP_OUTCOME_OPEN, /* not decided yet */
  SMTP_OUTCOME_ACCEPTED,
  SMTP_OUTCOME_SENDER_REFUSED,
  SMTP_OUTCOME_RECIPIENTS_REFUSED, /* all of them */
  SMTP_OUTCOME_DATA_REFUSED,       /* the DATA command */
  SMTP_OUTCOME_MESSAGE_REFUSED     /* after the final dot */
} smtp_outcome;

typedef struct smtp_transaction {
  unsigned serial;
  unsigned recipients; /* queued */
  unsigned accepted;   /* RCPT answered with 2yz */
  unsigned answered;   /* RCPT answered at all */
  unsigned left;       /* items neither confirmed nor dropped */
  unsigned confirmed;  /* replies to the message so far (LMTP: several) */
  bool bare;           /* DATA alone, the envelope is the caller's affair */
  bool empty;          /* a lone dot went out instead of the message */
  bool resetting;      /* RSET is on its way */
  smtp_outcome outcome;
} smtp_transaction;

/* A reply to `command` of the transaction. */
void smtp_transaction_reply(smtp_transaction *t, smtp_command command,
                            int code);
/* Decided against: what is unsent need not be sent any more; what is still
 * answered does not count; and if 354 comes all the same, the message must be
 * empty (RFC 2920 §3.1). */
bool smtp_transaction_is_void(const smtp_transaction *t);
/* Over, and refused in a way that leaves the server's transaction open. */
bool smtp_transaction_needs_reset(const smtp_transaction *t);

#endif
