#!/bin/sh
# Builds and runs the comparison of zones. Last line: N passed, N failed.
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-release}
make -s BUILD="$build" "build/$build/zones/decisions" || exit 1
exec python3 tests/zones/decisions.py "build/$build/zones/decisions"
