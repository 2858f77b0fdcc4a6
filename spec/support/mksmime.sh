#!/bin/sh
# A throw-away authority and certificates for S/MIME, in a folder that is made
# anew when this script has changed.
#
#   sh spec/support/mksmime.sh FOLDER
#
# Each NAME has NAME.pem and NAME.key; addresses are NAME@example.com.
#   alice  RSA, signs and decrypts      bob    EC, both
#   carol  EC, below an intermediate (inter.pem)
#   plain  names no purposes            locked alice's key under "secret"
#   web    serverAuth only              expired, notyet
#   onlysign, onlycrypt  RSA whose key usage lacks the other
#   edward Ed25519                      mallory of another authority
#   short  RSA of 1024 bits             old    certified by SHA-1
set -eu
umask 077
folder=${1:?usage: mksmime.sh FOLDER}
stamp=$(cksum < "$0")
if [ -f "$folder/stamp" ] && [ "$(cat "$folder/stamp")" = "$stamp" ]; then
  exit 0
fi
mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
log=$work/log

# make_key NAME rsa|short|ec|ed
make_key() {
  case $2 in
  rsa) openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/$1.key" 2>>"$log" ;;
  short) openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out "$work/$1.key" 2>>"$log" ;;
  ec) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$1.key" 2>>"$log" ;;
  ed) openssl genpkey -algorithm ED25519 -out "$work/$1.key" 2>>"$log" ;;
  esac
}

# make_root NAME SUBJECT
make_root() {
  make_key "$1" ec
  openssl req -x509 -new -key "$work/$1.key" -sha256 -days 3650 -subj "/CN=$2" -out "$work/$1.pem" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>>"$log"
}

# certify NAME KIND ISSUER EXTENSIONS [START END]
certify() {
  make_key "$1" "$2"
  openssl req -new -utf8 -key "$work/$1.key" -subj "/O=Grüße/CN=$1" -out "$work/$1.csr" 2>>"$log"
  printf '%b\n' "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n$4" > "$work/extensions"
  openssl ca -batch -notext -utf8 -config "$work/register.cnf" -cert "$work/$3.pem" -keyfile "$work/$3.key" \
    -in "$work/$1.csr" -out "$work/$1.pem" -extfile "$work/extensions" \
    -md "${digest:-sha256}" -startdate "${5:-20200101000000Z}" -enddate "${6:-20390101000000Z}" 2>>"$log"
  rm "$work/$1.csr" "$work/extensions"
}

mail() {
  printf '%s' "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=emailProtection\nsubjectAltName=email:$1@example.com"
}
usage='\nkeyUsage=critical'

mkdir "$work/register"
: > "$work/register/index"
cat > "$work/register.cnf" <<END
[ca]
default_ca = register
[register]
database = $work/register/index
new_certs_dir = $work/register
rand_serial = yes
default_md = sha256
unique_subject = no
policy = policy
[policy]
organizationName = optional
commonName = supplied
END

make_root ca 'smtplib mail authority'
make_root otherca 'another authority'
certify alice rsa ca "$(mail alice)$usage,digitalSignature,keyEncipherment"
certify bob ec ca "$(mail bob)$usage,digitalSignature,keyAgreement"
certify inter ec ca 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign'
certify carol ec inter "$(mail carol)$usage,digitalSignature,keyAgreement"
certify plain rsa ca 'basicConstraints=critical,CA:FALSE'
certify web rsa ca 'extendedKeyUsage=serverAuth'
certify expired ec ca "$(mail expired)" 20200101000000Z 20210101000000Z
certify notyet ec ca "$(mail notyet)" 20380101000000Z 20390101000000Z
certify onlysign rsa ca "$(mail onlysign)$usage,digitalSignature"
certify onlycrypt rsa ca "$(mail onlycrypt)$usage,keyEncipherment"
certify edward ed ca "$(mail edward)$usage,digitalSignature"
certify short short ca "$(mail short)$usage,digitalSignature,keyEncipherment"
digest=sha1
certify old ec ca "$(mail old)$usage,digitalSignature,keyAgreement"
digest=sha256
certify mallory ec otherca "$(mail mallory)$usage,digitalSignature,keyAgreement"
openssl pkey -in "$work/alice.key" -aes256 -passout pass:secret -out "$work/locked.key" 2>>"$log"

rm -rf "$work/register" "$work/register.cnf" "$log"
printf '%s\n' "$stamp" > "$work/stamp"
rm -rf "$folder"
mv "$work" "$folder" 2>/dev/null || [ -f "$folder/stamp" ]
