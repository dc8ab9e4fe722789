#!/bin/bash
# The commands that set up and write state, on a real Kafka and Redis.
export LC_ALL=C # values are bytes
. tests/contract/cli.sh
prefix=cmd$$.
version=$(sed -n 's/.*REDIS_FUNCTIONS_VERSION = \([0-9]*\).*/\1/p' engine/domain/redis_functions.h)
cat >"$dir/c.yaml" <<YAML
kafka:
  bootstrap_servers: "$KAFKA_BOOTSTRAP"
  topic_prefix: "$prefix"
  partitions: 3
deferral: {slots: 8, spread: 2, far_spread: 1}
redis:
  address: "127.0.0.1:$REDIS_PORT"
  connect_timeout_ms: 500
YAML
topics() { kcat -b "$KAFKA_BOOTSTRAP" -L 2>/dev/null | grep -c "topic \"$prefix"; }
topics_become() { # within 10 s: brokers tell a new topic a little later, kcat may not reach them at once
    for _ in $(seq 100); do
        [ "$(topics)" = "$1" ] && return
        sleep 0.1
    done
    echo "$(topics) topics instead of $1"
    return 1
}
redis() { redis-cli -p "$REDIS_PORT" "$@"; }
records() { kcat -b "$KAFKA_BOOTSTRAP" -C -e -q -t "$prefix$1" -f '%k~%S\n' 2>/dev/null; }
key() { printf '%s\0%s' "$1" "$2" | sha256sum | cut -c 1-32; }

redis flushall >/dev/null
redis function flush >/dev/null
check "a dry run says what is missing and creates nothing" \
    'run 0 setup --config "$dir/c.yaml" --dry-run && [ "$(grep -c "would create" "$dir/out")" = 9 ] &&
     grep -q "would load" "$dir/out" && [ "$(topics)" = 0 ] && [ -z "$(redis function list)" ]'
check "set-up creates nine topics and loads the functions" \
    'run 0 setup --config "$dir/c.yaml" && topics_become 9 && [ "$(redis fcall version 0)" = "$version" ]'
check "set-up again changes nothing and has nothing to say" \
    'run 0 setup --config "$dir/c.yaml" && [ ! -s "$dir/out" ] && ! grep -q "would have" "$dir/err"'
sed 's/partitions: 3/partitions: 4\n  max_message_bytes: 2000000/' "$dir/c.yaml" >"$dir/d.yaml"
check "what differs is said, and left as it is" \
    'run 0 setup --config "$dir/d.yaml" && grep -q "has 3 partitions; set-up would have made 4" "$dir/err" &&
     grep -q "carillon.dead: max.message.bytes is 1114112; set-up would have made it 2065536" "$dir/err"'
check "the ring has a partition per slot and spread, and keeps its length and 7 days" \
    'kcat -b "$KAFKA_BOOTSTRAP" -L -t "${prefix}carillon.deferred.1" | grep -q "with 16 partitions" &&
     kcat -b "$KAFKA_BOOTSTRAP" -L -t "${prefix}carillon.deferred.far" | grep -q "with 32 partitions" &&
     sed "s/slots: 8/slots: 9/" "$dir/c.yaml" >"$dir/r.yaml" && run 0 setup --config "$dir/r.yaml" --ring --dry-run &&
     grep -q "carillon.deferred.2 (18 partitions, 1 replicas, max.message.bytes=1114112, message.timestamp.type=LogAppendTime, retention.ms=621000000, cleanup.policy=delete" "$dir/out"'
check "a ring that does not fit is said, and nothing is made of it" \
    'run 0 setup --config "$dir/r.yaml" && [ ! -s "$dir/out" ] && topics_become 9 &&
     grep -q "has the 18 partitions.*setup --ring" "$dir/err"'
check "a worker whose ring does not fit exits with 78 and the remedy" \
    'run 78 run --config "$dir/r.yaml" && grep -q "setup --ring" "$dir/err"'
check "a ring that fits gets no other generation" \
    'run 0 setup --config "$dir/c.yaml" --ring && [ ! -s "$dir/out" ] && topics_become 9'
check "a ring of another slot length, with as many partitions, gets one" \
    'sed "s/spread: 2/spread: 2, slot_ms: 600000/" "$dir/c.yaml" >"$dir/s.yaml" &&
     run 0 setup --config "$dir/s.yaml" --ring --dry-run && grep -q "would create topic .*deferred.2 (16 " "$dir/out"'
