# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask an app whether it is healthy: over HTTP, by a TCP connection or with a command.

HTTP is spoken over a plain socket: `http.client` alone costs a short-lived module more CPU than all of its probes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .errors import ProbeError, SpecError

_KINDS = ("http", "tcp", "command")
_FIRST_PAUSE_S = 0.02
_PAUSE_GROWTH = 1.6
_BODY_LIMIT = 65536
_SHOWN = 200
PLACEHOLDER = "{version}"


@dataclass(frozen=True)
class Http:
    """GET a URL; `body` is a regular expression that must match somewhere in the answer."""

    url: str
    status: tuple[int, ...] = (200,)
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    validate_certs: bool = True


@dataclass(frozen=True)
class Tcp:
    """Open a connection."""

    port: int
    host: str = "127.0.0.1"


@dataclass(frozen=True)
class Command:
    """Run a program without a shell; 0 is healthy."""

    argv: tuple[str, ...]


@dataclass(frozen=True)
class Health:
    """What to ask, and how often it must be answered well.

    successes: answers in a row that count as healthy; interval: seconds between them; timeout: seconds that one
    answer may take; deadline: seconds for all of it.
    """

    check: Http | Tcp | Command
    successes: int = 3
    interval: float = 0.5
    timeout: float = 2.0
    deadline: float = 30.0


@dataclass(frozen=True)
class Answer:
    """One answer: `detail` is what a person needs to see, "status 500: ..."."""

    ok: bool
    detail: str


@dataclass(frozen=True)
class Verdict:
    """What the probes of one activation came to."""

    tries: int
    last: str


def from_dict(data: Any) -> Health | None:
    """Check a health description; None stays None. Raises SpecError naming what is wrong and how to say it."""
    if not data:
        return None
    if not isinstance(data, dict):
        raise SpecError(f"health is {data!r}; give a mapping with one of http, tcp and command")
    # Ansible fills in the options that were not given with None.
    given = {name: value for name, value in data.items() if value is not None}
    unknown = sorted(set(given) - {*_KINDS, "successes", "interval", "timeout", "deadline"})
    if unknown:
        raise SpecError(f"health has unknown {', '.join(unknown)}; remove it")
    kinds = [name for name in _KINDS if name in given]
    if len(kinds) != 1:
        raise SpecError(f"health names {' and '.join(kinds) or 'no probe'}; give exactly one of {', '.join(_KINDS)}")
    check = {"http": _http, "tcp": _tcp, "command": _command}[kinds[0]](_mapping(kinds[0], given[kinds[0]]))
    health = Health(
        check=check,
        successes=int(_number("successes", given.get("successes", 3), 1)),
        interval=_number("interval", given.get("interval", 0.5), 0),
        timeout=_number("timeout", given.get("timeout", 2), 0.001),
        deadline=_number("deadline", given.get("deadline", 30), 0.001),
    )
    if (health.successes - 1) * health.interval >= health.deadline:
        raise SpecError(
            f"health wants {health.successes} successes {health.interval:g} s apart within {health.deadline:g} s, "
            "which can't be; raise deadline or lower successes or interval"
        )
    return health


def to_dict(health: Health | None) -> dict[str, Any] | None:
    """The description again, as plain JSON types; what `from_dict` takes.

    Values of HTTP headers are left out but for Host: they may be secrets, and this is kept in a file all can read.
    """
    if health is None:
        return None
    check: dict[str, Any] = {}
    if isinstance(health.check, Http):
        headers = {name: value for name, value in health.check.headers.items() if name.lower() == "host"}
        check["http"] = {
            "url": health.check.url,
            "status": list(health.check.status),
            "body": health.check.body,
            "headers": headers,
            "validate_certs": health.check.validate_certs,
        }
    elif isinstance(health.check, Tcp):
        check["tcp"] = {"host": health.check.host, "port": health.check.port}
    else:
        check["command"] = {"argv": list(health.check.argv)}
    return {
        **check,
        "successes": health.successes,
        "interval": health.interval,
        "timeout": health.timeout,
        "deadline": health.deadline,
    }


def describe(health: Health, version: str) -> str:
    """What is asked, for messages."""
    if isinstance(health.check, Http):
        return health.check.url.replace(PLACEHOLDER, version)
    if isinstance(health.check, Tcp):
        return f"{health.check.host}:{health.check.port}"
    return " ".join(health.check.argv)


