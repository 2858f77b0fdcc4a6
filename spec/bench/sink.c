/* The sink of the benchmarks: an SMTP server on 127.0.0.1 that accepts
 * everything, keeps nothing and counts. One thread, no TLS, Linux.
 *
 *   sink [--no-pipelining] [--no-chunking] [COMMAND [ARGUMENT...]]
 *
 * With a command it runs that with its port in the environment (SINK_PORT) and
 * serves until the command ends, with the command's status. Without, it prints
 * "port N" and serves until SIGTERM or SIGINT. In the end it prints its counts
 * and the CPU time of both: a line "name number" each. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  READ_SIZE = 256 * 1024,
  MOST_LINE = 4096,
  MOST_OUT = 16 * 1024,
  LONGEST_REPLY = 512,
  MOST_EVENTS = 64,
  PATIENCE_MS = 10000 /* with a client that does not read its replies */
};

/* What is counted, and as what it is printed. */
enum count {
  CONNECTIONS,
  MESSAGES,
  TURNS,     /* times that a client was answered about mail: it had sent all it
              * could, and waited (MAIL … the message; not EHLO, not QUIT) */
  READS,     /* recv calls that brought bytes */
  BYTES,     /* all that came */
  CONTENT,   /* of messages, without stuffed dots and the final line */
  DOT_LINES, /* lines that began with a stuffed dot */
  BARE_DOTS, /* lines that began with a dot of their own: bad stuffing */
  CHUNKS,    /* BDAT commands */
  UNKNOWN,   /* commands that are none */
  COUNTS
};

static const char *const count_names[COUNTS] = {
    "connections", "messages",  "turns",     "reads",  "bytes",
    "content",     "dot_lines", "bare_dots", "chunks", "unknown"};

enum stage { COMMANDS, BODY, CHUNK };

/* Where in a line of the body the next byte is. */
enum place { LINE_START, AFTER_DOT, AFTER_DOT_CR, IN_LINE };

struct client {
  int fd;
  enum stage stage;
  enum place place;
  uint64_t chunk_left;
  bool is_last_chunk;
  bool answers_mail; /* something in `out` does */
  bool is_over;
  size_t line_len, out_len;
  char line[MOST_LINE];
  char out[MOST_OUT];
};

struct sink {
  int listener, signals, events;
  bool offers_pipelining, offers_chunking;
  pid_t command; /* 0: none runs */
  int status;    /* of the command */
  bool is_done;
  struct rusage used; /* by the command */
  uint64_t counts[COUNTS];
  char bytes[READ_SIZE];
};

static struct sink sink = {.offers_pipelining = true, .offers_chunking = true};

static void die(const char *what) {
  perror(what);
  exit(2);
}

static bool wait_until_writable(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLOUT};

  return poll(&p, 1, PATIENCE_MS) == 1;
}

static void send_out(struct client *c) {
  size_t done = 0;

  while (done < c->out_len && !c->is_over) {
    ssize_t n = send(c->fd, c->out + done, c->out_len - done, MSG_NOSIGNAL);

    if (n > 0)
      done += (size_t)n;
    else if (errno != EAGAIN || !wait_until_writable(c->fd))
      c->is_over = true;
  }
  c->out_len = 0;
}

static void say(struct client *c, const char *reply) {
  size_t len = strlen(reply);

  if (c->out_len + len > MOST_OUT) send_out(c);
  memcpy(c->out + c->out_len, reply, len);
  c->out_len += len;
}

static void say_about_mail(struct client *c, const char *reply) {
  c->answers_mail = true;
  say(c, reply);
}

/* Nothing is left to read: the client waits for what it is told now. */
static void end_turn(struct client *c) {
  if (c->answers_mail) sink.counts[TURNS]++;
  c->answers_mail = false;
  send_out(c);
}

static void greet(struct client *c) {
  char reply[LONGEST_REPLY];

  snprintf(reply, sizeof reply,
           "250-sink.test\r\n%s%s250-8BITMIME\r\n250-SMTPUTF8\r\n"
           "250-ENHANCEDSTATUSCODES\r\n250 SIZE 2147483647\r\n",
           sink.offers_pipelining ? "250-PIPELINING\r\n" : "",
           sink.offers_chunking ? "250-CHUNKING\r\n" : "");
  say(c, reply);
}

static void end_message(struct client *c) {
  sink.counts[MESSAGES]++;
  c->stage = COMMANDS;
  say_about_mail(c, "250 2.0.0 Ok: queued nowhere\r\n");
}

static void end_chunk(struct client *c) {
  if (c->is_last_chunk) {
    end_message(c);
    return;
  }
  c->stage = COMMANDS;
  say_about_mail(c, "250 2.0.0 Ok: chunk\r\n");
}

