/* The floor of the benchmarks, not a rival: bytes made beforehand, sent with
 * as few system calls and waits as DATA allows. It only
 * counts the replies.
 *
 *   SINK_PORT=... floor JOB COUNT FILE
 *
 * sendmail: envelope, wait, message, wait. send_messages: each message with the
 * next envelope behind it. The file needs no stuffing and ends with CRLF. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char envelope[] = "MAIL FROM:<sender@bench.test> size=1024\r\n"
                               "RCPT TO:<recipient@bench.test>\r\nDATA\r\n";

enum { MOST_MESSAGE = 64 * 1024, ENVELOPE_REPLIES = 3 };

/* A message, its final line, and an envelope behind. */
struct text {
  char bytes[MOST_MESSAGE + 256];
  size_t message_len, len;
};

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double seconds(clockid_t clock) {
  struct timespec t;

  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int connect_to_sink(void) {
  const char *port = getenv("SINK_PORT");
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

  address.sin_port = htons((unsigned short)atoi(port ? port : "0"));
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
    die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static void send_all(int fd, const char *bytes, size_t len) {
  while (len > 0) {
    ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

    if (n <= 0) die("send");
    bytes += n;
    len -= (size_t)n;
  }
}

/* Wait for that many replies: lines, but not those that go on ("250-"). The
 * sink sends all that it has to say at once, so lines come whole. */
static void await(int fd, int replies) {
  char bytes[4096];

  while (replies > 0) {
    ssize_t n = recv(fd, bytes, sizeof bytes, 0), i, start = 0;

    if (n <= 0) die("recv");
    for (i = 0; i < n; i++)
      if (bytes[i] == '\n') {
        if (bytes[start + 3] != '-') replies--;
        start = i + 1;
      }
  }
}

static void read_message(struct text *t, const char *path) {
  FILE *file = fopen(path, "rb");

  if (!file) die(path);
  t->message_len = fread(t->bytes, 1, MOST_MESSAGE, file);
  fclose(file);
  memcpy(t->bytes + t->message_len, ".\r\n", 3);
  t->message_len += 3;
  memcpy(t->bytes + t->message_len, envelope, sizeof envelope - 1);
  t->len = t->message_len + sizeof envelope - 1;
}

static void send_each(int fd, const struct text *t, long count) {
  for (; count > 0; count--) {
    send_all(fd, envelope, sizeof envelope - 1);
    await(fd, ENVELOPE_REPLIES);
    send_all(fd, t->bytes, t->message_len);
    await(fd, 1);
  }
}

static void send_overlapped(int fd, const struct text *t, long count) {
  send_all(fd, envelope, sizeof envelope - 1);
  await(fd, ENVELOPE_REPLIES);
  for (; count > 1; count--) {
    send_all(fd, t->bytes, t->len);
    await(fd, 1 + ENVELOPE_REPLIES);
  }
  send_all(fd, t->bytes, t->message_len);
  await(fd, 1);
}

int main(int argc, char **argv) {
  static const char hello[] = "EHLO client.bench.test\r\n", bye[] = "QUIT\r\n";
  static struct text text;
  double wall, cpu;
  int fd;

  if (argc != 4) return 2;
  read_message(&text, argv[3]);
  wall = seconds(CLOCK_MONOTONIC);
  cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
  fd = connect_to_sink();
  await(fd, 1);
  send_all(fd, hello, sizeof hello - 1);
  await(fd, 1);
  if (strcmp(argv[1], "sendmail") == 0)
    send_each(fd, &text, atol(argv[2]));
  else
    send_overlapped(fd, &text, atol(argv[2]));
  send_all(fd, bye, sizeof bye - 1);
  await(fd, 1);
  printf("wall %.6f\ncpu %.6f\n", seconds(CLOCK_MONOTONIC) - wall,
         seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
  return 0;
}
