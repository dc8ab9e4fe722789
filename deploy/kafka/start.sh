#!/bin/bash
# Starts one Kafka node (KRaft) with its data in DIR and waits until it serves.
#   deploy/kafka/start.sh DIR
# Writes DIR/env (KAFKA_BOOTSTRAP, KAFKA_PID). Started again on the same DIR, after a stop or a
# SIGKILL, it comes back on the same port with the same data. For tests and trials: no replication.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 1 ] || { echo "usage: start.sh DIR" >&2; exit 64; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
jars=$("$here/fetch.sh")
mkdir -p "$dir/tmp" # what a killed JVM leaves goes with DIR
flags=(-Xmx384m -Xms64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto
    -XX:-UsePerfData "-Djava.io.tmpdir=$dir/tmp"
    -Dorg.slf4j.simpleLogger.logFile=System.out -cp "$jars/*")

alive() { # a zombie is not
    [ -e "$dir/pid" ] && grep -q '^State:[^ZX]*$' "/proc/$(cat "$dir/pid")/status" 2>/dev/null
}
free_port() { # nobody listens on it now; below the range that clients are given
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo $port; return; }
    done
}
configure() {
    local port controller
    port=$(free_port)
    controller=$(free_port)
    rm -rf "$dir/data"
    cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data
auto.create.topics.enable=false
num.partitions=8
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=4194304
PROPERTIES
    local id
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c 1-22)
    java "${flags[@]}" kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" >"$dir/format.log" 2>&1 ||
        { cat "$dir/format.log" >&2; exit 69; }
    echo "$port" >"$dir/port"
}

alive && { echo "start.sh: already running in $dir" >&2; exit 64; }
for attempt in 1 2 3; do
    [ -e "$dir/port" ] || configure
    : >"$dir/log"
    nohup java "${flags[@]}" kafka.Kafka "$dir/server.properties" >"$dir/log" 2>&1 </dev/null 9>&- &
    echo $! >"$dir/pid"
    for _ in $(seq 600); do
        grep -q 'Kafka Server started' "$dir/log" && break
        alive || break
        sleep 0.1
    done
    if alive && grep -q 'Kafka Server started' "$dir/log"; then
        printf 'KAFKA_BOOTSTRAP=127.0.0.1:%s\nKAFKA_PID=%s\n' "$(cat "$dir/port")" "$(cat "$dir/pid")" >"$dir/env"
        cat "$dir/env"
        exit 0
    fi
    "$here/../stop.sh" "$dir" KILL
    # a port was taken meanwhile: others may be chosen only while there is no data
    if [ -e "$dir/env" ]; then sleep 1; else rm -f "$dir/port"; fi
done
tail -20 "$dir/log" >&2
echo "start.sh: Kafka does not start in $dir" >&2
exit 69
