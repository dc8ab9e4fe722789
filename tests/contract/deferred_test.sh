#!/bin/bash
# What waits, as the commands tell it: deferral records in a real Kafka, d1 in a real Redis.
export LC_ALL=C TZ=UTC
. tests/contract/cli.sh
prefix=def$$.
cat >"$dir/c.yaml" <<YAML
kafka:
  bootstrap_servers: "$KAFKA_BOOTSTRAP"
  topic_prefix: "$prefix"
  partitions: 2
redis:
  address: "127.0.0.1:$REDIS_PORT"
deferral:
  slots: 8
  slot_ms: 3600000
  spread: 2
  far_spread: 1
YAML
json() { python3 -c "import json, sys; x = json.load(open(sys.argv[1])); sys.exit(not ($1))" "$dir/out"; }
redis() { redis-cli -p "$REDIS_PORT" "$@" >/dev/null; }

redis flushall
run 0 setup --config "$dir/c.yaml" || { cat "$dir/err"; exit 1; }
hour=3600000
now=$(($(date +%s) * 1000))
slot=$((now / hour + 2)) # two hours ahead
due=$((slot * hour + 5))
# The partitions to which an id leads are those that hold it: both of the slot get a copy of the
# question, one has the record.
defer() { # partition, event id, seq, reason, further headers...
    partition=$1 id=$2 seq=$3 reason=$4
    shift 4
    headers=()
    for h in "carillon-due=$due" "carillon-ring=8/$hour/2" "carillon-seq=$seq" \
        "carillon-reason=$reason" "carillon-origin=${prefix}carillon.events/0/7" \
        "carillon-timestamp=$now" "carillon-attempts=0" "carillon-kind=reminder" \
        "carillon-expires=$((due + 16000))" "$@"; do
        headers+=(-H "$h")
    done
    printf '%s' "$id#$seq=x" | kcat -b "$KAFKA_BOOTSTRAP" -P -K = -t "${prefix}carillon.deferred.1" \
        -p "$partition" "${headers[@]}" 2>/dev/null
}
first=$((slot % 8 * 2))
for i in 1 2 3; do defer $((first + i % 2)) "other$i" 1 not_due; done
check "the calendar says how many wait, by Kafka alone" \
    'run 0 deferred --summary --config "$dir/c.yaml" && grep -q " 3 wait" "$dir/out" &&
     grep -q "3  split unknown" "$dir/out" && grep -q "^3 wait in all" "$dir/out"'
