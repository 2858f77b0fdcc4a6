/* Digests and what is made of them, see hash.h. HMAC is built here from two
 * digest contexts: HMAC_* is deprecated in OpenSSL 3 and EVP_MAC is missing in
 * 1.1.1, while copying a context works in both and lets a digest be taken in
 * mid-stream. */
#include "crypto/hash.h"

#include "base/buf.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define BLOCK_MAX 128

/* clang-format off */
static const struct {
  const char *name;
  size_t size, block;
  const EVP_MD *(*md)(void);
} hashes[] = {
  [SMTP_HASH_MD5]    = {"md5",    16,  64, EVP_md5},
  [SMTP_HASH_SHA1]   = {"sha1",   20,  64, EVP_sha1},
  [SMTP_HASH_SHA256] = {"sha256", 32,  64, EVP_sha256},
  [SMTP_HASH_SHA512] = {"sha512", 64, 128, EVP_sha512},
};
/* clang-format on */

#define HASHES (sizeof hashes / sizeof *hashes)

size_t smtp_hash_size(smtp_hash h) {
  return hashes[h].size;
}

const char *smtp_hash_name(smtp_hash h) {
  return hashes[h].name;
}

static bool names_the_same(const char *given, const char *name) {
  for (; *given; given++) {
    char c = *given;

    if (c == '-') continue;
    if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
    if (c != *name++) return false;
  }
  return !*name;
}

bool smtp_hash_find(const char *name, smtp_hash *h) {
  size_t i;

  for (i = 0; i < HASHES; i++) {
    if (!names_the_same(name, hashes[i].name)) continue;
    *h = (smtp_hash)i;
    return true;
  }
  return false;
}

bool smtp_hash_available(smtp_hash h) {
  unsigned char out[SMTP_HASH_MAX];

  return smtp_hash_digest(h, NULL, 0, out) == SMTP_OK;
}

/* Whatever OpenSSL noted about a call of ours is not the host's business. */
static smtp_error forget_errors(int worked) {
  ERR_pop_to_mark();
  return worked == 1 ? SMTP_OK : SMTP_ERR_MECHANISM;
}

smtp_error smtp_hash_digest(smtp_hash h, const void *bytes, size_t len,
                            unsigned char out[SMTP_HASH_MAX]) {
  ERR_set_mark();
  return forget_errors(
      EVP_Digest(len ? bytes : "", len, out, NULL, hashes[h].md(), NULL));
}

smtp_error smtp_hash_pbkdf2(smtp_hash h, const void *password,
                            size_t password_len, const void *salt,
                            size_t salt_len, unsigned iterations,
                            unsigned char out[SMTP_HASH_MAX]) {
  static const unsigned char none[1];

  if (password_len > INT_MAX || salt_len > INT_MAX) return SMTP_ERR_TOO_LONG;
  if (!iterations || iterations > INT_MAX) return SMTP_ERR_CHALLENGE;
  ERR_set_mark();
  return forget_errors(
      PKCS5_PBKDF2_HMAC(password_len ? password : "", (int)password_len,
                        salt_len ? salt : none, (int)salt_len, (int)iterations,
                        hashes[h].md(), (int)hashes[h].size, out));
}

bool smtp_hash_equal(const void *a, const void *b, size_t len) {
  return CRYPTO_memcmp(a, b, len) == 0;
}

void smtp_hash_cleanse(void *bytes, size_t len) {
  OPENSSL_cleanse(bytes, len);
}

smtp_error smtp_hash_random(void *bytes, size_t len) {
  int worked;

  if (len > INT_MAX) return SMTP_ERR_TOO_LONG;
  ERR_set_mark();
  worked = RAND_bytes(bytes, (int)len);
  ERR_pop_to_mark();
  return worked == 1 ? SMTP_OK : SMTP_ERR_SYSTEM;
}

struct smtp_hmac {
  smtp_hash hash;
  EVP_MD_CTX *inner;   /* key ^ ipad, and the message so far */
  EVP_MD_CTX *outer;   /* key ^ opad */
  EVP_MD_CTX *scratch; /* a copy to finish, so that inner can go on */
};

void smtp_hmac_free(smtp_hmac *m) {
  if (!m) return;
  EVP_MD_CTX_free(m->inner);
  EVP_MD_CTX_free(m->outer);
  EVP_MD_CTX_free(m->scratch);
  smtp_release(m);
}