def ask(health: Health, version: str, within: float | None = None) -> Answer:
    """Ask once. Never raises for an unhealthy app: any trouble is an answer that isn't ok."""
    timeout = health.timeout if within is None else max(0.001, min(health.timeout, within))
    if isinstance(health.check, Http):
        return _ask_http(health.check, version, timeout)
    if isinstance(health.check, Tcp):
        return _ask_tcp(health.check, timeout)
    return _ask_command(health.check, version, timeout)


def wait_healthy(
    health: Health,
    version: str,
    give_up: Callable[[], str | None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Verdict:
    """Ask until enough answers in a row are good. Raises ProbeError at the deadline.

    The first question comes at once and the next ones soon, for most apps are up within a fraction of `interval`;
    between two good answers lies `interval`. `give_up` is called after a bad answer and may say why it is hopeless.
    """
    end = clock() + health.deadline
    tries = row = 0
    pause = min(_FIRST_PAUSE_S, health.interval)
    while True:
        answer = ask(health, version, within=end - clock())
        tries += 1
        row = row + 1 if answer.ok else 0
        if row >= health.successes:
            return Verdict(tries, answer.detail)
        hopeless = None if answer.ok else give_up()
        wait = health.interval if answer.ok else pause
        if hopeless or clock() + wait >= end:
            raise ProbeError(_failure(health, version, tries, row, answer.detail, hopeless))
        sleep(wait)
        if not answer.ok:
            pause = min(max(health.interval, _FIRST_PAUSE_S), pause * _PAUSE_GROWTH)


def _failure(health: Health, version: str, tries: int, row: int, last: str, hopeless: str | None) -> str:
    ended = hopeless or f"the deadline of {health.deadline:g} s is over"
    return (
        f"{describe(health, version)} was not healthy {health.successes} times in a row in {tries} tries "
        f"({row} at the end): {ended}; last answer: {last}; look at the app's log, or raise health.deadline "
        "if it only starts slowly"
    )


def _ask_http(check: Http, version: str, timeout: float) -> Answer:
    try:
        status, body = _get(check, check.url.replace(PLACEHOLDER, version), time.monotonic() + timeout)
    except (OSError, ValueError) as exc:
        return Answer(False, f"no answer ({_reason(exc, timeout)})")
    text = body.decode("utf-8", "replace")
    detail = f"status {status}: {text[:_SHOWN]}"
    if status not in check.status:
        return Answer(False, detail)
    return Answer(_body_matches(check.body, version, text), detail)


def _body_matches(pattern: str | None, version: str, text: str) -> bool:
    import re

    return pattern is None or re.search(pattern.replace(PLACEHOLDER, re.escape(version)), text) is not None


def _get(check: Http, url: str, end: float) -> tuple[int, bytes]:
    """One GET on a connection of its own; `end` bounds all of it, so a server that drips bytes can't hold us."""
    import socket
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "dtk-probe", "Accept": "*/*"}
    named = {name.lower() for name in check.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in named}
    headers.update(check.headers, Connection="close")
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with socket.create_connection((parts.hostname or "", port), timeout=_left(end)) as connection:
        stream = _tls(check, connection, parts.hostname or "") if parts.scheme == "https" else connection
        stream.settimeout(_left(end))
        stream.sendall("\r\n".join(lines).encode("utf-8"))
        return _read_answer(stream, end)


def _tls(check: Http, connection: Any, name: str) -> Any:
    import ssl

    context = ssl.create_default_context()
    if not check.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=name)


