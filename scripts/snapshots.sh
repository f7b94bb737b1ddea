#!/usr/bin/env bash
# scripts/snapshots.sh [--base FILE.f32 --query FILE.f32 --dim N] [--rows 300000] ...: snapshots.py with what it needs.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
packages python3=python3
binary
CLIENT=$(bench_program client)
python3 -B "$ROOT/scripts/snapshots.py" --client "$CLIENT" "$@"
