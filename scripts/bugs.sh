#!/usr/bin/env bash
# scripts/bugs.sh [--only NAME...] [--check | --build] [--seeds N] [--campaigns K] [--jobs J] [--first SEED]
#   [--shrink RUNS [--keep DIR]]
# Plants each bug of sim/bugs in a copy of the tree and prints how soon the simulator finds it; `--check` only sees whether
# every patch still applies, `--build` whether it compiles as well. Exit code 1 if a bug is missed in a campaign, a control
# flagged, or a patch does not apply or compile.
exec python3 -B "$(dirname "${BASH_SOURCE[0]}")/bugs.py" "$@"
