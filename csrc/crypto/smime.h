/* S/MIME (RFC 8551) on OpenSSL's CMS (1.1.1 or 3), whose types do not show:
 * signatures, envelopes, and their proof. What is signed or encrypted
 * comes in pieces, a MIME entity with CRLF, and is taken byte for byte.
 *
 * Certificates and keys are PEM, borrowed for the call. Every failure leaves a
 * sentence in `why` (initialised by the caller) that names what is wrong; it
 * is SMTP_ERR_SMIME, or SMTP_ERR_NOMEM. A key's password is never asked for.
 * OpenSSL's error queue is found and left empty: it belongs to the host. */
#ifndef SMTP_CRYPTO_SMIME_H
#define SMTP_CRYPTO_SMIME_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct smtp_smime_identity {
  const char *cert; /* the first certificate; others are its chain */
  size_t cert_len;
  const char *key;
  size_t key_len;
  const char *password; /* of the key; NULL: none */
  size_t password_len;
} smtp_smime_identity;

/* A signature, SHA-256, in the making: detached, or around its content. */
typedef struct smtp_smime_signer smtp_smime_signer;

/* NULL on failure: no certificate, not one for signing mail, expired, a key
 * that is not its own, a password that does not open it. */
smtp_smime_signer *smtp_smime_signer_new(const smtp_smime_identity *id,
                                         bool is_detached, smtp_error *e,
                                         smtp_buf *why);
/* NULL is fine. */
void smtp_smime_signer_free(smtp_smime_signer *s);
/* Certificates that the signature carries, so that its reader finds the way
 * to an authority: before the first byte of content. */
smtp_error smtp_smime_signer_add(smtp_smime_signer *s, const char *pem,
                                 size_t len, smtp_buf *why);
/* Append what comes out for these bytes to `out`: nothing, or what carries
 * them, BER of indefinite length. */
smtp_error smtp_smime_signer_update(smtp_smime_signer *s, const void *bytes,
                                    size_t len, smtp_buf *out, smtp_buf *why);
/* Append the signature (DER), or the rest of it, to `out`. Once. */
smtp_error smtp_smime_signer_final(smtp_smime_signer *s, smtp_buf *out,
                                   smtp_buf *why);

/* An envelope in the making. */
typedef struct smtp_smime_encryptor smtp_smime_encryptor;

/* `cipher` is "aes-128-cbc", "aes-192-cbc", "aes-256-cbc", or one with -gcm
 * where OpenSSL has AuthEnvelopedData (RFC 5083): NULL and *why without. */
smtp_smime_encryptor *smtp_smime_encryptor_new(const char *cipher,
                                               smtp_error *e, smtp_buf *why);
/* NULL is fine. */
void smtp_smime_encryptor_free(smtp_smime_encryptor *s);
/* Every certificate in the text is a recipient, RSA or EC; none, or one that
 * is expired or not for encrypting mail, is a failure. Before the content. */
smtp_error smtp_smime_encryptor_add(smtp_smime_encryptor *s, const char *pem,
                                    size_t len, smtp_buf *why);
/* Append what comes out for these bytes to `out`: BER of indefinite length, so
 * that nothing is kept here. */
smtp_error smtp_smime_encryptor_update(smtp_smime_encryptor *s,
                                       const void *bytes, size_t len,
                                       smtp_buf *out, smtp_buf *why);
/* The rest. Once. */
smtp_error smtp_smime_encryptor_final(smtp_smime_encryptor *s, smtp_buf *out,
                                      smtp_buf *why);

/* Append the content of an envelope (DER or BER). Nothing is appended unless
 * all of it was decrypted, and proved to be unchanged where the cipher can. */
smtp_error smtp_smime_decrypt(const smtp_smime_identity *id, const void *cms,
                              size_t len, smtp_buf *out, smtp_buf *why);

/* Whom to believe. Zero bytes: nobody's certificate is checked. */
typedef struct smtp_smime_trust {
  bool verify;        /* chain, dates and purpose of the signer's certificate */
  const char *cafile; /* PEM, NUL-terminated; neither: the system's store */
  const char *cadata; /* PEM */
  size_t cadata_len;
  const char *certs; /* PEM: certificates that the signature may lack */
  size_t certs_len;
  long long at; /* check as of that time, seconds since the epoch; 0: now */
} smtp_smime_trust;

/* Who signed. Text is UTF-8, without control characters. */
typedef struct smtp_smime_signature {
  smtp_buf subject, issuer;      /* RFC 4514 */
  smtp_buf serial;               /* hexadecimal */
  smtp_buf emails;               /* of the certificate, each ended by NUL */
  smtp_buf digest;               /* "SHA256" */
  unsigned char fingerprint[32]; /* SHA-256 of the certificate */
  long long not_before, not_after;
  long long signing_time; /* as the signer says; -1: he does not */
} smtp_smime_signature;

typedef struct smtp_smime_report {
  smtp_buf content; /* of a signature that carries it */
  smtp_smime_signature *signatures;
  size_t count;
} smtp_smime_report;

/* Revocation is not looked up. MD5 and SHA-1 are refused, and whoever is
 * believed by a chain has 112 bits of security in all of it.
 *
 * Check every signature of `cms` over `content` (canonical, CRLF), or, when
 * that is NULL, over what it carries. One bad signature is a failure. The
 * report starts zeroed, is freed by the caller in any case, and stays empty
 * on failure. */
smtp_error smtp_smime_verify(const smtp_smime_trust *trust, const void *cms,
                             size_t len, const void *content,
                             size_t content_len, smtp_smime_report *report,
                             smtp_buf *why);
void smtp_smime_report_free(smtp_smime_report *r);

#endif
