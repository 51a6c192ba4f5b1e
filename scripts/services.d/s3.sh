# S3: a service of scripts/services, which reads this file. The server is versitygw, which keeps buckets as folders, and checks credentials.

s3_version=v1.8.0
s3_home=$home/s3

installed_s3() { [ -x "$s3_home/versitygw" ] && [ -f "$s3_home/STAMP" ] && [ "$(<"$s3_home/STAMP")" = "$s3_version" ]; }
version_s3() { echo "versitygw $s3_version"; }
install_s3() {
  if ! all_there go; then echo "needs go, which is not installed"; return 1; fi
  # Go's caches would take 700 MB, so they go away with the folder in which it is built; a whole installation appears at once.
  local new=$s3_home.new
  rm -rf "$new" &&
    GOBIN=$new GOPATH=$new/go GOCACHE=$new/cache GOFLAGS=-modcacherw CGO_ENABLED=0 \
      go install -trimpath -ldflags='-s -w' "github.com/versity/versitygw/cmd/versitygw@$s3_version" &&
    rm -rf "$new/go" "$new/cache" &&
    echo "$s3_version" >"$new/STAMP" &&
    rm -rf "$s3_home" && mv "$new" "$s3_home"
}

port_s3() { echo "${BSKYINGEST_S3_PORT:-19000}"; }
run_s3() { exec "$here/services.d/s3/start.sh" "$s3_home" "$home/data/s3" "$1"; }
healthy_s3() { http_ok "$1" /health; }
url_s3() { echo "http://127.0.0.1:$1"; }
