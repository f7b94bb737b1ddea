#!/usr/bin/env bash
# One seed, one trace: the hash over the traces of SEEDS seeds (default 1000) in debug, in release, with each kernel of this CPU
# forced, and on aarch64 under user-mode emulation (needs an x86-64 Debian or Ubuntu; installs what it lacks, as root). Prints
# each build's hash and seconds; exit code 1 if two differ.
#   scripts/determinism.sh [SEEDS] [--no-arm]
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

SEEDS=1000 ARM=yes
for word in "$@"; do
    case $word in
        --no-arm) ARM=no ;;
        *[!0-9]* | '') die "unknown word $word" ;;
        *) SEEDS=$word ;;
    esac
done
HASHES=()

# trace_hash NAME COMMAND ...: what the simulator says under this name.
trace_hash() {
    local name=$1 begun=$SECONDS said
    shift
    said=$("$@" hash --seeds "0..$SEEDS" "${KERNELS[@]}" 2>"$SCRATCH/err" </dev/null | grep '^seeds=') ||
        { cat "$SCRATCH/err" >&2; die "$name gave no hash"; }
    HASHES+=("${said#*hash=}")
    printf '%-28s %s  %4d s\n' "$name" "${said#*hash=}" $((SECONDS - begun))
}

toolchain
KERNELS=()
cargo build --quiet -p engram-sim </dev/null
trace_hash "debug" "$TARGET/debug/engram-sim"
cargo build --quiet --release -p engram-sim </dev/null
trace_hash "release" "$TARGET/release/engram-sim"
for name in scalar avx2 avx512 neon; do
    KERNELS=(--kernels "$name")
    if "$TARGET/release/engram-sim" hash --seeds 0..1 "${KERNELS[@]}" >/dev/null 2>&1; then
        trace_hash "release, $name" "$TARGET/release/engram-sim"
    else
        printf '%-28s not on this CPU\n' "release, $name"
    fi
done

if [ $ARM = yes ] && [ "$(uname -m)" = x86_64 ]; then
    packages aarch64-linux-gnu-gcc=gcc-aarch64-linux-gnu qemu-aarch64=qemu-user
    [ -e /usr/aarch64-linux-gnu/lib/libc.so.6 ] || packages aarch64-libc=libc6-dev-arm64-cross
    target=aarch64-unknown-linux-gnu
    rustup target list --installed | grep -qx "$target" || rustup target add "$target"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    cargo build --quiet --profile quick -p engram-sim --target "$target" </dev/null
    for name in neon scalar; do
        KERNELS=(--kernels "$name")
        trace_hash "aarch64 emulated, $name" qemu-aarch64 -L /usr/aarch64-linux-gnu "$TARGET/$target/quick/engram-sim"
    done
fi

distinct=$(printf '%s\n' "${HASHES[@]}" | sort -u | wc -l)
if [ "$distinct" = 1 ]; then
    say "equal: ${#HASHES[@]} builds, $SEEDS seeds"
else
    say "DIFFERENT: $distinct hashes of ${#HASHES[@]} builds over $SEEDS seeds"
    exit 1
fi
