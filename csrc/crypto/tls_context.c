/* TLS contexts: from the user's options to a configured SSL_CTX. Every option
 * is either applied or refused with a sentence; none is ignored. */
#include "crypto/tls_internal.h"

#include "crypto/hash.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* Without one, a server that verifies its clients resumes no session. */
static const unsigned char session_id_context[] = "smtplib";

bool smtp_tls_explain(smtp_buf *why, const char *what, const char *name) {
  unsigned long e = ERR_peek_error();
  const char *reason = ERR_reason_error_string(e);

  if (ERR_GET_LIB(e) == ERR_LIB_SYS) reason = strerror(ERR_GET_REASON(e));
  smtp_buf_adds(why, what);
  if (name) {
    smtp_buf_adds(why, ": ");
    smtp_buf_adds(why, name);
  }
  if (reason) {
    smtp_buf_adds(why, ": ");
    smtp_buf_adds(why, reason);
  }
  ERR_clear_error();
  return false;
}

static bool refuse(smtp_buf *why, const char *what, const char *value) {
  smtp_buf_adds(why, what);
  smtp_buf_adds(why, ": '");
  smtp_buf_adds(why, value);
  smtp_buf_adds(why, "'");
  return false;
}

/* Versions. */

static int version_number(const char *name) {
  /* clang-format off */
  static const struct { const char *name; int number; } versions[] = {
    {"TLSv1",   TLS1_VERSION},   {"TLSv1.0", TLS1_VERSION},
    {"TLSv1.1", TLS1_1_VERSION}, {"TLSv1.2", TLS1_2_VERSION},
    {"TLSv1.3", TLS1_3_VERSION},
  };
  /* clang-format on */
  size_t i;

  for (i = 0; i < sizeof versions / sizeof *versions; i++) {
    if (strcmp(name, versions[i].name) == 0) return versions[i].number;
  }
  return 0;
}

static bool set_min_version(SSL_CTX *ssl, const char *name, smtp_buf *why) {
  int number = name ? version_number(name) : TLS1_2_VERSION;

  if (!number) return refuse(why, "min_version: unknown TLS version", name);
  /* A system-wide policy may ask for more than our default. */
  if (!name && SSL_CTX_get_min_proto_version(ssl) > number) return true;
  if (number < TLS1_2_VERSION) SSL_CTX_set_security_level(ssl, 0);
  if (SSL_CTX_set_min_proto_version(ssl, number) == 1) return true;
  return smtp_tls_explain(why, "min_version", name);
}

static bool set_max_version(SSL_CTX *ssl, const char *name, smtp_buf *why) {
  int number = name ? version_number(name) : 0;

  if (!name) return true;
  if (!number) return refuse(why, "max_version: unknown TLS version", name);
  if (SSL_CTX_set_max_proto_version(ssl, number) == 1) return true;
  return smtp_tls_explain(why, "max_version", name);
}

/* Ciphers and protocols. */

/* Sort the names of a list, TLS 1.3 suites here and the others there, since
 * OpenSSL wants them by two functions. */
static void sort_ciphers(const char *list, smtp_buf *suites, smtp_buf *others) {
  while (*list) {
    size_t len = strcspn(list, ":, ");
    smtp_buf *to = strncmp(list, "TLS_", 4) == 0 ? suites : others;

    if (len) {
      if (smtp_buf_len(to)) smtp_buf_addc(to, ':');
      smtp_buf_add(to, list, len);
    }
    list += len;
    list += *list != '\0';
  }
  smtp_buf_addc(suites, '\0');
  smtp_buf_addc(others, '\0');
}

static bool set_ciphers(SSL_CTX *ssl, const char *list, smtp_buf *why) {
  smtp_buf suites, others;
  const char *name;
  bool good, complete;

  if (!list) return true;
  smtp_buf_init(&suites);
  smtp_buf_init(&others);
  sort_ciphers(list, &suites, &others);
  good = complete = !suites.failed && !others.failed;
  name = smtp_buf_data(&suites);
  if (good && *name) good = SSL_CTX_set_ciphersuites(ssl, name) == 1;
  if (good && (*smtp_buf_data(&others) || !*name))
    good = SSL_CTX_set_cipher_list(ssl, smtp_buf_data(&others)) == 1;
  smtp_buf_free(&suites);
  smtp_buf_free(&others);
  return good || (complete && smtp_tls_explain(why, "ciphers", list));
}

