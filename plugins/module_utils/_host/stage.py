# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Putting a release on the host: fetched, hashed and unpacked in one pass, and complete or absent at every moment."""

from __future__ import annotations

import errno
import os
import stat
import time
from dataclasses import dataclass, replace
from typing import Any

from . import archive, files
from . import manifest as manifests
from . import state as states
from .archive import Limits
from .errors import ArchiveError, FetchError, HostError, ManifestError, SpaceError, StageError
from .fetch import FetchOptions, Source, SourceChangedError, open_source, redact
from .layout import MARKER, Layout
from .lock import app_lock, stage_lock
from .manifest import Manifest

MARKER_SCHEMA = 1
PARTIAL_SUFFIX = ".partial"
REMOVED_SUFFIX = ".removed"

_MARKER_MAX = 64 * 1024  # bytes
_BLOCK_MAX = 4096  # bytes that an entry may waste in its last block; network file systems report much larger ones
_MARGIN_BYTES = 16 * 1024**2
_MARGIN_INODES = 64
_RESTARTS = 3


@dataclass(frozen=True)
class StageResult:
    """What staging did. path: folder of the release.

    bytes_fetched: over the network, repeated ones included. seconds: {"fetch_unpack", "sync"}, 0 if nothing was done.
    pruned: leftovers of killed runs that were removed, as names in the folder of releases.
    """

    changed: bool
    path: str
    bytes_fetched: int
    seconds: dict[str, float]
    pruned: tuple[str, ...] = ()


@dataclass(frozen=True)
class Marker:
    """What stands in a complete release. staged_at: UTC with microseconds, sorts as text."""

    manifest: Manifest
    staged_at: str


def stage(
    layout: Layout,
    manifest: Manifest,
    source: str,
    *,
    limits: Limits | None = None,
    owner: str | None = None,
    group: str | None = None,
    check: bool = False,
    options: FetchOptions | None = None,
    lock_timeout_s: float = 30.0,
) -> StageResult:
    """Make releases/<version> complete and verified; what is there already and matches is left alone, unread.

    source: see fetch.open_source. limits: of this host, on top of what the manifest claims. owner, group: names; the
    release belongs to them, or to the running user. check: only say what would happen, preflight included.
    Takes the lock of staging itself; the caller need not hold, and may hold, the lock of the app.
    Raises a HostError after which no trace of the release is left.
    """
    limits = limits or Limits()
    _check_request(layout, manifest, limits)
    ids = _ids(owner, group)
    if _already_there(layout, manifest):
        return _unchanged(layout, manifest)
    if check:
        _preflight(layout, manifest)
        return StageResult(True, layout.release(manifest.version), 0, {"fetch_unpack": 0.0, "sync": 0.0})
    with stage_lock(layout, lock_timeout_s):
        # The holder that was waited for may have staged this very release.
        if _already_there(layout, manifest):
            return _unchanged(layout, manifest)
        return _stage_locked(layout, manifest, source, limits, ids, options or FetchOptions())


def absent(layout: Layout, version: str, *, check: bool = False, lock_timeout_s: float = 30.0) -> bool:
    """Remove a release; False if it was not there. Takes the lock of the app.

    Raises StageError for a version that is current, previous, last good, served or part of an open transaction.
    """
    path = layout.release(version)
    if not os.path.lexists(path):
        return False
    if check:
        _check_unused(layout, version)
        return True
    with app_lock(layout, lock_timeout_s):
        _check_unused(layout, version)
        try:
            remove_release(layout, version)
        except OSError as exc:
            raise StageError(f"cannot remove {path}: {exc.strerror}; check the file system and run again") from exc
    return True


def remove_release(layout: Layout, version: str) -> None:
    """Remove a release that nobody uses, visible whole or not at all; the caller holds the app's lock. OSError."""
    hidden = os.path.join(layout.releases, f".{version}{REMOVED_SUFFIX}")
    files.remove_tree(hidden)
    os.rename(layout.release(version), hidden)
    files.fsync_dir(layout.releases)
    files.remove_tree(hidden)


def read_marker(layout: Layout, version: str) -> Marker | None:
    """The marker of a release, or None if there is no such release; StageError for a folder without a good marker."""
    path = layout.marker(version)
    try:
        return _parse_marker(_read_small_file(path))
    except FileNotFoundError:
        if not os.path.lexists(layout.release(version)):
            return None
        why = "it is missing"
    except OSError as exc:
        why = exc.strerror
    except (ManifestError, ValueError, KeyError, TypeError, RecursionError) as exc:
        why = f"it is damaged ({exc})"
    raise StageError(
        f"the release {layout.release(version)} has no good {MARKER}: {why}; move the folder away and stage it again"
    )


def installed(layout: Layout) -> dict[str, Marker]:
    """The complete releases on this host, oldest first; folders that the toolkit did not make are left out."""
    found = {}
    for name in _listed(layout.releases):
        try:
            marker = read_marker(layout, name)
        except HostError:
            continue
        if marker:
            found[name] = marker
    return dict(sorted(found.items(), key=lambda item: (item[1].staged_at, item[0])))


