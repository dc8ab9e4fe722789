#!/bin/sh
# `make bench-quick`: CPU-us per message of a worker against the bare floor, on this machine.
cd "$(dirname "$0")/.." || exit 1
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/real
exec python3 bench/quick.py "$@"
