#!/bin/bash
# Fetches Apache Kafka (one node is enough for tests and trials) through Maven into a cache folder,
# once, and prints that folder. Where from is Maven's own settings' business.
#   KAFKA_VERSION    3.9.1
#   CARILLON_CACHE   ~/.cache/carillon
set -euo pipefail
version=${KAFKA_VERSION:-3.9.1}
cache=${CARILLON_CACHE:-$HOME/.cache/carillon}
folder=$cache/kafka-$version
if [ ! -e "$folder/.complete" ]; then
    for tool in mvn java; do
        command -v $tool >/dev/null || { echo "fetch.sh: $tool is missing (deploy/deps.sh installs it)" >&2; exit 69; }
    done
    mkdir -p "$cache"
    exec 9>"$cache/.kafka-$version.lock"
    flock 9 # another test run may be fetching
    if [ ! -e "$folder/.complete" ]; then
        work=$(mktemp -d "$cache/.fetch.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>carillon</groupId>
  <artifactId>test-broker</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
        echo "fetching Kafka $version into $folder" >&2
        mvn -q -B -f "$work/pom.xml" -DincludeScope=runtime -DoutputDirectory="$work/jars" \
            dependency:copy-dependencies >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 69; }
        rm -rf "$folder"
        mv "$work/jars" "$folder"
        touch "$folder/.complete"
    fi
fi
echo "$folder"