# --- before anything is written ------------------------------------------------------------------------------------


def _check_request(layout: Layout, manifest: Manifest, limits: Limits) -> None:
    if manifest.app != layout.app:
        raise StageError(
            f"the manifest is of app {manifest.app} and this is {layout.app}; pass the manifest of the app"
        )
    for name, claimed, limit in (
        ("entries", manifest.files, limits.entries),
        ("unpacked_size", manifest.unpacked_size, limits.unpacked_size),
    ):
        if claimed > limit:
            raise StageError(
                f"{manifest.app} {manifest.version} has {name} {claimed}, above the limit of {limit}; "
                f"raise limits.{name} if that is right"
            )


def _ids(owner: str | None, group: str | None) -> tuple[int, int] | None:
    """(uid, gid) for chown, -1 for what stays; None if both stay."""
    if owner is None and group is None:
        return None
    import grp
    import pwd

    try:
        account = pwd.getpwnam(owner) if owner is not None else None
    except KeyError:
        raise StageError(f"the owner {owner!r} is no user of this host; create it or name another") from None
    try:
        gid = grp.getgrnam(group).gr_gid if group is not None else account.pw_gid if account else -1
    except KeyError:
        raise StageError(f"the group {group!r} is no group of this host; create it or name another") from None
    return (account.pw_uid if account else -1), gid


def _already_there(layout: Layout, manifest: Manifest) -> bool:
    marker = read_marker(layout, manifest.version)
    if marker is None:
        return False
    if marker.manifest.sha256 != manifest.sha256:
        raise StageError(
            f"{layout.release(manifest.version)} holds other content under this version (sha256 "
            f"{marker.manifest.sha256}, now {manifest.sha256}); a version is immutable, publish under a new one"
        )
    return True


def _unchanged(layout: Layout, manifest: Manifest) -> StageResult:
    return StageResult(False, layout.release(manifest.version), 0, {"fetch_unpack": 0.0, "sync": 0.0})


