#!/bin/sh
# `carillon check` as its users meet it: exit codes, places of faults, what does not answer.
# Prints `N passed, N failed`.
cd "$(dirname "$0")/.." || exit 1
carillon=$PWD/build/carillon
passed=0 failed=0
work=$(mktemp -d) || exit 1
servers=""
trap 'for s in $servers; do kill "$s" 2>/dev/null; done; rm -rf "$work"' EXIT INT TERM

# claim SENTENCE EXIT PATTERN ARG...: runs check, looks for the pattern in what it says.
claim() {
    sentence=$1 want=$2 pattern=$3; shift 3
    timeout 60 "$carillon" check "$@" >"$work/out" 2>&1
    rc=$?
    if [ "$rc" -eq "$want" ] && grep -qE -- "$pattern" "$work/out"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "--- $sentence: exit $rc, wanted $want and /$pattern/"; cat "$work/out"
    fi
}

claim "no config is a usage error" 64 "^usage:"
claim "an unknown option is a usage error" 64 "^usage:" --confg x
claim "the sample is good" 0 "good, 0 errors" --config deploy/carillon.yaml
claim "a warning can be denied" 78 "bad, 0 errors" --config deploy/carillon.yaml --deny-warnings
printf '# nothing yet\n' >"$work/empty.yaml"
claim "an empty file is all defaults, and that is said" 0 "empty.yaml: warning: config: the file is empty: every setting is the default" --config "$work/empty.yaml"
claim "a file that is not there is told" 78 "^$work/none.yaml: error: cannot be read" --config "$work/none.yaml"

config() { cat >"$work/c.yaml"; }
config <<'END'
kafka:
  bootstrap_server: kafka:9092
END
claim "an unknown key is told with the nearest" 78 "c.yaml:2:3: error: kafka.bootstrap_server: unknown key; did you mean bootstrap_servers\?" --config "$work/c.yaml"
config <<'END'
send:
  max_attempts: many
END
claim "a wrong type is told with bounds" 78 'c.yaml:2:3: error: send.max_attempts: "many" is not a whole number from 1 to 100 attempts' --config "$work/c.yaml"
config <<'END'
redis:
  password_file: secret
END
claim "a missing secret file is told" 78 "c.yaml:2:3: error: redis.password_file: cannot read the secret file $work/secret" --config "$work/c.yaml"
echo sesame >"$work/secret"
claim "a secret is not printed" 0 "password_file: secret" --config "$work/c.yaml" --print
grep -q sesame "$work/out" && { echo "--- a secret was printed"; failed=$((failed + 1)); }
CARILLON_SEND__MAX_ATTEMPTS=7 claim "the environment counts" 0 "max_attempts: 7" --config "$work/c.yaml" --print

mkdir "$work/providers"
sed 's/^id: .*/id: nowhere/' deploy/providers/webhook.yaml >"$work/providers/odd.yaml"
line=$(grep -n '^id:' "$work/providers/odd.yaml" | cut -d: -f1)
config <<'END'
providers: [{name: p, adapter: odd, credentials: [{name: token, value: t}]}]
routes: [{name: r, provider: p}]
END
claim "an adapter's fault is told in its own file" 78 "providers/odd.yaml:$line:1: error: id: \"nowhere\"" --config "$work/c.yaml"

# Certificates: a good one, one that expired yesterday; each on a port of its own.
key() { openssl req -newkey rsa:2048 -nodes -keyout "$work/$1.key" -subj /CN=localhost -out "$work/$1.csr" 2>/dev/null; }
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >"$work/names"
key good; key expired
openssl x509 -req -in "$work/good.csr" -signkey "$work/good.key" -days 2 -extfile "$work/names" -out "$work/good.pem" 2>/dev/null
openssl x509 -req -in "$work/expired.csr" -signkey "$work/expired.key" -days -1 -extfile "$work/names" -out "$work/expired.pem" 2>/dev/null
serve() { # name -> its port in $port
    openssl s_server -accept 127.0.0.1:0 -cert "$work/$1.pem" -key "$work/$1.key" \
        -www >"$work/$1.log" 2>&1 &
    servers="$servers $!"
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        port=$(sed -n 's/^ACCEPT 127.0.0.1:\([0-9]*\).*/\1/p' "$work/$1.log" 2>/dev/null)
        [ -n "$port" ] && return
        sleep 0.1
    done
}
serve good; good=$port
serve expired; expired=$port
webhook() { echo "  - {name: $1, adapter: webhook, base_url: \"https://$2\", ca_file: $3, credentials: [{name: token, value: t}]}"; }
{
    echo "worker: {adapters: $PWD/deploy/providers}"
    echo "kafka: {bootstrap_servers: \"127.0.0.1:1\"}"
    echo "redis: {address: \"unix:$work/none.sock\"}"
    echo "providers:"
    webhook good "127.0.0.1:$good" good.pem
    webhook expired "127.0.0.1:$expired" expired.pem
    webhook stranger "127.0.0.1:$good" expired.pem
    webhook away "127.0.0.1:1" good.pem
} >"$work/c.yaml"
claim "without --connect nothing is asked" 0 "good, 0 errors" --config "$work/c.yaml"
claim "a broker that does not answer is told" 78 "c.yaml:2:9: error: kafka.bootstrap_servers: no answer from 127.0.0.1:1" --config "$work/c.yaml" --connect
said() {
    if grep -qE -- "$2" "$work/out"; then passed=$((passed + 1)); else
        failed=$((failed + 1)); echo "--- $1: no /$2/"; cat "$work/out"; fi
}
said "a Redis that is away is told" "c.yaml:3:9: error: redis.address: no answer from unix:"
said "an expired certificate is told" "providers\[1\]: expired: .*certificate has expired"
said "a certificate of a stranger is told" "providers\[2\]: stranger: .*self-signed certificate"
said "a provider that is away is told" "providers\[3\]: away: .*cannot connect"
if grep -q "providers\[0\]" "$work/out"; then failed=$((failed + 1)); echo "--- the good one was blamed"; else passed=$((passed + 1)); fi

# A Redis that answers, and one that wants a password.
redis-server --port 0 --unixsocket "$work/redis.sock" --requirepass sesame --save "" --dir "$work" >"$work/redis.log" 2>&1 &
servers="$servers $!"
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -S "$work/redis.sock" ] && break; sleep 0.2; done
config <<END
kafka: {bootstrap_servers: "127.0.0.1:1"}
redis: {address: "unix:$work/redis.sock"}
END
claim "a Redis that wants a password is told" 78 "redis.address: no answer from unix:.*(NOAUTH|auth)" --config "$work/c.yaml" --connect
CARILLON_REDIS__PASSWORD_FILE=secret claim "a Redis that answers is not blamed" 78 "bad, 1 errors" --config "$work/c.yaml" --connect

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
