# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The few file operations that must survive a power cut, in one place."""

from __future__ import annotations

import os


def fsync_dir(path: str) -> None:
    """Make renames, links and removals inside a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: str, data: bytes, mode: int = 0o644) -> None:
    """Replace a file as a whole and durably: a reader, or a power cut, sees the old content or the new one.

    Raises OSError, and then the old file stands untouched. The caller holds the lock that covers the file: the
    temporary name is fixed, so what a killed writer left behind is overwritten and never piles up.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        _unlink_quietly(temporary)
        raise
    fsync_dir(folder)


def sync_filesystem(path: str) -> None:
    """Make everything written below a folder durable with one call.

    One fsync per file costs a journal commit each: thousands of them for one release. syncfs(2) commits the file
    system once and, unlike sync(2), reports write errors (Linux 5.8 and newer) and leaves other disks alone. Python
    has no binding for it; where libc has none either, every file and folder is fsynced on its own.
    """
    import ctypes

    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        _fsync_tree(path)
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)
    finally:
        os.close(descriptor)


def remove_tree(path: str) -> None:
    """Remove a folder with all it holds, following no link; a path that is not there is fine. Raises OSError."""
    import shutil

    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(path)


def _fsync_tree(path: str) -> None:
    for folder, _folders, names in os.walk(path):
        for name in names:
            if not os.path.islink(os.path.join(folder, name)):
                _fsync_file(os.path.join(folder, name))
        fsync_dir(folder)


def _fsync_file(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink_quietly(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
