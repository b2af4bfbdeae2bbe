# Shared by the scripts: sourced, never run. Says what is missing and installs it where that is allowed.

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

# Debian packages for commands that are not there: need_commands "command=package" …
need_commands() {
  local pair missing=()
  for pair in "$@"; do
    has "${pair%%=*}" || missing+=("${pair#*=}")
  done
  [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
  for pair in "$@"; do
    has "${pair%%=*}" || fail "needed and not there: ${pair%%=*} (Debian package ${pair#*=})"
  done
}

install_packages() {
  local become=()
  if [ "$(id -u)" != 0 ]; then
    if has sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
      become=(sudo)
    else
      fail "needed: $*. Install them (apt-get install $*) and run this again: without root or sudo it cannot be done here."
    fi
  fi
  has apt-get || fail "needed: $*. Install them with your system's package manager (these are Debian's names) and run this again."
  say "installing $*"
  "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
    fail "apt-get could not install: $*"
}

# The Rust toolchain cannot come from Debian: its version is too old for edition 2024 as we use it.
need_rust() {
  local wanted have
  [ -x "$HOME/.cargo/bin/cargo" ] && PATH="$HOME/.cargo/bin:$PATH"
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  has cargo || fail "needed: Rust $wanted or newer, from https://rustup.rs (rustup install stable)"
  have=$(cargo --version | awk '{print $2}')
  [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -1)" = "$wanted" ] ||
    fail "needed: Rust $wanted or newer, found $have (rustup update stable)"
}

need_compiler() {
  has cc || has gcc || has clang || install_packages gcc libc6-dev
  need_commands make=make
}

# Whether something listens on a port of loopback.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The first port from $1 on that is free.
free_port() {
  local port=$1
  while listens "$port"; do port=$((port + 1)); done
  echo "$port"
}

# Ends processes by id, waits for each at most $1 seconds.
stop() {
  local patience=$1 id
  shift
  for id in "$@"; do
    kill -TERM "$id" 2>/dev/null || continue
    local tenths=$((patience * 10))
    while kill -0 "$id" 2>/dev/null && [ $tenths -gt 0 ]; do
      sleep 0.1
      tenths=$((tenths - 1))
    done
    kill -KILL "$id" 2>/dev/null || true
  done
}
