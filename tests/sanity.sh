#!/usr/bin/env bash
# ansible-test sanity on what Git tracks.
#
# ansible-test wants a tree …/ansible_collections/sysops/dtk, and lints every file that it finds there. So it gets a copy
# of the tracked files, with amazon.aws beside it. Its virtual environments stay in .cache/sanity: the first run takes
# minutes, the next ones well under one.
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

# A fresh copy each time: a file that was deleted from the repository must not be checked.
rm -rf "$target"
mkdir -p "$target" "$collections/amazon"
ln -sfn "$site/ansible_collections/amazon/aws" "$collections/amazon/aws"
git -C "$root" ls-files -z | while IFS= read -r -d '' file; do
    # Tracked, but deleted in the working tree.
    if [ -e "$root/$file" ]; then printf '%s\0' "$file"; fi
done | tar -C "$root" --null -T - -cf - | tar -C "$target" -xf -

# The virtual environments live in the target's tests/output; keep them outside of what is thrown away.
mkdir -p "$home/output" "$home/.ansible/test/cache" "$target/tests"
ln -sfn "$home/output" "$target/tests/output"

# ansible-test would download a script that installs pip. Python carries pip itself.
pip_version="$(sed -n "s/.*pip='\([0-9.]*\)'.*/\1/p" "$site/ansible_test/_internal/python_requirements.py" | head -n 1)"
printf '%s\n' 'import ensurepip' 'ensurepip.bootstrap(upgrade=True)' > "$home/.ansible/test/cache/get_pip_${pip_version//./_}.py"

cd "$target"
# A checkout in Git would be asked for changes; this copy has none, so say plainly that it is no checkout.
HOME="$home" PATH="$venv/bin:$PATH" GIT_CEILING_DIRECTORIES="$collections" \
    ansible-test sanity --venv --python "$python" --color no "$@"
