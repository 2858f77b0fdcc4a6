/* Self-signed certificates. Rests on OpenSSL. */
#include "crypto/selfsigned.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

enum { DAY = 24 * 60 * 60, NAME_MAX_LEN = 253 };

static const char *const always = "DNS:localhost,IP:127.0.0.1,IP:::1";

static EVP_PKEY *make_key(void) {
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
  EVP_PKEY *key = NULL;

  if (!ctx || EVP_PKEY_keygen_init(ctx) <= 0 ||
      EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) <= 0 ||
      EVP_PKEY_keygen(ctx, &key) <= 0)
    key = NULL;
  EVP_PKEY_CTX_free(ctx);
  return key;
}

static int add_extension(X509 *x, int nid, const char *value) {
  X509V3_CTX ctx;
  X509_EXTENSION *extension;
  int ok;

  X509V3_set_ctx_nodb(&ctx);
  X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
  extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
  ok = extension && X509_add_ext(x, extension, -1);
  X509_EXTENSION_free(extension);
  return ok;
}

/* The text goes into OpenSSL's extension syntax, where a comma begins another
 * name: only letters, digits, "-" and "." pass. */
static bool is_host_name(const char *name) {
  size_t len = strlen(name);

  for (size_t i = 0; i < len; i++)
    if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '.')
      return false;
  return len <= NAME_MAX_LEN;
}

static int add_names(X509 *x, const char *name) {
  char names[NAME_MAX_LEN + 64];

  if (name && *name)
    snprintf(names, sizeof names, "%s,DNS:%s", always, name);
  else
    snprintf(names, sizeof names, "%s", always);
  return add_extension(x, NID_subject_alt_name, names);
}

/* A random serial number: clients take two certificates of one issuer with the
 * same number for a forgery. */
static int set_serial(X509 *x) {
  BIGNUM *number = BN_new();
  int ok = number &&
           BN_rand(number, 120, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
           BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));

  BN_free(number);
  return ok;
}

static int fill(X509 *x, EVP_PKEY *key, const char *name) {
  X509_NAME *subject = X509_get_subject_name(x);
  const unsigned char *title = (const unsigned char *)"smtplib sink";

  return X509_set_version(x, 2) && set_serial(x) &&
         X509_gmtime_adj(X509_getm_notBefore(x), -DAY) &&
         X509_gmtime_adj(X509_getm_notAfter(x), 30L * DAY) &&
         X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, title, -1, -1,
                                    0) &&
         X509_set_issuer_name(x, subject) && X509_set_pubkey(x, key) &&
         add_extension(x, NID_basic_constraints, "critical,CA:TRUE") &&
         add_extension(x, NID_subject_key_identifier, "hash") &&
         add_names(x, name) && X509_sign(x, key, EVP_sha256());
}

static int append(smtp_buf *out, BIO *bio) {
  char *bytes;
  long len = BIO_get_mem_data(bio, &bytes);

  if (len <= 0) return 0;
  smtp_buf_add(out, bytes, (size_t)len);
  return 1;
}

static int write_pem(X509 *x, EVP_PKEY *key, smtp_buf *certificate,
                     smtp_buf *private_key) {
  BIO *a = BIO_new(BIO_s_mem()), *b = BIO_new(BIO_s_mem());
  int ok = a && b && PEM_write_bio_X509(a, x) && append(certificate, a) &&
           PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) &&
           append(private_key, b);

  BIO_free(a);
  BIO_free(b);
  return ok;
}

smtp_error smtp_selfsigned(const char *name, smtp_buf *certificate,
                           smtp_buf *key) {
  EVP_PKEY *pair;
  X509 *x;
  int ok;

  if (name && !is_host_name(name)) return SMTP_ERR_TLS_SETUP;
  ERR_set_mark();
  pair = make_key();
  x = X509_new();
  ok = pair && x && fill(x, pair, name) && write_pem(x, pair, certificate, key);
  X509_free(x);
  EVP_PKEY_free(pair);
  ERR_pop_to_mark();
  if (certificate->failed || key->failed) return SMTP_ERR_NOMEM;
  return ok ? SMTP_OK : SMTP_ERR_TLS_SETUP;
}
