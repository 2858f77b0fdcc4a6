/* TLS as a filter: bytes of the wire on one side, plain bytes on the other, no
 * socket anywhere. Rests on OpenSSL (1.1.1 or 3), whose types do not show.
 *
 *   wire   smtp_tls_input(), _input_end()  →          → smtp_tls_read()   plain
 *   wire   smtp_tls_output(), _sent()      ←  filter  ← smtp_tls_write()  plain
 *
 * A context holds what connections share: trust, own certificate, versions,
 * and the sessions that the next connection may resume. A client verifies
 * chain and host name unless told otherwise. Whoever moves the bytes sends the
 * output after every call, in any state: a failure leaves its alert there.
 * OpenSSL's error queue is found and left empty: it belongs to the host. */
#ifndef SMTP_CRYPTO_TLS_H
#define SMTP_CRYPTO_TLS_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* All text is NUL-terminated, borrowed during smtp_tls_context_new only, and
 * may be NULL. Zero bytes mean: a client that verifies nothing; begin with
 * SMTP_TLS_OPTIONS. */
typedef struct smtp_tls_options {
  bool server;
  /* Client: chain, dates, purpose and host name of the server's certificate.
   * Server: the client must show a certificate that `cafile` & co. vouch for.
   */
  bool verify;
  /* Server: ask for a certificate, and take a client without one. */
  bool request_client_cert;
  /* Whom to trust: PEM file, folder of hashed names, PEM or DER bytes. With any
   * of the three the system's store is not loaded. */
  const char *cafile, *capath, *cadata;
  size_t cadata_len;
  /* Own certificate chain (PEM) and key (PEM; in certfile when NULL). Without a
   * password an encrypted key is a failure: nobody is ever prompted. */
  const char *certfile, *keyfile, *key_password;
  /* Verified and sent as SNI instead of the host that a connection names. */
  const char *server_hostname;
  /* "TLSv1", "TLSv1.1", "TLSv1.2" (least by default), "TLSv1.3". The first two
   * also lower OpenSSL's security level, without which they do not work. */
  const char *min_version, *max_version;
  /* OpenSSL's cipher list; names beginning with TLS_ are TLS 1.3 suites. */
  const char *ciphers;
  /* Protocol names, comma-separated; NULL sends no ALPN. */
  const char *alpn;
  /* "sha256:HEX" of the peer's certificate (DER), ":" allowed inside: replaces
   * chain and name. */
  const char *fingerprint;
  /* Plain bytes in a record at most, 512 to 16384; 0: as OpenSSL likes. */
  size_t max_fragment;
} smtp_tls_options;

#define SMTP_TLS_OPTIONS                                                       \
  { .verify = true }

/* Shared by its owners: free each reference once. Not for several threads. */
typedef struct smtp_tls_context smtp_tls_context;

/* NULL on failure; then *why (initialised by the caller) gets a sentence, or
 * nothing when memory ran out. */
smtp_tls_context *smtp_tls_context_new(const smtp_tls_options *options,
                                       smtp_buf *why);
smtp_tls_context *smtp_tls_context_retain(smtp_tls_context *c);
/* NULL is fine. */
void smtp_tls_context_free(smtp_tls_context *c);

/* One connection. */
typedef struct smtp_tls smtp_tls;

typedef enum smtp_tls_state {
  SMTP_TLS_HANDSHAKE,
  SMTP_TLS_OPEN,
  SMTP_TLS_CLOSED, /* the peer said close_notify: no more plain bytes */
  SMTP_TLS_FAILED  /* for good */
} smtp_tls_state;

/* A client's ClientHello is in the output at once. `host` is the name or the IP
 * address (brackets allowed) to verify; it is also sent as SNI unless it is an
 * address. `peer`, such as "host:port", names the server in the cache of
 * sessions; NULL resumes none. A server passes NULL twice. NULL when there is
 * no memory; any other trouble (no host to verify) is a FAILED filter. */
