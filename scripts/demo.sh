#!/usr/bin/env bash
# scripts/demo.sh: what engram is for, in under two minutes on a fresh machine: builds the server, stores real text
# embeddings (scripts/sample), answers text questions with the nearest texts, and does so again after kill -9.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
packages python3=python3
binary
python3 -B "$ROOT/scripts/demo.py"
