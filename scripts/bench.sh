#!/usr/bin/env bash
# make bench: the side-by-side measurement, from nothing. Options go through: scripts/bench.sh --rounds 7
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

need_rust
need_compiler
need_commands nginx=nginx h2load=nghttp2-client curl=curl openssl=openssl ssh=openssh-client sshd=openssh-server setpriv=util-linux strip=binutils

if [ ! -x target/tools/bin/rathole ]; then
  say "building rathole, to compare with (once)"
  has pkg-config && pkg-config --exists openssl 2>/dev/null || install_packages pkg-config libssl-dev
  CARGO_TARGET_DIR=target/tools/build cargo install -q rathole --version 0.5.0 --no-default-features --features server,client,tls --root target/tools ||
    say "rathole could not be built: it will be left out"
fi

cargo build --release -p mezusphere -p warpgate -p xtask
ulimit -n 20000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
page=()
[ $# -gt 0 ] || page=(--page docs/benchmarks.md)
exec target/release/xtask bench "${page[@]}" "$@"
