# shellcheck shell=bash disable=SC2034,SC2016
# What every start-* script shares; sourced, never run.
#
#   start-NAME [FOLDER]     FOLDER is made when missing; without it a temporary
#                           one is made. Prints key=value lines, then ready=yes.
#   stop FOLDER             ends that server by its pid and removes FOLDER.
#
# From the environment:
#   OWNER             pid of a process; when that process is gone, the server is
#                     stopped, so that an aborted test run leaves nothing behind
#   CERTS             folder of certificates (see ./certificates), else FOLDER/certs
#   SMTPLIB_SERVERS   where ./install.sh keeps the unpacked mail servers
#
# Servers listen on loopback only, on free ports below 32768, where no outgoing
# connection can have taken a port.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SMTPLIB_SERVERS:-/var/cache/smtplib-servers}
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# Mail servers give up root before they write, so they must be able to enter.
open_folder() {
  if [ -n "${1:-}" ]; then
    mkdir -p "$1"
    work=$(cd "$1" && pwd)
  else
    work=$(mktemp -d "${TMPDIR:-/tmp}/smtplib-${0##*/start-}.XXXXXX")
  fi
  chmod 755 "$work"
  : >"$work/.smtplib-server"
  trap '[ -n "${reported:-}" ] || "$here/stop" "$work"' EXIT
  certs=$(realpath -m "${CERTS:-$work/certs}")
  "$here/certificates" "$certs"
}

answers() { # PORT
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

all_are_free() { # FIRST COUNT
  local port
  for ((port = $1; port < $1 + $2; port++)); do
    if answers "$port"; then return 1; fi
  done
}

# Sets $port, the first of COUNT free ones in a row. The lock is held until the
# server answers (see await_port): two runs at once cannot pick the same ports.
choose_ports() { # COUNT
  exec 9>"${TMPDIR:-/tmp}/smtplib-servers.lock"
  flock 9
  local attempt
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    port=$((20000 + (RANDOM % 600) * 20))
    if all_are_free "$port" "$1"; then return; fi
  done
  fail "no $1 free ports in a row after $attempt attempts"
}

need_user() { # NAME
  getent passwd "$1" >/dev/null ||
    useradd --system --user-group --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin "$1"
}

# Own session, so that `stop` can end the whole process group.
launch() { # COMMAND...
  setsid "$@" </dev/null >>"$work/out" 2>&1 9>&- &
  pid=$!
  echo "$pid" >"$work/pid"
}

await_port() { # PORT
  local tries
  for ((tries = 0; tries < 400; tries++)); do
    if answers "$1"; then return; fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.025
  done
  tail -n 20 "$work/out" "$work"/*log* >&2 2>/dev/null || true
  fail "port $1 did not open"
}

watch_owner() {
  [ -n "${OWNER:-}" ] || return 0
  setsid bash -c 'tail --pid="$1" -f /dev/null; exec "$2/stop" "$3"' \
    watch "$OWNER" "$here" "$work" </dev/null >/dev/null 2>&1 9>&- &
  echo $! >"$work/watcher"
}

# The last step of every start script.
report() { # KEY=VALUE...
  await_port "$port"
  exec 9>&-
  watch_owner
  reported=yes
  printf '%s\n' "folder=$work" "host=localhost" "port=$port" \
    "ca=$certs/ca.pem" "certs=$certs" "$@" "ready=yes"
}