smtp_tls *smtp_tls_new(smtp_tls_context *c, const char *host, const char *peer);
/* NULL is fine. */
void smtp_tls_free(smtp_tls *t);

/* Bytes from the wire, all taken. Drives the handshake; afterwards read until
 * nothing comes, then look at the state. Returns the failure, if any. */
smtp_error smtp_tls_input(smtp_tls *t, const void *bytes, size_t len);
/* The wire has ended. Not preceded by close_notify that is
 * SMTP_ERR_TLS_TRUNCATED, here or once what came before is read. */
smtp_error smtp_tls_input_end(smtp_tls *t);
/* Bytes for the wire, borrowed until the next call on this filter; report how
 * many went out with _sent. */
const char *smtp_tls_output(const smtp_tls *t, size_t *len);
void smtp_tls_sent(smtp_tls *t, size_t n);

/* Plain bytes, all taken. SMTP_ERR_STATE before the handshake is done and
 * after _shutdown, SMTP_ERR_CLOSED when the peer has closed. */
smtp_error smtp_tls_write(smtp_tls *t, const void *bytes, size_t len);
/* At most `cap` plain bytes; *got is 0 when there are none. */
smtp_error smtp_tls_read(smtp_tls *t, void *buf, size_t cap, size_t *got);
/* Say close_notify (once; nothing during the handshake or after a failure). */
void smtp_tls_shutdown(smtp_tls *t);

smtp_tls_state smtp_tls_current(const smtp_tls *t);
/* SMTP_OK unless FAILED. */
smtp_error smtp_tls_failure(const smtp_tls *t);
/* Why it failed, in OpenSSL's words: "certificate has expired". "" if it did
 * not. Static. */
const char *smtp_tls_reason(const smtp_tls *t);
/* The X509_V_ERR_… number of a refused certificate; 0 (X509_V_OK) if none. */
long smtp_tls_verify_code(const smtp_tls *t);

/* What was negotiated; "" or false before. Borrowed from the filter. */
bool smtp_tls_resumed(const smtp_tls *t);
const char *smtp_tls_version(const smtp_tls *t);
const char *smtp_tls_cipher(const smtp_tls *t);
/* ALPN protocol into out (cap >= 256), NUL-terminated; "" for none. */
void smtp_tls_alpn(const smtp_tls *t, char *out, size_t cap);
/* Server: the name that the client sent as SNI; "" for none. */
const char *smtp_tls_server_name(const smtp_tls *t);
/* SHA-256 of the peer's certificate; false if it showed none. */
bool smtp_tls_fingerprint(const smtp_tls *t, unsigned char out[32]);

/* Channel bindings: bytes that both ends of one TLS connection, and nobody in
 * between, can compute. */
typedef enum smtp_binding_type {
  SMTP_BINDING_ANY,
  SMTP_BINDING_EXPORTER, /* "tls-exporter", RFC 9266: TLS 1.3 */
  SMTP_BINDING_UNIQUE,   /* "tls-unique", RFC 5929: TLS 1.2 with extended
                            master secret (RFC 7627) */
  SMTP_BINDING_END_POINT /* "tls-server-end-point", RFC 5929 */
} smtp_binding_type;

#define SMTP_BINDING_MAX 64

/* The binding of *type; ANY picks the first of the list above that this
 * connection has, and says which. Room of SMTP_BINDING_MAX is enough.
 * SMTP_ERR_STATE outside OPEN, SMTP_ERR_MECHANISM if there is no such binding.
 */
smtp_error smtp_tls_binding(const smtp_tls *t, smtp_binding_type *type,
                            unsigned char *out, size_t cap, size_t *len);
/* "tls-exporter" and so on; static. */
const char *smtp_binding_name(smtp_binding_type type);
/* The type of a name; false when there is none. */
bool smtp_binding_find(const char *name, smtp_binding_type *type);

#endif