check "and a worker does not write to the one there is, whose slots lie elsewhere" \
    'run 78 run --config "$dir/s.yaml" && grep -q "is a ring of 14400 s.*are 4800 s.*setup --ring" "$dir/err"'
check "a ring that is longer than the brokers keep commits is told" \
    'sed "s/slots: 8/slots: 8, slot_ms: 86400000/" "$dir/c.yaml" >"$dir/l.yaml" &&
     run 0 setup --config "$dir/l.yaml" && grep -q "set offsets.retention.minutes to 12960 or more" "$dir/err" &&
     run 0 setup --config "$dir/c.yaml" && ! grep -q "offsets.retention" "$dir/err"'
check "set-up adds the next generation once" \
    'run 0 setup --config "$dir/r.yaml" --ring && topics_become 10 && grep -q "creating topic .*deferred.2 (18 " "$dir/out" &&
     run 0 setup --config "$dir/r.yaml" --ring && [ ! -s "$dir/out" ]'
echo "waits" | kcat -b "$KAFKA_BOOTSTRAP" -P -t "${prefix}carillon.deferred.1" -p 5
check "a generation that somebody wrote to lately is not over" \
    'run 0 setup --config "$dir/r.yaml" --remove-over && [ ! -s "$dir/out" ] && topics_become 10 &&
     grep -q "deferred.1 stays: of 16 partitions group carillon.ring has not committed 1 to their end, and 1 were written" "$dir/err"'
check "the newest generation and the one that is written to stay, whatever" \
    'run 0 setup --config "$dir/c.yaml" --remove-over && [ ! -s "$dir/out" ] && topics_become 10'
# A ring of 8 s, left by its group with everything done; looked at again at the end.
sed "s/topic_prefix: .*/topic_prefix: \"over$prefix\"\n  group: g$$/; s/slots: 8,/slots: 4, slot_ms: 2000, lead_ms: 100, time_sample_ms: 100,/" \
    "$dir/c.yaml" >"$dir/o.yaml"
printf 'schedule: {horizon_ms: 2000}\n' >>"$dir/o.yaml"
sed "s/slots: 4/slots: 5/" "$dir/o.yaml" >"$dir/p.yaml"
old=over${prefix}carillon.deferred.1
check "a ring of seconds is replaced" \
    'run 0 setup --config "$dir/o.yaml" && echo done | kcat -b "$KAFKA_BOOTSTRAP" -P -t "$old" -p 5 &&
     run 0 setup --config "$dir/p.yaml" --ring && grep -q "creating topic .*deferred.2 (10 " "$dir/out"'
over_written=$(date +%s)
check "a number is opted out, in force at exit" \
    'run 0 suppress add --config "$dir/c.yaml" --tenant t --address +33612345678 &&
     redis get "r1:{$(key t +33612345678)}" | grep -aq "^opt_out|0|" &&
     records carillon.suppressions | grep -q "^t/+33612345678/opt_out~[1-9]"'
check "an e-mail address is unsubscribed from all classes, in lower case" \
    'run 0 suppress add --config "$dir/c.yaml" --tenant t --address Jo@Example.FR --reason "asked by phone" &&
     redis get "r1:{$(key t jo@example.fr)}" | tr "\n" " " | grep -aq "^unsubscribe|.*asked by phone"'
check "a class that is given back leaves the others" \
    'run 0 suppress remove --config "$dir/c.yaml" --tenant t --address jo@example.fr --class marketing &&
     redis --no-raw get "r1:{$(key t jo@example.fr)}" | grep -aqF "*\\x05\\x01\\x02\\x03\\x04\\x06"'
redis flushall >/dev/null
check "classes that only the topic knows stay, too" \
    'run 0 suppress add --config "$dir/c.yaml" --tenant t --address jo@example.fr --class conversation &&
     redis --no-raw get "r1:{$(key t jo@example.fr)}" | grep -aqF "*\\x05\\x01\\x02\\x03\\x04\\x06"'
state() { redis --no-raw get "b1:{$(key t b)}"; }
printf 't/b:{"revision":7,"confirmed":true}\nt/b:{"cancelled":true}\n' |
    kcat -b "$KAFKA_BOOTSTRAP" -P -K: -X partitioner=murmur2_random -t "${prefix}carillon.bookings.state"
