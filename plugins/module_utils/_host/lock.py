# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks of one app on one host, and the question whether a process still lives.

Two locks, so that a slow download never keeps a revert waiting: `app_lock` covers the state file and the link,
`stage_lock` covers what is unpacked into the folder of releases. Both end with the process that holds them,
whatever kills it, since the kernel drops flock(2) with the last descriptor; the descriptors are not inherited by
programs which a holder starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .errors import LockError
from .layout import Layout

_POLL_FIRST_S = 0.01
_POLL_MAX_S = 0.25


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. pid_start: see process_start; since: UTC, "2026-11-22T20:48:59Z"."""

    pid: int
    pid_start: str
    since: str


@contextmanager
def app_lock(layout: Layout, timeout_s: float) -> Iterator[None]:
    """Hold the app's lock. Waits at most timeout_s seconds, then raises LockError naming the holder.

    Not re-entrant: a second `app_lock` in the same process waits for the first one.
    """
    with _locked(layout, layout.lock_file, timeout_s):
        yield


@contextmanager
def stage_lock(layout: Layout, timeout_s: float) -> Iterator[None]:
    """Hold the lock of staging; as `app_lock`, and independent of it."""
    with _locked(layout, layout.stage_lock_file, timeout_s):
        yield


def holder(lock_file: str) -> Holder | None:
    """Who wrote its name into a lock file last, or None. It may be gone since: ask is_alive."""
    import json

    try:
        with open(lock_file, encoding="utf-8") as stream:
            data = json.load(stream)
        return Holder(int(data["pid"]), str(data["pid_start"]), str(data["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def process_start(pid: int) -> str | None:
    """An identity of a living process that a reused pid can't have: "<boot id>/<start in ticks>"; None if it is dead.

    A zombie counts as dead: it can do nothing any more.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            # The command's name stands in parentheses and may itself hold blanks and parentheses.
            values = stream.read().rpartition(b")")[2].split()
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            boot = stream.read().strip()
    except OSError:
        return None
    if len(values) < 20 or values[0] in (b"Z", b"X", b"x"):
        return None
    return f"{boot}/{values[19].decode('ascii')}"


def is_alive(pid: int, pid_start: str) -> bool:
    """Whether this very process, and not a later one with the same pid, still runs."""
    return process_start(pid) == pid_start


@contextmanager
def _locked(layout: Layout, path: str, timeout_s: float) -> Iterator[None]:
    descriptor = _open(layout, path)
    try:
        _acquire(layout, path, descriptor, timeout_s)
        _sign(path, descriptor)
        yield
    finally:
        # Closing unlocks. The file stays: removing it would let two processes hold two different files.
        os.close(descriptor)


def _open(layout: Layout, path: str) -> int:
    try:
        os.makedirs(layout.home, mode=0o755, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as exc:
        raise LockError(f"cannot open the lock {path}: {exc.strerror}; make {layout.home} writable") from exc


def _acquire(layout: Layout, path: str, descriptor: int, timeout_s: float) -> None:
    import fcntl
    import time

    deadline = time.monotonic() + timeout_s
    pause = _POLL_FIRST_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            left = deadline - time.monotonic()
        except OSError as exc:
            raise LockError(f"cannot lock {path}: {exc.strerror}; use a local file system for {layout.home}") from exc
        if left <= 0:
            raise LockError(_held(layout, path, timeout_s))
        # flock(2) has no timeout of its own; an alarm signal would belong to the whole process.
        time.sleep(min(pause, left))
        pause = min(pause * 2, _POLL_MAX_S)


def _held(layout: Layout, path: str, timeout_s: float) -> str:
    found = holder(path)
    who = f"process {found.pid} since {found.since}" if found else "another process"
    remedy = f"wait for it or end it (kill {found.pid})" if found else "find it with fuser"
    return (
        f"app {layout.app} is locked on this host by {who} ({path}, waited {timeout_s:g} s); {remedy}, then run again"
    )


def _sign(path: str, descriptor: int) -> None:
    """Write who holds the lock, for messages only: a full disk must not stop a revert."""
    import json
    import time

    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    text = json.dumps({"pid": os.getpid(), "pid_start": process_start(os.getpid()), "since": since})
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode("ascii"), 0)
    except OSError:
        return
