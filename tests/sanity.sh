#!/usr/bin/env bash
# ansible-test sanity on what users get: the tracked files without tests and examples, which ruff and yamllint check.
#
# ansible-test wants a checkout at …/ansible_collections/sysops/dtk. So it gets a copy of those files there, with
# amazon.aws beside it. Its virtual environments stay in the copy's tests/output: the first run takes minutes, the next
# ones well under one.
#
# Arguments go to ansible-test: `tests/sanity.sh --test validate-modules`.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/.cache/venv"
home="$root/.cache/sanity"
collections="$root/build/sanity/ansible_collections"
target="$collections/sysops/dtk"

if [ ! -x "$venv/bin/ansible-test" ]; then
    echo "tests/sanity.sh: $venv has no ansible-test. Run 'make venv' first." >&2
    exit 2
fi
python="$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
site="$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

# Files of the last run go, all but the virtual environments: what was deleted from the repository must not be checked.
mkdir -p "$target/tests/output" "$collections/amazon" "$collections/ansible" "$home/.ansible/test/cache"
rm -rf "$target/.git"
find "$target" -path "$target/tests/output" -prune -o \( -type f -o -type l \) -exec rm -f {} +
ln -sfn "$site/ansible_collections/amazon/aws" "$collections/amazon/aws"
ln -sfn "$site/ansible_collections/ansible/posix" "$collections/ansible/posix"
git -C "$root" ls-files -z -- . ':!tests' ':!molecule' ':!examples' ':!inventories' | while IFS= read -r -d '' file; do
    # Tracked, but perhaps deleted in the working tree.
    if [ -e "$root/$file" ]; then printf '%s\0' "$file"; fi
done | tar -C "$root" --null -T - -cf - | tar -C "$target" -xf -
# Without a repository of its own ansible-test would find ours, which ignores build/, and skip everything.
git -C "$target" init -q
git -C "$target" add -A

# ansible-test would download a script that installs pip. Python carries pip itself.
pip_version="$(sed -n "s/.*pip='\([0-9.]*\)'.*/\1/p" "$site/ansible_test/_internal/python_requirements.py" | head -n 1)"
printf '%s\n' 'import ensurepip' 'ensurepip.bootstrap(upgrade=True)' > "$home/.ansible/test/cache/get_pip_${pip_version//./_}.py"

cd "$target"
HOME="$home" PATH="$venv/bin:$PATH" \
    ansible-test sanity --venv --python "$python" --color no "$@"
