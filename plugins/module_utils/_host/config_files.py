# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of an app's configuration: as they are, as they should be, and the copies that are the way back.

A version is a set of files with content, owner, group and mode; its name is a hash of all that, so the same files are
the same version. Copies lie in <root>/<app>/config/versions, a folder for root only.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import ConfigError, StateError
from .files import fsync_dir, remove_tree, write_atomic
from .layout import Layout

_SPARE_BYTES = 65536


@dataclass(frozen=True)
class ConfigLayout(Layout):
    """As Layout, for the configuration of the app. The lock is the app's: a release is never switched meanwhile."""

    @property
    def home(self) -> str:
        return os.path.join(self.root, self.app, "config")

    @property
    def lock_file(self) -> str:
        return os.path.join(self.root, self.app, ".lock")

    @property
    def releases(self) -> str:
        return os.path.join(self.home, "versions")

    def marker(self, version: str) -> str:
        return os.path.join(self.release(version), "files.json")


@dataclass(frozen=True)
class File:
    """One file; data is None where there is none."""

    path: str
    data: bytes | None = field(repr=False)
    uid: int = 0
    gid: int = 0
    mode: int = 0o640

    @property
    def sha256(self) -> str | None:
        return None if self.data is None else hashlib.sha256(self.data).hexdigest()

    def identity(self) -> list[Any]:
        """All that two files of one version have in common."""
        return [self.path] if self.data is None else [self.path, self.sha256, self.uid, self.gid, self.mode]


@dataclass(frozen=True)
class Version:
    """Files, the tree of settings that they tell if it is known, and those of its keys that are always sensitive."""

    files: tuple[File, ...]
    tree: Mapping[str, Any] | None = field(default=None, repr=False)
    secure: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        text = json.dumps(sorted(item.identity() for item in self.files), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_file(path: str) -> File:
    """What is there; raises StateError where it is no plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return File(path, None)
    except OSError as exc:
        if os.path.islink(path):
            raise StateError(f"{path} is a symbolic link; remove it or give another path") from exc
        raise StateError(f"cannot read {path}: {exc.strerror}; run as root, or give another path") from exc
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise StateError(f"{path} is not a file; remove it or give another path")
    with os.fdopen(descriptor, "rb") as stream:
        return File(path, stream.read(), found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


def on_disk(paths: Iterable[str]) -> Version:
    """The version that these files are now."""
    return Version(tuple(read_file(path) for path in paths))


def put(item: File) -> None:
    """Make a file what it should be: as a whole, durably, and never readable for others in between."""
    present = read_file(item.path)
    if present.identity() == item.identity():
        return
    try:
        if item.data is None:
            os.unlink(item.path)
            fsync_dir(os.path.dirname(item.path))
        else:
            _replace(item, item.data)
    except OSError as exc:
        raise _cannot_write(item.path, exc.strerror) from exc


def check_writable(files: Sequence[File], store: str) -> None:
    """Raise StateError where a file that must change could not be written, or its copy not be kept."""
    needed = _SPARE_BYTES + 2 * sum(len(item.data or b"") for item in files)
    for item in files:
        if read_file(item.path).identity() != item.identity():
            _check_folder(os.path.dirname(item.path), item.path, needed)
    _check_folder(store, store, needed)


# --- the store --------------------------------------------------------------------------------------------------


def keep(layout: Layout, version: Version) -> str:
    """Make sure that a copy of this version is on the host; returns its id. The caller holds the lock."""
    name = version.id
    if os.path.isfile(layout.marker(name)):
        return name
    partial = layout.partial(name)
    try:
        os.makedirs(layout.releases, mode=0o700, exist_ok=True)
        os.chmod(layout.releases, 0o700)
        remove_tree(partial)
        os.mkdir(partial, 0o700)
        _write_copy(partial, version)
        remove_tree(layout.release(name))
        os.rename(partial, layout.release(name))
        fsync_dir(layout.releases)
    except OSError as exc:
        raise _cannot_write(layout.releases, exc.strerror) from exc
    return name


def kept(layout: Layout, name: str) -> Version:
    """A copy; raises StateError."""
    folder = layout.release(name)
    try:
        with open(layout.marker(name), encoding="utf-8") as stream:
            document = json.load(stream)
        files = tuple(_read_copy(folder, number, item) for number, item in enumerate(document["files"]))
        return Version(files, document["tree"], tuple(document["secure"]))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise StateError(f"the copy {folder} cannot be read ({type(exc).__name__}); remove it and run again") from exc


def paths_of(layout: Layout, name: str) -> list[str]:
    """The files of a version that is kept."""
    return [item.path for item in kept(layout, name).files]


def tidy(layout: Layout, used: Iterable[str]) -> None:
    """Remove the copies that nothing needs, for they may hold secrets. The caller holds the lock."""
    needed = set(used)
    try:
        names = os.listdir(layout.releases)
    except FileNotFoundError:
        return
    for name in names:
        if name not in needed:
            remove_tree(os.path.join(layout.releases, name))


def _write_copy(folder: str, version: Version) -> None:
    described = []
    for number, item in enumerate(version.files):
        described.append(
            {"path": item.path, "there": item.data is not None, "uid": item.uid, "gid": item.gid, "mode": item.mode}
        )
        if item.data is not None:
            write_atomic(os.path.join(folder, str(number)), item.data, 0o600)
    document = {"files": described, "tree": version.tree, "secure": list(version.secure)}
    write_atomic(os.path.join(folder, "files.json"), json.dumps(document).encode(), 0o600)


def _read_copy(folder: str, number: int, item: Mapping[str, Any]) -> File:
    data = None
    if item["there"]:
        with open(os.path.join(folder, str(number)), "rb") as stream:
            data = stream.read()
    return File(item["path"], data, item["uid"], item["gid"], item["mode"])


# --- one file ---------------------------------------------------------------------------------------------------


def _replace(item: File, data: bytes) -> None:
    folder, name = os.path.split(item.path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    temporary = os.path.join(folder, f".{name}.new")
    try:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            # Before the first byte: at no moment may somebody read it who may not read the file.
            os.fchown(stream.fileno(), item.uid, item.gid)
            os.fchmod(stream.fileno(), item.mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, item.path)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise
    fsync_dir(folder)


def _check_folder(folder: str, path: str, needed: int) -> None:
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise ConfigError(f"{folder} is not a folder, so {path} cannot be written; remove it or give another path")
    found = os.statvfs(folder)
    if found.f_flag & os.ST_RDONLY:
        raise _cannot_write(path, "Read-only file system")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _cannot_write(path, "Permission denied")
    if found.f_bavail * found.f_frsize < needed or (found.f_files and found.f_favail < 4):
        raise _cannot_write(path, "No space left on device")


def _cannot_write(path: str, why: str | None) -> StateError:
    return StateError(f"cannot write {path}: {why}; make it writable for this user and free some space")
