#!/usr/bin/env bash
# scripts/bench.sh [--rounds N] [--base FILE.f32 --query FILE.f32 --neighbors FILE.u32 --dim D] [--part NAME,..] ...: engram beside
# the field in one go. Installs the libraries, runs them in process and servers over the wire in alternating rounds, writes tables
# (markdown) and plots (SVG) to target/bench. Without files it makes a set. Parts: inprocess, wire. Other flags are
# in bench/flags.py. BENCH_NICE=N lowers the priority of all of it.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
PARTS=inprocess,wire FLAGS=()
while [ $# -gt 0 ]; do
    case $1 in
        --part) PARTS=$2; shift ;;
        *) FLAGS+=("$1") ;;
    esac
    shift
done
python
packages c++=g++ python3-config=python3-dev redis-server=redis-server
[ -z "${BENCH_NICE:-}" ] || renice -n "$BENCH_NICE" $$ >/dev/null
binary
CONTENDER=$(bench_program contender)
CLIENT=$(bench_program client)
PYTHON=$(venv_each bench numpy hnswlib usearch faiss-cpu rabitqlib scalable-vs simsimd)

OUT=$TARGET/bench
mkdir -p "$OUT"
for part in ${PARTS//,/ }; do
    [ -f "$ROOT/scripts/bench/$part.py" ] || die "no part '$part'"
    "$PYTHON" -B "$ROOT/scripts/bench/$part.py" --contender "$CONTENDER" --client "$CLIENT" --out "$OUT" "${FLAGS[@]}"
done
say "bench: done, tables and plots are in $OUT"
