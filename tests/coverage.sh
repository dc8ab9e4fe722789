#!/bin/sh
# coverage.sh OBJECTS: lines and branches that the unit tests ran, per file of base, domain
# and stage, the least covered last. To find the holes, not to chase the number.
cd "$(dirname "$0")/.." || exit 1
for layer in base domain stage; do
    for data in "$1/engine/$layer"/*.gcda; do
        name=engine/$layer/$(basename "$data" .gcda).c
        gcov -b -n "$data" 2>/dev/null | awk -v name="$name" '
            $1 == "File" { mine = $2 == "\047" name "\047" }
            mine && /^Lines executed/ { split($0, l, /[:%]/) ; lines = l[2]; split($0, n, " of "); count = n[2] }
            mine && /^Taken at least once/ { split($0, b, /[:%]/); branches = b[2] }
            END { printf "%6.1f %8.1f %6d  %s\n", lines, branches == "" ? 100 : branches, count, name }'
    done
done | sort -rn | { echo " lines branches  count  file"; cat; }
