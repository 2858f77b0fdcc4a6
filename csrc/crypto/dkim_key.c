/* Keys of DKIM, see dkim_key.h. With what OpenSSL 1.1.1 and 3 have in common;
 * Ed25519 signs the hash of the input, not the input (RFC 8463 section 3). */
#include "crypto/dkim_key.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/base64.h"
#include "base/text.h"
#include "crypto/hash.h"

#define SEED_SIZE 32
#define RSA_BITS_MIN 1024

struct smtp_dkim_key {
  EVP_PKEY *pkey;
  smtp_dkim_kind kind;
};

void smtp_dkim_key_free(smtp_dkim_key *k) {
  if (!k) return;
  EVP_PKEY_free(k->pkey);
  smtp_release(k);
}

smtp_dkim_kind smtp_dkim_key_kind(const smtp_dkim_key *k) {
  return k->kind;
}

unsigned smtp_dkim_key_bits(const smtp_dkim_key *k) {
  return (unsigned)EVP_PKEY_bits(k->pkey);
}

/* Owns `pkey` from now on. */
static smtp_dkim_key *wrap(EVP_PKEY *pkey, const char **why) {
  smtp_dkim_key *k = NULL;
  int type = pkey ? EVP_PKEY_base_id(pkey) : EVP_PKEY_NONE;

  if (type == EVP_PKEY_RSA && EVP_PKEY_bits(pkey) < RSA_BITS_MIN)
    *why = "an RSA key of less than 1024 bits";
  else if (type != EVP_PKEY_RSA && type != EVP_PKEY_ED25519)
    *why = pkey ? "neither an RSA key nor an Ed25519 key" : *why;
  else if (!(k = smtp_allocate(sizeof *k)))
    *why = "out of memory";
  if (!k) {
    EVP_PKEY_free(pkey);
    return NULL;
  }
  k->pkey = pkey;
  k->kind = type == EVP_PKEY_RSA ? SMTP_DKIM_RSA : SMTP_DKIM_ED25519;
  return k;
}

/* Reading. */

typedef struct password {
  const char *text; /* NULL: none was given */
  size_t len;
  bool wanted;
} password;

/* Never asks at the terminal, as OpenSSL's own would. */
static int give_password(char *out, int room, int writing, void *context) {
  password *p = context;

  (void)writing;
  p->wanted = true;
  if (!p->text || p->len > (size_t)room) return -1;
  memcpy(out, p->text, p->len);
  return (int)p->len;
}

static smtp_dkim_key *read_pem(const char *text, size_t len, password *p,
                               const char **why) {
  BIO *bytes = len <= INT_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;
  EVP_PKEY *pkey = NULL;

  if (bytes) pkey = PEM_read_bio_PrivateKey(bytes, NULL, give_password, p);
  BIO_free(bytes);
  *why = "not a private key in PEM";
  if (p->wanted)
    *why = p->text ? "the key's password is wrong, or the key is damaged"
                   : "the key is encrypted, and no password was given";
  return wrap(pkey, why);
}

static smtp_dkim_key *read_seed(const char *text, size_t len,
                                const char **why) {
  const unsigned blank = SMTP_TEXT_WSP | SMTP_TEXT_CONTROL;
  EVP_PKEY *pkey = NULL;
  smtp_buf seed;

  while (len && smtp_text_is((unsigned char)text[len - 1], blank))
    len--;
  smtp_buf_init(&seed);
  if (!smtp_base64_decode(&seed, text, len) && !seed.failed &&
      smtp_buf_len(&seed) == SEED_SIZE)
    pkey = EVP_PKEY_new_raw_private_key(
        EVP_PKEY_ED25519, NULL, (const unsigned char *)smtp_buf_data(&seed),
        SEED_SIZE);
  smtp_buf_wipe(&seed);
  *why = "neither PEM nor the 32 bytes of an Ed25519 key in base64";
  return wrap(pkey, why);
}

static bool is_pem(const char *s, size_t len) {
  static const char start[] = "-----BEGIN ";
  size_t n = sizeof start - 1;
  const char *end = s + len;

  while ((size_t)(end - s) >= n) {
    s = memchr(s, '-', (size_t)(end - s) - n + 1);
    if (!s) return false;
    if (!memcmp(s, start, n)) return true;
    s++;
  }
  return false;
}

smtp_dkim_key *smtp_dkim_key_read(const char *text, size_t len,
                                  const char *secret, size_t secret_len,
                                  const char **why) {
  password p = {secret, secret_len, false};
  smtp_dkim_key *k;

  ERR_set_mark();
  k = is_pem(text, len) ? read_pem(text, len, &p, why)
                        : read_seed(text, len, why);
  ERR_pop_to_mark();
  return k;
}

