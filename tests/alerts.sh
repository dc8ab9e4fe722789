#!/bin/sh
# deploy/alerts.yaml as Prometheus's own tool reads and tries it. Prints `N passed, N failed`.
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0
for what in "check rules deploy/alerts.yaml" "test rules tests/alerts.yaml"; do
    # shellcheck disable=SC2086
    if promtool $what; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
