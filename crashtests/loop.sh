#!/usr/bin/env bash
# crashtests/loop.sh [ROUNDS] [--seed N] [--help ...]: kill -9 the real server in a loop and verify what is left.
# Ends with `rounds=N acknowledged=N losses=N seed=S`; exit 1 on any loss.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
packages python3=python3
case " $* " in
    *" --redis "*) packages redis-server=redis-server ;;
    *" --help "* | *" -h "*) ;;
    *) binary ;;
esac
python3 -B "$ROOT/crashtests/supervisor.py" "$@"
