#!/usr/bin/env bash
# Runs the simulator on fresh seeds on all cores for HOURS (fractions are fine), and stops at nothing: a violation is kept and
# the next seed runs; a range of seeds in which the simulator itself ended is kept as well, and the next range runs.
#   scripts/soak.sh HOURS [--keep DIR] [--sabotage LIE]
# DIR (default: soak/) gets SEED.plan for each violation and, for the first of each kind, SEED.small.plan and SEED.story from the
# shrinker; LIE (see `engram-sim --help`) lets the disk lie, to see that it would be found. Exit code 1 if anything was found.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

RANGE_SECONDS=30
SHRINK_SECONDS=120
# A range that takes so much longer than it should has a seed that does not end.
HANG_SECONDS=${HANG_SECONDS:-600}
HOURS='' KEEP=$ROOT/soak LIE=()
while [ $# -gt 0 ]; do
    case $1 in
        --keep) KEEP=${2:?--keep needs a directory}; shift 2 ;;
        --sabotage) LIE=(--sabotage "${2:?--sabotage needs a lie}"); shift 2 ;;
        -*) die "unknown flag $1" ;;
        *) HOURS=$1; shift ;;
    esac
done
[[ $HOURS =~ ^[0-9]*\.?[0-9]+$ ]] || die "say for how many hours: scripts/soak.sh 0.5"

toolchain
cd "$ROOT"
SIM=${ENGRAM_SIM:-$TARGET/release/engram-sim}
[ -n "${ENGRAM_SIM:-}" ] || cargo build --release --quiet -p engram-sim </dev/null
mkdir -p "$KEEP"
KEEP=$(cd "$KEEP" && pwd)
[[ $KEEP == "$ROOT"/* && ! -e $KEEP/.gitignore ]] && echo '*' >"$KEEP/.gitignore"

now() { date +%s; }
# kind LINE: what a violation is, without the numbers and names that differ from seed to seed.
kind() { sed -E 's/^FAIL seed=[0-9]+: (life [^:]*: )?//; s/\(replay.*//; s/`[^`]*`//g; s/"[^"]*"//g; s/[0-9a-f]{8,}|[0-9]+//g' <<<"$1" | cut -c1-80; }

# shrink_new OUT: the first violation of each kind that has not been met before, made small and told.
shrink_new() {
    local line seed
    while IFS= read -r line; do
        kind "$line" >"$SCRATCH/kind"
        grep -qxFf "$SCRATCH/kind" "$SCRATCH/kinds" && continue
        cat "$SCRATCH/kind" >>"$SCRATCH/kinds"
        seed=${line#FAIL seed=}
        seed=${seed%%:*}
        say "  ${line%% (replay*}" | cut -c1-240
        timeout "$SHRINK_SECONDS" "$SIM" shrink "$KEEP/$seed.plan" --to "$KEEP/$seed.small.plan" "${LIE[@]}" \
            >"$KEEP/$seed.story" 2>&1 && say "  shrunk to $KEEP/$seed.small.plan" ||
            say "  not shrunk within $SHRINK_SECONDS s: the plan is $KEEP/$seed.plan"
    done < <(grep '^FAIL ' "$1")
}

# uncovered OUT: what no range so far has reached stays in $SCRATCH/never; leaves how many in NEVER.
uncovered() {
    grep -E '^  (never|rare, and not met): ' "$1" | sort -u >"$SCRATCH/new" || true
    if [ -e "$SCRATCH/never" ]; then
        comm -12 "$SCRATCH/never" "$SCRATCH/new" >"$SCRATCH/both"
        mv "$SCRATCH/both" "$SCRATCH/never"
    else
        mv "$SCRATCH/new" "$SCRATCH/never"
    fi
    NEVER=$(wc -l <"$SCRATCH/never")
}

: >"$SCRATCH/kinds"
FIRST=$(($(date +%s%N) / 1000 % (1 << 50)))
END=$(awk -v now="$(now)" -v hours="$HOURS" 'BEGIN { printf "%d", now + hours * 3600 }')
BEGUN=$(now) SEED=$FIRST COUNT=200 SEEDS=0 FAILURES=0 BROKEN=0 NEVER='?'
say "seeds from $FIRST on, until $(date -d "@$END" +%T 2>/dev/null || echo "$HOURS h have passed"); plans of violations go to $KEEP"
while [ "$(now)" -lt "$END" ]; do
    range=$SEED..$((SEED + COUNT)) out=$SCRATCH/out began=$(date +%s%N)
    timeout "$HANG_SECONDS" "$SIM" run --seeds "$range" --keep "$KEEP" "${LIE[@]}" >"$out" 2>&1 </dev/null && status=0 || status=$?
    took=$((($(date +%s%N) - began) / 1000000 + 1))
    if closing=$(grep '^seeds=[0-9]* failures=' "$out"); then
        found=${closing#*failures=}
        FAILURES=$((FAILURES + ${found%% *}))
        SEEDS=$((SEEDS + COUNT))
        uncovered "$out"
    else
        BROKEN=$((BROKEN + 1))
        cp "$out" "$KEEP/broken-$range.txt"
        FAILURES=$((FAILURES + $(grep -c '^FAIL ' "$out" || true)))
        [ "$status" = 124 ] && status="no end after $HANG_SECONDS s"
        say "  the simulator ended with $status within $range: $KEEP/broken-$range.txt"
    fi
    SEED=$((SEED + COUNT))
    printf '%6d s  %9d seeds  %5d seeds/s  %d violations  %d broken ranges  %s not covered\n' \
        $(($(now) - BEGUN)) "$SEEDS" $((COUNT * 1000 / took)) "$FAILURES" "$BROKEN" "$NEVER"
    shrink_new "$out"
    left=$((END - $(now)))
    COUNT=$((COUNT * 1000 * (left < RANGE_SECONDS ? (left > 1 ? left : 1) : RANGE_SECONDS) / took + 1))
done
say "seeds=$SEEDS violations=$FAILURES broken=$BROKEN seconds=$(($(now) - BEGUN)) (seeds $FIRST..$SEED)"
[ ! -s "$SCRATCH/never" ] || { say "never reached:"; cat "$SCRATCH/never"; }
[ $((FAILURES + BROKEN)) -eq 0 ]
