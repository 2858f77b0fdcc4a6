#!/bin/sh
# Installs what this tree needs and the machine lacks, and does nothing when
# nothing is missing:
#
#   install_tools.sh build    to build the module and run the demo
#   install_tools.sh test     and to run the specs
#   install_tools.sh check    and to lint, sanitize and fuzz
#
# Debian and Ubuntu, as root or with sudo. Elsewhere it says what is missing.
set -u
wanted=${1:?build, test or check}
missing=
packages=

# need WHAT PACKAGES TEST...: WHAT is missing when TEST fails.
need() {
  what=$1
  debian=$2
  shift 2
  if ! "$@" >/dev/null 2>&1; then
    missing="$missing  $what
"
    packages="$packages $debian"
  fi
}

has() {
  command -v "$1"
}

has_in_sbin() {
  has "$1" || test -x "/usr/sbin/$1"
}

compiles() {
  has "${CC:-cc}" && echo "#include <$1>" | "${CC:-cc}" -E - ${OPENSSL_INCDIR:+-I"$OPENSSL_INCDIR"}
}

resty_redis() {
  test -e /usr/share/lua/5.1/nginx/redis.lua || test -e /usr/share/lua/5.1/resty/redis.lua
}

is_ubuntu() {
  grep -qi '^ID=ubuntu' /etc/os-release 2>/dev/null
}

nginx_module() {
  for folder in /usr/lib/nginx /usr/share/nginx /usr/lib64/nginx; do
    test -e $folder/modules/ngx_http_lua_module.so && return 0
  done
  return 1
}

lua_headers() {
  test -e "/usr/include/$1/lua.h" || test -e "/usr/local/include/$1/lua.h"
}

lua_module() {
  for v in 5.4 5.1; do
    has "lua$v" && "lua$v" -e "require '$1'" && return 0
  done
  return 1
}

# OpenResty's LuaJIT, where it is packaged: nginx's Lua module needs it, and it
# excludes the other.
luajit_packages() {
  if [ -n "$(apt-cache search --names-only '^luajit2$' 2>/dev/null)" ]; then
    echo luajit2 libluajit2-5.1-dev
  else
    echo luajit libluajit-5.1-dev
  fi
}

need_for_build() {
  need "a C compiler" "gcc libc6-dev" compiles stdlib.h
  need "make" "make" has make
  need "pkg-config" "pkg-config" has pkg-config
  need "OpenSSL's headers" "libssl-dev" compiles openssl/ssl.h
  need "the openssl command" "openssl" has openssl
  need "Lua 5.4" "lua5.4" has lua5.4
  need "Lua 5.4's headers" "liblua5.4-dev" lua_headers lua5.4
}

need_for_test() {
  need "libidn2's headers" "libidn2-dev" pkg-config --exists libidn2
  need "LuaJIT" "@luajit" has luajit
  need "LuaJIT's headers" "@luajit" lua_headers luajit-2.1
  need "busted" "lua-busted" lua_module busted.runner
  need "LuaRocks" "luarocks" has luarocks
  need "Python 3" "python3" has python3
  need "dkimpy" "python3-dkim python3-nacl" /usr/bin/python3 -c "import dkim, nacl"
  need "OpenDKIM" "opendkim" has_in_sbin opendkim
  need "opendkim-testmsg" "opendkim-tools" has opendkim-testmsg
  need "LuaSocket" "lua-socket" lua_module socket.smtp
  need "valgrind" "valgrind" has valgrind
  need "strace" "strace" has strace
  need "nginx" "nginx" has_in_sbin nginx
  need "nginx's Lua module" "libnginx-mod-http-lua" nginx_module
  # Ubuntu has it as a snap alone, which the specs do without.
  is_ubuntu || need "Chromium" "chromium" has chromium
  need "Redis" "redis-server redis-tools" has_in_sbin redis-server
  need "lua-resty-redis" "lua-nginx-redis" resty_redis
}

need_for_check() {
  for v in 5.1 5.2 5.3; do
    need "Lua $v" "lua$v" has "lua$v"
    case $v in
      5.1) need "Lua 5.1's headers" "liblua5.1-0-dev" lua_headers lua5.1 ;;
      *) need "Lua $v's headers" "liblua$v-dev" lua_headers "lua$v" ;;
    esac
  done
  need "luacheck" "lua-check" has luacheck
  need "clang" "clang libclang-rt-14-dev" has clang
  need "clang-format" "clang-format" has clang-format
  need "clang-tidy" "clang-tidy" has clang-tidy
  need "nm" "binutils" has nm
}

case $wanted in
  build) need_for_build ;;
  test) need_for_build; need_for_test ;;
  check) need_for_build; need_for_test; need_for_check ;;
  *) echo "install_tools.sh: build, test or check, not $wanted" >&2; exit 2 ;;
esac
[ -n "$missing" ] || exit 0

printf 'Missing:\n%s' "$missing"
if ! has apt-get >/dev/null; then
  echo "This machine has no apt-get: please install these, then try again."
  exit 1
fi
if [ "$(id -u)" = 0 ]; then
  root="env"
elif has sudo >/dev/null; then
  root="sudo env"
else
  echo "Neither root nor sudo here. Please run as root: apt-get install$packages"
  exit 1
fi

apt_get() {
  $root DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

apt_get update || exit 1
packages=$(echo "$packages" | sed "s/@luajit/$(luajit_packages)/g")
case $packages in
  # Optional for a build, so not missed above; with it domains may be non-ASCII.
  *libssl-dev*) packages="$packages libidn2-dev" ;;
esac
# Debian starts a service when its package is installed, unless this file forbids
# it. One that was there is left alone, ours is taken away again.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '$root rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
  $root chmod 755 "$policy"
fi
echo "Installing:$packages"
# shellcheck disable=SC2086
apt_get install -y --no-install-recommends $packages
