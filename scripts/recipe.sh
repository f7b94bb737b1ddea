#!/usr/bin/env bash
# scripts/recipe.sh: follows README's "Adding a metric" to the letter in a copy of what is checked out here, and lets rustfmt, clippy and
# the tests of the index and of recall judge the copy. It builds the crate anew for each: some minutes.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
toolchain
COPY=$TARGET/recipe
mkdir -p "$COPY"
# With their times, so that what did not change is not built again.
rm -rf "${COPY:?}/src"
tar -C "$ROOT" -cf - Cargo.toml Cargo.lock clippy.toml rustfmt.toml README.md benches sim src tests | tar -C "$COPY" -xf -

python3 -B - "$COPY" <<'EDIT'
import re
import sys

copy = sys.argv[1]
with open(f"{copy}/README.md") as file:
    recipe = file.read().split("## Adding a metric\n")[1].split("\n## ")[0]
path = re.search(r"`(src/index/metric/\w+\.rs)`, whole:", recipe).group(1)
metric, lines = re.findall(r"```rust\n(.*?)```", recipe, re.S)
with open(f"{copy}/{path}", "x") as file:
    file.write(metric)
table = f"{copy}/src/index/metric/mod.rs"
with open(table) as file:
    text = file.read()
for line in lines.splitlines():
    if line.startswith("pub static METRICS"):
        text, found = re.subn(r"pub static METRICS: .*;", line, text)
        assert found == 1, line
    else:
        # Behind the last of its kind.
        kind = re.match(r"mod |pub use ", line).group()
        last = re.findall(rf"^{kind}\w.*;\n", text.split("#[cfg(test)]")[0], re.M)[-1]
        text = text.replace(last, f"{last}{line}\n", 1)
with open(table, "w") as file:
    file.write(text)
EDIT

cd "$COPY"
# Not the target of the original: cargo takes both for one and the same.
export CARGO_TARGET_DIR=$COPY/target
cargo fmt --package engram --check
cargo clippy --package engram --lib --tests --quiet -- -D warnings
cargo test --package engram --lib --quiet -- index:: recall::
say "recipe: the metric of README is one of engram's, and nothing else had to change"
