#!/bin/sh
# A throw-away authority and good and bad certificates for the specs, in a
# folder that is made anew when this script has changed. EC keys: it is quick.
#
#   sh spec/support/mkcerts.sh FOLDER
#
# Each NAME has NAME.pem and NAME.key. What is wrong with the bad ones:
#   wronghost   another host name            cnonly      no subjectAltName
#   expired     in 2021                      cnmismatch  CN is not among its names
#   notyet      before 2040                  untrusted   of another authority
#   clientonly  not for servers              selfsigned  of no authority
#   incomplete  its intermediate is missing (whole in chain.pem)
set -eu
umask 077
folder=${1:?usage: mkcerts.sh FOLDER}
stamp=$(cksum < "$0")
if [ -f "$folder/stamp" ] && [ "$(cat "$folder/stamp")" = "$stamp" ]; then
  exit 0
fi
mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
log=$work/log

make_key() {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$1.key" 2>>"$log"
}

# make_root NAME SUBJECT
make_root() {
  make_key "$1"
  openssl req -x509 -new -key "$work/$1.key" -sha256 -days 3650 -subj "/CN=$2" -out "$work/$1.pem" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>>"$log"
}

# The authority's register: `openssl ca` alone can date certificates freely.
# certify NAME CN ISSUER EXTENSIONS [START END]
certify() {
  [ -f "$work/$1.key" ] || make_key "$1"
  openssl req -new -key "$work/$1.key" -subj "/CN=$2" -out "$work/$1.csr" 2>>"$log"
  printf '%b\n' "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n$4" > "$work/extensions"
  openssl ca -batch -notext -config "$work/register.cnf" -cert "$work/$3.pem" -keyfile "$work/$3.key" \
    -in "$work/$1.csr" -out "$work/$1.pem" -extfile "$work/extensions" \
    -startdate "${5:-20200101000000Z}" -enddate "${6:-20390101000000Z}" 2>>"$log"
  rm "$work/$1.csr" "$work/extensions"
}

leaf='basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage'
names='subjectAltName=DNS:localhost,DNS:mail.example.test,IP:127.0.0.1,IP:::1'

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
commonName = supplied
END

make_root ca 'smtplib test authority'
make_root otherca 'another authority'
certify server     localhost          ca "$leaf=serverAuth\n$names"
certify wronghost  wrong.example.test ca "$leaf=serverAuth\nsubjectAltName=DNS:wrong.example.test"
certify wildcard   wildcard           ca "$leaf=serverAuth\nsubjectAltName=DNS:*.example.test"
certify partial    partial            ca "$leaf=serverAuth\nsubjectAltName=DNS:ma*.example.test"
certify cnonly     localhost          ca "$leaf=serverAuth"
certify cnmismatch mail.example.test  ca "$leaf=serverAuth\nsubjectAltName=DNS:localhost"
certify expired    localhost          ca "$leaf=serverAuth\n$names" 20200101000000Z 20210101000000Z
certify notyet     localhost          ca "$leaf=serverAuth\n$names" 20380101000000Z 20390101000000Z
certify untrusted  localhost          otherca "$leaf=serverAuth\n$names"
certify clientonly localhost          ca "$leaf=clientAuth\n$names"
certify client     'a test client'    ca "$leaf=clientAuth"

openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/server-rsa.key" 2>>"$log"
certify server-rsa localhost ca "$leaf=serverAuth\n$names"
# Ed25519 signs without a hash of its own: no tls-server-end-point.
openssl genpkey -algorithm ED25519 -out "$work/selfsigned.key" 2>>"$log"
openssl req -x509 -new -key "$work/selfsigned.key" -days 3650 -subj /CN=localhost \
  -addext "$names" -out "$work/selfsigned.pem" 2>>"$log"
# Signed with SHA-512: tls-server-end-point takes that hash.
sed 's/default_md = sha256/default_md = sha512/' "$work/register.cnf" > "$work/register512.cnf"
mv "$work/register512.cnf" "$work/register.cnf"
certify server-sha512 localhost ca "$leaf=serverAuth\n$names"

certify intermediate 'smtplib test intermediate' ca \
  'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign'
certify incomplete localhost intermediate "$leaf=serverAuth\n$names"
cat "$work/incomplete.pem" "$work/intermediate.pem" > "$work/chain.pem"
cp "$work/incomplete.key" "$work/chain.key"

# The same client, its key under the password "secret".
cp "$work/client.pem" "$work/client-encrypted.pem"
openssl pkey -in "$work/client.key" -aes256 -passout pass:secret -out "$work/client-encrypted.key" 2>>"$log"
cat "$work/server.pem" "$work/server.key" > "$work/both.pem"

# capath wants names that are hashes.
mkdir "$work/hashed"
cp "$work/ca.pem" "$work/hashed/$(openssl x509 -in "$work/ca.pem" -noout -subject_hash).0"
openssl x509 -in "$work/ca.pem" -outform DER -out "$work/ca.der"

rm -rf "$work/register" "$work/register.cnf" "$log"
printf '%s\n' "$stamp" > "$work/stamp"
rm -rf "$folder"
mv "$work" "$folder" 2>/dev/null || [ -f "$folder/stamp" ]
