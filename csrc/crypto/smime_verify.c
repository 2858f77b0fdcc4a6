/* Signatures proved, see smime.h. The signature comes first, then the signer's
 * certificate, so that a failure says which of the two it was. */
#include "crypto/smime_internal.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

/* Who signed. */

/* An address with a zero or a line break in it is no address, and could look
 * like another to whoever stops there. */
static void add_email(smtp_buf *out, const ASN1_STRING *text) {
  const unsigned char *s = ASN1_STRING_get0_data(text);
  int len = ASN1_STRING_length(text), i;

  for (i = 0; i < len; i++)
    if (s[i] <= ' ' || s[i] >= 0x7F) return;
  if (!len) return;
  smtp_buf_add(out, s, (size_t)len);
  smtp_buf_addc(out, '\0');
}

/* RFC 8550 section 3: the alternative names, or else the older attribute of
 * the subject. */
static void add_emails(smtp_buf *out, X509 *cert) {
  GENERAL_NAMES *names =
      X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  X509_NAME *subject = X509_get_subject_name(cert);
  int i;

  for (i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

    if (name->type == GEN_EMAIL) add_email(out, name->d.rfc822Name);
  }
  GENERAL_NAMES_free(names);
  i = -1;
  while ((i = X509_NAME_get_index_by_NID(subject, NID_pkcs9_emailAddress, i)) >=
         0)
    add_email(out, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)));
}

static long long seconds_of(const ASN1_TIME *t) {
  ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
  int days = 0, seconds = 0;
  bool known = epoch && t && ASN1_TIME_diff(&days, &seconds, epoch, t);

  ASN1_TIME_free(epoch);
  return known ? days * 86400LL + seconds : -1;
}

static long long signing_time(const CMS_SignerInfo *info) {
  int i = CMS_signed_get_attr_by_NID(info, NID_pkcs9_signingTime, -1);
  X509_ATTRIBUTE *attribute = i < 0 ? NULL : CMS_signed_get_attr(info, i);
  const ASN1_TYPE *value =
      attribute ? X509_ATTRIBUTE_get0_type(attribute, 0) : NULL;

  if (!value) return -1;
  if (value->type == V_ASN1_UTCTIME) return seconds_of(value->value.utctime);
  if (value->type == V_ASN1_GENERALIZEDTIME)
    return seconds_of(value->value.generalizedtime);
  return -1;
}

static void add_serial(smtp_buf *out, X509 *cert) {
  BIGNUM *number = ASN1_INTEGER_to_BN(X509_get_serialNumber(cert), NULL);
  char *text = number ? BN_bn2hex(number) : NULL;
  const char *c;

  if (!text) out->failed = true;
  for (c = text; c && *c; c++)
    smtp_buf_addc(out, (char)tolower((unsigned char)*c));
  OPENSSL_free(text);
  BN_free(number);
}

static smtp_error describe(smtp_smime_signature *s, CMS_SignerInfo *info) {
  X509 *cert = NULL;
  X509_ALGOR *digest = NULL;
  const ASN1_OBJECT *algorithm = NULL;

  CMS_SignerInfo_get0_algs(info, NULL, &cert, &digest, NULL);
  if (!cert || !digest) return SMTP_ERR_SMIME;
  X509_ALGOR_get0(&algorithm, NULL, NULL, digest);
  smtp_buf_adds(&s->digest, OBJ_nid2sn(OBJ_obj2nid(algorithm)));
  smtp_smime_add_name(&s->subject, X509_get_subject_name(cert));
  smtp_smime_add_name(&s->issuer, X509_get_issuer_name(cert));
  add_serial(&s->serial, cert);
  add_emails(&s->emails, cert);
  s->not_before = seconds_of(X509_get0_notBefore(cert));
  s->not_after = seconds_of(X509_get0_notAfter(cert));
  s->signing_time = signing_time(info);
  if (!X509_digest(cert, EVP_sha256(), s->fingerprint, NULL) ||
      s->digest.failed || s->subject.failed || s->issuer.failed ||
      s->serial.failed || s->emails.failed)
    return SMTP_ERR_NOMEM;
  return SMTP_OK;
}

static smtp_error describe_all(smtp_smime_report *r, CMS_ContentInfo *cms) {
  STACK_OF(CMS_SignerInfo) *all = CMS_get0_SignerInfos(cms);
  size_t count = (size_t)sk_CMS_SignerInfo_num(all);
  smtp_error e = SMTP_OK;

  r->signatures = smtp_allocate(count * sizeof *r->signatures);
  if (!r->signatures) return SMTP_ERR_NOMEM;
  for (; r->count < count && !e; r->count++)
    e = describe(&r->signatures[r->count],
                 sk_CMS_SignerInfo_value(all, (int)r->count));
  return e;
}

