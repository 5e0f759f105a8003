# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import probe
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import ProbeError, SpecError

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"release": "1.0.1"}'


@contextmanager
def server(*answers: bytes | None, drip: float = 0) -> Iterator[tuple[int, list[bytes]]]:
    """Answers connections in turn with raw bytes, the last one for ever; None hangs up. Keeps the requests."""
    requests: list[bytes] = []
    left = list(answers)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _peer = listener.accept()
                except OSError:
                    return
                with connection:
                    requests.append(connection.recv(65536))
                    answer = left.pop(0) if len(left) > 1 else left[0]
                    send(connection, answer)

        def send(connection: socket.socket, answer: bytes | None) -> None:
            try:
                for start in range(0, len(answer or b""), 1 if drip else 65536):
                    connection.sendall(answer[start : start + (1 if drip else 65536)])
                    time.sleep(drip)
            except OSError:
                return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], requests
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def http(port: int, path: str = "/health", **changes: Any) -> probe.Health:
    check = {"url": f"http://127.0.0.1:{port}{path}", **changes.pop("http", {})}
    return probe.from_dict({"http": check, "interval": 0.01, "timeout": 1, "deadline": 2, **changes})


@pytest.mark.parametrize(
    ("answer", "ok", "detail"),
    [
        pytest.param(OK, True, 'status 200: {"release": "1.0.1"}', id="length given"),
        pytest.param(b'HTTP/1.1 200 OK\r\n\r\n{"release": "1.0.1"}', True, "status 200", id="ends with the connection"),
        pytest.param(
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n{"release":\r\n9\r\n "1.0.1"}\r\n0\r\n\r\n',
            True,
            'status 200: {"release": "1.0.1"}',
            id="chunked",
        ),
        pytest.param(OK.replace(b"1.0.1", b"1.0.0"), False, '"1.0.0"', id="the release before answers"),
        pytest.param(OK.replace(b"1.0.1", b"1x0x1"), False, '"1x0x1"', id="the dots of a version are no wildcards"),
        pytest.param(OK.replace(b"200 OK", b"500 No"), False, "status 500", id="wrong status"),
        pytest.param(None, False, "closed within the headers", id="hangs up"),
        pytest.param(b"SSH-2.0-x\r\n\r\n", False, "does not speak HTTP", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 99999, False, "headers don't end", id="endless headers"),
    ],
)
def test_one_http_answer(answer: bytes | None, ok: bool, detail: str) -> None:
    with server(answer) as (port, _requests):
        got = probe.ask(http(port, http={"body": '"release": "{version}"'}), "1.0.1")
    assert got.ok is ok
    assert detail in got.detail


def test_the_request_is_plain_and_may_be_shaped() -> None:
    with server(OK) as (port, requests):
        probe.ask(http(port, "/is/{version}?x=1", http={"headers": {"host": "hello.example", "X-A": "b"}}), "1.0.1")
    lines = requests[0].decode().split("\r\n")
    assert lines[0] == "GET /is/1.0.1?x=1 HTTP/1.1"
    assert "host: hello.example" in lines and "X-A: b" in lines and "Connection: close" in lines
    assert not [line for line in lines if line.startswith("Host:")]


def test_a_server_that_drips_does_not_hold_us() -> None:
    with server(OK, drip=0.2) as (port, _requests):
        began = time.monotonic()
        got = probe.ask(http(port, timeout=0.5), "1.0.1")
    assert not got.ok and "timed out after 0.5 s" in got.detail
    assert time.monotonic() - began < 2


def test_a_broken_tls_handshake_is_an_answer_and_not_an_exception() -> None:
    with server(b"not tls") as (port, _requests):
        health = probe.from_dict({"http": {"url": f"https://127.0.0.1:{port}/"}, "timeout": 1})
        assert not probe.ask(health, "1.0.1").ok


def test_tcp() -> None:
    with server(b"") as (port, _requests):
        assert probe.ask(probe.from_dict({"tcp": {"port": port}}), "1.0.1").ok
    got = probe.ask(probe.from_dict({"tcp": {"port": port}}), "1.0.1")
    assert not got.ok and "refused" in got.detail.lower()


@pytest.mark.parametrize(
    ("argv", "ok", "detail"),
    [
        (["/bin/sh", "-c", "echo $DTK_RELEASE"], True, "exit code 0: 1.0.1"),
        (["/bin/sh", "-c", "echo why >&2; exit 3"], False, "exit code 3: why"),
        (["/nowhere"], False, "cannot run it"),
        (["/bin/sleep", "30"], False, "no end within 0.2 s"),
    ],
)
def test_command(argv: list[str], ok: bool, detail: str) -> None:
    got = probe.ask(probe.from_dict({"command": {"argv": argv}, "timeout": 0.2}), "1.0.1")
    assert got.ok is ok
    assert detail in got.detail


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds


