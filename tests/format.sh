#!/bin/sh
# Whether each tracked C file is as clang-format would write it. Prints `N passed, N failed`.
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0
for f in $(git ls-files '*.c' '*.h'); do
    if clang-format --dry-run -Werror "$f" 2>/dev/null; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "format: $f (make format)"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
