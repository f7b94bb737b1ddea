#!/usr/bin/env bash
# scripts/durable.sh [--rounds 5] [--seconds 3] [--dim 384] [--slow 50]: durable.py with what it needs.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
packages python3=python3 redis-server=redis-server cc=gcc
binary
CLIENT=$(bench_program client)
cc -O1 -shared -fPIC -o "$SCRATCH/slowsync.so" "$ROOT/scripts/slowsync.c" -ldl
python3 -B "$ROOT/scripts/durable.py" --client "$CLIENT" --slow-library "$SCRATCH/slowsync.so" "$@"