/* Begin a digest with the key's block, each byte xored with `pad`. */
static int begin(EVP_MD_CTX *c, smtp_hash h, const unsigned char *key,
                 unsigned char pad) {
  unsigned char block[BLOCK_MAX];
  size_t i, len = hashes[h].block;
  int worked;

  for (i = 0; i < len; i++)
    block[i] = key[i] ^ pad;
  worked = EVP_DigestInit_ex(c, hashes[h].md(), NULL) == 1 &&
           EVP_DigestUpdate(c, block, len) == 1;
  OPENSSL_cleanse(block, sizeof block);
  return worked;
}

static smtp_error set_key(smtp_hmac *m, const void *key, size_t len) {
  unsigned char block[BLOCK_MAX] = {0};
  smtp_error e = SMTP_OK;

  if (len > hashes[m->hash].block)
    e = smtp_hash_digest(m->hash, key, len, block);
  else if (len)
    memcpy(block, key, len);
  ERR_set_mark();
  if (e == SMTP_OK)
    e = forget_errors(begin(m->inner, m->hash, block, 0x36) &&
                      begin(m->outer, m->hash, block, 0x5c));
  else
    ERR_pop_to_mark();
  OPENSSL_cleanse(block, sizeof block);
  return e;
}

/* An object with contexts that still lack a key, or NULL. */
static smtp_hmac *allocate(smtp_hash h) {
  smtp_hmac *m = smtp_allocate(sizeof *m);

  if (!m) return NULL;
  m->hash = h;
  m->inner = EVP_MD_CTX_new();
  m->outer = EVP_MD_CTX_new();
  m->scratch = EVP_MD_CTX_new();
  if (m->inner && m->outer && m->scratch) return m;
  smtp_hmac_free(m);
  return NULL;
}

smtp_hmac *smtp_hmac_new(smtp_hash h, const void *key, size_t key_len,
                         smtp_error *why) {
  smtp_hmac *m = allocate(h);

  *why = m ? set_key(m, key, key_len) : SMTP_ERR_NOMEM;
  if (*why == SMTP_OK) return m;
  smtp_hmac_free(m);
  return NULL;
}

smtp_hmac *smtp_hmac_copy(const smtp_hmac *m) {
  smtp_hmac *copy = allocate(m->hash);
  int worked;

  if (!copy) return NULL;
  ERR_set_mark();
  worked = EVP_MD_CTX_copy_ex(copy->inner, m->inner) == 1 &&
           EVP_MD_CTX_copy_ex(copy->outer, m->outer) == 1;
  if (forget_errors(worked) == SMTP_OK) return copy;
  smtp_hmac_free(copy);
  return NULL;
}

smtp_error smtp_hmac_update(smtp_hmac *m, const void *bytes, size_t len) {
  if (!len) return SMTP_OK;
  ERR_set_mark();
  return forget_errors(EVP_DigestUpdate(m->inner, bytes, len));
}

smtp_error smtp_hmac_digest(smtp_hmac *m, unsigned char out[SMTP_HASH_MAX]) {
  unsigned char half[SMTP_HASH_MAX];
  size_t size = hashes[m->hash].size;
  int worked;

  ERR_set_mark();
  worked = EVP_MD_CTX_copy_ex(m->scratch, m->inner) == 1 &&
           EVP_DigestFinal_ex(m->scratch, half, NULL) == 1 &&
           EVP_MD_CTX_copy_ex(m->scratch, m->outer) == 1 &&
           EVP_DigestUpdate(m->scratch, half, size) == 1 &&
           EVP_DigestFinal_ex(m->scratch, out, NULL) == 1;
  OPENSSL_cleanse(half, sizeof half);
  return forget_errors(worked);
}

smtp_hash smtp_hmac_hash(const smtp_hmac *m) {
  return m->hash;
}

smtp_error smtp_hash_hmac(smtp_hash h, const void *key, size_t key_len,
                          const void *bytes, size_t len,
                          unsigned char out[SMTP_HASH_MAX]) {
  smtp_error e;
  smtp_hmac *m = smtp_hmac_new(h, key, key_len, &e);

  if (!m) return e;
  e = smtp_hmac_update(m, bytes, len);
  if (e == SMTP_OK) e = smtp_hmac_digest(m, out);
  smtp_hmac_free(m);
  return e;
}
