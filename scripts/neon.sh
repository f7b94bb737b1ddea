#!/bin/sh
# Runs the tests of kernels and of the forms of an index for aarch64 (NEON) under user-mode emulation, on an x86-64 Debian or Ubuntu.
# Installs what it needs if it is missing (as root): the cross linker, its C library, qemu, the Rust target.
set -eu
cd "$(dirname "$0")/.."
target=aarch64-unknown-linux-gnu

if ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64 >/dev/null ||
    ! [ -e /usr/aarch64-linux-gnu/lib/libc.so.6 ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -y -q --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
fi
rustup target list --installed | grep -qx "$target" || rustup target add "$target"

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
exec cargo test --package engram --lib --target "$target" -- kernels:: index::tests::forms --nocapture
