#!/bin/sh
# `make bench-deferral`: what a restart costs while much waits in the ring.
cd "$(dirname "$0")/.." || exit 1
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/real
exec python3 bench/deferral.py "$@"
