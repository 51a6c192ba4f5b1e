#!/usr/bin/env bash
# Becomes the S3 server: start.sh HOME DATA PORT. The key is `test`, the secret `testsecret`, the region us-east-1.
# With ENDS_WITH_STDIN=true it ends when its standard input does.
set -eu
home=$1 data=$2 port=$3
# Accounts are needed to refuse unknown keys. Properties of objects go beside them, for not every file system keeps extended attributes.
mkdir -p "$data"/{buckets,properties,accounts}
export ROOT_ACCESS_KEY=test ROOT_SECRET_KEY=testsecret
server=("$home/versitygw" --quiet --keep-alive --health /health --port "127.0.0.1:$port" --region us-east-1
  --iam-dir "$data/accounts" posix --sidecar "$data/properties" "$data/buckets")
[ "${ENDS_WITH_STDIN:-false}" = true ] || exec "${server[@]}"
"${server[@]}" </dev/null &
cat >/dev/null
kill -9 $!
