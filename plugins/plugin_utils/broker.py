# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks the broker of this run, and starts it if nobody has.

Ansible evaluates lookups in forked workers, one per host and task, and whatever a worker learns ends with it. So the
first lookup of a run starts one small process, which makes the calls for all of them: see broker_server. Where that
cannot be done, the calls are made here, which is slower and just as right.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import wire

Question = Mapping[str, Any]
Answers = list[dict[str, Any]]

_ANSWER_SECONDS = 900  # longer than all tries of a call that AWS throttles


class NoBrokerError(Exception):
    """There is none and cannot be one; says why."""


class Broker:
    """The way of a process to the broker of a folder. A forked child makes connections of its own."""

    def __init__(self, folder: str, hint: Callable[[str], None]) -> None:
        self._folder = folder
        self._hint = hint
        self._mine = threading.local()
        self._store: tuple[int, Any] = (0, None)  # of this very process, where there is no broker

    def ask(self, question: Question) -> Answers | None:
        """The answers of the broker, or of this process itself."""
        if self._store[0] != os.getpid():
            try:
                return self._asked({**question, "version": wire.VERSION})
            except (NoBrokerError, OSError, EOFError, ValueError):
                self._do_without()
        return self._store[1].answer(question)

    def _asked(self, message: Question) -> Answers | None:
        try:
            return self._exchange(message)
        except (OSError, EOFError):
            # Somebody killed it between two questions: the next one may be started.
            self._mine.pid = None
            return self._exchange(message)

    def _exchange(self, message: Question) -> Answers | None:
        if getattr(self._mine, "pid", None) != os.getpid():
            self._mine.connection = self._connect()
            self._mine.pid = os.getpid()
        self._mine.connection.sendall(wire.packed(message))
        reply = json.loads(wire.receive(self._mine.connection))
        if "answers" not in reply:
            raise NoBrokerError("the broker is of another version of the collection")
        return reply["answers"]

    def _do_without(self) -> None:
        from .store import Store

        self._store = (os.getpid(), Store())

    def _connect(self) -> socket.socket:
        _check_folder(self._folder)
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return _connect(self._folder)
        with _alone(self._folder) as lock:
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                return _connect(self._folder)  # somebody was faster
            self._start(lock)
            return _connect(self._folder)

    def _start(self, lock: int) -> None:
        if os.read(lock, 1):
            raise NoBrokerError("one could not be started before, which was told then")
        from .broker_start import start

        try:
            start(self._folder)
        except OSError as exc:
            os.write(lock, b"x")
            self._hint(f"Each worker asks AWS itself, since no common broker could be started: {exc}")
            raise NoBrokerError(str(exc)) from exc


def _check_folder(folder: str) -> None:
    found = os.stat(folder, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise NoBrokerError("the temporary folder is not for this user alone")


@contextlib.contextmanager
def _alone(folder: str) -> Iterator[int]:
    """One process at a time; the descriptor of the lock's file."""
    lock = os.open(os.path.join(folder, wire.LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _connect(folder: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        try:
            connection.connect(os.path.join(folder, wire.SOCKET))
        except OSError as exc:
            if exc.errno is not None:
                raise
            _connect_from_within(connection, folder)
        if not wire.peer_is_ours(connection):
            raise NoBrokerError("the broker is not ours")
    except BaseException:
        connection.close()
        raise
    connection.settimeout(_ANSWER_SECONDS)
    return connection


def _connect_from_within(connection: socket.socket, folder: str) -> None:
    """The address of a socket takes some hundred bytes; that of a descriptor is short."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{descriptor}/{wire.SOCKET}")
    finally:
        os.close(descriptor)