def _read_answer(stream: Any, end: float) -> tuple[int, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(stream, end) or _refuse("the connection was closed within the headers")
        if len(data) > _BODY_LIMIT:
            _refuse("its headers don't end")
    head, _blank, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        _refuse(f"it does not speak HTTP: {first[:_SHOWN]!r}")
    headers = {
        name.strip().lower(): value.strip().lower() for name, _colon, value in (line.partition(":") for line in lines)
    }
    chunked = "chunked" in headers.get("transfer-encoding", "")
    length = headers.get("content-length", "")
    wanted = min(_BODY_LIMIT, int(length)) if length.isdigit() and not chunked else _BODY_LIMIT
    # An answer of unknown length ends with the connection: we asked for that with "Connection: close".
    while len(body) < wanted and not (chunked and body.endswith(b"0\r\n\r\n")):
        data = _receive(stream, end)
        if not data:
            break
        body += data
    return int(words[1]), _dechunk(body) if chunked else body[:wanted]


def _receive(stream: Any, end: float) -> bytes:
    stream.settimeout(_left(end))
    return stream.recv(_BODY_LIMIT)


def _refuse(why: str) -> bytes:
    raise ValueError(why)


def _dechunk(data: bytes) -> bytes:
    body = b""
    while data:
        size, _end, rest = data.partition(b"\r\n")
        length = int(size.split(b";")[0] or b"0", 16)
        if length == 0:
            break
        body += rest[:length]
        data = rest[length + 2 :]
    return body


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _reason(exc: Exception, timeout: float) -> str:
    if isinstance(exc, TimeoutError):
        return f"timed out after {timeout:g} s"
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__


def _ask_tcp(check: Tcp, timeout: float) -> Answer:
    import socket

    try:
        socket.create_connection((check.host, check.port), timeout=timeout).close()
    except OSError as exc:
        return Answer(False, f"no connection ({_reason(exc, timeout)})")
    return Answer(True, "connected")


def _ask_command(check: Command, version: str, timeout: float) -> Answer:
    from .hooks import run_command

    environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "DTK_RELEASE": version}
    try:
        code, tail = run_command(list(check.argv), timeout, environment, "/")
    except OSError as exc:
        return Answer(False, f"cannot run it ({exc.strerror})")
    if code is None:
        return Answer(False, f"no end within {timeout:g} s: {tail[-_SHOWN:]}")
    return Answer(code == 0, f"exit code {code}: {tail[-_SHOWN:]}")


def _http(data: dict[str, Any]) -> Http:
    import re

    _only("http", data, {"url", "status", "body", "headers", "validate_certs"})
    url = data.get("url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")) or _host_of(url) is None:
        raise SpecError(f"health.http.url is {url!r}; give a URL such as http://127.0.0.1:8080/health")
    body = data.get("body")
    try:
        re.compile((body or "").replace(PLACEHOLDER, "1"))
    except (re.error, TypeError, AttributeError) as exc:
        raise SpecError(f"health.http.body {body!r} is no regular expression: {exc}") from exc
    return Http(
        url=url,
        status=_statuses(data.get("status") or [200]),
        body=body or None,
        headers=_headers(data.get("headers") or {}),
        validate_certs=data.get("validate_certs") is not False,
    )


def _host_of(url: str) -> str | None:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        return parts.hostname if parts.port != 0 else None
    except ValueError:
        return None


def _statuses(value: Any) -> tuple[int, ...]:
    values = value if isinstance(value, (list, tuple)) else [value]
    try:
        return tuple(int(item) for item in values)
    except (TypeError, ValueError) as exc:
        raise SpecError(f"health.http.status is {value!r}; give a list of numbers such as [200]") from exc


def _headers(value: Any) -> dict[str, str]:
    headers = {str(name): str(item) for name, item in _mapping("http.headers", value).items()}
    if any(sign in text for item in headers.items() for text in item for sign in "\r\n"):
        raise SpecError("health.http.headers holds a line break; remove it")
    return headers


def _tcp(data: dict[str, Any]) -> Tcp:
    _only("tcp", data, {"host", "port"})
    port = int(_number("tcp.port", data.get("port"), 1))
    if port > 65535:
        raise SpecError(f"health.tcp.port is {port}; give a number from 1 to 65535")
    return Tcp(port=port, host=str(data.get("host") or "127.0.0.1"))


def _command(data: dict[str, Any]) -> Command:
    _only("command", data, {"argv"})
    argv = data.get("argv")
    if not isinstance(argv, (list, tuple)) or not argv or not str(argv[0]):
        raise SpecError(f"health.command.argv is {argv!r}; give a list such as [/usr/bin/test, -e, /run/ready]")
    return Command(tuple(str(word) for word in argv))


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SpecError(f"health.{name} is {value!r}; give a mapping")
    return value


def _only(name: str, data: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(data) - known)
    if unknown:
        raise SpecError(f"health.{name} has unknown {', '.join(unknown)}; it takes {', '.join(sorted(known))}")


def _number(name: str, value: Any, least: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as exc:
        raise SpecError(f"health.{name} is {value!r}; give a number of at least {least:g}") from exc
    # The second test refuses NaN and infinity.
    if number < least or number - number != 0:
        raise SpecError(f"health.{name} is {value!r}; give a number of at least {least:g}")
    return number
