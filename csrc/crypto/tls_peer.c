/* What a TLS connection knows about itself and its peer: version, cipher,
 * certificate, channel bindings. */
#include "crypto/tls_internal.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

static bool is_past_handshake(const smtp_tls *t) {
  return t->state == SMTP_TLS_OPEN || t->state == SMTP_TLS_CLOSED;
}

bool smtp_tls_resumed(const smtp_tls *t) {
  return is_past_handshake(t) && SSL_session_reused(t->ssl) == 1;
}

const char *smtp_tls_version(const smtp_tls *t) {
  return is_past_handshake(t) ? SSL_get_version(t->ssl) : "";
}

const char *smtp_tls_cipher(const smtp_tls *t) {
  return is_past_handshake(t) ? SSL_get_cipher_name(t->ssl) : "";
}

void smtp_tls_alpn(const smtp_tls *t, char *out, size_t cap) {
  const unsigned char *name = NULL;
  unsigned len = 0;

  if (is_past_handshake(t)) SSL_get0_alpn_selected(t->ssl, &name, &len);
  if (len >= cap) len = 0;
  if (len) memcpy(out, name, len);
  out[len] = '\0';
}

const char *smtp_tls_server_name(const smtp_tls *t) {
  const char *name = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);

  return name ? name : "";
}

bool smtp_tls_fingerprint(const smtp_tls *t, unsigned char out[32]) {
  X509 *cert = smtp_tls_peer_certificate(t->ssl);
  unsigned len = 0;
  bool good;

  good = cert && X509_digest(cert, EVP_sha256(), out, &len) == 1;
  X509_free(cert);
  ERR_clear_error();
  return good;
}

/* Channel bindings. */

/* RFC 9266 §2. TLS 1.3 alone: below it tls-unique is what servers know. */
static bool bind_exporter(const smtp_tls *t, unsigned char *out, size_t *len) {
  static const char label[] = "EXPORTER-Channel-Binding";

  if (SSL_version(t->ssl) < TLS1_3_VERSION) return false;
  *len = 32;
  return SSL_export_keying_material(t->ssl, out, 32, label, sizeof label - 1,
                                    (const unsigned char *)"", 0, 1) == 1;
}

/* RFC 5929 §3: the first Finished message of the latest handshake: the
 * client's, or the server's when a session was resumed. Without the extended
 * master secret it can be made the same on two connections (RFC 7627 §1). */
static bool bind_unique(const smtp_tls *t, unsigned char *out, size_t *len) {
  bool own = t->context->server == (SSL_session_reused(t->ssl) == 1);

  if (SSL_version(t->ssl) >= TLS1_3_VERSION ||
      SSL_get_extms_support(t->ssl) != 1)
    return false;
  *len = own ? SSL_get_finished(t->ssl, out, SMTP_BINDING_MAX)
             : SSL_get_peer_finished(t->ssl, out, SMTP_BINDING_MAX);
  return *len > 0 && *len <= SMTP_BINDING_MAX;
}

/* RFC 5929 §4.1: the hash of the certificate's signature, but at least
 * SHA-256. Undefined for signatures without a hash of their own (Ed25519). */
static const EVP_MD *end_point_hash(X509 *cert) {
  int hash = NID_undef;

  if (X509_get_signature_info(cert, &hash, NULL, NULL, NULL) != 1) return NULL;
  if (hash == NID_undef) return NULL;
  if (hash == NID_md5 || hash == NID_sha1) return EVP_sha256();
  return EVP_get_digestbynid(hash);
}

static bool bind_end_point(const smtp_tls *t, unsigned char *out, size_t *len) {
  X509 *peer = t->context->server ? NULL : smtp_tls_peer_certificate(t->ssl);
  X509 *cert = t->context->server ? SSL_get_certificate(t->ssl) : peer;
  const EVP_MD *md = cert ? end_point_hash(cert) : NULL;
  unsigned got = 0;
  bool good = md && X509_digest(cert, md, out, &got) == 1;

  X509_free(peer);
  *len = got;
  return good;
}

/* clang-format off */
static const struct {
  const char *name;
  bool (*bind)(const smtp_tls *t, unsigned char *out, size_t *len);
} bindings[] = {
  [SMTP_BINDING_ANY]       = {"",                     NULL},
  [SMTP_BINDING_EXPORTER]  = {"tls-exporter",         bind_exporter},
  [SMTP_BINDING_UNIQUE]    = {"tls-unique",           bind_unique},
  [SMTP_BINDING_END_POINT] = {"tls-server-end-point", bind_end_point},
};
/* clang-format on */

#define BINDINGS (sizeof bindings / sizeof *bindings)

const char *smtp_binding_name(smtp_binding_type type) {
  return bindings[type].name;
}

bool smtp_binding_find(const char *name, smtp_binding_type *type) {
  size_t i;

  for (i = 1; i < BINDINGS; i++) {
    if (strcmp(name, bindings[i].name) != 0) continue;
    *type = (smtp_binding_type)i;
    return true;
  }
  return false;
}

smtp_error smtp_tls_binding(const smtp_tls *t, smtp_binding_type *type,
                            unsigned char *out, size_t cap, size_t *len) {
  unsigned char bytes[SMTP_BINDING_MAX];
  bool any = *type == SMTP_BINDING_ANY, good = false;
  size_t i = any ? 1 : (size_t)*type;

  *len = 0;
  if (t->state != SMTP_TLS_OPEN) return SMTP_ERR_STATE;
  for (; !good && i < BINDINGS; i++) {
    good = bindings[i].bind(t, bytes, len);
    if (good) *type = (smtp_binding_type)i;
    if (!any) break;
  }
  ERR_clear_error();
  if (!good || *len > cap) {
    *len = 0;
    return SMTP_ERR_MECHANISM;
  }
  memcpy(out, bytes, *len);
  return SMTP_OK;
}
