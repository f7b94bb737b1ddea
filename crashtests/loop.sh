#!/usr/bin/env bash
# crashtests/loop.sh [ROUNDS] [--power|--aimed] [--hours H] [--seed N] [--self-test] [--help ...]: kill -9 the real server in a loop
# and verify what is left. With --power a kill takes what a power loss would; with it and with --aimed most kills come at
# named points. Both take a build of their own (--features lossy), or the binary that ENGRAM names. --self-test shows the checkers failing.
# Ends with `rounds=N acknowledged=N losses=N seed=S`; exit 1 on any loss, and where a long run has hit a place too seldom.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
packages python3=python3
case " $* " in
    *" --self-test "*)
        cd "$ROOT/crashtests"
        PYTHONPATH=$ROOT/scripts python3 -B -m unittest test_history test_clients test_points
        exit
        ;;
    *" --redis "*) packages redis-server=redis-server ;;
    *" --help "* | *" -h "*) ;;
    *" --power "* | *" --aimed "*) lossy_binary ;;
    *) binary ;;
esac
python3 -B "$ROOT/crashtests/supervisor.py" "$@"
