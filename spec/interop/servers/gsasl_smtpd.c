/* A small SMTP server whose AUTH is judged by GNU SASL: an implementation of
 * SCRAM with channel binding that is not ours.
 *
 *   gsasl_smtpd PORT CERTIFICATES MAIL
 *
 * PORT offers STARTTLS, PORT+1 is implicit TLS, PORT+2 offers STARTTLS with TLS
 * 1.2 at most, where the channel binding is tls-unique instead of tls-exporter.
 * The -PLUS mechanisms are offered after TLS. A success is answered with
 * "235 2.7.0 MECHANISM USER". Each message becomes MAIL/PID-N.eml, byte for
 * byte. One process per connection; loopback only; a connection lives two
 * minutes. */
#include <arpa/inet.h>
#include <gsasl.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENERS = 3, LINE_MAX_BYTES = 16384, CONNECTION_SECONDS = 120 };

struct listener {
  int fd;
  bool is_implicit;
  SSL_CTX *tls;
};

/* The one connection of this process. */
struct connection {
  int fd;
  SSL_CTX *context;
  SSL *tls; /* NULL while in clear */
  unsigned char in[8192];
  int have, at;
  Gsasl *sasl;
  const char *mail; /* the folder */
  int stored;
  int recipients; /* -1 before MAIL */
};

static int next_byte(struct connection *c) {
  if (c->at == c->have) {
    c->have = c->tls ? SSL_read(c->tls, c->in, sizeof c->in)
                     : (int)read(c->fd, c->in, sizeof c->in);
    c->at = 0;
    if (c->have <= 0) _exit(0);
  }
  return c->in[c->at++];
}

/* Without its CRLF; what is too long is cut. */
static void read_line(struct connection *c, char line[LINE_MAX_BYTES]) {
  size_t len = 0;
  int byte;

  while ((byte = next_byte(c)) != '\n')
    if (len < LINE_MAX_BYTES - 1) line[len++] = (char)byte;
  if (len > 0 && line[len - 1] == '\r') len--;
  line[len] = '\0';
}

__attribute__((format(printf, 2, 3))) static void
reply(struct connection *c, const char *format, ...) {
  char out[LINE_MAX_BYTES + 2];
  va_list args;
  int len;

  va_start(args, format);
  len = vsnprintf(out, LINE_MAX_BYTES, format, args);
  va_end(args);
  if (len < 0 || len >= LINE_MAX_BYTES) _exit(1);
  memcpy(out + len, "\r\n", 2);
  len += 2;
  if (c->tls) {
    if (SSL_write(c->tls, out, len) != len) _exit(0);
  } else if (write(c->fd, out, (size_t)len) != len) {
    _exit(0);
  }
}

/* Bytes that came in clear behind STARTTLS are dropped with the buffer. */
static void start_tls(struct connection *c) {
  c->have = c->at = 0;
  c->tls = SSL_new(c->context);
  SSL_set_fd(c->tls, c->fd);
  if (SSL_accept(c->tls) != 1) _exit(0);
}

/* --- what GNU SASL asks ------------------------------------------------- */

static int tell_password(Gsasl_session *session) {
  static const char *const users[][2] = {
      {"alice", "secret"},
      {"bob", "p \xc3\xa4ssw\xc3\xb6rd"},
  };
  const char *user = gsasl_property_fast(session, GSASL_AUTHID);
  size_t i;

  for (i = 0; user && i < sizeof users / sizeof users[0]; i++)
    if (strcmp(user, users[i][0]) == 0)
      return gsasl_property_set(session, GSASL_PASSWORD, users[i][1]);
  return GSASL_AUTHENTICATION_ERROR;
}

static int tell_binding(Gsasl_session *session, Gsasl_property property,
                        const unsigned char *binding, size_t len) {
  unsigned char base64[128];

  EVP_EncodeBlock(base64, binding, (int)len);
  return gsasl_property_set(session, property, (const char *)base64);
}

/* RFC 9266: 32 octets, no context. */
static int tell_exporter(Gsasl_session *session, SSL *tls) {
  static const char label[] = "EXPORTER-Channel-Binding";
  static const unsigned char no_context[1];
  unsigned char binding[32];

  if (!tls || SSL_version(tls) < TLS1_3_VERSION ||
      SSL_export_keying_material(tls, binding, sizeof binding, label,
                                 sizeof label - 1, no_context, 0, 1) != 1)
    return GSASL_NO_CALLBACK;
  return tell_binding(session, GSASL_CB_TLS_EXPORTER, binding, sizeof binding);
}

/* RFC 5929 section 3: the first Finished message of the handshake, which is
 * the client's unless a session was resumed. Not defined for TLS 1.3. */
static int tell_unique(Gsasl_session *session, SSL *tls) {
  unsigned char binding[64];
  size_t len;

  if (!tls || SSL_version(tls) >= TLS1_3_VERSION) return GSASL_NO_CALLBACK;
  len = SSL_session_reused(tls)
            ? SSL_get_finished(tls, binding, sizeof binding)
            : SSL_get_peer_finished(tls, binding, sizeof binding);
  return tell_binding(session, GSASL_CB_TLS_UNIQUE, binding, len);
}

