#!/usr/bin/env bash
# make soak: the experiments on loss, memory and hostility, with figures. scripts/soak.sh short is what CI runs.
# One alone: scripts/soak.sh kills. All names and what they do: docs/soak.md.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

need_rust
need_compiler
need_commands setpriv=util-linux
cargo build --release -p mezusphere -p warpgate -p mezu-e2e --bin mezusphere --bin warpgate --bin soak
ulimit -n 30000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
exec target/release/soak "${@:-full}"
