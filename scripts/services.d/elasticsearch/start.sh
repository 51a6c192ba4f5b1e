#!/usr/bin/env bash
# Becomes the Elasticsearch that assemble.sh laid out: start.sh HOME DATA PORT [SETTING=VALUE...]
# HEAP is its heap (1g). With ENDS_WITH_STDIN=true it ends when its standard input does.
set -eu
home=$1 data=$2 port=$3
shift 3
heap=${HEAP:-1g}
mkdir -p "$data/tmp"
# Elastic's own native code (libvec) is not in the jars; Lucene's Java code serves.
exec java -Xms"$heap" -Xmx"$heap" -XX:+UseG1GC -XX:-UsePerfData \
  -Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false -Des.nativelibs.path="$home/native" \
  -Dlocal.ends.with.stdin="${ENDS_WITH_STDIN:-false}" \
  -Dfile.encoding=UTF-8 -Djava.io.tmpdir="$data/tmp" -Djna.tmpdir="$data/tmp" \
  -Dlog4j2.disable.jmx=true -Dlog4j2.formatMsgNoLookups=true \
  -Dio.netty.noUnsafe=true -Dio.netty.noKeySetOptimization=true -Dio.netty.recycler.maxCapacityPerThread=0 \
  -Des.path.home="$home" -Des.path.conf="$home/config" -Des.distribution.type=tar \
  --add-opens=java.base/java.io=ALL-UNNAMED \
  -cp "$home/lib/*" local.TestServer \
  http.port="$port" path.data="$data" path.logs="$data/logs" "$@"
