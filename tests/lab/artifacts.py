# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of hello as archives. The same call makes the same bytes, so publishing one twice changes nothing."""

from __future__ import annotations

import gzip
import io
import lzma
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from .machine import ROOT

APP = ROOT / "examples/hello/app.py"
# Each is deterministic: no time, no name in the compressed stream.
_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "tar.gz": lambda data: gzip.compress(data, compresslevel=6, mtime=0),
    "tar.xz": lambda data: lzma.compress(data, preset=1),
    "tar.zst": lambda data: subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout,
}


def build_release(
    version: str, out_dir: Path, broken: bool = False, padding_bytes: int = 0, format: str = "tar.gz"
) -> Path:
    """Write hello-<version>.<format>. A broken one starts, and answers 500 to its health check."""
    files = {"VERSION": f"{version}\n".encode(), "app.py": APP.read_bytes()}
    if broken:
        files["BROKEN"] = b"/health answers 500 in this release.\n"
    if padding_bytes:
        files["padding.bin"] = random.Random(version).randbytes(padding_bytes)
    path = Path(out_dir) / f"hello-{version}.{format}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_COMPRESS[format](_tar(files)))
    return path


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
