/* What the files of TLS share, with OpenSSL's types: for tls*.c only. */
#ifndef SMTP_CRYPTO_TLS_INTERNAL_H
#define SMTP_CRYPTO_TLS_INTERNAL_H

#include "crypto/tls.h"
#include "crypto/tls_session.h"

#include <openssl/ssl.h>

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
#define smtp_tls_peer_certificate SSL_get1_peer_certificate
#else
#define smtp_tls_peer_certificate SSL_get_peer_certificate
#endif

struct smtp_tls_context {
  size_t owners;
  bool server;
  bool verify; /* a certificate of the peer must pass */
  bool pinned; /* … by its fingerprint alone */
  unsigned char pin[32];
  char *server_hostname; /* owned; NULL: the connection's own */
  unsigned char *alpn;   /* owned; length-prefixed names */
  unsigned alpn_len;
  BIO_METHOD *wire; /* of the context: nothing static to dangle */
  SSL_CTX *ssl;
  smtp_tls_sessions sessions;
};

struct smtp_tls {
  smtp_tls_context *context; /* a reference */
  SSL *ssl;
  smtp_buf in, out;  /* the wire */
  smtp_buf held;     /* plain bytes that SSL cannot take yet */
  char *session_key; /* owned; NULL: resume nothing */
  smtp_tls_state state;
  smtp_error failure;
  const char *reason; /* static text */
  long verify_code;
  bool ended; /* the wire has no more input */
  bool heard; /* plain bytes have come */
  bool shut;  /* close_notify was said */
};

/* tls_filter.c: the methods of the BIO between SSL and the two buffers. */
BIO_METHOD *smtp_tls_wire_new(void);
/* tls_trust.c: whom a context trusts; false and *why on failure. */
bool smtp_tls_trust(SSL_CTX *ssl, const smtp_tls_options *o, smtp_buf *why);
/* tls_context.c: "what: name: why OpenSSL says so", or less if unknown. */
bool smtp_tls_explain(smtp_buf *why, const char *what, const char *name);

#endif
