/* Whatever the bytes, taken as CMS, as certificates, or as changes to a good
 * message: they are refused with a sentence or give what was signed and sealed
 * and nothing else; a refusal gives no content, and OpenSSL's queue of errors
 * is left empty. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "crypto/selfsigned.h"
#include "crypto/smime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT "Content-Type: text/plain\r\n\r\nHello\r\n"
#define TEXT_LEN (sizeof TEXT - 1)

static smtp_buf cert, key, signature, opaque, envelope, sealed;
static smtp_smime_identity me;

static void require(bool claim) {
  if (!claim) abort();
}

/* A failure says why; nothing else does. */
static bool settle(smtp_error e, smtp_buf *why) {
  require(ERR_peek_error() == 0);
  require(!e == !smtp_buf_len(why));
  require(e == SMTP_OK || e == SMTP_ERR_SMIME);
  smtp_buf_free(why);
  return !e;
}

static void seal(const char *cipher, smtp_buf *out) {
  smtp_buf why = {0};
  smtp_error e;
  smtp_smime_encryptor *s = smtp_smime_encryptor_new(cipher, &e, &why);

  require(s && !smtp_smime_encryptor_add(s, me.cert, me.cert_len, &why));
  require(!smtp_smime_encryptor_update(s, TEXT, TEXT_LEN, out, &why));
  require(!smtp_smime_encryptor_final(s, out, &why));
  smtp_smime_encryptor_free(s);
}

static void sign(bool is_detached, smtp_buf *out) {
  smtp_buf why = {0};
  smtp_error e;
  smtp_smime_signer *s = smtp_smime_signer_new(&me, is_detached, &e, &why);

  require(s && !smtp_smime_signer_update(s, TEXT, TEXT_LEN, out, &why));
  require(!smtp_smime_signer_final(s, out, &why));
  smtp_smime_signer_free(s);
}

static void prepare(void) {
  require(!smtp_selfsigned(NULL, &cert, &key));
  me.cert = smtp_buf_data(&cert);
  me.cert_len = smtp_buf_len(&cert);
  me.key = smtp_buf_data(&key);
  me.key_len = smtp_buf_len(&key);
  sign(true, &signature);
  sign(false, &opaque);
  seal("aes-256-cbc", &envelope);
  seal("aes-256-gcm", &sealed);
}

static bool opens(const char *s, size_t size, smtp_buf *out) {
  smtp_buf why = {0};
  bool ok = settle(smtp_smime_decrypt(&me, s, size, out, &why), &why);

  require(ok || !smtp_buf_len(out));
  return ok;
}

static bool is_proved(const char *s, size_t size, const char *text,
                      bool trusted) {
  smtp_smime_trust trust = {0};
  smtp_smime_report report = {0};
  smtp_buf why = {0};
  bool ok;

  trust.verify = trusted;
  trust.cadata = me.cert;
  trust.cadata_len = me.cert_len;
  ok = settle(smtp_smime_verify(&trust, s, size, text, text ? TEXT_LEN : 0,
                                &report, &why),
              &why);
  require(ok == (report.count > 0));
  require(ok || !smtp_buf_len(&report.content));
  if (ok && trusted && !text)
    require(smtp_buf_len(&report.content) == TEXT_LEN &&
            !memcmp(smtp_buf_data(&report.content), TEXT, TEXT_LEN));
  smtp_smime_report_free(&report);
  return ok;
}

static void check_bytes(const char *s, size_t size) {
  smtp_buf out = {0};

  (void)opens(s, size, &out);
  smtp_buf_free(&out);
  (void)is_proved(s, size, TEXT, false);
  (void)is_proved(s, size, NULL, false);
  require(!is_proved(s, size, TEXT, true));
}

static void check_pem(const char *s, size_t size) {
  smtp_smime_identity id = {s, size, s, size, "secret", 6};
  smtp_buf why = {0};
  smtp_error e;
  smtp_smime_signer *signer = smtp_smime_signer_new(&id, true, &e, &why);
  smtp_smime_encryptor *encryptor;

  require(!e == (signer != NULL));
  (void)settle(e, &why);
  smtp_smime_signer_free(signer);
  encryptor = smtp_smime_encryptor_new("aes-256-cbc", &e, &why);
  require(encryptor != NULL);
  (void)settle(smtp_smime_encryptor_add(encryptor, s, size, &why), &why);
  smtp_smime_encryptor_free(encryptor);
}

/* Three bytes are where, and by how much. */
static void change(const smtp_buf *good, const char *s, size_t size,
                   smtp_buf *out) {
  char *bytes;
  size_t at;

  smtp_buf_clear(out);
  smtp_buf_add(out, smtp_buf_data(good), smtp_buf_len(good));
  bytes = smtp_buf_reserve(out, 1) - smtp_buf_len(out);
  for (; size >= 3; s += 3, size -= 3) {
    at = (size_t)(unsigned char)s[0] << 8 | (unsigned char)s[1];
    bytes[at % smtp_buf_len(out)] ^= s[2];
  }
}

/* A tag and a signature hold whatever is done to the bytes around them. */
static void check_changed(const char *s, size_t size) {
  smtp_buf bytes = {0}, out = {0};

  change(&signature, s, size, &bytes);
  (void)is_proved(smtp_buf_data(&bytes), smtp_buf_len(&bytes), TEXT, true);
  require(!is_proved(smtp_buf_data(&bytes), smtp_buf_len(&bytes),
                     "Content-Type: text/plain\r\n\r\nHallo\r\n", true));
  change(&opaque, s, size, &bytes);
  (void)is_proved(smtp_buf_data(&bytes), smtp_buf_len(&bytes), NULL, true);
  change(&envelope, s, size, &bytes);
  (void)opens(smtp_buf_data(&bytes), smtp_buf_len(&bytes), &out);
  smtp_buf_clear(&out);
  change(&sealed, s, size, &bytes);
  if (opens(smtp_buf_data(&bytes), smtp_buf_len(&bytes), &out))
    require(smtp_buf_len(&out) == TEXT_LEN &&
            !memcmp(smtp_buf_data(&out), TEXT, TEXT_LEN));
  smtp_buf_free(&bytes);
  smtp_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *s = (const char *)data;

  if (!me.cert) prepare();
  if (!size) return 0;
  if (data[0] == 'c')
    check_changed(s + 1, size - 1);
  else if (data[0] == '-')
    check_pem(s, size);
  else
    check_bytes(s, size);
  return 0;
}
