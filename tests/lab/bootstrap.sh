#!/usr/bin/env bash
# What `make` needs and the machine does not have yet; silent and quick when nothing is missing.
#
#   bootstrap.sh venv    .cache/venv with everything in requirements-dev.txt
#   bootstrap.sh hosts   podman and what else it takes to boot test hosts (root or sudo)
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
venv=.cache/venv

fail() { echo "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

may_be_root() {
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null && sudo -v; }
}

apt_install() {
    command -v apt-get >/dev/null || fail "$* missing and there is no apt-get: install them, then run make again."
    may_be_root || fail "$* missing: run make as root or as a user who may use sudo, or install them yourself."
    echo "Installing $* ..."
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y "$@" >/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is missing: install it, or name one with 'make PYTHON=<path> ...'."
}

make_venv() {
    local python
    python="$(find_python)"
    "$python" -c 'import ensurepip' 2>/dev/null || apt_install "$(basename "$(readlink -f "$(command -v "$python")")")-venv"
    mkdir -p .cache
    exec 9>.cache/venv.lock
    flock 9
    if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        echo "Making $venv ..."
        "$python" -m venv --clear "$venv"
    fi
    echo "Installing requirements-dev.txt into $venv ..."
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --requirement requirements-dev.txt
    rm -f "$venv"/.stamp-*
    touch "$venv/.stamp-$(sha256sum requirements-dev.txt | cut -c1-12)" # last: an interrupted run starts again
}

ready_for_hosts() {
    local wanted=(podman crun mmdebstrap iptables uidmap netavark aardvark-dns openssh-client zstd debian-archive-keyring)
    local missing=() package
    for package in "${wanted[@]}"; do
        [ "$(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
    may_be_root || fail "Test hosts need root: run make as root or as a user who may use sudo without a password."
}

case "${1:-}" in
    venv) make_venv ;;
    hosts) ready_for_hosts ;;
    *) fail "usage: bootstrap.sh venv|hosts" ;;
esac
