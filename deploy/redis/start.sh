#!/bin/bash
# Starts a private Redis with its data in DIR (AOF, fsync each second) and waits until it answers.
#   deploy/redis/start.sh DIR
# Writes DIR/env (REDIS_PORT, REDIS_SOCKET, REDIS_PID). Started again on the same DIR, after a stop
# or a SIGKILL, it comes back on the same port and socket with its data. REDIS_FLAGS adds options.
set -euo pipefail
[ $# = 1 ] || { echo "usage: start.sh DIR" >&2; exit 64; }
command -v redis-server >/dev/null || { echo "start.sh: redis-server is missing (deploy/deps.sh installs it)" >&2; exit 69; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
alive() { # a zombie is not
    [ -e "$dir/pid" ] && grep -q '^State:[^ZX]*$' "/proc/$(cat "$dir/pid")/status" 2>/dev/null
}
alive && { echo "start.sh: already running in $dir" >&2; exit 64; }
for attempt in 1 2 3 4 5; do
    if [ ! -e "$dir/port" ]; then
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue
        echo $port >"$dir/port"
    fi
    # a socket's path has 107 bytes at most: the name is relative to DIR
    (cd "$dir" && exec nohup redis-server --port "$(cat port)" --bind 127.0.0.1 --unixsocket redis.sock \
        --unixsocketperm 700 --dir "$dir" --appendonly yes --appendfsync everysec --save '' \
        --loglevel notice ${REDIS_FLAGS:-} >"$dir/log" 2>&1 </dev/null) &
    echo $! >"$dir/pid"
    for _ in $(seq 200); do
        [ "$(redis-cli -p "$(cat "$dir/port")" ping 2>/dev/null)" = PONG ] && alive && {
            printf 'REDIS_PORT=%s\nREDIS_SOCKET=%s\nREDIS_PID=%s\n' "$(cat "$dir/port")" "$dir/redis.sock" "$(cat "$dir/pid")" >"$dir/env"
            cat "$dir/env"
            exit 0
        }
        alive || break
        sleep 0.05
    done
    alive && kill "$(cat "$dir/pid")" || true
    if [ -e "$dir/env" ]; then sleep 1; else rm -f "$dir/port"; fi
done
tail -20 "$dir/log" >&2
echo "start.sh: Redis does not start in $dir" >&2
exit 69