check "what upstream records say of a booking, each a part, is known to the command" \
    'run 0 bookings confirm --config "$dir/c.yaml" --tenant t --booking b &&
     state | grep -F "revision|" | grep -F "cancelled|2|2| \\x01" | grep -qF "\\x18\\a"'
check "a booking is not cancelled any more with a higher revision" \
    'run 65 bookings revise --config "$dir/c.yaml" --tenant t --booking b --revision 7 &&
     run 0 bookings revise --config "$dir/c.yaml" --tenant t --booking b --revision 8 &&
     state | grep -qF "cancelled|3|2| \\x00"'
run 0 suppress add --config "$dir/c.yaml" --tenant t --address +33612345678
check "a fact that is removed is a null in the topic and empty in Redis" \
    'run 0 suppress remove --config "$dir/c.yaml" --tenant t --address +33612345678 &&
     records carillon.suppressions | grep -q "^t/+33612345678/opt_out~-1" &&
     redis get "r1:{$(key t +33612345678)}" | grep -aqE "^opt_out\|[0-9]+\|0\|$"'
check "a customer is blocked on the whole platform" \
    'run 0 suppress add --config "$dir/c.yaml" --tenant "*" --customer c9 &&
     redis get "r1:{$(key "*" c9)}" | grep -aq "^block|"'
check "what makes no sense is a usage error" \
    'run 64 suppress add --config "$dir/c.yaml" --tenant t && run 64 suppress add --config "$dir/c.yaml" --tenant t --address nobody &&
     run 64 suppress add --config "$dir/c.yaml" --tenant t --customer c --opted-out && run 64 tenants put --config "$dir/c.yaml" &&
     run 64 setup'
cat >"$dir/t.json" <<'JSON'
[{"tenant_id": "salon", "verified": true, "zone": "Europe/Paris"},
 {"tenant_id": "spa", "quiet_hours": [{"class": "reminder", "start": "21:00", "end": "07:00"}]}]
JSON
check "settings are written and read back" \
    'run 0 tenants put --config "$dir/c.yaml" "$dir/t.json" && run 0 tenants get --config "$dir/c.yaml" --tenant salon &&
     grep -q "\"zone\":\"Europe/Paris\"" "$dir/out" && redis get "t1v:{salon}" | grep -q "^v|"'
echo '[{"tenant_id":"good"},{"tenant_id":"bad","quiet_hours":[{"class":"reminder","start":"08:00","end":"08:00"}]}]' >"$dir/bad.json"
check "one that is wrong keeps the whole file out" \
    'run 65 tenants put --config "$dir/c.yaml" "$dir/bad.json" && grep -q "quiet_hours" "$dir/err" &&
     [ -z "$(redis get "t1v:{good}")" ]'
check "no settings are the defaults" \
    'run 0 tenants get --config "$dir/c.yaml" --tenant nobody && grep -q defaults "$dir/err"'
sed 's/address: .*/address: "127.0.0.1:1"/' "$dir/c.yaml" >"$dir/away.yaml"
check "without Redis nothing is said to be done" \
    'run 69 suppress add --config "$dir/away.yaml" --tenant t --address +33612345678 && grep -q "redis 127.0.0.1:1" "$dir/err"'
while [ $(($(date +%s) - over_written)) -lt 10 ]; do sleep 0.2; done
check "a generation that is old but not committed to its end stays" \
    'run 0 setup --config "$dir/p.yaml" --remove-over && [ ! -s "$dir/out" ] &&
     grep -q "deferred.1 stays: of 8 partitions group g$$.ring has not committed 1 to their end, and 0 were written" "$dir/err"'
kcat -b "$KAFKA_BOOTSTRAP" -G "g$$.ring" -X auto.offset.reset=earliest -q -c 1 "$old" >/dev/null 2>&1
check "one that is over is deleted, and a dry run only says so" \
    'run 0 setup --config "$dir/p.yaml" --remove-over --dry-run && grep -q "would delete topic $old" "$dir/out" &&
     run 0 setup --config "$dir/p.yaml" --remove-over && grep -q "deleting topic $old" "$dir/out" &&
     run 0 setup --config "$dir/p.yaml" --remove-over && [ ! -s "$dir/out" ]'
exit $failed
