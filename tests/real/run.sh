#!/bin/sh
# End to end on real parts: Kafka 3.9, Redis 7, the provider simulator, workers.
#   tests/real/run.sh short|full [flags of chaos.py]
# short: under 2 minutes, part of `make test`: bad input, then a small chaos. full: the promise
# as it is shown: 30,000 events at 1,000/s, three workers killed again and again.
cd "$(dirname "$0")/../.." || exit 1
export PYTHONDONTWRITEBYTECODE=1
size=${1:-short}
[ $# -gt 0 ] && shift
passed=0 failed=0
part() {
    log=$(mktemp)
    "$@" >"$log" 2>&1
    cat "$log"
    total=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    rm -f "$log"
    p=${total%% passed*} f=${total##*passed, }
    f=${f%% failed*}
    [ -n "$total" ] || { p=0 f=1; }
    passed=$((passed + p)) failed=$((failed + f))
}
case $size in
short) part python3 tests/real/bad_config.py; part python3 tests/real/bad_input.py ;;
full) ;;
*) echo "usage: run.sh short|full [FLAG ...]" >&2; exit 64 ;;
esac
part python3 tests/real/chaos.py "$size" "$@"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