def _preflight(layout: Layout, manifest: Manifest) -> None:
    """Raise SpaceError unless bytes and inodes are there, with a margin for what else the host writes meanwhile."""
    place = layout.releases
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    usage = os.statvfs(place)
    needed = manifest.unpacked_size + manifest.files * min(usage.f_frsize, _BLOCK_MAX)
    needed += max(_MARGIN_BYTES, needed // 20)
    _compare_space(layout, manifest, place, "bytes", needed, usage.f_bavail * usage.f_frsize)
    if usage.f_files:  # some file systems make inodes as they need them, and report none
        inodes = manifest.files + max(_MARGIN_INODES, manifest.files // 20)
        _compare_space(layout, manifest, place, "inodes", inodes, usage.f_favail)


def _compare_space(layout: Layout, manifest: Manifest, place: str, what: str, needed: int, free: int) -> None:
    if free < needed:
        raise SpaceError(
            f"{place} has {free} free {what} and {layout.app} {manifest.version} needs {needed} with its margin; "
            "free some, or keep fewer releases"
        )


# --- writing ---------------------------------------------------------------------------------------------------------


def _stage_locked(
    layout: Layout,
    manifest: Manifest,
    source: str,
    limits: Limits,
    ids: tuple[int, int] | None,
    options: FetchOptions,
) -> StageResult:
    partial = layout.partial(manifest.version)
    try:
        _make_folders(layout)
        pruned = _remove_leftovers(layout)
        _preflight(layout, manifest)
        began = time.monotonic()
        fetched = _fill_partial(partial, manifest, source, limits, ids, options)
        unpacked = time.monotonic()
        _seal(layout, manifest, partial, ids)
        synced = time.monotonic()
    except BaseException as exc:
        _remove_quietly(partial)
        if isinstance(exc, OSError):
            raise _translated(layout, manifest, exc) from exc
        raise
    seconds = {"fetch_unpack": round(unpacked - began, 3), "sync": round(synced - unpacked, 3)}
    return StageResult(True, layout.release(manifest.version), fetched, seconds, pruned)


def _make_folders(layout: Layout) -> None:
    for folder in (layout.releases, layout.shared):
        os.makedirs(folder, mode=0o755, exist_ok=True)
    files.fsync_dir(layout.home)


def _remove_leftovers(layout: Layout) -> tuple[str, ...]:
    """Remove what killed runs left, as far as possible; the lock makes sure that nobody is unpacking there."""
    hidden = [name for name in _listed(layout.releases) if name.startswith(".")]
    leftovers = [name for name in hidden if name.endswith((PARTIAL_SUFFIX, REMOVED_SUFFIX))]
    return tuple(name for name in leftovers if _remove_quietly(os.path.join(layout.releases, name)))


def _fill_partial(
    partial: str,
    manifest: Manifest,
    source: str,
    limits: Limits,
    ids: tuple[int, int] | None,
    options: FetchOptions,
) -> int:
    """Fetch and unpack, from the beginning again if the artifact is replaced meanwhile; returns bytes received."""
    received = 0
    for restart in range(_RESTARTS):
        files.remove_tree(partial)
        # Only root may enter while root writes below folders that may already belong to the app's user.
        os.mkdir(partial, 0o700)
        with open_source(source, manifest.size, options) as stream:
            try:
                _fetch_unpack(stream, partial, manifest, limits, ids)
                return received + stream.received
            except SourceChangedError:
                received += stream.received
                if restart == _RESTARTS - 1:
                    raise
    raise FetchError(f"{redact(source)} was replaced again and again; publish under a new version")


def _fetch_unpack(
    stream: Source, partial: str, manifest: Manifest, limits: Limits, ids: tuple[int, int] | None
) -> None:
    hashed = _Hashed(stream)
    claimed = replace(limits, unpacked_size=manifest.unpacked_size)
    try:
        found = archive.extract(hashed, manifest.format, partial, claimed, ids)
    except ArchiveError as exc:
        # Damage is only half the story: an artifact that was tampered with should be called so.
        _check_hash(hashed, stream, manifest)
        raise ArchiveError(f"{manifest.app} {manifest.version} from {stream.name}: {exc}") from exc
    _check_hash(hashed, stream, manifest)
    if (found.entries, found.unpacked_size) != (manifest.files, manifest.unpacked_size):
        raise StageError(
            f"{stream.name} holds {found.entries} entries of {found.unpacked_size} bytes and the manifest says "
            f"{manifest.files} of {manifest.unpacked_size}; publish the release again under a new version"
        )


class _Hashed:
    """Passes a stream on and hashes it."""

    def __init__(self, stream: Source) -> None:
        import hashlib

        self._stream = stream
        self._hash = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """As the stream."""
        data = self._stream.read(size)
        self._hash.update(data)
        return data

    def hexdigest(self) -> str:
        """Of all bytes, those that nobody has read yet included."""
        while self.read(archive.CHUNK):
            pass
        return self._hash.hexdigest()


def _check_hash(hashed: _Hashed, stream: Source, manifest: Manifest) -> None:
    found = hashed.hexdigest()
    if found != manifest.sha256:
        raise StageError(
            f"{stream.name} has sha256 {found} and the manifest of {manifest.app} {manifest.version} says "
            f"{manifest.sha256}; it was damaged or tampered with, publish the release again under a new version"
        )


def _seal(layout: Layout, manifest: Manifest, partial: str, ids: tuple[int, int] | None) -> None:
    """Marker, one sync, then the rename that makes the release visible: never before its bytes are on the disk."""
    import json

    document = {"schema": MARKER_SCHEMA, "manifest": manifest.to_dict(), "staged_at": _timestamp()}
    path = os.path.join(partial, MARKER)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(json.dumps(document, indent=1, sort_keys=True) + "\n")
    if ids:
        os.chown(partial, *ids)
    os.chmod(partial, archive.FOLDER_MODE)
    files.sync_filesystem(partial)
    os.rename(partial, layout.release(manifest.version))
    files.fsync_dir(layout.releases)


def _translated(layout: Layout, manifest: Manifest, exc: OSError) -> StageError:
    what = f"{layout.app} {manifest.version} to {layout.releases}"
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return SpaceError(
            f"the disk ran out of bytes or inodes while writing {what} ({exc.strerror}); free some and run again"
        )
    if exc.errno == errno.EROFS:
        return StageError(f"cannot write {what}: the file system is read-only; remount it writable and run again")
    where = os.fsdecode(exc.filename) if isinstance(exc.filename, (str, bytes)) else layout.releases
    return StageError(f"cannot write {what}: {where}: {exc.strerror}; check the file system and run again")


def _remove_quietly(path: str) -> bool:
    """Whether it is gone; a failure is no reason to fail, the next run tries again."""
    try:
        files.remove_tree(path)
    except OSError:
        return False
    return True


# --- reading ---------------------------------------------------------------------------------------------------------


def _check_unused(layout: Layout, version: str) -> None:
    if version in states.load(layout).in_use() or version == states.link_version(layout):
        raise StageError(
            f"the release {version} of {layout.app} is current, previous, last good or being activated on this host; "
            "activate another one first"
        )


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _read_small_file(path: str) -> bytes:
    """Only a regular file of reasonable size: the folder may belong to the app's user, who may put anything there."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a regular file")
        return stream.read(_MARKER_MAX)


def _parse_marker(data: bytes) -> Marker:
    import json

    document: Any = json.loads(data)
    if document["schema"] != MARKER_SCHEMA or not isinstance(document["staged_at"], str):
        raise ValueError("unknown schema")
    return Marker(manifests.from_dict(document["manifest"]), document["staged_at"])


def _timestamp() -> str:
    now = time.time()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1_000_000):06d}Z"
