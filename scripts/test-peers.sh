#!/usr/bin/env bash
# Software that others wrote, for the tests in crates/e2e/tests/e2e/software.rs and for test-api.sh: into target/peers,
# versions pinned.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

peers=$PWD/target/peers
stamp="$peers/.ready-ws8-grpcio1-schemathesis4"
[ ! -e "$stamp" ] || exit 0
mkdir -p "$peers"
npm install --silent --no-audit --no-fund --prefix "$peers" ws@8 >/dev/null
if ! python3 -m venv "$peers/python" 2>/dev/null; then
  rm -rf "$peers/python"
  install_packages python3-venv
  python3 -m venv "$peers/python"
fi
"$peers/python/bin/pip" install --quiet --disable-pip-version-check 'grpcio>=1.60,<2' 'schemathesis>=4.32,<5'
touch "$stamp"
