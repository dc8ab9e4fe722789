#!/bin/bash
# Runs the contract tests against a real Kafka and Redis, which it starts and stops.
#   tests/contract/run.sh PROGRAM...
# Last line: N passed, N failed.
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d)
export CONTRACT_DIR=$dir
stop() {
    deploy/kafka/stop.sh "$dir/kafka" KILL
    deploy/redis/stop.sh "$dir/redis" KILL
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT TERM
deploy/kafka/start.sh "$dir/kafka" >/dev/null && deploy/redis/start.sh "$dir/redis" >/dev/null || {
    echo "0 passed, 1 failed"
    exit 1
}
set -a
. "$dir/kafka/env"
. "$dir/redis/env"
set +a
passed=0 failed=0
for program in "$@"; do
    log="$program.log"
    timeout "${CONTRACT_TIMEOUT:-180}" "$program" >"$log" 2>&1
    rc=$?
    p=$(grep -c '^\[       OK \]' "$log")
    f=$(grep '^\[  FAILED  \] [^0-9]' "$log" | sort -u | wc -l)
    [ "$rc" -ne 0 ] && [ "$f" -eq 0 ] && f=1
    if [ "$rc" -ne 0 ]; then
        echo "--- $(basename "$program") failed with exit $rc"
        tail -n 60 "$log"
    fi
    passed=$((passed + p)) failed=$((failed + f))
done
for script in tests/contract/*_test.sh; do
    [ -e "$script" ] || continue
    log="$dir/$(basename "$script").log"
    timeout "${CONTRACT_TIMEOUT:-180}" "$script" >"$log" 2>&1
    rc=$?
    p=$(grep -c '^ok ' "$log")
    f=$(grep -c '^not ok ' "$log")
    [ "$rc" -ne 0 ] && [ "$f" -eq 0 ] && f=1
    [ "$f" -gt 0 ] && { echo "--- $(basename "$script") failed with exit $rc"; tail -n 60 "$log"; }
    passed=$((passed + p)) failed=$((failed + f))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