static int answer_property(Gsasl *sasl, Gsasl_session *session,
                           Gsasl_property property) {
  struct connection *c = gsasl_callback_hook_get(sasl);

  switch ((int)property) {
  case GSASL_PASSWORD:
    return tell_password(session);
  case GSASL_CB_TLS_EXPORTER:
    return tell_exporter(session, c->tls);
  case GSASL_CB_TLS_UNIQUE:
    return tell_unique(session, c->tls);
  case GSASL_SCRAM_ITER:
    return gsasl_property_set(session, property, "4096");
  case GSASL_SERVICE:
    return gsasl_property_set(session, property, "smtp");
  case GSASL_HOSTNAME:
  case GSASL_REALM:
    return gsasl_property_set(session, property, "localhost");
  default:
    return GSASL_NO_CALLBACK;
  }
}

/* --- AUTH (RFC 4954) ---------------------------------------------------- */

static void welcome(struct connection *c, Gsasl_session *session,
                    const char *mechanism) {
  reply(c, "235 2.7.0 %s %s", mechanism,
        gsasl_property_fast(session, GSASL_AUTHID));
}

/* One challenge, one answer; false when the client gave up. */
static bool challenge(struct connection *c, const char *base64,
                      char line[LINE_MAX_BYTES]) {
  reply(c, "334 %s", base64);
  read_line(c, line);
  if (strcmp(line, "*") != 0) return true;
  reply(c, "501 5.7.0 cancelled");
  return false;
}

/* `line` holds the client's first response, in base64. */
static void exchange(struct connection *c, Gsasl_session *session,
                     const char *mechanism, char line[LINE_MAX_BYTES]) {
  char *out = NULL;
  int status;

  do {
    status = gsasl_step64(session, line, &out);
    if (status != GSASL_OK && status != GSASL_NEEDS_MORE) {
      reply(c, "535 5.7.8 %s", gsasl_strerror(status));
      return;
    }
    if (status == GSASL_OK && (!out || !*out)) break;
    if (!challenge(c, out ? out : "", line)) return;
    gsasl_free(out);
    out = NULL;
  } while (status == GSASL_NEEDS_MORE);
  welcome(c, session, mechanism);
}

static bool speaks_first(const char *mechanism) {
  return strcmp(mechanism, "LOGIN") == 0 || strcmp(mechanism, "CRAM-MD5") == 0;
}

/* An initial response to a server that speaks first answers its first
 * challenge unheard: AUTH LOGIN with the user name. */
static bool skip_challenge(Gsasl_session *session) {
  char *out = NULL;
  int status = gsasl_step64(session, "", &out);

  gsasl_free(out);
  return status == GSASL_NEEDS_MORE;
}

static void take_auth(struct connection *c, char line[LINE_MAX_BYTES]) {
  char mechanism[64] = "";
  char *response = strchr(line + 5, ' ');
  Gsasl_session *session;
  int status;

  sscanf(line + 5, "%63s", mechanism);
  status = gsasl_server_start(c->sasl, mechanism, &session);
  if (status != GSASL_OK) {
    reply(c, "504 5.5.4 %s", gsasl_strerror(status));
    return;
  }
  if (response)
    memmove(line, response + 1, strlen(response));
  else
    line[0] = '\0';
  if (strcmp(line, "=") == 0) line[0] = '\0';
  if (speaks_first(mechanism) ? !response || skip_challenge(session)
                              : response || challenge(c, "", line))
    exchange(c, session, mechanism, line);
  gsasl_finish(session);
}

/* --- the rest of SMTP --------------------------------------------------- */

static void take_ehlo(struct connection *c) {
  reply(c,
        "250-gsasl.example.test\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n"
        "%s250 AUTH %sSCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN",
        c->tls ? "" : "250-STARTTLS\r\n",
        c->tls ? "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS " : "");
}

enum body_state { TEXT, CR, START, DOT, DOT_CR };

static enum body_state after(enum body_state state, int byte) {
  if (byte == '\r') return CR;
  if (byte == '\n' && (state == CR || state == DOT_CR)) return START;
  return TEXT;
}

/* Up to CRLF "." CRLF and no other end (RFC 5321 section 4.1.1.4). CR and LF
 * are written as they come; only a dot at the start of a line is held back. */
static void store_body(struct connection *c, FILE *file) {
  enum body_state state = START;
  int byte;

  for (;;) {
    byte = next_byte(c);
    if (state == DOT_CR && byte == '\n') return;
    if (state == DOT_CR) fputc('\r', file);
    if (state == START && byte == '.') {
      state = DOT;
    } else if (state == DOT && byte == '\r') {
      state = DOT_CR;
    } else {
      fputc(byte, file);
      state = after(state, byte);
    }
  }
}

