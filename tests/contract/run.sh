#!/bin/bash
# Runs the contract tests against a real Kafka and Redis, which it starts and stops.
#   tests/contract/run.sh PROGRAM...
# Last line: N passed, N failed.
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d)
export CONTRACT_DIR=$dir
stop() {
    deploy/stop.sh "$dir/kafka" KILL
    deploy/stop.sh "$dir/redis" KILL
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
run_one() { # program, log
    timeout "${CONTRACT_TIMEOUT:-180}" "$1" >"$2" 2>&1
    echo $? >"$2.rc"
}
count() { # name, log
    rc=$(cat "$2.rc")
    p=$(grep -c '^\[       OK \]' "$2")
    f=$(grep '^\[  FAILED  \] [^0-9]' "$2" | sort -u | wc -l)
    [ "$rc" -ne 0 ] && [ "$f" -eq 0 ] && f=1
    if [ "$rc" -ne 0 ]; then
        echo "--- $1 failed with exit $rc"
        tail -n 60 "$2"
    fi
    passed=$((passed + p)) failed=$((failed + f))
}
beside=""
for program in "$@"; do # tests on the mock need nothing of ours, and are slow
    case $program in */contract_kafka)
        CONTRACT_ONLY=mock run_one "$program" "$program.mock.log" &
        beside=$!
        ;;
    esac
done
export CONTRACT_ONLY=real
for program in "$@"; do
    run_one "$program" "$program.log"
    count "$(basename "$program")" "$program.log"
done
for script in tests/contract/*_test.sh tests/contract/*_test.py; do
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
for program in "$@"; do
    case $program in */contract_kafka)
        wait "$beside"
        count "contract_kafka on the mock" "$program.mock.log"
        ;;
    esac
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
