#!/usr/bin/env bash
# The API against its own document, by schemathesis: no answer may be a server error or anything that openapi/v1.json
# does not say. Three askers, since each sees other things: the operator, a session and a token. About a minute.
# The same questions every time; SEED=N asks others.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

seconds=${1:-20}
st=target/peers/python/bin/schemathesis
program=target/debug/mezusphere
work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

admin=$(free_port 29470)
bridge=$(free_port $((admin + 1)))
"$program" up --data "$work/data" --https "127.0.0.1:$(free_port $((bridge + 1)))" --http off \
  --admin "127.0.0.1:$admin" >"$work/log" 2>&1 &
pids+=($!)
for _ in $(seq 300); do curl -sf "http://127.0.0.1:$admin/readyz" >/dev/null && break; sleep 0.1; done
curl -sf "http://127.0.0.1:$admin/readyz" >/dev/null || { cat "$work/log"; fail "the instance does not start"; }

# The operator's socket, for a client that knows TCP only; on loopback, for as long as this runs.
python3 scripts/bridge.py "$bridge" "$work/data/admin.sock" &
pids+=($!)

ask() { # method path body [curl's arguments …]
  local method=$1 path=$2 body=$3
  shift 3
  curl -sf -X "$method" "http://127.0.0.1:$admin/api/v1$path" -H 'Content-Type: application/json' -d "$body" "$@"
}
read -r setup <"$work/data/setup-token"
person='"email": "owner@example.com", "password": "plum tractor violin seven"'
ask POST /setup "{\"token\": \"$setup\", \"name\": \"Owner\", $person}" -D "$work/head" >/dev/null
cookie=$(sed -n 's/^set-cookie: \([^;]*\);.*/\1/ip' "$work/head")
origin="http://127.0.0.1:$admin"
token=$(ask POST /orgs/default/tokens '{"name": "fuzz", "role": "owner"}' -H "Cookie: $cookie" -H "Origin: $origin" |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["secret"])')

ask POST /orgs '{"name": "spare"}' --unix-socket "$work/data/admin.sock" >/dev/null

failed=0
run() { # name url [arguments …]
  local name=$1 url=$2
  shift 2
  say "   as $name"
  "$st" --config-file scripts/schemathesis.toml run openapi/v1.json --url "$url" --max-time "$seconds" \
    --generation-database none --seed "${SEED:-1}" --continue-on-failure --no-color "$@" >"$work/$name.txt" 2>&1 ||
    { failed=1; tail -n 400 "$work/$name.txt"; }
}
# The socket asks for no credentials, so there are none to be ignored.
run operator "http://127.0.0.1:$bridge" --exclude-checks positive_data_acceptance,ignored_auth
# What ends the session that asks is left to our own tests.
run session "$origin" -H "Cookie: $cookie" -H "Origin: $origin" --exclude-operation-id session.delete \
  --exclude-operation-id session.delete_all --exclude-operation-id session.delete_one \
  --exclude-checks positive_data_acceptance
run token "$origin" -H "Authorization: Bearer $token" --exclude-checks positive_data_acceptance
kill -0 "${pids[0]}" || { cat "$work/log"; fail "the instance has ended"; }
! grep -i panicked "$work/log" || fail "something panicked"
# After all that, every change must still be in the chain.
whole=$(curl -sf "http://127.0.0.1:$bridge/api/v1/audit/verify" -H 'Host: localhost')
[[ $whole == *'"is_whole":true'* ]] || fail "the audit log: $whole"
exit "$failed"
