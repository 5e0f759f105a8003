# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the toolkit's runtime out of the bundle that this file lies in: `python3 install.py --id <id>`, as root.

    <root>/runtimes/<id>/{venv,collections,estate,bin}   complete, with the marker .complete, or not in use
    <root>/current -> runtimes/<id>                      switched by rename(2)
    <root>/{venv,collections,estate,bin} -> current/…    what everybody uses

Prints {"changed": …, "runtime": …}. Needs the Python that the bundle's wheels are made for, and nothing else: no
network, no pip, no package.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

BUNDLE = Path(__file__).resolve().parent
PARTS = ("venv", "collections", "estate", "bin")
MARKER = ".complete"
KEPT = 2  # the runtime before may still be at work
PIP_SECONDS = 900

SETTINGS = """\
[defaults]
collections_path = {root}/collections
roles_path = {root}/estate/roles
inventory = {root}/bin/localhost
stdout_callback = ansible.builtin.default
callback_result_format = yaml
nocolor = true
retry_files_enabled = false

[connection]
pipelining = true
"""
INVENTORY = """\
localhost ansible_connection=local ansible_python_interpreter=/usr/bin/python3
"""
# HOME is not set under the SSM agent, nor in a unit; Ansible refuses a locale that is not UTF-8.
PLAYBOOK = """\
#!/bin/sh
# ansible-playbook of the toolkit's runtime, on this machine: no controller, no network needed.
set -eu
export HOME="${{HOME:-/root}}" LC_ALL=C.UTF-8 ANSIBLE_CONFIG={root}/bin/ansible.cfg
exec {root}/venv/bin/ansible-playbook "$@"
"""
# The collection is found by PYTHONPATH. A cwd would come before it, and whoever may write there would run here.
CONVERGE = """\
#!/bin/sh
# Brings this machine to the releases that the deploy logs of its apps call stable; `dtk-converge --help`.
set -eu
cd /
export PYTHONPATH={root}/collections LC_ALL=C.UTF-8
exec {root}/venv/bin/python -m ansible_collections.sysops.dtk.plugins.module_utils.converge "$@"
"""
PROGRAMS = {"dtk-playbook": PLAYBOOK, "dtk-converge": CONVERGE}


class InstallError(Exception):
    """One sentence with its remedy."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--id", required=True, help="what to call the runtime")
    parser.add_argument("--root", default="/opt/dtk", help="where runtimes live")
    options = parser.parse_args()
    try:
        changed = install(Path(options.root), options.id)
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({"changed": changed, "runtime": f"{options.root}/runtimes/{options.id}"}))
    return 0


def install(root: Path, name: str) -> bool:
    """Whether anything had to be done."""
    check_python()
    runtimes = root / "runtimes"
    runtimes.mkdir(parents=True, exist_ok=True)
    check_root(root)
    with locked(runtimes / ".lock"):
        runtime = runtimes / name
        made = not (runtime / MARKER).exists()
        if made:
            # What an interrupted run left. Nothing points to it, or it would have its marker.
            shutil.rmtree(runtime, ignore_errors=True)
            make(runtime, root)
        linked = [switch(root / "current", f"runtimes/{name}")]
        linked += [switch(root / part, f"current/{part}") for part in PARTS]
        prune(runtimes, name)
    return made or any(linked)


def check_python() -> None:
    wanted = json.loads((BUNDLE / "dtk-bundle.json").read_text(encoding="utf-8"))["python"]
    found = ".".join(map(str, sys.version_info[:2]))
    if found != wanted:
        raise InstallError(
            f"This bundle is made for Python {wanted}, and {sys.executable} is Python {found}. Run install.py with "
            f"python{wanted}, or make the bundle for {found}."
        )


def check_root(root: Path) -> None:
    """Never replace what somebody else made."""
    for part in ("current", *PARTS):
        path = root / part
        if path.exists() and not path.is_symlink():
            raise InstallError(f"{path} is there and no link of the toolkit. Move it away, then install again.")


@contextlib.contextmanager
def locked(path: Path):
    """One installation at a time; the kernel ends the lock with its holder."""
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make(runtime: Path, root: Path) -> None:
    runtime.mkdir()
    run([sys.executable, "-m", "venv", "--without-pip", str(runtime / "venv")])
    install_wheels(runtime / "venv" / "bin" / "python")
    for part in ("collections", "estate"):
        if (BUNDLE / part).is_dir():
            shutil.copytree(BUNDLE / part, runtime / part)
        else:
            (runtime / part).mkdir()
    compile_modules(runtime)
    write_bin(runtime / "bin", root)
    os.sync()  # the marker must not survive a crash that the files did not
    (runtime / MARKER).touch()


def install_wheels(python: Path) -> None:
    """By the pip among the wheels; it compares each wheel with its hash once more."""
    (pip,) = (BUNDLE / "wheels").glob("pip-*.whl")
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-cache-dir", "--no-input"]
    command += ["--disable-pip-version-check", "--root-user-action=ignore", f"--find-links={BUNDLE / 'wheels'}"]
    run([*command, "--require-hashes", f"--requirement={BUNDLE / 'requirements.txt'}"], PYTHONPATH=str(pip))


def compile_modules(runtime: Path) -> None:
    """What programs import, so that none of them does it again and again where it may not write."""
    folders = [str(path) for path in runtime.glob("collections/ansible_collections/*/*/plugins/module_utils")]
    if folders:
        run([str(runtime / "venv" / "bin" / "python"), "-m", "compileall", "-q", *folders])


def run(command: list[str], **environ: str) -> None:
    kept = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", **environ}
    done = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-1000:]
        raise InstallError(f"`{' '.join(command[:4])} …` ended with {done.returncode}: {said}")


def write_bin(folder: Path, root: Path) -> None:
    folder.mkdir()
    (folder / "ansible.cfg").write_text(SETTINGS.format(root=root), encoding="utf-8")
    (folder / "localhost").write_text(INVENTORY, encoding="utf-8")
    for name, text in PROGRAMS.items():
        program = folder / name
        program.write_text(text.format(root=root), encoding="utf-8")
        program.chmod(0o755)


def switch(link: Path, target: str) -> bool:
    """Point the link there, in one step."""
    if link.is_symlink() and os.readlink(link) == target:
        return False
    beside = link.with_name(f".{link.name}.new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    beside.symlink_to(target)
    beside.rename(link)
    return True


def prune(runtimes: Path, current: str) -> None:
    """Keep the current runtime and the ones before it; a runtime's own folder never changes, so its time is its age."""
    others = [path for path in runtimes.iterdir() if path.is_dir() and path.name != current]
    for path in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