/* "BDAT 1024 LAST" (RFC 3030 section 2). */
static void begin_chunk(struct client *c, const char *arguments) {
  char *rest;

  sink.counts[CHUNKS]++;
  c->chunk_left = strtoull(arguments, &rest, 10);
  c->is_last_chunk = strncasecmp(rest, " LAST", 5) == 0;
  c->stage = CHUNK;
  if (c->chunk_left == 0) end_chunk(c);
}

static bool line_is(const char *line, const char *verb) {
  return strncasecmp(line, verb, strlen(verb)) == 0;
}

/* One command, without its line end. */
static void obey(struct client *c, const char *line) {
  if (line_is(line, "MAIL FROM:"))
    say_about_mail(c, "250 2.1.0 Ok\r\n");
  else if (line_is(line, "RCPT TO:"))
    say_about_mail(c, "250 2.1.5 Ok\r\n");
  else if (line_is(line, "DATA")) {
    c->stage = BODY;
    c->place = LINE_START;
    say_about_mail(c, "354 End data with <CR><LF>.<CR><LF>\r\n");
  } else if (line_is(line, "BDAT ") && sink.offers_chunking)
    begin_chunk(c, line + 5);
  else if (line_is(line, "EHLO "))
    greet(c);
  else if (line_is(line, "HELO "))
    say(c, "250 sink.test\r\n");
  else if (line_is(line, "RSET") || line_is(line, "NOOP"))
    say(c, "250 2.0.0 Ok\r\n");
  else if (line_is(line, "QUIT")) {
    say(c, "221 2.0.0 Bye\r\n");
    c->is_over = true;
  } else {
    sink.counts[UNKNOWN]++;
    say(c, "500 5.5.1 Unknown command\r\n");
  }
}

/* Of the bytes that came, each of the following takes what is its own, and
 * returns where it stopped. */

static const char *take_command(struct client *c, const char *p,
                                const char *end) {
  const char *lf = memchr(p, '\n', (size_t)(end - p));
  size_t len = (size_t)((lf ? lf + 1 : end) - p);

  if (c->line_len + len >= MOST_LINE) {
    c->is_over = true;
    return end;
  }
  memcpy(c->line + c->line_len, p, len);
  c->line_len += len;
  if (!lf) return end;
  while (c->line_len > 0 && strchr("\r\n", c->line[c->line_len - 1]))
    c->line_len--;
  c->line[c->line_len] = '\0';
  c->line_len = 0;
  obey(c, c->line);
  return p + len;
}

/* The byte behind a line's first dot, or behind that and a CR. True: it was the
 * final line (RFC 5321 section 4.1.1.4). */
static bool dot_line_is_final(struct client *c, char byte) {
  if (c->place == AFTER_DOT_CR && byte == '\n') return true;
  if (c->place == AFTER_DOT && byte == '\r') {
    c->place = AFTER_DOT_CR;
    return false;
  }
  if (c->place == AFTER_DOT && byte == '.') {
    sink.counts[DOT_LINES]++;
    sink.counts[CONTENT]--;
  } else {
    sink.counts[BARE_DOTS]++;
  }
  c->place = byte == '\n' ? LINE_START : IN_LINE;
  return false;
}

static const char *take_body(struct client *c, const char *p, const char *end) {
  const char *start = p;

  while (p < end) {
    if (c->place == LINE_START) {
      c->place = *p == '.' ? AFTER_DOT : IN_LINE;
      if (*p == '.') p++;
    } else if (c->place == IN_LINE) {
      const char *lf = memchr(p, '\n', (size_t)(end - p));

      p = lf ? lf + 1 : end;
      if (lf) c->place = LINE_START;
    } else if (dot_line_is_final(c, *p++)) {
      sink.counts[CONTENT] += (uint64_t)(p - start);
      sink.counts[CONTENT] -= strlen(".\r\n");
      end_message(c);
      return p;
    }
  }
  sink.counts[CONTENT] += (uint64_t)(p - start);
  return p;
}

static const char *take_chunk(struct client *c, const char *p,
                              const char *end) {
  uint64_t len = (uint64_t)(end - p);

  if (len > c->chunk_left) len = c->chunk_left;
  sink.counts[CONTENT] += len;
  c->chunk_left -= len;
  if (c->chunk_left == 0) end_chunk(c);
  return p + len;
}

static void take(struct client *c, const char *p, const char *end) {
  while (p < end && !c->is_over)
    switch (c->stage) {
    case COMMANDS:
      p = take_command(c, p, end);
      break;
    case BODY:
      p = take_body(c, p, end);
      break;
    case CHUNK:
      p = take_chunk(c, p, end);
      break;
    }
}

