/* Whom a TLS context trusts: files, folders and bytes that the user named, or
 * else the system's store. Where OpenSSL was built with a path that this
 * system does not use, its own store is empty; then the known places of the
 * distributions are tried. */
#include "crypto/tls_internal.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Arch */
    "/etc/pki/tls/certs/ca-bundle.crt",                  /* Fedora, RHEL 6 */
    "/etc/ssl/ca-bundle.pem",                            /* openSUSE */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* RHEL 7 and up */
    "/etc/ssl/cert.pem",                      /* Alpine, macOS, BSD */
    "/usr/local/share/certs/ca-root-nss.crt", /* FreeBSD */
    "/usr/local/etc/openssl/cert.pem",        /* Homebrew */
    "/opt/homebrew/etc/openssl@3/cert.pem",
};

/* True for a name that OpenSSL's lookup by subject would open: 8 hexadecimal
 * digits, a dot and a number. */
static bool is_hashed(const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

  return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' &&
         name[9] >= '0' && name[9] <= '9';
}

/* How many certificates a folder holds for that lookup, counted up to
 * `enough`. OSSL_STORE lists it, so that this room needs no system call. */
static size_t count_certificates(const char *folder, size_t enough) {
  OSSL_STORE_CTX *list = OSSL_STORE_open(folder, UI_null(), NULL, NULL, NULL);
  OSSL_STORE_INFO *entry;
  size_t found = 0;

  while (list && found < enough && (entry = OSSL_STORE_load(list)) != NULL) {
    if (OSSL_STORE_INFO_get_type(entry) == OSSL_STORE_INFO_NAME &&
        is_hashed(OSSL_STORE_INFO_get0_NAME(entry)))
      found++;
    OSSL_STORE_INFO_free(entry);
  }
  OSSL_STORE_close(list);
  return found;
}

/* The default folder is read as it is needed, the default file at once: 140
 * certificates take some 50 ms. A folder with this many is a whole store and
 * not an addition to the file. */
#define WHOLE_STORE 30

static void trust_system(SSL_CTX *ssl) {
  X509_STORE *store = SSL_CTX_get_cert_store(ssl);
  const char *folder = getenv(X509_get_default_cert_dir_env());
  size_t i, found;

  if (!folder) folder = X509_get_default_cert_dir();
  found = count_certificates(folder, WHOLE_STORE);
  if (found == WHOLE_STORE && !getenv(X509_get_default_cert_file_env())) {
    SSL_CTX_set_default_verify_dir(ssl);
    return;
  }
  SSL_CTX_set_default_verify_paths(ssl);
  if (found || sk_X509_OBJECT_num(X509_STORE_get0_objects(store)) > 0) return;
  for (i = 0; i < sizeof bundles / sizeof *bundles; i++) {
    if (SSL_CTX_load_verify_locations(ssl, bundles[i], NULL) == 1) return;
  }
}

static bool is_pem(const char *bytes, size_t len) {
  static const char mark[] = "-----BEGIN ";
  size_t i;

  for (i = 0; i + sizeof mark - 1 <= len; i++) {
    if (memcmp(bytes + i, mark, sizeof mark - 1) == 0) return true;
  }
  return false;
}

/* How many certificates were added; reading stops at the first bad one, which
 * stays in the error queue. */
static size_t add_all(X509_STORE *store, BIO *bytes, bool pem) {
  size_t added = 0;
  X509 *cert;

  for (;;) {
    if (!pem && BIO_pending(bytes) <= 0) break;
    cert = pem ? PEM_read_bio_X509(bytes, NULL, NULL, NULL)
               : d2i_X509_bio(bytes, NULL);
    if (!cert) break;
    if (X509_STORE_add_cert(store, cert) == 1) added++;
    X509_free(cert);
  }
  return added;
}

static bool trust_data(SSL_CTX *ssl, const char *data, size_t len,
                       smtp_buf *why) {
  bool pem = is_pem(data, len);
  BIO *bytes = len > INT_MAX ? NULL : BIO_new_mem_buf(data, (int)len);
  size_t added;
  unsigned long last;

  if (!bytes) return smtp_tls_explain(why, "cadata", NULL);
  ERR_clear_error();
  added = add_all(SSL_CTX_get_cert_store(ssl), bytes, pem);
  BIO_free(bytes);
  last = ERR_peek_last_error();
  /* A PEM file ends with "no start line", which is no fault. */
  if (added && (!last || ERR_GET_REASON(last) == PEM_R_NO_START_LINE)) {
    ERR_clear_error();
    return true;
  }
  return smtp_tls_explain(why, "cadata", NULL);
}

static bool trust_folder(SSL_CTX *ssl, const char *path, smtp_buf *why) {
  bool useful = count_certificates(path, 1) > 0;

  ERR_clear_error();
  /* OpenSSL takes any name here and finds nothing behind it, much later. */
  if (!useful) {
    smtp_buf_adds(why, "capath: ");
    smtp_buf_adds(why, path);
    smtp_buf_adds(why, ": no folder with certificates under hashed names");
    return false;
  }
  if (SSL_CTX_load_verify_locations(ssl, NULL, path) == 1) return true;
  return smtp_tls_explain(why, "capath", path);
}

bool smtp_tls_trust(SSL_CTX *ssl, const smtp_tls_options *o, smtp_buf *why) {
  if (!o->cafile && !o->capath && !o->cadata) {
    if (!o->server && o->verify && !o->fingerprint) trust_system(ssl);
    ERR_clear_error();
    return true;
  }
  if (o->cafile && SSL_CTX_load_verify_locations(ssl, o->cafile, NULL) != 1)
    return smtp_tls_explain(why, "cafile", o->cafile);
  if (o->capath && !trust_folder(ssl, o->capath, why)) return false;
  return !o->cadata || trust_data(ssl, o->cadata, o->cadata_len, why);
}
