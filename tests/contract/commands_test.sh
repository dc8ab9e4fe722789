#!/bin/bash
# The commands that set up and write state, on a real Kafka and Redis.
carillon=build/carillon
export LC_ALL=C # values are bytes
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
prefix=cmd$$.
version=$(sed -n 's/.*REDIS_FUNCTIONS_VERSION = \([0-9]*\).*/\1/p' engine/domain/redis_functions.h)
cat >"$dir/c.yaml" <<YAML
kafka:
  bootstrap_servers: "$KAFKA_BOOTSTRAP"
  topic_prefix: "$prefix"
  partitions: 3
redis:
  address: "127.0.0.1:$REDIS_PORT"
  connect_timeout_ms: 500
YAML
failed=0
check() { # sentence, condition
    if eval "$2"; then echo "ok $1"; else echo "not ok $1"; failed=1; cat "$dir/out" "$dir/err"; fi
}
run() { # exit code, arguments...
    want=$1
    shift
    "$carillon" "$@" >"$dir/out" 2>"$dir/err"
    got=$?
    [ "$got" = "$want" ] || { echo "exit $got instead of $want: $*"; return 1; }
}
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
    'run 0 setup --config "$dir/c.yaml" --dry-run && [ "$(grep -c "would create" "$dir/out")" = 7 ] &&
     grep -q "would load" "$dir/out" && [ "$(topics)" = 0 ] && [ -z "$(redis function list)" ]'
check "set-up creates seven topics and loads the functions" \
    'run 0 setup --config "$dir/c.yaml" && topics_become 7 && [ "$(redis fcall version 0)" = "$version" ]'
check "set-up again changes nothing and has nothing to say" \
    'run 0 setup --config "$dir/c.yaml" && [ ! -s "$dir/out" ] && ! grep -q "would have" "$dir/err"'
sed 's/partitions: 3/partitions: 4\n  max_message_bytes: 2000000/' "$dir/c.yaml" >"$dir/d.yaml"
check "what differs is said, and left as it is" \
    'run 0 setup --config "$dir/d.yaml" && grep -q "has 3 partitions; set-up would have made 4" "$dir/err" &&
     grep -q "carillon.dead: max.message.bytes is 1114112; set-up would have made it 2065536" "$dir/err"'
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
exit $failed
