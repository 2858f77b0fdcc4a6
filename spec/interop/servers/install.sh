#!/bin/sh
# Installs what the start-* scripts need, on Debian or Ubuntu, as root: asks
# nothing, starts no service, and is done at once when everything is there.
#
# Postfix, Exim and OpenSMTPD exclude one another as packages. They are unpacked
# side by side into $SMTPLIB_SERVERS; only the libraries they need are installed.
set -eu
cache=${SMTPLIB_SERVERS:-/var/cache/smtplib-servers}
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

unpacked="postfix exim4-daemon-light opensmtpd"
packages="openssl gcc libc6-dev pkg-config libssl-dev libgsasl-dev netbase
  dovecot-core dovecot-lmtpd dovecot-submissiond
  sasl2-bin libsasl2-modules libsasl2-modules-db"

has_plugin() { # NAME, of Cyrus SASL
  ls /usr/lib/*/sasl2/lib"$1".so* >/dev/null 2>&1
}

is_complete() {
  for package in $unpacked; do
    [ -e "$cache/$package/.complete" ] || return 1
  done
  [ -x /usr/sbin/dovecot ] && [ -x /usr/lib/dovecot/lmtp ] &&
    [ -x /usr/lib/dovecot/submission ] && [ -x /usr/sbin/saslpasswd2 ] &&
    [ -e /usr/include/gsasl.h ] && [ -e /usr/include/openssl/ssl.h ] &&
    has_plugin scram && has_plugin sasldb &&
    command -v cc >/dev/null && command -v pkg-config >/dev/null
}

apt() {
  apt-get -q -y -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root "$@"
}

lists_are_fresh() {
  find /var/lib/apt/lists -name '*Packages*' -mmin -1440 2>/dev/null | grep -q .
}

# Debian starts a service when its package is installed, unless this file
# forbids it. One that was there is left alone, ours is taken away again.
forbid_services() {
  policy=/usr/sbin/policy-rc.d
  [ ! -e "$policy" ] || return 0
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}

libraries_of() { # FILE.deb: the first alternative of each lib* it depends on
  dpkg-deb -f "$1" Depends | tr ',' '\n' | sed -n 's/^ *\(z\{0,1\}lib[^ |]*\).*/\1/p' | sort -u
}

unpack() { # PACKAGE
  folder=$cache/$1
  [ ! -e "$folder/.complete" ] || return 0
  rm -rf "$folder"
  mkdir -p "$folder"
  (cd "$folder" && apt download "$1")
  # shellcheck disable=SC2046
  apt install --no-install-recommends $(libraries_of "$folder/$1"_*.deb)
  dpkg -x "$folder/$1"_*.deb "$folder"
  rm "$folder/$1"_*.deb
  : >"$folder/.complete"
}

if is_complete; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "No mail servers: they need root on Debian or Ubuntu. Their specs are left pending."
  exit 0
fi

mkdir -p "$cache"
exec 8>"$cache/lock"
flock 8
forbid_services
lists_are_fresh || apt update
# shellcheck disable=SC2086
apt install --no-install-recommends $packages
for package in $unpacked; do unpack "$package"; done
is_complete || { echo "install.sh: something is still missing" >&2; exit 1; }