/* "smtp,x" as ALPN wants it: each name behind its length. */
static bool encode_alpn(smtp_tls_context *c, const char *list, size_t len) {
  size_t from = 0, to;

  memcpy(c->alpn + 1, list, len);
  for (; from <= len; from = to + 1) {
    to = from + strcspn(list + from, ",");
    if (to == from || to - from > 255) return false;
    c->alpn[from] = (unsigned char)(to - from);
  }
  c->alpn_len = (unsigned)len + 1;
  return true;
}

/* A server takes the first of its own protocols that the client offers. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
                       const unsigned char *in, unsigned in_len, void *arg) {
  const smtp_tls_context *c = arg;
  unsigned char *chosen;

  (void)ssl;
  if (SSL_select_next_proto(&chosen, len, c->alpn, c->alpn_len, in, in_len) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

static bool set_alpn(smtp_tls_context *c, const char *list, smtp_buf *why) {
  size_t len;

  if (!list) return true;
  len = strlen(list);
  c->alpn = smtp_allocate(len + 2);
  if (!c->alpn) return false;
  if (!encode_alpn(c, list, len))
    return refuse(why, "alpn: not a list of protocol names", list);
  if (c->server)
    SSL_CTX_set_alpn_select_cb(c->ssl, select_alpn, c);
  else if (SSL_CTX_set_alpn_protos(c->ssl, c->alpn, c->alpn_len) != 0)
    return smtp_tls_explain(why, "alpn", list);
  return true;
}

/* Own certificate. */

/* Without a password the answer is "none": OpenSSL would ask the terminal. */
static int give_password(char *buf, int size, int writing, void *arg) {
  const char *password = arg;
  size_t len;

  (void)writing;
  if (!password) return -1;
  len = strlen(password);
  if (size < 0 || len > (size_t)size) return -1;
  memcpy(buf, password, len);
  return (int)len;
}

static bool load_key(SSL_CTX *ssl, const smtp_tls_options *o, smtp_buf *why) {
  const char *file = o->keyfile ? o->keyfile : o->certfile;
  union {
    const char *given;
    void *wanted;
  } password = {o->key_password};
  int worked;

  SSL_CTX_set_default_passwd_cb(ssl, give_password);
  SSL_CTX_set_default_passwd_cb_userdata(ssl, password.wanted);
  worked = SSL_CTX_use_PrivateKey_file(ssl, file, SSL_FILETYPE_PEM);
  SSL_CTX_set_default_passwd_cb_userdata(ssl, NULL);
  if (worked == 1) return true;
  return smtp_tls_explain(why, "keyfile", file);
}

static bool set_certificate(SSL_CTX *ssl, const smtp_tls_options *o,
                            smtp_buf *why) {
  if (!o->certfile) {
    if (o->keyfile) return refuse(why, "keyfile without certfile", o->keyfile);
    if (!o->server) return true;
    smtp_buf_adds(why, "certfile: a server needs one");
    return false;
  }
  if (SSL_CTX_use_certificate_chain_file(ssl, o->certfile) != 1)
    return smtp_tls_explain(why, "certfile", o->certfile);
  return load_key(ssl, o, why);
}

/* Verification. */

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static bool parse_pin(const char *text, unsigned char pin[32]) {
  static const char prefix[] = "sha256:";
  size_t digits = 0;

  if (strncmp(text, prefix, sizeof prefix - 1) != 0) return false;
  for (text += sizeof prefix - 1; *text; text++) {
    int value = hex_digit(*text);

    if (*text == ':' && digits && digits % 2 == 0) continue;
    if (value < 0 || digits == 64) return false;
    pin[digits / 2] = (unsigned char)(pin[digits / 2] << 4 | value);
    digits++;
  }
  return digits == 64;
}

