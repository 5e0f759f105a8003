# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leave this package on the host as one file, so that it can act when nobody is connected any more."""

from __future__ import annotations

import os

from .errors import UnitError

FOLDER = "/usr/local/lib/dtk"
PACKAGE = "dtk_host"
# What the command line needs, and no more: every run hashes these sources.
MODULES = (
    "activate",
    "cli",
    "errors",
    "files",
    "hooks",
    "layout",
    "lock",
    "manifest",
    "probe",
    "runtime",
    "state",
    "systemd",
)
_KEEP = 2


def ensure(folder: str = FOLDER) -> str:
    """Path of this very code as a Python zip application; written if it is not there. Raises UnitError."""
    sources = read_sources()
    path = os.path.join(folder, f"host-{_digest(sources)}.pyz")
    if os.path.exists(path):
        return path
    try:
        os.makedirs(folder, mode=0o755, exist_ok=True)
        _write(path, sources)
        _prune(folder, path)
    except OSError as exc:
        raise UnitError(
            f"cannot write {path}, which the dead-man switch runs: {exc.strerror}; "
            f"make {folder} writable or use dead_man=false"
        ) from exc
    return path


def read_sources() -> dict[str, str]:
    """Sources of this package by file name, from wherever it was loaded: a folder, a module's zip or its own zip."""
    from importlib.util import find_spec

    from .cli import main

    package = __name__.rpartition(".")[0]
    # Ansible finds what to send to a host by its imports: the one above brings the command line along.
    start = f"from {PACKAGE}.cli import {main.__name__}\n\nraise SystemExit({main.__name__}())\n"
    sources = {"__main__.py": start, f"{PACKAGE}/__init__.py": ""}
    for name in MODULES:
        full_name = f"{package}.{name}"
        found = find_spec(full_name)
        source = found.loader.get_source(full_name) if found and found.loader else None
        if not source:
            raise UnitError(f"cannot read the source of {full_name} for the dead-man switch; use dead_man=false")
        sources[f"{PACKAGE}/{name}.py"] = source
    return sources


def _digest(sources: dict[str, str]) -> str:
    import hashlib

    digest = hashlib.sha256()
    for name, source in sorted(sources.items()):
        digest.update(f"{name}\0{len(source)}\0{source}".encode())
    return digest.hexdigest()[:12]


def _write(path: str, sources: dict[str, str]) -> None:
    import zipfile

    # Two apps may be activated at once, so each process has its own temporary name.
    temporary = f"{path}.{os.getpid()}.new"
    try:
        with open(temporary, "wb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, source in sorted(sources.items()):
                    # A fixed time: the same sources are the same bytes.
                    archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), source)
            os.fchmod(stream.fileno(), 0o755)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _prune(folder: str, newest: str) -> None:
    """Keep the newest few; an older one may still be named by an armed switch of another app."""
    names = [name for name in os.listdir(folder) if name.startswith("host-") and name.endswith(".pyz")]
    paths = [os.path.join(folder, name) for name in names]
    others = sorted((path for path in paths if path != newest), key=os.path.getmtime, reverse=True)
    for path in others[_KEEP - 1 :]:
        os.unlink(path)
