#!/usr/bin/env bash
# redis-cli and redis-benchmark against engram: redis_cli.sh PORT
# Prints a line per failed check and, for each of the two, `client|version|protocol|checks|failed`.
set -uo pipefail
PORT=$1
cli() { timeout 30 redis-cli -p "$PORT" "$@" </dev/null; }
version() { "$1" --version | grep -o '[0-9][0-9.]*' | head -1; }
run=0 failed=0

# check NAME PATTERN OUTPUT: the output has a line that matches.
check() {
    run=$((run + 1))
    grep -q -- "$2" <<<"$3" && return
    failed=$((failed + 1))
    printf 'FAIL redis-cli: %s: no %s in: %s\n' "$1" "$2" "$(head -c 600 <<<"$3")"
}

check flushall '^OK$' "$(cli flushall)"
check "interactive start" '^"sent"$' "$(timeout 30 python3 -B "$(dirname "$0")/terminal.py" redis-cli -p "$PORT" <<<$'set typed sent\nget typed')"
check "commands on standard input" '^two$' "$(printf 'set one two\nget one\n' | timeout 30 redis-cli -p "$PORT")"
check "RESP3" '^1# "server"' "$(cli -3 --no-raw hello)"
check "bytes" '^"\\x00\\xff"$' "$(printf '\x00\xff' | timeout 30 redis-cli -p "$PORT" -x set bytes >/dev/null; cli --no-raw get bytes)"
check "--pipe" 'errors: 0, replies: 1000$' "$(for i in $(seq 1000); do printf '*3\r\n$3\r\nSET\r\n$%s\r\npipe:%s\r\n$1\r\nx\r\n' $((${#i} + 5)) "$i"; done | timeout 30 redis-cli -p "$PORT" --pipe)"
check "--scan" '^1000$' "$(cli --scan --pattern 'pipe:*' | sort -u | wc -l)"
check "--bigkeys" '^Sampled 1003 keys' "$(cli --bigkeys)"
check "--memkeys" '^Sampled 1003 keys' "$(cli --memkeys)"
check "--latency" '^[0-9.]* [0-9.]* [0-9.]* [0-9]*$' "$(timeout 3 stdbuf -oL redis-cli -p "$PORT" --latency --raw -i 1 </dev/null | head -1)"
check "--stat" '^1003 ' "$(timeout 3 stdbuf -oL redis-cli -p "$PORT" --stat -i 1 </dev/null | tail -n +3)"
check "expiry" '^100$' "$(cli setex brief 100 x >/dev/null; cli ttl brief)"
check "transaction" '^2$' "$(printf 'multi\nset tx 1\nincr tx\nexec\n' | timeout 30 redis-cli -p "$PORT")"
check "vnew" '^OK$' "$(cli vnew cli 2)"
vector() { printf '\x00\x00\x80\x3f\x00\x00\x00\x00'; }
check "vadd" '^1$' "$(vector | timeout 30 redis-cli -p "$PORT" -X @v vadd cli element @v)"
check "vsearch" '^element$' "$(vector | timeout 30 redis-cli -p "$PORT" -X @v vsearch cli @v 1)"
check "vsearch prefix" '^element$' "$(vector | timeout 30 redis-cli -p "$PORT" -X @v vsearch cli @v 1 prefix el)"
check "vsearch within" '^element$' "$(vector | timeout 30 redis-cli -3 -p "$PORT" -X @v vsearch cli @v 9 within 0.5 match 'e*t')"
check "vsearch refuses" '^ERR VSEARCH takes one of' "$(vector | timeout 30 redis-cli -p "$PORT" -X @v vsearch cli @v 1 prefix a keys 1 b)"
check "vinfo" '^vector-dim$' "$(cli vinfo cli)"
check "error words" "^ERR unknown command 'nosuch', with args beginning with: 'a'" "$(cli nosuch a)"
printf 'redis-cli|%s|RESP2/3|%s|%s\n' "$(version redis-cli)" $run $failed

run=0 failed=0
# bench NAME COUNT ARGUMENT ...: redis-benchmark gives COUNT figures and no error.
bench() {
    local name=$1 count=$2 out
    shift 2
    run=$((run + 1))
    out=$(timeout 120 redis-benchmark -p "$PORT" --csv "$@" 2>&1 </dev/null)
    [ "$(grep -c '^"[^t].*","[0-9]' <<<"$out")" = "$count" ] && ! grep -qi 'error' <<<"$out" && return
    failed=$((failed + 1))
    printf 'FAIL redis-benchmark: %s: %s\n' "$name" "$(head -c 600 <<<"$out")"
}
bench "-P 16" 6 -t ping,set,get,incr,mset -n 100000 -P 16
bench "-P 1" 2 -t set,get -n 20000
bench "RESP3" 2 -3 -t set,get -n 20000 -P 16
# A vector of 384 numbers near 0.75 that can be an argument: its bytes are letters.
letters=$(printf 'AAA?%.0s' $(seq 384))
cli vnew bench 384 >/dev/null
check "vadd of letters" '^1$' "$(cli vadd bench letters "$letters")"
bench "VSEARCH" 1 -n 20000 -P 4 VSEARCH bench "$letters" 5
bench "VADD" 1 -n 2000 -r 1000 -P 4 VADD bench __rand_int__ "$letters"
printf 'redis-benchmark|%s|RESP2/3|%s|%s\n' "$(version redis-benchmark)" $run $failed
