/* The TLS filter, see tls.h. SSL reads and writes two growable buffers through
 * a BIO of ours, so ciphertext is copied once in each direction and SSL never
 * waits for room. settle() alone decides what an SSL call's result means. */
#include "crypto/tls_internal.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* The wire. */

static int wire_read(BIO *bio, char *to, size_t cap, size_t *got) {
  smtp_tls *t = BIO_get_data(bio);
  size_t len = smtp_buf_len(&t->in);

  BIO_clear_retry_flags(bio);
  *got = len < cap ? len : cap;
  if (!*got) {
    BIO_set_retry_read(bio);
    return 0;
  }
  memcpy(to, smtp_buf_data(&t->in), *got);
  smtp_buf_consume(&t->in, *got);
  return 1;
}

static int wire_write(BIO *bio, const char *bytes, size_t len, size_t *done) {
  smtp_tls *t = BIO_get_data(bio);

  BIO_clear_retry_flags(bio);
  smtp_buf_add(&t->out, bytes, len);
  *done = t->out.failed ? 0 : len;
  return !t->out.failed;
}

static long wire_control(BIO *bio, int what, long number, void *pointer) {
  (void)bio;
  (void)number;
  (void)pointer;
  return what == BIO_CTRL_FLUSH;
}

BIO_METHOD *smtp_tls_wire_new(void) {
  BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "smtplib");

  if (!m) return NULL;
  BIO_meth_set_read_ex(m, wire_read);
  BIO_meth_set_write_ex(m, wire_write);
  BIO_meth_set_ctrl(m, wire_control);
  return m;
}

/* Failures. */

static smtp_error fail(smtp_tls *t, smtp_error e, const char *reason) {
  t->state = SMTP_TLS_FAILED;
  t->failure = e;
  t->reason = reason;
  return e;
}

static smtp_error fail_memory(smtp_tls *t) {
  return fail(t, SMTP_ERR_NOMEM, smtp_error_text(SMTP_ERR_NOMEM));
}

static smtp_error fail_verification(smtp_tls *t, long code) {
  t->verify_code = code;
  if (t->context->pinned && code == X509_V_ERR_APPLICATION_VERIFICATION)
    return fail(t, SMTP_ERR_TLS_VERIFY, "certificate fingerprint mismatch");
  return fail(t, SMTP_ERR_TLS_VERIFY, X509_verify_cert_error_string(code));
}

static smtp_error fail_at_end(smtp_tls *t) {
  if (t->state == SMTP_TLS_HANDSHAKE)
    return fail(t, SMTP_ERR_TLS_HANDSHAKE,
                "connection closed during the handshake");
  return fail(t, SMTP_ERR_TLS_TRUNCATED,
              smtp_error_text(SMTP_ERR_TLS_TRUNCATED));
}

static bool is_alert(unsigned long e) {
  return ERR_GET_LIB(e) == ERR_LIB_SSL &&
         ERR_GET_REASON(e) >= SSL_AD_REASON_OFFSET;
}

/* What OpenSSL's error queue says about a call that failed. */
static smtp_error fail_by_queue(smtp_tls *t) {
  unsigned long e = ERR_peek_error();
  const char *reason = ERR_reason_error_string(e);
  long code = SSL_get_verify_result(t->ssl);
  bool greeting = t->state == SMTP_TLS_HANDSHAKE;

  if (t->in.failed || t->out.failed ||
      ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
    return fail_memory(t);
  if (greeting && code != X509_V_OK &&
      SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE)
    return fail_verification(t, code);
  if (greeting && ERR_GET_LIB(e) == ERR_LIB_SSL &&
      ERR_GET_REASON(e) == SSL_R_WRONG_VERSION_NUMBER)
    reason = "wrong version number (the peer may not speak TLS on this port)";
  /* In TLS 1.3 a client hears only after its handshake that the server does
   * not want it. */
  if (is_alert(e) && !t->heard) greeting = true;
  return fail(t, greeting ? SMTP_ERR_TLS_HANDSHAKE : SMTP_ERR_TLS_PROTOCOL,
              reason ? reason : "unknown error");
}

/* The one place that says what the result of an SSL call means. Call it at
 * once after every one, and ERR_clear_error() before. */
static smtp_error settle(smtp_tls *t, int result) {
  smtp_error e = SMTP_OK;

  switch (result > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, result)) {
  case SSL_ERROR_NONE:
    break;
  case SSL_ERROR_WANT_READ:
    if (t->ended) e = fail_at_end(t);
    break;
  case SSL_ERROR_ZERO_RETURN:
    t->state = SMTP_TLS_CLOSED;
    break;
  default:
    e = fail_by_queue(t);
  }
  ERR_clear_error();
  return e;
}

