#!/bin/sh
# Runs the specs on each Lua named in LUAS and ends with one line,
# "N passed, N failed", summed over them. Fails when a spec fails, when an
# interpreter crashes, hangs or stops early, and when no spec ran at all.
#
#   LUAS="5.4 jit" BUILD=build sh spec/support/run_specs.sh [SPEC...]
#
# What runs in an nginx runs on its LuaJIT whichever Lua the specs are on, and
# what counts instructions of C is the same on all: where everything is run on
# several Luas, these are run on the last of them alone.
#
# SPEC_SECONDS bounds each interpreter. SPEC_UNDER is put before it (valgrind …);
# specs can see it, and leave out what would take too long there.
LUAS=${LUAS:-5.4 jit}
BUILD=${BUILD:-build}
SPEC_SECONDS=${SPEC_SECONDS:-840}
ONCE='nginx/.*_spec|contact_form_spec|linear_spec'
top=$(pwd)
[ $# -gt 0 ] || set -- spec
last=${LUAS##* }

# The files among the arguments that are run on this Lua.
files_for() {
  abi=$1
  shift
  if [ "$*" = spec ] && [ "$abi" != "$last" ]; then
    find spec -name '*_spec.lua' | grep -vE "$ONCE" | sort
  else
    printf '%s\n' "$@"
  fi
}

record=$(mktemp) || exit 1
trap 'rm -f "$record"' EXIT
export BUILD SPEC_UNDER
unset LUA_PATH_5_2 LUA_PATH_5_3 LUA_PATH_5_4
unset LUA_CPATH_5_2 LUA_CPATH_5_3 LUA_CPATH_5_4 LUA_INIT

interpreter_of() {
  case $1 in
    jit) echo luajit ;;
    *) if command -v "lua$1" >/dev/null; then echo "lua$1"; else echo lua; fi ;;
  esac
}

count() {
  grep -cE "^($1)\$" "$record"
}

passed=0
failed=0
for abi in $LUAS; do
  lua=$(interpreter_of "$abi")
  : > "$record"
  echo "== $lua"
  # Child processes of the specs find the same tree.
  LUA_PATH="$top/lua/?.lua;$top/lua/?/init.lua;;" \
  LUA_CPATH="$top/$BUILD/$abi/?.so;;" \
  SPEC_RECORD=$record \
    timeout -k 10 "$SPEC_SECONDS" $SPEC_UNDER "$lua" spec/support/busted.lua \
    $(files_for "$abi" "$@") </dev/null
  status=$?

  good=$(count success)
  bad=$(count 'failure|error')
  pending=$(count pending)
  if ! grep -qx end "$record"; then
    echo "$lua stopped early (status $status) in: $(sed -n 's/^start //p' "$record" | tail -n 1)"
    bad=$((bad + 1))
  elif [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
    echo "$lua ended with status $status after its last spec"
    bad=1
  elif [ "$good" -eq 0 ] && [ "$bad" -eq 0 ]; then
    echo "$lua ran no spec in: $*"
    bad=1
  fi
  echo "== $lua: $good good, $bad bad, $pending pending"
  passed=$((passed + good))
  failed=$((failed + bad))
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
