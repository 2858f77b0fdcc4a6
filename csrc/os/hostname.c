/* The host's name, see hostname.h. */
#include "os/hostname.h"

#include <stdio.h>
#include <unistd.h>

void smtp_hostname(char text[SMTP_HOSTNAME_ROOM]) {
  if (gethostname(text, SMTP_HOSTNAME_ROOM) != 0) *text = '\0';
  text[SMTP_HOSTNAME_ROOM - 1] = '\0';
  if (!*text) snprintf(text, SMTP_HOSTNAME_ROOM, "localhost");
}
