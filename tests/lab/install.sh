#!/usr/bin/env bash
# Builds the collection and installs it into .cache/installed, as a user would get it; only when its sources changed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p .cache/installed build
exec 9>.cache/install.lock
flock 9

sources="$(git ls-files -z --cached --others --exclude-standard -- \
    . ':!tests' ':!examples' ':!inventories' ':!molecule' ':!Makefile' |
    sort -zu | xargs -0 sha256sum 2>/dev/null | sha256sum | cut -c1-16)"
stamp=".cache/installed/.sources-$sources"
[ "${1:-}" = --force ] || [ ! -e "$stamp" ] || exit 0

rm -rf build/collection .cache/installed/.sources-*
.cache/venv/bin/ansible-galaxy collection build --output-path build/collection . >/dev/null
export ANSIBLE_COLLECTIONS_PATH="$PWD/.cache/installed"
.cache/venv/bin/ansible-galaxy collection install --offline --no-deps --force --collections-path .cache/installed \
    build/collection/sysops-dtk-*.tar.gz >/dev/null
touch "$stamp"
echo "Installed $(basename build/collection/sysops-dtk-*.tar.gz .tar.gz) into .cache/installed."
