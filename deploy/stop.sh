#!/bin/bash
# Stops the Kafka or Redis that its start.sh started in DIR, and waits for its end. With KILL: by SIGKILL, as a crash.
#   deploy/stop.sh DIR [KILL]
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: stop.sh DIR [KILL]" >&2; exit 64; }
[ -e "$1/pid" ] || exit 0
pid=$(cat "$1/pid")
kill "-${2:-TERM}" "$pid" 2>/dev/null || true
for i in $(seq 200); do
    # a zombie has ended, once its other threads are gone
    grep -q "^State:[^ZX]*$" "/proc/$pid/status" 2>/dev/null || [ "$(ls "/proc/$pid/task" 2>/dev/null | wc -l)" -gt 1 ] || break
    [ "$i" = 150 ] && kill -KILL "$pid" 2>/dev/null
    sleep 0.1
done
rm -f "$1/pid"