/* Life. */

/* X509_check_host takes ".example.org" for any name below it and "*" for a
 * wildcard's own; beyond ASCII a name must come as A-labels. */
static bool is_plain(const char *host) {
  if (*host == '.') return false;
  for (; *host; host++) {
    if (*host <= ' ' || *host > '~' || *host == '*') return false;
  }
  return true;
}

/* A host as the X509 functions want it: "[::1]" without its brackets, a
 * link-local address without its "%zone", a name without its last dot. */
static bool clean_host(const char *host, char *out, size_t cap) {
  size_t len = strlen(host);

  if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
    host++;
    len -= 2;
  }
  if (memchr(host, ':', len))
    len = strcspn(host, "%]");
  else if (len > 1 && host[len - 1] == '.')
    len--;
  if (!len || len >= cap) return false;
  memcpy(out, host, len);
  out[len] = '\0';
  return is_plain(out);
}

static bool is_address(const char *host) {
  ASN1_OCTET_STRING *address = a2i_IPADDRESS(host);

  ASN1_OCTET_STRING_free(address);
  return address != NULL;
}

static smtp_error set_host(smtp_tls *t, const char *host) {
  X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
  bool checked = t->context->verify && !t->context->pinned, good;
  char name[256];

  if (!host || !*host)
    return checked ? fail(t, SMTP_ERR_TLS_SETUP, "no host name to verify")
                   : SMTP_OK;
  if (!clean_host(host, name, sizeof name))
    return fail(t, SMTP_ERR_TLS_SETUP, "not a host name");
  if (is_address(name))
    good = !checked || X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
  else
    good = SSL_set_tlsext_host_name(t->ssl, name) == 1 &&
           (!checked || X509_VERIFY_PARAM_set1_host(param, name, 0) == 1);
  ERR_clear_error();
  return good ? SMTP_OK : fail(t, SMTP_ERR_TLS_SETUP, "not a host name");
}

/* The key under which sessions are kept: server, then verified name. */
static bool set_session_key(smtp_tls *t, const char *host, const char *peer) {
  size_t peer_len, host_len;

  if (!peer) return true;
  if (!host) host = "";
  peer_len = strlen(peer);
  host_len = strlen(host);
  t->session_key = smtp_allocate(peer_len + host_len + 2);
  if (!t->session_key) return false;
  memcpy(t->session_key, peer, peer_len);
  t->session_key[peer_len] = '\n';
  memcpy(t->session_key + peer_len + 1, host, host_len);
  return true;
}

static void offer_session(smtp_tls *t) {
  SSL_SESSION *session;

  if (!t->session_key) return;
  session = smtp_tls_session_take(&t->context->sessions, t->session_key);
  if (!session) return;
  SSL_set_session(t->ssl, session);
  SSL_SESSION_free(session);
}

