#!/usr/bin/env bash
# make fuzz: every target of the fuzz folder, coverage-guided, from the kept corpus. SECONDS_EACH=60 by default.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

need_rust
need_compiler
has cargo-fuzz || cargo install -q cargo-fuzz || fail "needed: cargo-fuzz (cargo install cargo-fuzz)"
# The instrumentation needs flags that the stable compiler only takes this way.
export RUSTC_BOOTSTRAP=1
failed=0 ran=0
for folder in fuzz; do
  [ -f "$folder/Cargo.toml" ] || continue
  for target in $(cargo fuzz list --fuzz-dir "$folder"); do
    say "fuzzing $target"
    ran=$((ran + 1))
    cargo fuzz run -s none --fuzz-dir "$folder" "$target" -- -max_total_time="${SECONDS_EACH:-60}" -timeout=10 -rss_limit_mb=2048 || failed=$((failed + 1))
  done
done
say "$((ran - failed)) passed, $failed failed"
[ $failed -eq 0 ]
