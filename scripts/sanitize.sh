#!/bin/sh
# Runs what threads share under three checkers: the index under Miri, the threaded tests of the index and of the workers under
# ThreadSanitizer, both of the nightly toolchain, and the simulator under AddressSanitizer, which sees memory that is given back while
# somebody may read it (seeds 0..SEEDS, 2,000 unless told; about 25 a second on a core). Among the tests of `threads` are rows
# swept and written again, and forms changed and let go of, beside searches. Minutes under ThreadSanitizer; longer under Miri,
# where tests are smaller: rows that are swept beside captures take more than five minutes of a core there.
#
#   scripts/sanitize.sh [miri|threads|addresses [SEEDS]]
set -eu
cd "$(dirname "$0")/.."
what=${1:-all}
host=$(rustc -vV | sed -n 's/^host: //p')

if [ "$what" = all ] || [ "$what" = addresses ]; then
    # The pinned compiler has the sanitizer, behind a switch that asks for this variable. Its view of stacks does not hold
    # where the simulator changes from one thread's to another's.
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Z sanitizer=address -C llvm-args=-asan-stack=0" \
        cargo build --profile quick --package engram-sim --target "$host"
    ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 \
        "${CARGO_TARGET_DIR:-target}/$host/quick/engram-sim" run --seeds "0..${2:-2000}"
    [ "$what" = all ] || exit 0
fi

rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
for component in miri rust-src; do
    rustup component list --toolchain nightly --installed | grep -q "^$component" ||
        rustup component add --toolchain nightly "$component"
done

if [ "$what" = all ] || [ "$what" = miri ]; then
    # Proptest asks for the working directory, and seeds itself from the host.
    MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks" \
        cargo +nightly miri test --package engram --lib -- \
        index::epochs index::rows index::tests::between index::tests::sweep index::tests::threads
fi

if [ "$what" = all ] || [ "$what" = threads ]; then
    RUSTFLAGS="-Z sanitizer=thread" TSAN_OPTIONS="halt_on_error=1" \
        cargo +nightly test -Z build-std --target "$host" --package engram --lib -- \
        index::epochs index::rows index::tests::between index::tests::sweep index::tests::threads \
        index::tests::codec
    RUSTFLAGS="-Z sanitizer=thread" TSAN_OPTIONS="halt_on_error=1" \
        cargo +nightly test -Z build-std --target "$host" --package engram --test server -- churned forms::
fi
