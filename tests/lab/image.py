# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that hosts boot from, each cached by the content of everything that goes into it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .machine import CACHE, ROOT, LabError, locked, podman, privileged, run

SUITE = "bookworm"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "python3", "openssh-server", "iproute2", "ca-certificates", "sudo"),
    *("zstd", "xz-utils", "curl", "tar", "nftables", "procps"),
)
HOST, EXAMPLE = ROOT / "tests/lab/host", ROOT / "examples/hello"
UNITS = (HOST / "ssh-host-key.service", HOST / "instance-metadata.service")
PARENT_LAYER = (HOST / "parent.Containerfile", HOST / "sshd.conf", *UNITS)
HELLO_LAYER = (HOST / "hello.Containerfile", EXAMPLE / "hello.service", EXAMPLE / "hello.socket")


@dataclass(frozen=True)
class Images:
    """Names of container images that boot systemd."""

    parent: str  # a Debian that knows no app: what golden images are built from
    hello: str  # the same, prepared by hand for the app hello


def ensure() -> Images:
    """The images; built if this content was never built here."""
    base = f"localhost/dtk-host-base:{_digest([SUITE, *PACKAGES])}"
    parent = f"localhost/dtk-parent:{_layer_digest(base, PARENT_LAYER)}"
    hello = f"localhost/dtk-host:{_layer_digest(parent, HELLO_LAYER)}"
    with locked(CACHE / "host-image.lock"):
        if not _exists(base):
            podman("import", "--quiet", _root_file_system(base.rpartition(":")[2]), base)
        if not _exists(parent):
            _build_layer(base, parent, PARENT_LAYER)
        if not _exists(hello):
            _build_layer(parent, hello, HELLO_LAYER)
    return Images(parent, hello)


def _digest(parts: list[str | bytes]) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _layer_digest(base: str, files: tuple[Path, ...]) -> str:
    return _digest([base, *(path.read_bytes() for path in files)])


def _exists(image: str) -> bool:
    return podman("image", "exists", image, check=False).returncode == 0


def _root_file_system(digest: str) -> Path:
    tar = CACHE / f"host-image-{digest}.tar"
    if tar.exists():
        return tar
    if not shutil.which("mmdebstrap"):
        raise LabError("mmdebstrap is missing: run `bash tests/lab/bootstrap.sh` to install what test hosts need.")
    partial = tar.with_suffix(".partial.tar")
    include = f"--include={','.join(PACKAGES)}"
    run([*privileged(), "mmdebstrap", "--quiet", "--variant=minbase", include, SUITE, partial])
    for old in CACHE.glob("host-image-*.tar"):
        if old != partial:
            old.unlink()
    partial.rename(tar)
    return tar


def _build_layer(base: str, image: str, files: tuple[Path, ...]) -> None:
    """The first file says how; the others are what it copies."""
    with tempfile.TemporaryDirectory() as context:
        for path in files:
            shutil.copy(path, context)
        podman(
            *("build", "--quiet", "--isolation=chroot", f"--build-arg=BASE={base}"),
            *("--file", Path(context) / files[0].name, "--tag", image, context),
        )