start=$(date -u -d @$((slot * 3600)) +%Y-%m-%dT%H:%M:%S.000Z)
redis hset "d1:{$hour/$slot}" "n|reminder|sms_fr|12" 2 "s|reminder|sms_fr|12" 6
check "and by kind and route, as they were counted" \
    'run 0 deferred --summary --json --config "$dir/c.yaml" &&
     json "x[\"waiting\"] == 3 and x[\"slots\"][0][\"start\"] == \"$start\" and
           x[\"slots\"][0][\"unknown\"] == 1 and x[\"slots\"][0][\"split\"] ==
           [dict(kind=\"reminder\", route=\"sms_fr\", count=2, segments=6)]"'
redis hset "d1:{$hour/$slot}" "n|reminder|sms_fr|12" 6
check "what was counted and is gone is left out in proportion" \
    'run 0 deferred --summary --json --config "$dir/c.yaml" &&
     json "x[\"slots\"][0][\"unknown\"] == 0 and x[\"slots\"][0][\"split\"][0][\"count\"] == 3"'
cat >>"$dir/c.yaml" <<YAML
worker: {adapters: "$PWD/deploy/providers"}
providers:
  - name: plain
    adapter: webhook
    limit_per_second: 1
    credentials: [{name: token, value: x}]
routes:
  - {name: sms_fr, provider: plain, channel: sms}
YAML
redis del "d1:{$hour/$slot}"
redis hset "d1:{$hour/$slot}" "n|reminder|sms_fr|12" 3 "s|reminder|sms_fr|12" 38
check "the limit that binds, how long the release takes and who misses it are foretold" \
    'run 0 deferred --summary --json --config "$dir/c.yaml" &&
     json "(lambda s: s[\"limit\"] == \"account:plain\" and s[\"clear_seconds\"] == 40 and
           s[\"miss\"] == 2)(x[\"slots\"][0])"'
check "another slot is not told" \
    'run 0 deferred --summary --slot 2020-01-01 --config "$dir/c.yaml" && grep -q "^0 wait" "$dir/out"'

port=$((20000 + RANDOM % 12000))
CARILLON_ADMIN__ADDRESS=127.0.0.1:$port "$carillon" run --config "$dir/c.yaml" >"$dir/log" 2>&1 &
worker=$!
page() {
    python3 -c "import sys, urllib.request
sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())" "http://127.0.0.1:$port/$1" 2>/dev/null
}
foretold() {
    for _ in $(seq 100); do
        page metrics >"$dir/out"
        grep -q '^carillon_release_clear_seconds{window="6h"} 40.000$' "$dir/out" &&
            grep -q '^carillon_release_clear_seconds{window="1h"} 0.000$' "$dir/out" &&
            grep -q '^carillon_release_miss{window="6h"} 2$' "$dir/out" &&
            promtool check metrics <"$dir/out" >"$dir/err" 2>&1 &&
            page status.json >"$dir/out" && break
        sleep 0.1
    done
    json 'any(r["window"] == "6h" and r["limit"] == "account:plain" for r in x["releases"])'
}
check "a worker foretells the release, and its status says which limit binds" foretold
kill "$worker" && wait "$worker"

for p in 0 1; do # the id leads to one of the two
    defer $((first + p)) evt-1 1 not_due
    defer $((first + p)) evt-1 2 quiet_hours carillon-legs=sms:0123456789abcdef carillon-route=sms_fr \
        carillon-segments=2
done
check "why says until when an event waits, and why" \
    'run 0 why evt-1 --config "$dir/c.yaml" && [ "$(grep -c "waits until $(date -u -d @$((slot * 3600)) +%Y-%m-%dT%H)" "$dir/out")" = 1 ] &&
     grep -q "sms waits .*(quiet_hours). Deferred 2 times, for route sms_fr" "$dir/out" &&
     grep -q "read [1-9][0-9]* deferrals in [1-9]* partitions" "$dir/err"'
check "and as an object a line" \
    'run 0 why evt-1 --json --config "$dir/c.yaml" &&
     json "x[\"waiting\"] == \"quiet_hours\" and x[\"seq\"] == 2 and x[\"channels\"] == [\"sms\"] and
           x[\"origin\"][\"offset\"] == 7"'
printf '%s' "evt-1={\"event_id\":\"evt-1\",\"leg_id\":\"l\",\"channel\":\"sms\",\"outcome\":\"sent\",\"origin\":{\"topic\":\"${prefix}carillon.events\",\"partition\":0,\"offset\":\"7\"}}" |
    kcat -b "$KAFKA_BOOTSTRAP" -P -K = -t "${prefix}carillon.outcomes" -X topic.partitioner=murmur2_random 2>/dev/null
check "what has its outcome waits no more" \
    'run 0 why evt-1 --config "$dir/c.yaml" && grep -q "was sent" "$dir/out" && ! grep -q "waits" "$dir/out"'
check "an event of which nothing is known is not found" 'run 1 why evt-2 --config "$dir/c.yaml"'
redis-cli -p "$REDIS_PORT" del "d1:{$hour/$slot}" >/dev/null
check "without Redis the calendar stands, its split unknown" \
    'CARILLON_REDIS__ADDRESS=127.0.0.1:1 run 0 deferred --summary --config "$dir/c.yaml" &&
     grep -q "split is unknown" "$dir/err" && grep -q "split unknown" "$dir/out"'
check "a Kafka that does not answer is exit 69" \
    'CARILLON_KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:1 run 69 deferred --summary --config "$dir/c.yaml"'
check "no --summary is a wrong call" 'run 64 deferred --config "$dir/c.yaml"'
[ "$failed" = 0 ]
