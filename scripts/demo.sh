#!/usr/bin/env bash
# make demo: an edge, a sample workload and a Warpgate on this machine, until Ctrl-C.
# make demo CHECK=1 (or CHECK=1 scripts/demo.sh): the same, one request, and stop.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

need_rust
need_compiler
need_commands curl=curl python3=python3

say "Building (a first build takes some minutes) …"
cargo build --release -p mezusphere -p warpgate

state=.demo
mkdir -p "$state"
https=$(free_port 8443)
http=$(free_port 8080)
admin=$(free_port 9090)
page=$(free_port 3000)
name=demo.mezusphere.localhost
url=https://$name:$https/

running=()
finish() {
  trap - EXIT INT TERM
  say
  say "Stopping …"
  # Warpgate first, so that the edge is told; the workload last, so that nothing under way is lost.
  local at
  for ((at = ${#running[@]} - 1; at >= 0; at--)); do stop 35 "${running[at]}"; done
  say "Stopped."
}
trap finish EXIT
trap 'exit 0' INT TERM

# With job control each program has a group of its own, so that Ctrl-C reaches this script and it stops them in order.
set -m
start() {
  local log=$state/$1.log
  shift
  "$@" >"$log" 2>&1 </dev/null &
  running+=($!)
  disown $! # or the shell reports its end
}

# Until the check succeeds; fails early when the program started last has ended.
wait_for() {
  local what=$1 log=$state/$2.log tries=200
  shift 2
  until "$@" 2>/dev/null; do
    tries=$((tries - 1))
    kill -0 "${running[-1]}" 2>/dev/null && [ $tries -gt 0 ] || { tail -20 "$log" >&2; fail "$what did not start; its log is $log"; }
    sleep 0.1
  done
}

start workload python3 scripts/sample-workload.py "$page"
wait_for "the sample workload" workload listens "$page"
start mezusphere target/release/mezusphere up --data "$state/data" --https "127.0.0.1:$https" --http "127.0.0.1:$http" --admin "127.0.0.1:$admin" --base-domain mezusphere.localhost
wait_for "the edge" mezusphere test -s "$state/data/first-key"
wait_for "the edge" mezusphere listens "$https"
start warpgate target/release/warpgate http "$page" --name demo --edge "mezusphere.localhost:$https" --ca "$state/data/ca.pem" --key-file "$state/data/first-key"
reach=(curl -sSf -o /dev/null --max-time 5 --cacert "$state/data/ca.pem" --resolve "$name:$https:127.0.0.1" "$url")
wait_for "Warpgate" warpgate "${reach[@]}"

say
say "  The sample workload listens on localhost:$page and is now also at"
say
say "    $url"
say
say "  Try it, in another terminal, from this folder:"
say
say "    curl --cacert $state/data/ca.pem --resolve $name:$https:127.0.0.1 $url"
say "    curl -N --cacert $state/data/ca.pem --resolve $name:$https:127.0.0.1 ${url}events"
say
say "  In a browser, trust $state/data/ca.pem or accept its warning."
say "  Health and metrics: http://127.0.0.1:$admin/metrics    Logs: $state/*.log"
say
if [ -n "${CHECK:-}" ]; then
  curl -sSf --max-time 5 --cacert "$state/data/ca.pem" --resolve "$name:$https:127.0.0.1" "$url" | grep -q "It works" || fail "the answer is not the sample page"
  say "demo: it works"
  exit 0
fi
say "  Ctrl-C stops everything."
while kill -0 "${running[@]}" 2>/dev/null; do
  sleep 1 &
  wait $! || true
done
fail "one of the programs ended by itself; see $state/*.log"
