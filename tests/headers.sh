#!/bin/sh
# headers.sh COMPILER AND FLAGS: whether each header of ours compiles alone, so that no
# file has to include another one first. Prints `N passed, N failed`.
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0
for f in $(git ls-files 'engine/*.h' 'bench/*.h'); do
    if "$@" -fsyntax-only -include "$f" -x c /dev/null; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "headers: $f does not compile alone"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
