# Shared by the shell scripts beside it: packages, the build, virtual environments, servers, cleaning up.
# Source it first; it does not do anything by itself except setting ROOT and TARGET and the trap.

set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/engram.XXXXXX")
PIDS=()

cleanup() {
    local status=$?
    trap - EXIT
    for pid in "${PIDS[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    for pid in "${PIDS[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$SCRATCH"
    exit $status
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# packages COMMAND=PACKAGE ...: installs the Debian package of each command that is missing.
packages() {
    local missing=() pair
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    [ ${#missing[@]} -eq 0 ] && return
    [ "$(id -u)" = 0 ] || die "needs ${missing[*]}: run as root, or install them"
    say "installing ${missing[*]}"
    local log=$SCRATCH/apt.log
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
        >"$log" 2>&1 </dev/null || { tail -20 "$log" >&2; die "could not install ${missing[*]}"; }
}

# toolchain: makes sure of cargo and a C linker. Debian's own cargo may be too old, so rustup brings it.
toolchain() {
    [ -x "$HOME/.cargo/bin/cargo" ] && PATH=$HOME/.cargo/bin:$PATH
    packages cc=gcc
    command -v cargo >/dev/null && return
    packages curl=curl update-ca-certificates=ca-certificates
    say "installing Rust (rustup)"
    curl -fsS --proto '=https' --tlsv1.2 https://sh.rustup.rs | sh -s -- -y --profile minimal -c rustfmt -c clippy >/dev/null
    PATH=$HOME/.cargo/bin:$PATH
}

# binary: builds the release binary unless ENGRAM names one; leaves its path in ENGRAM.
binary() {
    [ -n "${ENGRAM:-}" ] && { [ -x "$ENGRAM" ] || die "ENGRAM=$ENGRAM is not a program"; export ENGRAM; return; }
    toolchain
    cargo build --release --quiet --package engram --manifest-path "$ROOT/Cargo.toml" </dev/null
    export ENGRAM=$TARGET/release/engram
}

# lossy_binary: the same with what crash tests need and no release has, kept apart from it.
lossy_binary() {
    [ -n "${ENGRAM:-}" ] && { binary; return; }
    toolchain
    cargo build --release --quiet --package engram --features lossy --target-dir "$TARGET/lossy" --manifest-path "$ROOT/Cargo.toml" \
        </dev/null
    export ENGRAM=$TARGET/lossy/release/engram
}

# bench_program NAME: builds a program of benches/ and prints its path.
bench_program() {
    toolchain >&2
    local program
    program=$(cargo bench --package engram --bench "$1" --no-run --manifest-path "$ROOT/Cargo.toml" --message-format json \
        </dev/null 2>"$SCRATCH/cargo.log" | sed -n "s/.*\"executable\":\"\([^\"]*$1-[^\"]*\)\".*/\1/p" | tail -1)
    [ -x "$program" ] || { cat "$SCRATCH/cargo.log" >&2; die "the bench $1 was not built"; }
    printf '%s\n' "$program"
}

# venv NAME PACKAGE ...: a virtual environment with these pip packages; prints the path of its python.
venv() {
    local dir=$TARGET/venv/$1 want
    shift
    want=$(printf '%s\n' "$@")
    if [ "$(cat "$dir/.packages" 2>/dev/null)" != "$want" ]; then
        rm -rf "$dir"
        python3 -m venv "$dir" >&2
        "$dir/bin/pip" install --quiet --disable-pip-version-check "$@" >&2 </dev/null
        printf '%s\n' "$want" >"$dir/.packages"
    fi
    printf '%s\n' "$dir/bin/python"
}

# venv_each NAME PACKAGE ...: as venv, but each package by itself; one that cannot be had is told and left out.
venv_each() {
    local dir=$TARGET/venv/$1 package
    shift
    [ -x "$dir/bin/python" ] || python3 -m venv "$dir" >&2
    for package in "$@"; do
        grep -qx "$package" "$dir/.packages" 2>/dev/null && continue
        if "$dir/bin/pip" install --quiet --disable-pip-version-check "$package" >&2 </dev/null; then
            printf '%s\n' "$package" >>"$dir/.packages"
        else
            say "no $package: going on without it" >&2
        fi
    done
    printf '%s\n' "$dir/bin/python"
}

# python: Python with virtual environments, which Debian packs apart.
python() {
    packages python3=python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages ensurepip=python3-venv
}

free_port() {
    PYTHONPATH=$ROOT/scripts python3 -B -c 'import engramlib; print(engramlib.free_port())'
}

# serve READY LOG COMMAND ...: starts a server and waits until its log says READY. Its id is left in SERVER_PID.
serve() {
    local ready=$1 log=$2 tries
    shift 2
    "$@" >"$log" 2>&1 </dev/null &
    SERVER_PID=$!
    PIDS+=("$SERVER_PID")
    for tries in $(seq 600); do
        grep -q "$ready" "$log" && return
        kill -0 "$SERVER_PID" 2>/dev/null || { cat "$log" >&2; die "the server ended while starting: $*"; }
        sleep 0.05
    done
    cat "$log" >&2
    die "no '$ready' in 30 s from: $*"
}

# serve_engram ARGUMENT ...: engram on a free port; leaves PORT and SERVER_PID. Its log is $SCRATCH/engram-PORT.log.
serve_engram() {
    PORT=$(free_port)
    serve "ready on 127.0.0.1:$PORT" "$SCRATCH/engram-$PORT.log" "$ENGRAM" --port "$PORT" "$@"
}

# stop_server PID: ends one server started here.
stop_server() {
    kill -9 "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}
