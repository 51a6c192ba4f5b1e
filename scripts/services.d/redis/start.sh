#!/usr/bin/env bash
# Becomes the Redis server: start.sh PROGRAM DATA PORT [OPTION...]. It keeps nothing on disk unless options say otherwise.
# With ENDS_WITH_STDIN=true it ends when its standard input does.
set -eu
program=$1 data=$2 port=$3
shift 3
mkdir -p "$data"
server=("$program" --port "$port" --bind 127.0.0.1 --dir "$data" --save '' --appendonly no "$@")
[ "${ENDS_WITH_STDIN:-false}" = true ] || exec "${server[@]}"
"${server[@]}" </dev/null &
cat >/dev/null
kill -9 $!
wait $! || true # until it is gone