static bool attach_wire(smtp_tls *t) {
  BIO *wire = BIO_new(t->context->wire);

  if (!wire) return false;
  SSL_set_mode(t->ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  BIO_set_data(wire, t);
  BIO_set_init(wire, 1);
  SSL_set_bio(t->ssl, wire, wire);
  SSL_set_app_data(t->ssl, t);
  return true;
}

static smtp_error proceed(smtp_tls *t) {
  int result;
  smtp_error e;

  ERR_clear_error();
  result = SSL_do_handshake(t->ssl);
  e = settle(t, result);
  if (result == 1) t->state = SMTP_TLS_OPEN;
  return e;
}

static bool begin(smtp_tls *t, const char *host, const char *peer) {
  t->ssl = SSL_new(t->context->ssl);
  if (!t->ssl || !attach_wire(t)) return false;
  if (t->context->server) {
    SSL_set_accept_state(t->ssl);
    return true;
  }
  if (t->context->server_hostname) host = t->context->server_hostname;
  SSL_set_connect_state(t->ssl);
  if (set_host(t, host) != SMTP_OK) return true;
  if (!set_session_key(t, host, peer)) return false;
  offer_session(t);
  proceed(t);
  return true;
}

smtp_tls *smtp_tls_new(smtp_tls_context *c, const char *host,
                       const char *peer) {
  smtp_tls *t = smtp_allocate(sizeof *t);
  bool good;

  if (!t) return NULL;
  t->context = smtp_tls_context_retain(c);
  t->reason = "";
  ERR_clear_error();
  good = begin(t, host, peer);
  ERR_clear_error();
  if (good) return t;
  smtp_tls_free(t);
  return NULL;
}

void smtp_tls_free(smtp_tls *t) {
  if (!t) return;
  /* Freed without having been shut down, OpenSSL takes the connection for
   * broken and its session for unfit to be resumed. */
  if (t->ssl && t->state != SMTP_TLS_FAILED && SSL_is_init_finished(t->ssl))
    SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(t->ssl);
  smtp_buf_free(&t->in);
  smtp_buf_free(&t->out);
  smtp_buf_wipe(&t->held);
  smtp_release(t->session_key);
  smtp_tls_context_free(t->context);
  smtp_release(t);
}

/* The wire's side. */

smtp_error smtp_tls_input(smtp_tls *t, const void *bytes, size_t len) {
  if (t->state == SMTP_TLS_FAILED) return t->failure;
  if (t->state == SMTP_TLS_CLOSED) return SMTP_OK;
  smtp_buf_add(&t->in, bytes, len);
  if (t->in.failed) return fail_memory(t);
  return t->state == SMTP_TLS_HANDSHAKE ? proceed(t) : SMTP_OK;
}

smtp_error smtp_tls_input_end(smtp_tls *t) {
  if (t->state == SMTP_TLS_FAILED) return t->failure;
  t->ended = true;
  return t->state == SMTP_TLS_HANDSHAKE ? proceed(t) : SMTP_OK;
}

const char *smtp_tls_output(const smtp_tls *t, size_t *len) {
  *len = smtp_buf_len(&t->out);
  return smtp_buf_data(&t->out);
}

void smtp_tls_sent(smtp_tls *t, size_t n) {
  smtp_buf_consume(&t->out, n);
}

/* The plain side. */

/* Encrypt, or hold the bytes back while SSL is in the middle of a message of
 * its own: a TLS 1.3 ticket that came in two records, one of them still under
 * way. */
static smtp_error encrypt(smtp_tls *t, const void *bytes, size_t len) {
  size_t done;
  int result;
  smtp_error e;

  ERR_clear_error();
  result = SSL_write_ex(t->ssl, bytes, len, &done);
  e = settle(t, result);
  if (e != SMTP_OK || result == 1) return e;
  smtp_buf_add(&t->held, bytes, len);
  return t->held.failed ? fail_memory(t) : SMTP_OK;
}

static smtp_error release_held(smtp_tls *t) {
  smtp_buf held = t->held;
  smtp_error e;

  if (!smtp_buf_len(&held)) return SMTP_OK;
  smtp_buf_init(&t->held);
  e = encrypt(t, smtp_buf_data(&held), smtp_buf_len(&held));
  smtp_buf_wipe(&held);
  return e;
}

smtp_error smtp_tls_write(smtp_tls *t, const void *bytes, size_t len) {
  if (t->state == SMTP_TLS_FAILED) return t->failure;
  if (t->state == SMTP_TLS_CLOSED) return SMTP_ERR_CLOSED;
  if (t->state == SMTP_TLS_HANDSHAKE || t->shut) return SMTP_ERR_STATE;
  if (!len) return SMTP_OK;
  if (!smtp_buf_len(&t->held)) return encrypt(t, bytes, len);
  smtp_buf_add(&t->held, bytes, len);
  return t->held.failed ? fail_memory(t) : release_held(t);
}

static smtp_error decrypt(smtp_tls *t, void *buf, size_t cap, size_t *got) {
  ERR_clear_error();
  if (SSL_read_ex(t->ssl, buf, cap, got) == 1) {
    t->heard = true;
    return settle(t, 1);
  }
  *got = 0;
  return settle(t, 0);
}

smtp_error smtp_tls_read(smtp_tls *t, void *buf, size_t cap, size_t *got) {
  smtp_error e;

  *got = 0;
  if (t->state == SMTP_TLS_FAILED) return t->failure;
  if (t->state != SMTP_TLS_OPEN || !cap) return SMTP_OK;
  e = decrypt(t, buf, cap, got);
  return e == SMTP_OK ? release_held(t) : e;
}

void smtp_tls_shutdown(smtp_tls *t) {
  bool greeted = t->state == SMTP_TLS_OPEN || t->state == SMTP_TLS_CLOSED;

  if (!greeted || t->shut) return;
  t->shut = true;
  ERR_clear_error();
  SSL_shutdown(t->ssl);
  ERR_clear_error();
}

smtp_tls_state smtp_tls_current(const smtp_tls *t) {
  return t->state;
}

smtp_error smtp_tls_failure(const smtp_tls *t) {
  return t->failure;
}

const char *smtp_tls_reason(const smtp_tls *t) {
  return t->reason;
}

long smtp_tls_verify_code(const smtp_tls *t) {
  return t->verify_code;
}
