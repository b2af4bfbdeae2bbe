#!/usr/bin/env bash
# make deny: licences, advisories and bans of what is in the lock file, by deny.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
need_rust
if ! has cargo-deny && [ ! -x target/tools/bin/cargo-deny ]; then
  say "building cargo-deny (once)"
  CARGO_TARGET_DIR=target/tools/build cargo install -q cargo-deny --locked --root target/tools
fi
PATH="$PWD/target/tools/bin:$PATH"
# The advisory database comes from the network; without it the other checks still run.
exec cargo deny check "${@:-bans licenses sources}"