void smtp_smime_report_free(smtp_smime_report *r) {
  size_t i;

  for (i = 0; i < r->count; i++) {
    smtp_smime_signature *s = &r->signatures[i];

    smtp_buf_free(&s->subject);
    smtp_buf_free(&s->issuer);
    smtp_buf_free(&s->serial);
    smtp_buf_free(&s->emails);
    smtp_buf_free(&s->digest);
  }
  smtp_release(r->signatures);
  smtp_buf_free(&r->content);
  memset(r, 0, sizeof *r);
}

/* Whom to believe. */

static smtp_error trust_data(X509_STORE *store, const smtp_smime_trust *t,
                             smtp_buf *why) {
  smtp_error e = SMTP_OK;
  STACK_OF(X509) *certs =
      smtp_smime_read_certs("cadata", t->cadata, t->cadata_len, &e, why);
  int i;

  for (i = 0; !e && i < sk_X509_num(certs); i++)
    if (!X509_STORE_add_cert(store, sk_X509_value(certs, i)))
      e = smtp_smime_explain(why, "cadata");
  smtp_smime_free_certs(certs);
  return e;
}

static X509_STORE *new_store(const smtp_smime_trust *t, smtp_error *e,
                             smtp_buf *why) {
  X509_STORE *store = X509_STORE_new();

  *e = store ? SMTP_OK : SMTP_ERR_NOMEM;
  if (!*e && t->verify && !t->cafile && !t->cadata)
    X509_STORE_set_default_paths(store);
  ERR_clear_error();
  if (!*e && t->cafile &&
      X509_STORE_load_locations(store, t->cafile, NULL) != 1) {
    *e = smtp_smime_explain(why, "cafile");
    smtp_buf_adds(why, ": ");
    smtp_buf_adds(why, t->cafile);
  }
  if (!*e && t->cadata) *e = trust_data(store, t, why);
  if (!*e) return store;
  X509_STORE_free(store);
  return NULL;
}

/* 112 bits of security: RSA of 2048 bits, nothing by SHA-1. */
#define AUTH_LEVEL 2

static smtp_error check_signer(X509 *cert, X509_STORE *store,
                               STACK_OF(X509) * others,
                               const smtp_smime_trust *t, smtp_buf *why) {
  X509_STORE_CTX *ctx = X509_STORE_CTX_new();
  smtp_error e = SMTP_ERR_NOMEM;

  if (ctx && X509_STORE_CTX_init(ctx, store, cert, others) &&
      X509_STORE_CTX_set_default(ctx, "smime_sign")) {
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx),
                                     AUTH_LEVEL);
    if (t->at) X509_STORE_CTX_set_time(ctx, 0, (time_t)t->at);
    e = SMTP_OK;
    if (X509_verify_cert(ctx) != 1)
      e = smtp_smime_refuse(
          why, "the signer's certificate", cert,
          X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
  }
  X509_STORE_CTX_free(ctx);
  ERR_clear_error();
  return e;
}

static smtp_error check_signers(CMS_ContentInfo *cms, X509_STORE *store,
                                STACK_OF(X509) * extra,
                                const smtp_smime_trust *t, smtp_buf *why) {
  STACK_OF(CMS_SignerInfo) *all = CMS_get0_SignerInfos(cms);
  STACK_OF(X509) *others = CMS_get1_certs(cms);
  smtp_error e = SMTP_OK;
  int i;

  if (!others) others = sk_X509_new_null();
  for (i = 0; others && i < sk_X509_num(extra); i++) {
    X509 *cert = sk_X509_value(extra, i);

    if (sk_X509_push(others, cert))
      X509_up_ref(cert);
    else
      e = SMTP_ERR_NOMEM;
  }
  for (i = 0; !e && i < sk_CMS_SignerInfo_num(all); i++) {
    X509 *cert = NULL;

    CMS_SignerInfo_get0_algs(sk_CMS_SignerInfo_value(all, i), NULL, &cert, NULL,
                             NULL);
    e = check_signer(cert, store, others, t, why);
  }
  smtp_smime_free_certs(others);
  return e;
}

/* The signatures. */

