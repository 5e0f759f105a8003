#!/usr/bin/env bash
# Scenarios on real hosts, two at a time, since each waits for its host most of the time: all, or those that are named.
# What one prints stays in build/molecule; of one that fails it is shown.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p build/molecule

scenario() {
    local log="build/molecule/$1.log" began=$SECONDS
    if .cache/venv/bin/molecule test --scenario-name "$1" </dev/null >"$log" 2>&1; then
        echo "Molecule executed $1: passed in $((SECONDS - began)) s"
    else
        cat "$log"
        echo "Molecule executed $1: FAILED after $((SECONDS - began)) s"
        return 1
    fi
}
export -f scenario

if [ $# = 0 ]; then
    set -- molecule/*/
fi
printf '%s\n' "$@" | xargs -n 1 basename | xargs -P 2 -I '{}' bash -c 'scenario {}'
