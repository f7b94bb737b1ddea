#!/bin/sh
# Runs what threads share under two checkers of the nightly toolchain: the index under Miri, and the threaded tests of
# the index and of the workers under ThreadSanitizer. Among those of `threads` are rows swept and written again, and forms
# changed and let go of, beside searches. Minutes under ThreadSanitizer; longer under Miri, where tests are smaller: rows
# that are swept beside captures take more than five minutes of a core there.
#
#   scripts/sanitize.sh [miri|threads]
set -eu
cd "$(dirname "$0")/.."
what=${1:-all}
host=$(rustc -vV | sed -n 's/^host: //p')

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
