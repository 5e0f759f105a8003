# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.plugin_utils import broker, broker_server, broker_start, wire

KNOWN = {"kind": "secrets", "wanted": [], "known": True, "version": wire.VERSION}


class Counting:
    """In place of the store."""

    age = 0

    def __init__(self, answers: Any = None) -> None:
        self.answers = answers
        self.asked = 0

    def answer(self, _question: Any) -> Any:
        self.asked += 1
        return self.answers


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        yield ours, theirs


def served(theirs: socket.socket, store: Any) -> threading.Thread:
    thread = threading.Thread(target=broker_server.answer_all, args=(theirs, broker_server.Replies(store)))
    thread.start()
    return thread


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x00",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x02xx",
        wire.packed([]),
        wire.packed({}),
        wire.packed({"version": 1}),
    ],
)
def test_nonsense_is_hung_up_on(pair: tuple[socket.socket, socket.socket], nonsense: bytes) -> None:
    class Strict(Counting):
        def answer(self, question: Any) -> Any:
            return question["kind"]

    ours, theirs = pair
    thread = served(theirs, Strict())
    ours.sendall(nonsense)
    ours.shutdown(socket.SHUT_WR)
    assert ours.recv(1) == b""
    thread.join()


def test_another_version_is_refused(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    thread = served(theirs, Counting())
    ours.sendall(wire.packed({**KNOWN, "version": 0}))
    assert json.loads(wire.receive(ours)) == {"refused": "version"}
    ours.close()
    thread.join()


def test_another_user_is_hung_up_on(pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    ours, theirs = pair
    store = Counting([])
    ours.sendall(wire.packed(KNOWN))
    served(theirs, store).join()
    assert store.asked == 0


def test_a_message_of_any_size_arrives(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    message = {"text": "ä{{ }}\ud800" * 200_000}
    thread = threading.Thread(target=ours.sendall, args=(wire.packed(message),))
    thread.start()
    assert json.loads(wire.receive(theirs)) == message
    thread.join()


def test_the_same_question_is_answered_once_until_something_new_is_known() -> None:
    store = Counting([{"state": "found", "value": 1}])
    replies = broker_server.Replies(store)
    question = wire.packed(KNOWN)[4:]
    first = replies.to(question)
    assert replies.to(question) == first
    assert store.asked == 1
    store.age, store.answers = 1, [{"state": "found", "value": 2}]
    assert replies.to(question) != first


@pytest.mark.parametrize("question", [{**KNOWN, "known": False}, {**KNOWN, "fresh": True, "known": False}])
def test_other_questions_are_always_put_to_the_store(question: dict[str, Any]) -> None:
    store = Counting([])
    replies = broker_server.Replies(store)
    for _time in range(2):
        replies.to(wire.packed(question)[4:])
    assert store.asked == 2


def test_the_end_of_a_process_is_seen_without_a_descriptor() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    has_ended = broker_server.end_of(process.pid, None)
    assert not has_ended(0)
    process.communicate(b"\n")
    assert has_ended(0)


def test_another_process_of_the_same_number_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    births = iter(["100", "200"])
    monkeypatch.setattr(broker_server, "_birth", lambda _pid: next(births))
    assert broker_server.end_of(os.getpid(), None)(0)


def test_the_owner_of_a_run_is_this_process_or_the_parent_of_a_worker() -> None:
    class WorkerProcess(multiprocessing.get_context("fork").Process):
        """By its name, as Ansible's."""

    def owner(queue: Any) -> None:
        pid, descriptor = broker_start.the_run()
        os.close(descriptor)
        queue.put(pid)

    queue = multiprocessing.get_context("fork").SimpleQueue()
    owner(queue)
    assert queue.get() == os.getpid()
    worker = WorkerProcess(target=owner, args=(queue,))
    worker.start()
    worker.join()
    assert queue.get() == os.getpid()


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_folder_that_others_may_enter_is_not_used(tmp_path: Path, mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(mode)
    monkeypatch.setattr(broker_start, "start", lambda _folder: pytest.fail("started"))
    asked = broker.Broker(str(tmp_path), lambda _text: None)
    assert asked.ask({"kind": "secrets", "access": {}, "wanted": [], "key": [], "json": False, "binary": "text"}) == []
    assert list(tmp_path.iterdir()) == []


def test_a_broker_that_cannot_start_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)

    def start(_folder: str) -> None:
        raise OSError("no room")

    monkeypatch.setattr(broker_start, "start", start)
    told: list[str] = []
    question = {"kind": "secrets", "access": {}, "wanted": [], "key": [], "json": False, "binary": "text"}
    for _worker in range(3):
        assert broker.Broker(str(tmp_path), told.append).ask(question) == []
    (line,) = told
    assert "no room" in line


def test_the_reason_of_a_start_that_fails_is_the_last_line_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_start, "_PROGRAM", "raise SystemExit('it is Monday')")
    with pytest.raises(OSError, match="it is Monday"):
        broker_start.start(str(tmp_path))
