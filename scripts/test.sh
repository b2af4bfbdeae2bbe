#!/usr/bin/env bash
# make test: everything that continuous integration runs. `scripts/test.sh lint` is the quick part.
# Ends with the sum of all, alone on a line: N passed, N failed.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

passed=0 failed=0 broken=()
log=target/test.log
mkdir -p target
# One set of build artefacts for everything; no incremental files, which only cost disk and time in a run from scratch.
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL=0

# A step that counts as one.
step() {
  local name=$1 start=$SECONDS
  shift
  say "── $name"
  if "$@"; then
    passed=$((passed + 1))
    say "   $name: fine ($((SECONDS - start)) s)"
  else
    failed=$((failed + 1))
    broken+=("$name")
    say "   $name: FAILED ($((SECONDS - start)) s)"
    return 1
  fi
}

# A step whose own tests are counted.
tests() {
  local name=$1 start=$SECONDS status
  shift
  say "── $name"
  "$@" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  local good bad
  read -r good bad < <(count "$log")
  [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
  passed=$((passed + good))
  failed=$((failed + bad))
  [ "$bad" -eq 0 ] || broken+=("$name")
  say "   $name: $good passed, $bad failed ($((SECONDS - start)) s)"
  [ "$bad" -eq 0 ]
}

# From the closing lines of nextest, cargo test and our own programs.
count() {
  awk '
    { gsub(/\033\[[0-9;]*m/, "") }
    /^ *Summary \[/ || /^test result:/ || /^[0-9]+ passed, [0-9]+ failed$/ {
      for (at = 2; at <= NF; at++) {
        if ($at ~ /^passed/) good += $(at - 1)
        if ($at ~ /^(failed|timed)/) bad += $(at - 1)
      }
    }
    END { print good + 0, bad + 0 }' "$1"
}

finish() {
  say
  [ ${#broken[@]} -eq 0 ] || say "failed: ${broken[*]}"
  say "$passed passed, $failed failed"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
  exit
}

lint() {
  step "format (make fmt mends it)" cargo fmt --all -- --check -l
  step "clippy" cargo clippy --workspace --all-targets --quiet -- -D warnings
  step "house" cargo run --quiet -p xtask -- check
}

need_rust
need_compiler
if [ "${1:-}" = lint ]; then
  lint
  finish
fi

need_commands curl=curl git=git h2load=nghttp2-client openssl=openssl setpriv=util-linux python3=python3 node=nodejs npm=npm valgrind=valgrind pg_ctlcluster=postgresql
step "peers that others wrote" bash scripts/test-peers.sh
lint

step "build" cargo build --workspace --bins || finish
if cargo nextest --version >/dev/null 2>&1; then
  tests "tests" cargo nextest run --workspace --no-fail-fast
else
  tests "tests" cargo test --workspace --no-fail-fast --lib --bins --tests -- --test-threads 2
fi
tests "examples in the docs" cargo test --workspace --doc --quiet
step "the API against its own document" bash scripts/test-api.sh
step "instructions" cargo run --quiet -p xtask -- instructions
tests "soak, short form" target/debug/soak short
finish
