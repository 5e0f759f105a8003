# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bundle: everything that a machine needs to apply roles to itself, in one archive that depends on its content only.

It is a plain tar. Compressed bytes differ between versions of the library that made them, and wheels, most of the size,
are compressed already.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from .errors import CoreError

# What of a collection a run needs, in the layout of an installed one and of a checkout alike.
_OF_A_COLLECTION = ("meta", "playbooks", "plugins", "roles", "MANIFEST.json", "galaxy.yml")
_NEVER = re.compile(r"(^|/)(__pycache__|\.git|\.DS_Store|[^/]*\.py[co]|[^/]*\.swp|[^/]*~)$")
_COLLECTION = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CHUNK = 1 << 20


class BundleError(CoreError):
    """A bundle that cannot be made as asked."""


@dataclass(frozen=True)
class Entry:
    """One file of a bundle: its bytes, or where they are."""

    name: str
    data: bytes | None = None
    path: str = ""
    executable: bool = False

    def open(self) -> BinaryIO:
        return open(self.path, "rb") if self.data is None else io.BytesIO(self.data)

    def size(self) -> int:
        return os.stat(self.path).st_size if self.data is None else len(self.data)


def collection_entries(name: str, folder: str) -> list[Entry]:
    """The files of a collection, below ansible_collections."""
    if not _COLLECTION.fullmatch(name):
        raise BundleError(f"The collection {name!r} must be named as <namespace>.<name>, like ansible.posix.")
    if not os.path.isdir(folder):
        raise BundleError(
            f"The collection {name} is not installed (looked at {folder or 'the collections path'}). "
            f"Install it with: ansible-galaxy collection install {name}"
        )
    kept = [os.path.join(folder, top) for top in _OF_A_COLLECTION]
    if os.path.exists(os.path.join(folder, "MANIFEST.json")):
        kept.remove(os.path.join(folder, "galaxy.yml"))
    below = f"collections/ansible_collections/{name.replace('.', '/')}"
    found = [
        entry for path in kept if os.path.exists(path) for entry in tree(path, f"{below}/{os.path.basename(path)}")
    ]
    if not found:
        raise BundleError(f"{folder} holds no collection: there is neither of {', '.join(_OF_A_COLLECTION)}.")
    return found


def role_entries(name: str, folder: str) -> list[Entry]:
    """A role of the estate."""
    if not os.path.isdir(os.path.join(folder, "tasks")):
        raise BundleError(f"The role {name} is not in the estate: {folder} has no folder tasks. Correct image.roles.")
    return tree(folder, f"estate/roles/{_checked(name)}")


def test_entries(paths: Iterable[str]) -> list[Entry]:
    """Playbooks that prove an image; they are run in the order of their names."""
    entries: dict[str, Entry] = {}
    for path in paths:
        name = os.path.basename(path)
        if not name.endswith((".yml", ".yaml")):
            raise BundleError(
                f"The test {path} must be a playbook, with a name that ends with .yml. Correct image.tests."
            )
        if not os.path.isfile(path):
            raise BundleError(f"The test {path} is not there. Correct image.tests of the server role.")
        if name in entries:
            raise BundleError(f"Two tests are called {name}: {entries[name].path} and {path}. Rename one.")
        entries[name] = Entry(f"estate/tests/{_checked(name)}", path=path)
    return list(entries.values())


def wheel_entries(folder: str) -> list[Entry]:
    """All wheels of a folder."""
    names = sorted(name for name in os.listdir(folder) if name.endswith(".whl"))
    if not names:
        raise BundleError(f"{folder} holds no wheels. Give a folder with the wheels of all requirements, or none.")
    return [Entry(f"wheels/{name}", path=os.path.join(folder, name)) for name in names]


def role_document(server_role: Mapping[str, Any], apps: Mapping[str, Any], more: Mapping[str, Any]) -> Entry:
    """The variables that roles and tests get on the machine."""
    ours = sorted(name for name in more if name.startswith("dtk_"))
    if ours:
        raise BundleError(
            f"image.vars holds {', '.join(ours)}; names that begin with dtk_ belong to the toolkit. Rename."
        )
    return data_entry("estate/server_role.json", {**more, "dtk_server_role": server_role, "dtk_apps": apps})


def data_entry(name: str, data: Any) -> Entry:
    """Plain data as JSON, which is YAML, too; the same data makes the same bytes."""
    return Entry(name, data=(json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())


def file_entries(files: Mapping[str, str]) -> list[Entry]:
    """Single files by their name in the bundle."""
    for name, path in files.items():
        if not os.path.isfile(path):
            raise BundleError(f"The file {path}, wanted in the bundle as {name}, is not there.")
    return [Entry(name, path=path, executable=os.access(path, os.X_OK)) for name, path in sorted(files.items())]


def tree(path: str, name: str) -> list[Entry]:
    """A file, or all files below a folder, links to files followed."""
    if os.path.isfile(path):
        return [Entry(name, path=path, executable=os.access(path, os.X_OK))]
    found = []
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(one for one in folders if not _NEVER.search(one))
        below = os.path.relpath(folder, path)
        for file in sorted(files):
            place = os.path.join(folder, file)
            if not _NEVER.search(file) and os.path.isfile(place):
                parts = [name, *([] if below == "." else below.split(os.sep)), file]
                found.append(Entry("/".join(parts), path=place, executable=os.access(place, os.X_OK)))
    return found


def write(entries: Iterable[Entry], output: BinaryIO) -> str:
    """Write the archive; returns its SHA-256. Neither times, owners nor the order of a file system are in it."""
    writer = _Hashing(output)
    with tarfile.open(fileobj=writer, mode="w", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for entry in _ordered(entries):
            member = tarfile.TarInfo(entry.name)
            member.size = entry.size()
            member.mode = 0o755 if entry.executable else 0o644
            with entry.open() as content:
                tar.addfile(member, content)
    return writer.digest()


def contents(entries: Iterable[Entry]) -> dict[str, str]:
    """Name to SHA-256, for a comparison by people."""
    return {entry.name: _sha256(entry) for entry in _ordered(entries)}


def _ordered(entries: Iterable[Entry]) -> Iterator[Entry]:
    by_name: dict[str, Entry] = {}
    for entry in entries:
        if entry.name in by_name:
            raise BundleError(f"Two files want to be {entry.name} in the bundle.")
        by_name[entry.name] = entry
    return (by_name[name] for name in sorted(by_name))


def _sha256(entry: Entry) -> str:
    digest = hashlib.sha256()
    with entry.open() as content:
        for chunk in iter(lambda: content.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BundleError(f"{name!r} cannot be a name in a bundle: only letters, digits, dot, dash and underscore.")
    return name


class _Hashing:
    """Passes on what is written, and knows its hash; a tar needs no more of a file than write and tell."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._digest = hashlib.sha256()
        self._position = 0

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self._output.write(data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def digest(self) -> str:
        return self._digest.hexdigest()