/* RFC 6376 speaks of an RSAPublicKey, all the world publishes a
 * SubjectPublicKeyInfo (erratum 3017): either is taken, with nothing behind. */
static EVP_PKEY *read_rsa(const unsigned char *bytes, long len) {
  const unsigned char *s = bytes;
  EVP_PKEY *pkey = d2i_PUBKEY(NULL, &s, len);

  if (!pkey) {
    s = bytes;
    pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &s, len);
  }
  if (!pkey || s == bytes + len) return pkey;
  EVP_PKEY_free(pkey);
  return NULL;
}

smtp_dkim_key *smtp_dkim_key_public(smtp_dkim_kind kind, const char *bytes,
                                    size_t len, const char **why) {
  const unsigned char *s = (const unsigned char *)bytes;
  smtp_dkim_key *k;
  EVP_PKEY *pkey = NULL;

  *why = "not a public key";
  ERR_set_mark();
  if (kind == SMTP_DKIM_RSA && len < 65536)
    pkey = read_rsa(s, (long)len);
  else if (kind == SMTP_DKIM_ED25519 && len == SEED_SIZE)
    pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, s, len);
  k = wrap(pkey, why);
  ERR_pop_to_mark();
  if (!k || k->kind == kind) return k;
  smtp_dkim_key_free(k);
  *why = "the public key is of another kind";
  return NULL;
}

bool smtp_dkim_key_record(const smtp_dkim_key *k, smtp_buf *out) {
  unsigned char *der = NULL;
  size_t len = SEED_SIZE;
  int n;

  if (k->kind == SMTP_DKIM_ED25519) {
    unsigned char *room = (unsigned char *)smtp_buf_reserve(out, len);

    if (!room || EVP_PKEY_get_raw_public_key(k->pkey, room, &len) != 1)
      return false;
    smtp_buf_extend(out, len);
    return true;
  }
  ERR_set_mark();
  n = i2d_PUBKEY(k->pkey, &der);
  ERR_pop_to_mark();
  if (n <= 0) return false;
  smtp_buf_add(out, der, (size_t)n);
  OPENSSL_free(der);
  return !out->failed;
}

/* Signatures. */

/* What is signed: the input for RSA, which hashes it, or its hash. */
typedef struct signable {
  const unsigned char *bytes;
  size_t len;
  unsigned char hash[SMTP_HASH_MAX];
} signable;

static bool make_signable(signable *s, const smtp_dkim_key *k,
                          const char *input, size_t len) {
  s->bytes = (const unsigned char *)input;
  s->len = len;
  if (k->kind == SMTP_DKIM_RSA) return true;
  s->bytes = s->hash;
  s->len = smtp_hash_size(SMTP_HASH_SHA256);
  return smtp_hash_digest(SMTP_HASH_SHA256, input, len, s->hash) == SMTP_OK;
}

static const EVP_MD *hash_of(const smtp_dkim_key *k) {
  return k->kind == SMTP_DKIM_RSA ? EVP_sha256() : NULL;
}

bool smtp_dkim_key_sign(const smtp_dkim_key *k, const char *input, size_t len,
                        smtp_buf *signature) {
  EVP_MD_CTX *c = EVP_MD_CTX_new();
  size_t room = (size_t)EVP_PKEY_size(k->pkey);
  char *out = smtp_buf_reserve(signature, room);
  signable s;
  bool done;

  ERR_set_mark();
  done = c && out && make_signable(&s, k, input, len) &&
         EVP_DigestSignInit(c, NULL, hash_of(k), NULL, k->pkey) == 1 &&
         EVP_DigestSign(c, (unsigned char *)out, &room, s.bytes, s.len) == 1;
  ERR_pop_to_mark();
  EVP_MD_CTX_free(c);
  if (done) smtp_buf_extend(signature, room);
  return done;
}

bool smtp_dkim_key_verifies(const smtp_dkim_key *k, const char *input,
                            size_t len, const char *signature,
                            size_t signature_len) {
  EVP_MD_CTX *c = EVP_MD_CTX_new();
  signable s;
  bool good;

  ERR_set_mark();
  good = c && make_signable(&s, k, input, len) &&
         EVP_DigestVerifyInit(c, NULL, hash_of(k), NULL, k->pkey) == 1 &&
         EVP_DigestVerify(c, (const unsigned char *)signature, signature_len,
                          s.bytes, s.len) == 1;
  ERR_pop_to_mark();
  EVP_MD_CTX_free(c);
  return good;
}
