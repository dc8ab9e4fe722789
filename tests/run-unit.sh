#!/bin/sh
# Runs unit test programs, at most 240 s each, for a machine that does other work too; a crash, a hang or a leak counts as a failed test.
# Prints the total as `N passed, N failed` and fails when anything failed.
passed=0 failed=0
for program in "$@"; do
    log="$program.log"
    timeout "${UNIT_TIMEOUT:-240}" "$program" >"$log" 2>&1
    rc=$?
    p=$(grep -c '^\[       OK \]' "$log")
    f=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test(s).*/\1/p' "$log")
    [ "$rc" -ne 0 ] && [ "${f:-0}" -eq 0 ] && f=1
    f=${f:-0}
    if [ "$rc" -ne 0 ]; then
        echo "--- $(basename "$program") failed with exit $rc"
        grep -v '^\[ *\(RUN\|OK\) ' "$log" | tail -n "${UNIT_LINES:-40}"
    fi
    passed=$((passed + p)) failed=$((failed + f))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
