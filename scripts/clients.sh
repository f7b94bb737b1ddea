#!/usr/bin/env bash
# scripts/clients.sh: the clients people use against a real server: redis-cli, redis-benchmark, redis-py 8 and 7, node-redis
# and ioredis. Each does key-value, expiry, transaction, pipeline and vector commands and asserts the answers.
# Ends with a table (client, version, protocol, checks passed); exit 1 on any failure.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
HERE=$ROOT/scripts/clients
packages redis-cli=redis-tools
python
packages node=nodejs npm=npm
binary

npm_packages() {
    local dir=$TARGET/clients wanted="redis@6 ioredis@6"
    # node-redis 6 asks for Node 20; Debian 12 has 18.
    [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || wanted+=" node@22"
    mkdir -p "$dir"
    [ -f "$dir/package.json" ] || echo '{"private": true}' >"$dir/package.json"
    [ "$(cat "$dir/.packages" 2>/dev/null)" = "$wanted" ] && return
    (cd "$dir" && npm install --silent --no-audit --no-fund $wanted </dev/null >&2)
    echo "$wanted" >"$dir/.packages"
}

# node_client FILE: runs a client's checks where its packages are.
node_client() {
    cp "$HERE/checks.mjs" "$HERE/$1" "$TARGET/clients/"
    PATH=$TARGET/clients/node_modules/.bin:$PATH timeout 120 node "$TARGET/clients/$1" "$PORT"
}

py8=$(venv redis-py-8 redis==8.*)
py7=$(venv redis-py-7 redis==7.*)
npm_packages
serve_engram --dir "$SCRATCH/data" --fsync everysec

out=$SCRATCH/results
run() { "$@" </dev/null 2>&1 | tee -a "$out" | grep -v '^[^ |]*|[^|]*|[^|]*|[^|]*|[^|]*$' || true; }
run bash "$HERE/redis_cli.sh" "$PORT"
run timeout 120 "$py8" -B "$HERE/redis_py.py" "$PORT"
run timeout 120 "$py7" -B "$HERE/redis_py.py" "$PORT"
run node_client node_redis.mjs
run node_client ioredis.mjs

awk -F'|' '
    BEGIN { printf "%-16s %-10s %-9s %s\n", "client", "version", "protocol", "checks passed" }
    NF == 5 { printf "%-16s %-10s %-9s %d of %d\n", $1, $2, $3, $4 - $5, $4; clients++; checks += $4; failed += $5 }
    END {
        if (clients != 6) { printf "only %d of 6 clients came to their end\n", clients; failed++ }
        printf "clients=%d checks=%d failed=%d\n", clients, checks, failed
        exit failed != 0
    }' "$out"
