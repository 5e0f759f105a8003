# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host image: a Debian that boots systemd, cached by the content of everything that goes into it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from .machine import CACHE, ROOT, LabError, locked, podman, privileged, run

SUITE = "bookworm"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "python3", "openssh-server", "iproute2", "ca-certificates", "sudo"),
    *("zstd", "xz-utils", "curl", "tar", "nftables", "procps"),
)
NAME = "localhost/dtk-host"
LAYER = [
    ROOT / "tests/lab/host/Containerfile",
    ROOT / "tests/lab/host/sshd.conf",
    ROOT / "examples/hello/hello.service",
    ROOT / "examples/hello/hello.socket",
]


def ensure() -> str:
    """The image's name; built if this content was never built here."""
    base_hash = _digest([SUITE, *PACKAGES])
    base, image = f"{NAME}-base:{base_hash}", f"{NAME}:{_digest([base_hash, *(path.read_bytes() for path in LAYER)])}"
    with locked(CACHE / "host-image.lock"):
        if not _exists(base):
            podman("import", "--quiet", _root_file_system(base_hash), base)
        if not _exists(image):
            _build_layer(base, image)
        podman("tag", image, f"{NAME}:latest")
    return image


def _digest(parts: list[str | bytes]) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


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


def _build_layer(base: str, image: str) -> None:
    with tempfile.TemporaryDirectory() as context:
        for path in LAYER:
            shutil.copy(path, context)
        podman("build", "--quiet", "--isolation=chroot", f"--build-arg=BASE={base}", "-t", image, context)
