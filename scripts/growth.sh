#!/usr/bin/env bash
# scripts/growth.sh [--sizes N ...] [--ef N ...]: search time and recall as the index grows to a million rows; table and plot go to
# target/bench. Minutes: run it by hand.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python
CONTENDER=$(bench_program contender)
PYTHON=$(venv_each bench numpy)
mkdir -p "$TARGET/bench"
"$PYTHON" -B "$ROOT/scripts/bench/growth.py" --contender "$CONTENDER" --out "$TARGET/bench" "$@"
say "growth: done, table and plot are in $TARGET/bench"
