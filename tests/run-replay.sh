#!/bin/sh
# run-replay.sh PROGRAM...: each fuzz target on its corpus, without libFuzzer.
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0
for program in "$@"; do
    name=$(basename "$program")
    if said=$(timeout 120 "$program" "tests/fuzz/corpus/fuzz_$name" 2>&1); then
        passed=$((passed + 1))
    else
        echo "--- replay of $name"; echo "$said" | tail -n 20
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
