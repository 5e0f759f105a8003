# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: bundles, made on the controller and kept in S3 under their hash."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from tempfile import NamedTemporaryFile
from typing import Any

from ._aws import s3
from ._aws.errors import AwsError
from ._core import bundle
from ._core.bundle import BundleError, Entry

FAILURES = (AwsError, BundleError, OSError)

ARCHITECTURES = {"x86_64": "x86_64", "arm64": "aarch64"}
# What the C libraries of Debian 12 and Amazon Linux 2023 can load, newest first.
_PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
_DOWNLOAD_SECONDS = 900
_PYTHON = re.compile(r"3\.\d+")
_LAST_LINES = 12


@dataclass(frozen=True)
class Wheels:
    """Which wheels a bundle carries: those of `requirements` for one kind of machine, or what lies in `folder`."""

    requirements: str
    python: str
    architecture: str
    cache: str
    folder: str = ""


@dataclass(frozen=True)
class Content:
    """What goes into a bundle, by its place on this machine."""

    wheels: Wheels
    collections: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    tests: Sequence[str] = ()
    server_role: Mapping[str, Any] | None = None
    apps: Mapping[str, Any] = field(default_factory=dict)
    vars: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """A bundle on this machine."""

    path: str
    sha256: str
    size: int
    contents: dict[str, str]

    @property
    def id(self) -> str:
        """Names the runtime that a host makes of it."""
        return self.sha256[:12]


def content_of(options: Mapping[str, Any]) -> Content:
    """From the options of module image_bundle."""
    wheels = Wheels(
        options["requirements"],
        options["python"],
        options["architecture"],
        options["cache"],
        options["wheels"] or "",
    )
    return Content(
        wheels,
        {name: folder or "" for name, folder in options["collections"].items()},
        options["files"],
        options["roles"],
        options["tests"],
        options["server_role"],
        options["apps"],
        options["vars"],
    )


def make(content: Content, folder: str) -> Made:
    """Write the bundle into a folder. The same content makes the same bytes, on whatever machine."""
    entries = _entries(content)
    with NamedTemporaryFile(dir=folder, prefix=".bundle-", delete=False) as output:
        digest = bundle.write(entries, output)
        size = output.tell()
    path = os.path.join(folder, f"bundle-{digest[:12]}.tar")
    os.chmod(output.name, 0o644)
    os.replace(output.name, path)
    return Made(path, digest, size, bundle.contents(entries))


def upload(client: Any, made: Made, bucket: str, prefix: str, check: bool) -> dict[str, Any]:
    """Put the bundle into S3 under its hash, unless it is there. S3 checks the bytes."""
    key = _key(prefix, made.sha256)
    known = s3.head(client, bucket, key)
    if known is None and not s3.bucket_exists(client, bucket):
        raise BundleError(f"The bucket {bucket} does not exist. Correct the option bucket, or create it.")
    if known is None and not check:
        with open(made.path, "rb") as body:
            s3.create(client, bucket, key, body, sha256=made.sha256, content_type="application/x-tar")
    return {"changed": known is None, "uri": f"s3://{bucket}/{key}"}


def keep(made: Made, dest: str, check: bool) -> dict[str, Any]:
    """Put the bundle into a folder of this machine under its hash, unless it is there."""
    path = os.path.join(dest, os.path.basename(made.path))
    missing = not os.path.exists(path)
    if missing and not check:
        os.makedirs(dest, exist_ok=True)
        shutil.copyfile(made.path, path + ".partial")
        os.replace(path + ".partial", path)
    return {"changed": missing, "path": path}


def prune(client: Any, bucket: str, prefix: str, keep: int, current: str, check: bool) -> list[str]:
    """Delete all bundles but the newest ones and the current one; returns the keys."""
    newest_first = s3.newest_keys(client, bucket, prefix.strip("/") + "/", ".tar", sys.maxsize)
    gone = [key for key in newest_first[keep:] if key != _key(prefix, current)]
    for key in [] if check else gone:
        s3.delete(client, bucket, key)
    return gone


def _key(prefix: str, sha256: str) -> str:
    return f"{prefix.strip('/')}/{sha256}.tar"


def _entries(content: Content) -> list[Entry]:
    entries = bundle.file_entries(content.files)
    for name, folder in sorted(content.collections.items()):
        entries += bundle.collection_entries(name, folder)
    for name, folder in sorted(content.roles.items()):
        entries += bundle.role_entries(name, folder)
    entries += bundle.test_entries(content.tests)
    if content.server_role is not None:
        entries.append(bundle.role_document(content.server_role, content.apps, content.vars))
    entries.append(bundle.data_entry("dtk-bundle.json", {"format": 1, "python": content.wheels.python}))
    entries += bundle.file_entries({"requirements.txt": content.wheels.requirements})
    return entries + bundle.wheel_entries(_wheels(content.wheels))


def _wheels(wanted: Wheels) -> str:
    """The folder of the wheels; downloaded by pip, which compares each with its hash, once for these requirements."""
    if not _PYTHON.fullmatch(wanted.python):
        raise BundleError(f"python is {wanted.python!r}; it must be the version of the machine's Python, like 3.11.")
    if wanted.folder:
        if not os.path.isdir(wanted.folder):
            raise BundleError(f"The folder of wheels {wanted.folder} is not there. Correct the option wheels.")
        return wanted.folder
    if not wanted.cache:
        raise BundleError("The option cache is empty. Give the folder of the controller that keeps downloaded wheels.")
    with open(wanted.requirements, "rb") as file:
        text = file.read() + f"{wanted.python} {wanted.architecture} {_PLATFORMS}".encode()
    folder = os.path.join(wanted.cache, hashlib.sha256(text).hexdigest()[:16])
    os.makedirs(wanted.cache, exist_ok=True)
    # Two bakes of one machine may begin at the same time.
    with open(folder + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(folder):
            partial = folder + ".partial"
            shutil.rmtree(partial, ignore_errors=True)
            try:
                _download(wanted, partial)
                os.rename(partial, folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return folder


def _download(wanted: Wheels, folder: str) -> None:
    machine = ARCHITECTURES[wanted.architecture]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--only-binary=:all:", "--no-deps", "--require-hashes", f"--python-version={wanted.python}"]
    command += [f"--platform={name}_{machine}" for name in _PLATFORMS]
    command += ["--implementation=cp", f"--requirement={wanted.requirements}", f"--dest={folder}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise BundleError(
            f"pip did not download the wheels of {wanted.requirements} in {_DOWNLOAD_SECONDS} s."
        ) from None
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-_LAST_LINES:])
        raise BundleError(
            f"pip cannot download the wheels of {wanted.requirements} for Python {wanted.python} on {machine}. "
            f"Without a package index, give a folder that holds them by the option wheels. pip says:\n{said}"
        )
