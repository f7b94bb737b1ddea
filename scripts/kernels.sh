#!/usr/bin/env bash
# scripts/kernels.sh [--rounds N] [--dim D]: nanoseconds a dot product in L1, in L2 and from memory, engram's kernels beside NumPy's
# BLAS, faiss and simsimd, and beside the read bandwidth of the machine. The table goes to target/bench as well.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python
PROGRAM=$(bench_program dots)
PYTHON=$(venv_each bench numpy faiss-cpu simsimd)
mkdir -p "$TARGET/bench"
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$PYTHON" -B "$ROOT/scripts/bench/dots.py" --program "$PROGRAM" --out "$TARGET/bench" "$@"
