#!/usr/bin/env bash
# make deny: licences, advisories, bans and sources of what is in the lock file, by deny.toml.
# The advisories need a database from the network. Without it the rest is checked, and this says what was not;
# ADVISORIES=required makes that a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
need_rust
if ! has cargo-deny && [ ! -x target/tools/bin/cargo-deny ]; then
  need_compiler
  say "building cargo-deny (once; some minutes)"
  CARGO_TARGET_DIR=target/tools/build cargo install -q cargo-deny --locked --root target/tools
fi
PATH="$PWD/target/tools/bin:$PATH"
if [ $# -gt 0 ]; then
  exec cargo deny check "$@"
fi

cargo deny check bans licenses sources
said=$(mktemp)
trap 'rm -f "$said"' EXIT
if cargo deny fetch db >"$said" 2>&1; then
  cargo deny check --disable-fetch advisories
else
  say
  say "advisories: NOT CHECKED. Their database could not be fetched:"
  sed 's/^/  /' "$said" | tail -5
  say "Known vulnerabilities in the dependencies would not have been seen. With a network: make deny"
  [ "${ADVISORIES:-}" != required ]
fi
