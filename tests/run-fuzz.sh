#!/bin/sh
# run-fuzz.sh SECONDS PROGRAM...: each target for so long, its corpus kept in
# tests/fuzz/corpus/<name>. A finding counts as a failed test.
seconds=$1; shift
passed=0 failed=0
for program in "$@"; do
    name=$(basename "$program")
    found="build/fuzz/corpus/$name" seeds="tests/fuzz/corpus/$name"
    mkdir -p "$found"
    [ -d "$seeds" ] || seeds=""
    # shellcheck disable=SC2086
    if "$program" -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="build/fuzz/$name-" "$found" $seeds >"build/fuzz/$name.log" 2>&1; then
        echo "$name: $(grep -o 'Done [0-9]* runs' "build/fuzz/$name.log")"
        passed=$((passed + 1))
    else
        echo "--- $name"; tail -n 40 "build/fuzz/$name.log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