/* Readers see a complete file or none. */
static void take_data(struct connection *c) {
  char name[4096], unfinished[4200];
  FILE *file;

  if (c->recipients < 1) {
    reply(c, "503 5.5.1 no recipient");
    return;
  }
  snprintf(name, sizeof name, "%s/%d-%d.eml", c->mail, (int)getpid(),
           ++c->stored);
  snprintf(unfinished, sizeof unfinished, "%s.part", name);
  if (!(file = fopen(unfinished, "wb"))) _exit(1);
  reply(c, "354 go ahead");
  store_body(c, file);
  if (fclose(file) != 0 || rename(unfinished, name) != 0) _exit(1);
  c->recipients = -1;
  reply(c, "250 2.0.0 stored");
}

static void take_rcpt(struct connection *c) {
  if (c->recipients < 0) {
    reply(c, "503 5.5.1 no sender");
    return;
  }
  c->recipients++;
  reply(c, "250 2.1.5 ok");
}

static void take_quit(struct connection *c) {
  reply(c, "221 2.0.0 bye");
  if (c->tls) SSL_shutdown(c->tls);
  _exit(0);
}

static bool is_verb(const char *line, const char *verb) {
  return strncasecmp(line, verb, strlen(verb)) == 0;
}

static void take_command(struct connection *c, char line[LINE_MAX_BYTES]) {
  if (is_verb(line, "EHLO ")) {
    take_ehlo(c);
  } else if (is_verb(line, "STARTTLS") && !c->tls) {
    reply(c, "220 2.0.0 go ahead");
    start_tls(c);
  } else if (is_verb(line, "AUTH ")) {
    take_auth(c, line);
  } else if (is_verb(line, "MAIL FROM:")) {
    c->recipients = 0;
    reply(c, "250 2.1.0 ok");
  } else if (is_verb(line, "RCPT TO:")) {
    take_rcpt(c);
  } else if (is_verb(line, "DATA")) {
    take_data(c);
  } else if (is_verb(line, "RSET") || is_verb(line, "NOOP")) {
    reply(c, "250 2.0.0 ok");
  } else if (is_verb(line, "QUIT")) {
    take_quit(c);
  } else {
    reply(c, "502 5.5.2 unknown");
  }
}

static void serve(const struct listener *listener, int fd, const char *mail) {
  static char line[LINE_MAX_BYTES];
  static struct connection c;

  alarm(CONNECTION_SECONDS);
  c.fd = fd;
  c.context = listener->tls;
  c.mail = mail;
  c.recipients = -1;
  if (gsasl_init(&c.sasl) != GSASL_OK) _exit(1);
  gsasl_callback_hook_set(c.sasl, &c);
  gsasl_callback_set(c.sasl, answer_property);
  if (listener->is_implicit) start_tls(&c);
  reply(&c, "220 gsasl.example.test ESMTP GNU SASL %s",
        gsasl_check_version(NULL));
  for (;;) {
    read_line(&c, line);
    take_command(&c, line);
  }
}

/* --- start -------------------------------------------------------------- */

static void give_up(const char *what) {
  perror(what);
  exit(1);
}

static SSL_CTX *new_context(const char *certificates, int max_version) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  char path[4096];

  if (!context) give_up("TLS");
  SSL_CTX_set_max_proto_version(context, max_version);
  snprintf(path, sizeof path, "%s/server.pem", certificates);
  if (SSL_CTX_use_certificate_chain_file(context, path) != 1) give_up(path);
  snprintf(path, sizeof path, "%s/server.key", certificates);
  if (SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) != 1)
    give_up(path);
  return context;
}

static int listen_on(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  const int on = 1;
  int fd = socket(AF_INET, SOCK_STREAM, 0);

  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0) give_up("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
      listen(fd, 64) != 0)
    give_up("listen");
  return fd;
}

static void accept_one(const struct listener *listener, const char *mail) {
  int fd = accept(listener->fd, NULL, NULL);

  if (fd < 0) return;
  if (fork() == 0) serve(listener, fd, mail);
  close(fd);
}

int main(int argc, char **argv) {
  struct listener listeners[LISTENERS];
  struct pollfd waits[LISTENERS];
  int i;

  if (argc != 4) {
    fputs("usage: gsasl_smtpd PORT CERTIFICATES MAIL\n", stderr);
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_IGN); /* children are reaped by the kernel */
  for (i = LISTENERS - 1; i >= 0; i--) {
    listeners[i].fd = listen_on(atoi(argv[1]) + i);
    listeners[i].is_implicit = i == 1;
    listeners[i].tls =
        new_context(argv[2], i == 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
    waits[i] = (struct pollfd){.fd = listeners[i].fd, .events = POLLIN};
  }
  for (;;) {
    if (poll(waits, LISTENERS, -1) < 0) continue;
    for (i = 0; i < LISTENERS; i++)
      if (waits[i].revents & POLLIN) accept_one(&listeners[i], argv[3]);
  }
}