/* RFC 8551 section 2.1: MD5 and SHA-1 are history, and collide. */
#define DIGEST_SIZE_MIN 28

static smtp_error check_algorithms(CMS_ContentInfo *cms, smtp_buf *why) {
  STACK_OF(CMS_SignerInfo) *all = CMS_get0_SignerInfos(cms);
  int i;

  if (sk_CMS_SignerInfo_num(all) <= 0) {
    smtp_buf_adds(why, "verifying: nobody signed it");
    return SMTP_ERR_SMIME;
  }
  for (i = 0; i < sk_CMS_SignerInfo_num(all); i++) {
    X509_ALGOR *algorithm = NULL;
    const ASN1_OBJECT *name = NULL;
    const EVP_MD *digest;

    CMS_SignerInfo_get0_algs(sk_CMS_SignerInfo_value(all, i), NULL, NULL,
                             &algorithm, NULL);
    X509_ALGOR_get0(&name, NULL, NULL, algorithm);
    digest = EVP_get_digestbyobj(name);
    if (digest && EVP_MD_size(digest) >= DIGEST_SIZE_MIN) continue;
    smtp_buf_adds(why, "verifying: a digest that proves nothing (");
    smtp_buf_adds(why, digest ? OBJ_nid2sn(OBJ_obj2nid(name)) : "unknown");
    smtp_buf_addc(why, ')');
    return SMTP_ERR_SMIME;
  }
  return SMTP_OK;
}

static smtp_error explain_mismatch(smtp_buf *why) {
  int reason = ERR_GET_REASON(ERR_peek_last_error());

  if (reason != CMS_R_SIGNER_CERTIFICATE_NOT_FOUND)
    return smtp_smime_explain(why, "the signature does not match");
  ERR_clear_error();
  smtp_buf_adds(why, "the signer's certificate is missing: it is neither in "
                     "the message nor in certs");
  return SMTP_ERR_SMIME;
}

static smtp_error check_content(CMS_ContentInfo *cms, BIO *detached,
                                X509_STORE *store, STACK_OF(X509) * extra,
                                smtp_smime_report *r, smtp_buf *why) {
  BIO *content;
  smtp_error e = SMTP_OK;

  if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed) {
    smtp_buf_adds(why, "verifying: it is not signed");
    return SMTP_ERR_SMIME;
  }
  e = check_algorithms(cms, why);
  if (e) return e;
  content = detached ? BIO_new(BIO_s_null()) : BIO_new(BIO_s_mem());
  if (!content)
    e = SMTP_ERR_NOMEM;
  else if (CMS_verify(cms, extra, store, detached, content,
                      CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) != 1)
    e = explain_mismatch(why);
  if (!e && !detached) smtp_smime_drain(content, &r->content);
  BIO_free(content);
  ERR_clear_error();
  return !e && r->content.failed ? SMTP_ERR_NOMEM : e;
}

static smtp_error verify(CMS_ContentInfo *cms, BIO *detached,
                         STACK_OF(X509) * extra, const smtp_smime_trust *t,
                         smtp_smime_report *r, smtp_buf *why) {
  smtp_error e;
  X509_STORE *store = new_store(t, &e, why);

  if (!e) e = check_content(cms, detached, store, extra, r, why);
  if (!e && t->verify) e = check_signers(cms, store, extra, t, why);
  if (!e) e = describe_all(r, cms);
  X509_STORE_free(store);
  return e;
}

smtp_error smtp_smime_verify(const smtp_smime_trust *trust, const void *cms,
                             size_t len, const void *content,
                             size_t content_len, smtp_smime_report *report,
                             smtp_buf *why) {
  BIO *bytes = smtp_smime_memory(cms, len);
  BIO *detached = content ? smtp_smime_memory(content, content_len) : NULL;
  STACK_OF(X509) *extra = NULL;
  CMS_ContentInfo *read;
  smtp_error e = SMTP_OK;

  ERR_clear_error();
  read = bytes ? d2i_CMS_bio(bytes, NULL) : NULL;
  if (!read || (content && !detached))
    e = smtp_smime_explain(why, "verifying: not a CMS message");
  if (!e && trust->certs)
    extra =
        smtp_smime_read_certs("certs", trust->certs, trust->certs_len, &e, why);
  if (!e) e = verify(read, detached, extra, trust, report, why);
  if (e) smtp_smime_report_free(report);
  smtp_smime_free_certs(extra);
  CMS_ContentInfo_free(read);
  BIO_free(detached);
  BIO_free(bytes);
  return e;
}
