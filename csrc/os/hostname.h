/* What this machine calls itself. Never a DNS query. */
#ifndef SMTP_OS_HOSTNAME_H
#define SMTP_OS_HOSTNAME_H

#include <stddef.h>

enum { SMTP_HOSTNAME_ROOM = 256 };

/* The host's name, "localhost" when it has none. */
void smtp_hostname(char text[SMTP_HOSTNAME_ROOM]);

#endif