/* Replaces OpenSSL's verification for a pinned peer. */
static int check_pin(X509_STORE_CTX *store, void *arg) {
  const smtp_tls_context *c = arg;
  unsigned char got[EVP_MAX_MD_SIZE];
  unsigned len = 0;
  X509 *cert = X509_STORE_CTX_get0_cert(store);

  if (cert && X509_digest(cert, EVP_sha256(), got, &len) == 1 &&
      len == sizeof c->pin && smtp_hash_equal(got, c->pin, len)) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

static bool set_pin(smtp_tls_context *c, const char *text, smtp_buf *why) {
  if (!text) return true;
  if (!parse_pin(text, c->pin))
    return refuse(why, "fingerprint: not sha256: and 64 hexadecimal digits",
                  text);
  c->pinned = c->verify = true;
  SSL_CTX_set_cert_verify_callback(c->ssl, check_pin, c);
  return true;
}

static void set_verification(smtp_tls_context *c, const smtp_tls_options *o) {
  X509_VERIFY_PARAM *param = SSL_CTX_get0_param(c->ssl);
  int mode = SSL_VERIFY_NONE;

  if (c->verify) mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  if (c->server && o->request_client_cert) mode |= SSL_VERIFY_PEER;
  SSL_CTX_set_verify(c->ssl, mode, NULL);
  /* What the user trusts is trusted, be it a root or not. */
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
  /* RFC 9525: names are in subjectAltName, and "*" is a whole label. */
  X509_VERIFY_PARAM_set_hostflags(param,
                                  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (c->server && mode != SSL_VERIFY_NONE && o->cafile)
    SSL_CTX_set_client_CA_list(c->ssl, SSL_load_client_CA_file(o->cafile));
}

/* The context. */

/* A client's session has become resumable: TLS 1.2 once per full handshake,
 * TLS 1.3 with every ticket. 1 keeps the reference. */
static int keep_session(SSL *ssl, SSL_SESSION *session) {
  smtp_tls *t = SSL_get_app_data(ssl);

  if (!t || !t->session_key) return 0;
  return smtp_tls_session_put(&t->context->sessions, t->session_key, session);
}

static void set_sessions(smtp_tls_context *c) {
  SSL_CTX_set_session_id_context(c->ssl, session_id_context,
                                 sizeof session_id_context - 1);
  if (c->server) return;
  SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_CLIENT |
                                             SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(c->ssl, keep_session);
}

static bool set_server_hostname(smtp_tls_context *c, const char *name) {
  size_t len;

  if (!name) return true;
  len = strlen(name) + 1;
  c->server_hostname = smtp_allocate(len);
  if (c->server_hostname) memcpy(c->server_hostname, name, len);
  return c->server_hostname != NULL;
}

static bool configure(smtp_tls_context *c, const smtp_tls_options *o,
                      smtp_buf *why) {
  c->server = o->server;
  c->verify = o->verify;
  c->wire = smtp_tls_wire_new();
  c->ssl = SSL_CTX_new(o->server ? TLS_server_method() : TLS_client_method());
  if (!c->wire || !c->ssl || !set_server_hostname(c, o->server_hostname))
    return false;
  SSL_CTX_set_options(c->ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  set_sessions(c);
  if (!set_min_version(c->ssl, o->min_version, why) ||
      !set_max_version(c->ssl, o->max_version, why) ||
      !set_ciphers(c->ssl, o->ciphers, why) || !set_alpn(c, o->alpn, why) ||
      !set_certificate(c->ssl, o, why) || !smtp_tls_trust(c->ssl, o, why) ||
      !set_pin(c, o->fingerprint, why))
    return false;
  set_verification(c, o);
  if (o->max_fragment)
    SSL_CTX_set_max_send_fragment(c->ssl, (long)o->max_fragment);
  return true;
}

smtp_tls_context *smtp_tls_context_new(const smtp_tls_options *options,
                                       smtp_buf *why) {
  smtp_tls_context *c = smtp_allocate(sizeof *c);
  bool good;

  if (!c) return NULL;
  c->owners = 1;
  ERR_clear_error();
  good = configure(c, options, why);
  ERR_clear_error();
  if (good) return c;
  smtp_tls_context_free(c);
  return NULL;
}

smtp_tls_context *smtp_tls_context_retain(smtp_tls_context *c) {
  c->owners++;
  return c;
}

void smtp_tls_context_free(smtp_tls_context *c) {
  if (!c || --c->owners) return;
  smtp_tls_session_free_all(&c->sessions);
  SSL_CTX_free(c->ssl);
  BIO_meth_free(c->wire);
  smtp_release(c->server_hostname);
  smtp_release(c->alpn);
  smtp_release(c);
}
