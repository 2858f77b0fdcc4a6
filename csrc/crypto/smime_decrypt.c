/* Envelopes opened, see smime.h. */
#include "crypto/smime_internal.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

static bool agrees_with(CMS_RecipientInfo *info, X509 *cert) {
  STACK_OF(CMS_RecipientEncryptedKey) *keys =
      CMS_RecipientInfo_kari_get0_reks(info);
  int i;

  for (i = 0; i < sk_CMS_RecipientEncryptedKey_num(keys); i++)
    if (CMS_RecipientEncryptedKey_cert_cmp(
            sk_CMS_RecipientEncryptedKey_value(keys, i), cert) == 0)
      return true;
  return false;
}

static bool is_for(CMS_ContentInfo *cms, X509 *cert) {
  STACK_OF(CMS_RecipientInfo) *all = CMS_get0_RecipientInfos(cms);
  int i;

  for (i = 0; i < sk_CMS_RecipientInfo_num(all); i++) {
    CMS_RecipientInfo *info = sk_CMS_RecipientInfo_value(all, i);
    int type = CMS_RecipientInfo_type(info);

    if (type == CMS_RECIPINFO_TRANS &&
        CMS_RecipientInfo_ktri_cert_cmp(info, cert) == 0)
      return true;
    if (type == CMS_RECIPINFO_AGREE && agrees_with(info, cert)) return true;
  }
  return false;
}

static bool is_envelope(const CMS_ContentInfo *cms) {
  int type = OBJ_obj2nid(CMS_get0_type(cms));

  return type == NID_pkcs7_enveloped ||
         type == NID_id_smime_ct_authEnvelopedData;
}

/* The certificate is named, so that OpenSSL's answer to a key that does not
 * fit is that of a wrong padding, whatever was wrong (RFC 3218). */
static smtp_error open_envelope(CMS_ContentInfo *cms, X509 *cert, EVP_PKEY *key,
                                smtp_buf *out, smtp_buf *why) {
  BIO *plain;
  smtp_error e = SMTP_OK;

  if (!is_envelope(cms)) {
    smtp_buf_adds(why, "decrypting: it is not encrypted");
    return SMTP_ERR_SMIME;
  }
  if (!is_for(cms, cert))
    return smtp_smime_refuse(why, "certificate", cert,
                             "the message is not encrypted for it");
  plain = BIO_new(BIO_s_mem());
  if (!plain || !CMS_decrypt(cms, key, cert, NULL, plain, CMS_BINARY))
    e = smtp_smime_explain(why, "decrypting");
  if (!e) smtp_smime_drain(plain, out);
  BIO_free(plain);
  ERR_clear_error();
  return !e && out->failed ? SMTP_ERR_NOMEM : e;
}

smtp_error smtp_smime_decrypt(const smtp_smime_identity *id, const void *cms,
                              size_t len, smtp_buf *out, smtp_buf *why) {
  STACK_OF(X509) * certs;
  EVP_PKEY *key;
  smtp_error e = smtp_smime_read_identity(id, &certs, &key, why);
  CMS_ContentInfo *read;
  BIO *bytes;

  if (e) return e;
  bytes = smtp_smime_memory(cms, len);
  read = bytes ? d2i_CMS_bio(bytes, NULL) : NULL;
  e = read ? open_envelope(read, sk_X509_value(certs, 0), key, out, why)
           : smtp_smime_explain(why, "decrypting: not a CMS message");
  CMS_ContentInfo_free(read);
  BIO_free(bytes);
  smtp_smime_free_certs(certs);
  EVP_PKEY_free(key);
  return e;
}
