#!/usr/bin/env bash
# scripts/redis_ratio.sh [ROUNDS]: SET, GET and INCR by redis-benchmark, engram beside Debian's redis-server, in memory and
# with a log synced every second; all servers up, rounds alternating between them. Prints medians and ratios.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
ROUNDS=${1:-5}
packages python3=python3 redis-server=redis-server redis-benchmark=redis-tools
binary

serve_redis() {
    PORT=$(free_port)
    serve "Ready to accept connections" "$SCRATCH/redis-$PORT.log" \
        redis-server --port "$PORT" --bind 127.0.0.1 --save "" --dir "$SCRATCH" "$@"
}

serve_redis; redis_memory=$PORT
mkdir "$SCRATCH/r" && serve_redis --dir "$SCRATCH/r" --appendonly yes --appendfsync everysec; redis_everysec=$PORT
serve_engram; engram_memory=$PORT
serve_engram --dir "$SCRATCH/e" --fsync everysec; engram_everysec=$PORT

for round in $(seq "$ROUNDS"); do
    for depth in 1 16; do
        for mode in memory everysec; do
            for who in redis engram; do
                port=${who}_$mode
                redis-benchmark -p "${!port}" -c 50 -n $((depth == 1 ? 100000 : 600000)) -r 100000 -P $depth \
                    -t set,get,incr --csv 2>/dev/null </dev/null | sed -n "s/^\"\([A-Z]*\)\",\"\([0-9.]*\)\".*/$who $mode $depth \1 \2/p"
            done
        done
    done >>"$SCRATCH/figures"
    printf 'round %s of %s\n' "$round" "$ROUNDS"
done

redis-server --version | sed 's/ sha=.*//'
python3 - "$SCRATCH/figures" "$ROUNDS" <<'PYTHON'
import collections, statistics, sys

figures = collections.defaultdict(list)
for line in open(sys.argv[1]):
    who, mode, depth, test, rate = line.split()
    figures[mode, int(depth), test, who].append(float(rate))
complete = len(figures) == 24 and all(len(rates) == int(sys.argv[2]) for rates in figures.values())
print(f"{'':<10} {'-P':>3} {'':<5} {'redis/s':>11} {'engram/s':>11} {'ratio':>6}")
for mode in ("memory", "everysec"):
    for depth in (1, 16):
        for test in ("SET", "GET", "INCR"):
            redis, engram = (statistics.median(figures[mode, depth, test, who] or [0]) for who in ("redis", "engram"))
            print(f"{mode:<10} {depth:>3} {test:<5} {redis:>11,.0f} {engram:>11,.0f} {engram / redis if redis else 0:>6.2f}")
print(f"redis_ratio: medians of {sys.argv[2]} rounds" if complete else "redis_ratio: FAILED, figures are missing")
sys.exit(0 if complete else 1)
PYTHON
