/* Outcomes of transactions, see transaction.h. */
#include "engine/transaction.h"

static bool is_positive(int code) {
  return code / 100 == 2;
}

/* The first thing that decides stands. */
static void decide(smtp_transaction *t, smtp_outcome outcome) {
  if (t->outcome == SMTP_OUTCOME_OPEN) t->outcome = outcome;
}

static void recipient_answered(smtp_transaction *t, int code) {
  t->answered++;
  if (is_positive(code)) t->accepted++;
  if (code == 421 || (t->answered == t->recipients && t->accepted == 0))
    decide(t, SMTP_OUTCOME_RECIPIENTS_REFUSED);
}

/* LMTP answers for each recipient: one acceptance makes it a delivery. */
static void message_answered(smtp_transaction *t, int code) {
  t->confirmed++;
  if (is_positive(code) && t->outcome == SMTP_OUTCOME_MESSAGE_REFUSED)
    t->outcome = SMTP_OUTCOME_ACCEPTED;
  decide(t, is_positive(code) ? SMTP_OUTCOME_ACCEPTED
                              : SMTP_OUTCOME_MESSAGE_REFUSED);
}

void smtp_transaction_reply(smtp_transaction *t, smtp_command command,
                            int code) {
  switch (command) {
  case SMTP_CMD_MAIL:
    if (!is_positive(code)) decide(t, SMTP_OUTCOME_SENDER_REFUSED);
    break;
  case SMTP_CMD_RCPT:
    if (!t->bare) recipient_answered(t, code);
    break;
  case SMTP_CMD_DATA:
    if (code / 100 != 3) decide(t, SMTP_OUTCOME_DATA_REFUSED);
    break;
  case SMTP_CMD_CONTENT:
    message_answered(t, code);
    break;
  default:
    break;
  }
}

bool smtp_transaction_is_void(const smtp_transaction *t) {
  return t->outcome > SMTP_OUTCOME_ACCEPTED;
}

bool smtp_transaction_needs_reset(const smtp_transaction *t) {
  return !t->bare && !t->resetting && smtp_transaction_is_void(t);
}