static void watch(int fd, void *what) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

  if (epoll_ctl(sink.events, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

static void accept_client(void) {
  static const int on = 1;
  struct client *c = calloc(1, sizeof *c);

  if (!c) die("calloc");
  c->fd = accept4(sink.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (c->fd < 0) {
    free(c);
    return;
  }
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sink.counts[CONNECTIONS]++;
  watch(c->fd, c);
  say(c, "220 sink.test ESMTP\r\n");
  send_out(c);
}

static void serve(struct client *c) {
  ssize_t n = recv(c->fd, sink.bytes, READ_SIZE, 0);

  if (n < 0 && errno == EAGAIN) return;
  if (n > 0) {
    sink.counts[READS]++;
    sink.counts[BYTES] += (uint64_t)n;
    take(c, sink.bytes, sink.bytes + n);
    bool says_goodbye = c->is_over;
    c->is_over = false;
    end_turn(c);
    if (!says_goodbye && !c->is_over) return;
  }
  close(c->fd);
  free(c);
}

static void take_signal(void) {
  struct signalfd_siginfo info;

  if (read(sink.signals, &info, sizeof info) != sizeof info) return;
  if (info.ssi_signo != SIGCHLD) {
    if (sink.command) kill(sink.command, SIGTERM);
    sink.is_done = true;
  } else if (wait4(sink.command, &sink.status, WNOHANG, &sink.used) > 0) {
    sink.is_done = true;
  }
}

/* Once done, what has already come is still counted. */
static void run(void) {
  struct epoll_event found[MOST_EVENTS];

  for (;;) {
    int i,
        n = epoll_wait(sink.events, found, MOST_EVENTS, sink.is_done ? 0 : -1);

    if (n == 0) return;
    for (i = 0; i < n; i++) {
      void *what = found[i].data.ptr;

      if (what == &sink.listener)
        accept_client();
      else if (what == &sink.signals)
        take_signal();
      else
        serve(what);
    }
  }
}

static unsigned listen_somewhere(void) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;

  sink.listener =
      socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (sink.listener < 0) die("socket");
  if (bind(sink.listener, (struct sockaddr *)&address, len) != 0) die("bind");
  if (listen(sink.listener, SOMAXCONN) != 0) die("listen");
  if (getsockname(sink.listener, (struct sockaddr *)&address, &len) != 0)
    die("getsockname");
  return ntohs(address.sin_port);
}

static void catch_signals(sigset_t *before) {
  sigset_t caught;

  sigemptyset(&caught);
  sigaddset(&caught, SIGCHLD);
  sigaddset(&caught, SIGTERM);
  sigaddset(&caught, SIGINT);
  sigprocmask(SIG_BLOCK, &caught, before);
  sink.signals = signalfd(-1, &caught, SFD_NONBLOCK | SFD_CLOEXEC);
  if (sink.signals < 0) die("signalfd");
}

static void start_command(char **argv, unsigned port, const sigset_t *signals) {
  char text[16];

  snprintf(text, sizeof text, "%u", port);
  setenv("SINK_PORT", text, 1);
  sink.command = fork();
  if (sink.command < 0) die("fork");
  if (sink.command > 0) return;
  sigprocmask(SIG_SETMASK, signals, NULL);
  execvp(argv[0], argv);
  die(argv[0]);
}

static double seconds_of(struct timeval user, struct timeval system) {
  return (double)(user.tv_sec + system.tv_sec) +
         (double)(user.tv_usec + system.tv_usec) * 1e-6;
}

static void print_counts(void) {
  struct rusage own;
  int i;

  for (i = 0; i < COUNTS; i++)
    printf("%s %" PRIu64 "\n", count_names[i], sink.counts[i]);
  getrusage(RUSAGE_SELF, &own);
  printf("sink_cpu %.6f\n", seconds_of(own.ru_utime, own.ru_stime));
  if (!sink.command) return;
  printf("client_cpu %.6f\n",
         seconds_of(sink.used.ru_utime, sink.used.ru_stime));
}

static char **read_options(char **argv) {
  for (argv++; *argv && strncmp(*argv, "--", 2) == 0; argv++) {
    if (strcmp(*argv, "--no-pipelining") == 0) {
      sink.offers_pipelining = false;
    } else if (strcmp(*argv, "--no-chunking") == 0) {
      sink.offers_chunking = false;
    } else {
      fprintf(stderr, "sink: unknown option %s\n", *argv);
      exit(2);
    }
  }
  return argv;
}

int main(int argc, char **argv) {
  char **command = read_options(argv);
  unsigned port = listen_somewhere();
  sigset_t before;

  (void)argc;
  catch_signals(&before);
  sink.events = epoll_create1(EPOLL_CLOEXEC);
  if (sink.events < 0) die("epoll_create1");
  watch(sink.listener, &sink.listener);
  watch(sink.signals, &sink.signals);
  if (*command) {
    start_command(command, port, &before);
  } else {
    printf("port %u\n", port);
    fflush(stdout);
  }
  run();
  print_counts();
  if (!sink.command) return 0;
  return WIFEXITED(sink.status) ? WEXITSTATUS(sink.status) : 1;
}
