#!/usr/bin/env bash
# scripts/ping.sh [--base FILE.f32 --query FILE.f32 --dim N] [--seconds 30] ...: ping.py with what it needs.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
packages python3=python3
binary
CLIENT=$(bench_program client)
python3 -B "$ROOT/scripts/ping.py" --client "$CLIENT" "$@"
