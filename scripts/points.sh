#!/usr/bin/env bash
# scripts/points.sh [ROUNDS]: what scheduling points cost in production: the release build beside one without them (built
# with --cfg pointless), rounds alternating between the two: GET and VSEARCH over the wire, searches and linking in
# process. Prints medians and ratios; a ratio of 1 means that points cost nothing.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
ROUNDS=${1:-9}
packages python3=python3 redis-benchmark=redis-tools
toolchain

# build WHO FLAGS: leaves the server in SERVER_WHO and the benchmark of searches in BENCH_WHO.
build() {
    local dir=$TARGET/points/$1 out
    export RUSTFLAGS=$2
    cargo build --release --quiet --target-dir "$dir" --manifest-path "$ROOT/Cargo.toml" -p engram --bin engram </dev/null
    out=$(cargo bench --no-run --bench search --target-dir "$dir" --manifest-path "$ROOT/Cargo.toml" -p engram 2>&1 </dev/null)
    unset RUSTFLAGS
    out=$(sed -n 's/.*Executable.*(\(.*\))$/\1/p' <<<"$out" | tail -1)
    case $out in /*) ;; *) out=$ROOT/$out ;; esac
    [ -x "$out" ] || die "no benchmark was built in $dir"
    printf -v "SERVER_$1" '%s' "$dir/release/engram"
    printf -v "BENCH_$1" '%s' "$out"
}
build with ""
build without "--cfg pointless"

# A vector of 48 floats, by its bytes, which are random digits.
vector=
for _ in $(seq 16); do vector+=__rand_int__; done

for who in with without; do
    server=SERVER_$who
    ENGRAM=${!server} serve_engram
    printf -v "PORT_$who" '%s' "$PORT"
    redis-cli -p "$PORT" VNEW v 48 METRIC l2 >/dev/null </dev/null
    redis-benchmark -p "$PORT" -q -c 8 -n 10000 -r 999999999 VADD v "row:__rand_int__" "$vector" >/dev/null 2>&1 </dev/null
done

# rate PORT ARGUMENT ...: requests per second of one run of redis-benchmark.
rate() {
    local port=$1
    shift
    redis-benchmark -p "$port" --csv "$@" 2>/dev/null </dev/null | tail -1 | cut -d, -f2 | tr -d '"'
}

for round in $(seq "$ROUNDS"); do
    pair="with without"
    ((round % 2)) || pair="without with"
    for who in $pair; do
        port=PORT_$who bench=BENCH_$who
        printf '%s GET %s\n' "$who" "$(rate "${!port}" -c 50 -P 16 -n 400000 -r 100000 -t get)"
        printf '%s VSEARCH %s\n' "$who" "$(rate "${!port}" -c 8 -n 20000 -r 999999999 VSEARCH v "$vector" 10)"
        "${!bench}" | sed -n -e "s/^build threads=1 .*=\([0-9]*\)$/$who link \1/p" \
            -e "s/^ef=\([0-9]*\) .*queries_per_second=\([0-9]*\).*/$who search:\1 \2/p"
    done >>"$SCRATCH/figures"
    printf 'round %s of %s\n' "$round" "$ROUNDS"
done

python3 - "$SCRATCH/figures" "$ROUNDS" <<'PYTHON'
import collections, statistics, sys

figures = collections.defaultdict(list)
for line in open(sys.argv[1]):
    who, what, rate = line.split()
    figures[what, who].append(float(rate))
whats = sorted({what for what, _ in figures})
complete = len(whats) >= 6 and all(len(rates) == int(sys.argv[2]) for rates in figures.values())
print(f"{'per second':<12} {'with points':>12} {'without':>12} {'ratio':>7} {'pairs from':>11} {'to':>6}")
for what in whats:
    pairs = sorted(a / b for a, b in zip(figures[what, "with"], figures[what, "without"]))
    with_points, without = (statistics.median(figures[what, who]) for who in ("with", "without"))
    print(f"{what:<12} {with_points:>12,.0f} {without:>12,.0f} {with_points / without:>7.3f} {pairs[0]:>11.3f} {pairs[-1]:>6.3f}")
print(f"points: medians of {sys.argv[2]} rounds" if complete else "points: FAILED, figures are missing")
sys.exit(0 if complete else 1)
PYTHON
