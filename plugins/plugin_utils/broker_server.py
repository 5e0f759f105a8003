# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The broker of one run: answers lookups over a socket in the run's own temporary folder, and ends with the run.

A process of its own, started by broker.py. Values are in its memory only, which is never dumped.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from . import wire
from .store import Store

READY = "ready"
_LOOK_SECONDS = 1.0  # how often to look for what nothing tells by itself: a folder that is gone, an owner without pidfd


def main(setup: Mapping[str, Any]) -> None:
    """setup: the folder, the process whose end is ours, and perhaps a descriptor that tells of that end."""
    # Ctrl-C is for the run; its end is ours. A terminal that goes away is not.
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)
    _never_dump()
    os.chdir(setup["folder"])  # a name alone is never too long for a socket
    listener = _listen()
    try:
        sys.stdout.write(READY)
        sys.stdout.flush()
        _be_silent()
        serve(listener, end_of(setup["owner"], setup["pidfd"]))
    finally:
        for name in (wire.SOCKET, wire.LOCK):
            with contextlib.suppress(OSError):
                os.unlink(name)
        # Threads that wait for AWS must not keep the process.
        os._exit(0)


def serve(listener: socket.socket, has_ended: Callable[[float], bool]) -> None:
    """Answer until the run has ended."""
    replies = Replies(Store())
    threading.Thread(target=_accept, args=(listener, replies), daemon=True).start()
    folder = os.open(".", os.O_RDONLY)
    while not has_ended(_LOOK_SECONDS):
        if os.fstat(folder).st_nlink == 0 or not os.path.lexists(wire.SOCKET):
            return


def end_of(owner: int, pidfd: int | None) -> Callable[[float], bool]:
    """A function that waits so many seconds for the end of a process, and tells whether it came."""
    if pidfd is not None:
        ends = select.poll()  # not select(), which ends at descriptor 1023
        ends.register(pidfd, select.POLLIN)
        return lambda seconds: bool(ends.poll(seconds * 1000))
    born = _birth(owner)
    never = threading.Event()

    def has_ended(seconds: float) -> bool:
        never.wait(seconds)
        try:
            os.kill(owner, 0)
        except ProcessLookupError:
            return True
        return _birth(owner) != born  # another process of the same number

    return has_ended


class Replies:
    """What the broker sends. Hundreds of workers ask the same, to the letter, and get what was packed for the first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._of_age: tuple[int, dict[bytes, bytes]] = (-1, {})

    def to(self, text: bytes) -> bytes:
        now = self._store.age
        age, packed = self._of_age
        if age != now:
            packed = {}
            self._of_age = (now, packed)
        if text in packed:
            return packed[text]
        question = json.loads(text)
        if question.pop("version") != wire.VERSION:
            return wire.packed({"refused": "version"})
        answers = self._store.answer(question)
        reply = wire.packed({"answers": answers})
        if question.get("known") and not any(answer.get("secure") for answer in answers or ()):
            packed[text] = reply
        return reply


def answer_all(connection: socket.socket, replies: Replies) -> None:
    """Answer one who asks until he hangs up."""
    # Who sends nonsense or leaves in the middle gets no answer, and harms nobody else.
    with connection, contextlib.suppress(OSError, EOFError, ValueError, KeyError, TypeError):
        if not wire.peer_is_ours(connection):
            return
        while True:
            connection.sendall(replies.to(wire.receive(connection)))


def _accept(listener: socket.socket, replies: Replies) -> None:
    while True:
        connection, _address = listener.accept()
        threading.Thread(target=answer_all, args=(connection, replies), daemon=True).start()


def _listen() -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(wire.SOCKET)  # of a broker that was killed
        listener.bind(wire.SOCKET)
    finally:
        os.umask(before)
    listener.listen(1024)
    return listener


def _never_dump() -> None:
    """No file with the values after a crash."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _be_silent() -> None:
    """Nobody reads what would be written from here on."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _birth(pid: int) -> str:
    """When a process was started, where the system tells; a number alone may be used again."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return ""
