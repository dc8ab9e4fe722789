#!/bin/sh
# Installs what carillon needs on Debian 12: `deploy/deps.sh build` what `make` and
# `make demo` need, `deploy/deps.sh test` also what `make test` needs. Idempotent; says
# what it does; without root it says which command to run.
set -eu

build="gcc make pkg-config libc6-dev liburing-dev librdkafka-dev libhiredis-dev libssl-dev
 libnghttp2-dev node-llhttp libcurl4-openssl-dev libjemalloc-dev libprotobuf-c-dev
 protobuf-c-compiler protobuf-compiler libprotobuf-dev libyaml-dev libcyaml-dev libc-ares-dev
 libglib2.0-dev libmicrohttpd-dev redis-server redis-tools tzdata openssl ca-certificates python3"
tests="libcmocka-dev libjansson-dev clang clang-format clang-tidy libclang-rt-14-dev cppcheck
 maven default-jre-headless prometheus kcat procps perl git"

case "${1:-build}" in
build) wanted=$build ;;
test) wanted="$build $tests" ;;
*) echo "usage: deploy/deps.sh [build|test]" >&2; exit 64 ;;
esac

missing=""
for package in $wanted; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" -ne 0 ]; then
    echo "deps: missing packages; as root, run: apt-get update && $install" >&2
    exit 69
fi
echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# Packages that start a service would take a port: what we test starts its own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get -qq update
# shellcheck disable=SC2086
$install >/dev/null