def wait(monkeypatch: pytest.MonkeyPatch, pattern: str, **health: Any) -> tuple[probe.Verdict, Clock]:
    """Wait with answers as in `pattern`: + is good, - is bad, the last one for ever."""
    clock, answers = Clock(), list(pattern)

    def ask(_health: probe.Health, _version: str, within: float) -> probe.Answer:
        assert within > 0
        return probe.Answer((answers.pop(0) if len(answers) > 1 else answers[0]) == "+", "said")

    monkeypatch.setattr(probe, "ask", ask)
    wanted = probe.from_dict({"tcp": {"port": 1}, **health})
    return probe.wait_healthy(wanted, "1.0.1", clock=clock, sleep=clock.sleep), clock


def test_good_answers_are_an_interval_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict, clock = wait(monkeypatch, "+", successes=3, interval=0.5)
    assert verdict.tries == 3
    assert clock.slept == [0.5, 0.5]


def test_a_bad_answer_is_followed_soon_and_then_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    _verdict, clock = wait(monkeypatch, "---------++", successes=2, interval=0.2)
    assert clock.slept == [0.02, 0.032, 0.051, 0.082, 0.131, 0.2, 0.2, 0.2, 0.2, 0.2]


def test_a_bad_answer_begins_the_row_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wait(monkeypatch, "++-+++", successes=3, interval=0.1)[0].tries == 6


def test_at_the_deadline_the_message_says_what_was_asked_and_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProbeError, match=r"127.0.0.1:1 was not healthy 3 times.*deadline of 2 s.*last answer: said"):
        wait(monkeypatch, "++-", successes=3, deadline=2)


def test_giving_up_early_says_why() -> None:
    health = probe.from_dict({"tcp": {"port": 1}, "deadline": 30})
    with pytest.raises(ProbeError, match="unit x is failed"):
        probe.wait_healthy(health, "1.0.1", give_up=lambda: "unit x is failed")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], None),
        ({}, None),
        ("http", "give a mapping"),
        ({"successes": 1}, "no probe; give exactly one of http, tcp, command"),
        ({"http": {"url": "http://x/"}, "tcp": {"port": 1}}, "http and tcp"),
        ({"tcp": {"port": 1}, "sucesses": 1}, "unknown sucesses"),
        ({"http": {"url": "ftp://x/"}}, "health.http.url"),
        ({"http": {"url": "http://"}}, "health.http.url"),
        ({"http": {"url": "http://x:99999/"}}, "health.http.url"),
        ({"http": {}}, "health.http.url is None"),
        ({"http": {"url": "http://x/", "body": "("}}, "no regular expression"),
        ({"http": {"url": "http://x/", "status": ["ok"]}}, "health.http.status"),
        ({"http": {"url": "http://x/", "headers": {"A": "b\r\nc: d"}}}, "line break"),
        ({"http": {"url": "http://x/", "verify": True}}, "unknown verify"),
        ({"tcp": {"port": "http"}}, "health.tcp.port"),
        ({"tcp": {"port": 65536}}, "health.tcp.port"),
        ({"command": {"argv": []}}, "health.command.argv"),
        ({"command": {"argv": "true"}}, "health.command.argv"),
        ({"tcp": {"port": 1}, "successes": 0}, "health.successes"),
        ({"tcp": {"port": 1}, "deadline": float("nan")}, "health.deadline"),
        ({"tcp": {"port": 1}, "successes": 10, "interval": 5, "deadline": 30}, "can't be"),
    ],
)
def test_from_dict_refuses(data: Any, message: str | None) -> None:
    if message is None:
        assert probe.from_dict(data) is None
        return
    with pytest.raises(SpecError, match=message):
        probe.from_dict(data)


@pytest.mark.parametrize(
    "data",
    [
        {"http": {"url": "http://x/", "status": [200, 204], "body": "a{2}", "validate_certs": False}, "interval": 0.2},
        {"tcp": {"port": 1, "host": "h"}, "successes": 1},
        {"command": {"argv": ["a", "b"]}, "timeout": 9},
    ],
)
def test_to_dict_is_what_from_dict_takes(data: dict[str, Any]) -> None:
    health = probe.from_dict(data)
    assert probe.from_dict(probe.to_dict(health)) == health


def test_to_dict_holds_no_header_that_may_be_a_secret() -> None:
    headers = {"Authorization": "Bearer s3cret", "Host": "hello.example"}
    kept = probe.to_dict(probe.from_dict({"http": {"url": "http://x/", "headers": headers}}))
    assert kept["http"]["headers"] == {"Host": "hello.example"}
