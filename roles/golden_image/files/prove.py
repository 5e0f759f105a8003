# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves on a fresh instance of an image that the image is whole, and carries no identity, key, credential or bundle.

Prints one line for each thing that is wrong, and ends with 1 if there is any.
"""

from __future__ import annotations

import argparse
import fnmatch
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPORT = "/etc/dtk/image.json"
ROLE = "/opt/dtk/estate/server_role.json"
BOOT_SECONDS = 600
MAX_BYTES = 1 << 20

# Left by a build, or by people at work.
LEFTOVERS = (
    "/var/lib/dtk-image",
    "/root/.ansible",
    "/root/.aws",
    "/root/.*_history",
    "/home/*/.ansible",
    "/home/*/.aws",
    "/home/*/.*_history",
    "/tmp/ansible*",
    "/var/tmp/ansible*",
)
# Content that gives somebody access.
SECRETS = (
    (re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=:,\s-]{64}"), "a private key"),
    (re.compile(rb"(?<![A-Z0-9])A(?:KI|SI)A[A-Z2-7]{16}(?![A-Z0-9])"), "the id of an AWS access key"),
    (
        re.compile(rb"(?i)aws_(?:secret_access_key|session_token)[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+=]{32}"),
        "an AWS secret",
    ),
    (re.compile(rb"X-Amz-Signature=[0-9a-f]{64}"), "a presigned link"),
)
# Not read: what is no file system of its own, what packages own, and what the toolkit's bundle was checked for by hash.
UNREAD = (
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/usr",
    "/boot",
    "/var/cache",
    "/var/lib/dpkg",
    "/var/lib/apt",
    "/var/lib/rpm",
)
UNREAD_PATTERNS = ("/opt/dtk/runtimes/*/venv", "/opt/dtk/runtimes/*/collections", "/var/lib/amazon")
OWN_KEYS = "/etc/ssh/ssh_host_*_key"  # made by this very instance: compared below


class Image:
    """A root file system; another folder than / in tests."""

    def __init__(self, root: str = "/") -> None:
        self.root = root.rstrip("/")

    def read(self, name: str) -> bytes | None:
        try:
            return Path(self.root + name).read_bytes()
        except FileNotFoundError:
            return None

    def find(self, pattern: str) -> list[str]:
        return [path[len(self.root) :] for path in sorted(glob.glob(self.root + pattern))]

    def document(self, name: str) -> dict:
        return json.loads(self.read(name) or b"{}")


def findings(image: Image) -> Iterator[str]:
    yield from same_identity(image)
    yield from leftovers(image)
    yield from bundles(image)
    yield from logins(image)
    yield from secrets(image)


def same_identity(image: Image) -> Iterator[str]:
    built = image.document(REPORT)
    if not built:
        yield f"{REPORT} is missing: the image was not cleaned before its snapshot."
        return
    if built["machine_id"] and built["machine_id"] == sha256(image.read("/etc/machine-id")):
        yield "/etc/machine-id is that of the machine which the image was built on."
    for path in image.find("/etc/ssh/ssh_host_*_key.pub"):
        if sha256(image.read(path)) in built["ssh_host_keys"]:
            yield f"{path} is that of the machine which the image was built on."


def leftovers(image: Image) -> Iterator[str]:
    for pattern in LEFTOVERS:
        for path in image.find(pattern):
            yield f"{path} was left by the build."


def bundles(image: Image) -> Iterator[str]:
    for pattern in ("/bundle*.tar", "/root/*.tar", "/tmp/*.tar", "/var/tmp/*.tar", "/opt/*.tar", "/opt/dtk/*.tar"):
        for path in image.find(pattern):
            yield f"{path} looks like a bundle."
    for path in image.find("/opt/dtk/runtimes/*"):
        if image.read(f"{path}/.complete") is None:
            yield f"{path} is a runtime that was never completed."


def logins(image: Image) -> Iterator[str]:
    """Keys that may log in belong to people of the server role, or came with the start of this instance."""
    users = image.document(ROLE).get("dtk_server_role", {}).get("users") or []
    declared = {user["name"] for user in users if user.get("state") != "absent"}
    given = b"".join(image.read(path) or b"" for path in image.find("/run/cloud-init/instance-data*.json"))
    for path in [*image.find("/root/.ssh/authorized_keys*"), *image.find("/home/*/.ssh/authorized_keys*")]:
        lines = (image.read(path) or b"").splitlines()
        keys = [word for line in lines for word in line.split() if len(word) > 60]
        if Path(path).parent.parent.name not in declared and any(key not in given for key in keys):
            yield f"{path} lets somebody in whom the server role does not name."


def secrets(image: Image) -> Iterator[str]:
    allowed = image.document(ROLE).get("dtk_server_role", {}).get("image", {}).get("allowed_files") or []
    for path in files(image):
        if any(fnmatch.fnmatch(path, pattern) for pattern in (OWN_KEYS, *allowed)):
            continue
        data = image.read(path) or b""
        for pattern, what in SECRETS:
            if pattern.search(data):
                yield f"{path} holds {what}. If it must be there, name it in image.allowed_files of the server role."


def files(image: Image) -> Iterator[str]:
    """Readable files of this file system, not of what is mounted into it."""
    top = image.root or "/"
    device = os.stat(top).st_dev
    unread = {*UNREAD, *(path for pattern in UNREAD_PATTERNS for path in image.find(pattern))}
    for folder, folders, names in os.walk(top):
        below = folder[len(image.root) :].rstrip("/")
        folders[:] = [name for name in folders if f"{below}/{name}" not in unread and on(device, f"{folder}/{name}")]
        for name in sorted(names):
            status = os.lstat(f"{folder}/{name}")
            if status.st_dev == device and os.path.isfile(f"{folder}/{name}") and 0 < status.st_size <= MAX_BYTES:
                yield f"{below}/{name}"


def on(device: int, path: str) -> bool:
    return os.lstat(path).st_dev == device


def sha256(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def running(image: Image) -> Iterator[str]:
    """The machine has started well, and no app runs without a release."""
    command = ["systemctl", "is-system-running", "--wait"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOOT_SECONDS, check=False)
    if done.stdout.strip() != "running":
        failed = subprocess.run(
            ["systemctl", "--failed", "--plain", "--no-legend"], capture_output=True, text=True, check=True
        )
        units = ", ".join(line.split()[0] for line in failed.stdout.splitlines()) or "none failed"
        yield f"The machine's state is {done.stdout.strip() or done.stderr.strip()} and not running; units: {units}."
    for name, app in image.document(ROLE).get("dtk_apps", {}).items():
        unit = app.get("unit")
        if unit and state("is-enabled", unit) != "enabled":
            yield f"{unit} of the app {name} is {state('is-enabled', unit)} and would not start with the machine."
        if unit and state("is-active", unit) == "active":
            yield f"{unit} of the app {name} runs, though an image carries no release."


def state(verb: str, unit: str) -> str:
    done = subprocess.run(["systemctl", verb, unit], capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--root", default="/", help="the file system to look at; another one than / is not asked what runs"
    )
    options = parser.parse_args()
    image = Image(options.root)
    found = [*(running(image) if options.root == "/" else ()), *findings(image)]
    for line in found:
        print(line, file=sys.stderr)
    print("The image is clean." if not found else f"{len(found)} things are wrong with the image.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
