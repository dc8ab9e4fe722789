#!/bin/sh
# What cppcheck finds in engine and bench beside tests/cppcheck.txt. Prints `N passed, N
# failed`: files looked at, findings.
cd "$(dirname "$0")/.." || exit 1
found=$(cppcheck --enable=warning,performance,portability --std=c11 --quiet -j2 -Iengine -I. \
    -D_GNU_SOURCE --suppressions-list=tests/cppcheck.txt \
    --template='{file}:{line}: {severity}: {message} [{id}]' engine bench 2>&1)
failed=$(printf '%s' "$found" | grep -c '\]$')
[ -z "$found" ] || printf '%s\n' "$found"
echo "$(git ls-files 'engine/*.c' 'bench/*.c' | wc -l) passed, $failed failed"
[ "$failed" -eq 0 ]
