# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes off a machine what must not become part of an image: its identity, keys that led into it, traces of the build.

The last step before the snapshot. What the image's own instances must differ in is remembered as hashes in
/etc/dtk/image.json, for prove.py. Image Builder sanitizes its instances, too; a machine that is snapshot by other means
is clean all the same.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Identity: a second machine must not have it.
IDENTITY = (
    "/etc/ssh/ssh_host_*_key",
    "/etc/ssh/ssh_host_*_key.pub",
    "/var/lib/dbus/machine-id",
    "/var/lib/systemd/credential.secret",
    "/var/lib/systemd/random-seed",
    "/var/lib/dhcp/*",
    "/var/lib/NetworkManager/*lease*",
    "/var/lib/chrony/*",
)
# Traces of the build and of who was at work.
TRACES = (
    "/root/.ansible",
    "/root/.aws",
    "/root/.cache",
    "/root/.*_history",
    "/root/.lesshst",
    "/root/.viminfo",
    "/root/.wget-hsts",
    "/home/*/.ansible",
    "/home/*/.aws",
    "/home/*/.cache",
    "/home/*/.*_history",
    "/tmp/ansible*",
    "/tmp/.ansible*",
    "/tmp/pip-*",
    "/var/tmp/ansible*",
    "/var/log/journal/*",
    "/var/log/*.gz",
    "/var/log/*.[0-9]",
    "/var/lib/dtk-image",
)
# Logs that programs hold open, or that are missed if they are not there.
EMPTIED = (
    "/var/log/*log",
    "/var/log/wtmp",
    "/var/log/btmp",
    "/var/log/lastlog",
    "/var/log/apt/*",
    "/var/log/unattended-upgrades/*",
)
COMMANDS = (
    ["cloud-init", "clean", "--logs"],
    ["apt-get", "clean"],
    ["dnf", "-q", "clean", "all"],
)
MACHINE_ID = "/etc/machine-id"
HOST_KEYS = "/etc/ssh/ssh_host_*_key.pub"
REPORT = "/etc/dtk/image.json"
ROLE = "/opt/dtk/estate/server_role.json"


class Machine:
    """A root file system; another folder than / in tests."""

    def __init__(self, root: str = "/") -> None:
        self.root = Path(root)

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    def find(self, pattern: str) -> Iterator[Path]:
        return (Path(one) for one in sorted(glob.glob(str(self.path(pattern)))))


def clean(machine: Machine) -> dict[str, object]:
    report = identity(machine)
    for pattern in (*IDENTITY, *TRACES):
        for path in machine.find(pattern):
            remove(path)
    for path in foreign_keys(machine):
        remove(path)
    for pattern in EMPTIED:
        for path in machine.find(pattern):
            if path.is_file() and not path.is_symlink():
                os.truncate(path, 0)
    # Empty and not away: systemd then gives the next machine an id without taking it for a first boot.
    machine.path(MACHINE_ID).write_text("", encoding="ascii")
    target = machine.path(REPORT)
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    target.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return report


def identity(machine: Machine) -> dict[str, object]:
    """Hashes of what the image's instances must not share with the machine that it was built on."""
    runtime = machine.path("/opt/dtk/current")
    return {
        "machine_id": sha256(machine.path(MACHINE_ID)),
        "ssh_host_keys": [sha256(path) for path in machine.find(HOST_KEYS)],
        "runtime": os.path.basename(os.readlink(runtime)) if runtime.is_symlink() else None,
    }


def foreign_keys(machine: Machine) -> Iterator[Path]:
    """Keys that may log in, of all but the people whom the server role declares."""
    declared = {user["name"] for user in server_role(machine).get("users") or [] if user.get("state") != "absent"}
    for pattern in ("/root/.ssh/authorized_keys*", "/home/*/.ssh/authorized_keys*"):
        for path in machine.find(pattern):
            if path.parent.parent.name not in declared:
                yield path


def server_role(machine: Machine) -> dict:
    try:
        return json.loads(machine.path(ROLE).read_text(encoding="utf-8"))["dtk_server_role"]
    except FileNotFoundError:
        return {}


def sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default="/", help="the file system to clean")
    options = parser.parse_args()
    if options.root == "/":
        for command in COMMANDS:
            if shutil.which(command[0]):
                subprocess.run(command, check=True)
    print(json.dumps(clean(Machine(options.root))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
