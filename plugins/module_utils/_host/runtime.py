# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leave this code on the host as one file, compiled: for the dead-man switch, and for the next run to start quickly."""

from __future__ import annotations

import os

from .errors import UnitError

FOLDER = "/usr/local/lib/dtk"
PACKAGE = "dtk_host"
# What the command line needs, and no more: every run hashes these sources.
FACADE = "host"  # the one that answers requests
FACADES = ("app_config", FACADE)
MODULES = (
    "activate",
    "archive",
    "cli",
    "config_files",
    "config_schema",
    "config_switch",
    "config_text",
    "errors",
    "fetch",
    "files",
    "hooks",
    "layout",
    "lock",
    "manifest",
    "probe",
    "prune",
    "runtime",
    "stage",
    "state",
    "switch",
    "systemd",
)
_KEEP = 2
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the same sources are the same bytes
_UNCHECKED = 1  # PEP 552: valid whatever the time of the source
_START = f"""import sys

if sys.argv[1:] == ["call"]:
    from {PACKAGE}.{FACADE} import call as main
else:
    from {PACKAGE}._host.cli import main
raise SystemExit(main())
"""


def ensure(folder: str = FOLDER) -> str:
    """Path of this very code as a Python zip application; written if it is not there. Raises UnitError."""
    sources = read_sources()
    path = location(sources, folder)
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


def location(sources: dict[str, str], folder: str = FOLDER) -> str:
    """Where this code lies on a host that has it."""
    return os.path.join(folder, f"host-{_digest(sources)}.pyz")


def read_sources() -> dict[str, str]:
    """Sources of this package and its facades by file name, from a folder, from a module's zip or from its own zip."""
    from importlib.util import find_spec

    from . import cli

    package = cli.__name__.rpartition(".")[0]  # Ansible sends to a host what is imported: so the command line, too
    above = package.rpartition(".")[0]
    sources = {"__main__.py": _START, f"{PACKAGE}/__init__.py": "", f"{PACKAGE}/_host/__init__.py": ""}
    for name in (*FACADES, *(f"_host.{module}" for module in MODULES)):
        found = find_spec(f"{above}.{name}")
        source = found.loader.get_source(f"{above}.{name}") if found and found.loader else None
        if not source:
            raise UnitError(f"cannot read the source of {above}.{name} for the dead-man switch; use dead_man=false")
        # The loader of Ansible, on the controller, answers with bytes.
        sources[f"{PACKAGE}/{name.replace('.', '/')}.py"] = source.decode() if isinstance(source, bytes) else source
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
            with zipfile.ZipFile(stream, "w") as archive:
                for name, source in sorted(sources.items()):
                    archive.writestr(zipfile.ZipInfo(name, _FIXED_TIME), source)
                    archive.writestr(zipfile.ZipInfo(f"{name}c", _FIXED_TIME), _compiled(name, source))
            os.fchmod(stream.fileno(), 0o755)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _compiled(name: str, source: str) -> bytes:
    """What Python writes into a .pyc file. A Python of another version passes it over and takes the source."""
    import importlib.util
    import marshal

    code = compile(source, name, "exec", dont_inherit=True)
    head = importlib.util.MAGIC_NUMBER + _UNCHECKED.to_bytes(4, "little") + importlib.util.source_hash(source.encode())
    return head + marshal.dumps(code)


def _prune(folder: str, newest: str) -> None:
    """Keep the newest few; an older one may still be named by an armed switch of another app."""
    names = [name for name in os.listdir(folder) if name.startswith("host-") and name.endswith(".pyz")]
    paths = [os.path.join(folder, name) for name in names]
    others = sorted((path for path in paths if path != newest), key=os.path.getmtime, reverse=True)
    for path in others[_KEEP - 1 :]:
        os.unlink(path)
