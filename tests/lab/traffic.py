# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that never stops asking: what a deploy does to users, counted request by request."""

from __future__ import annotations

import http.client
import ipaddress
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

PORT = 8080
TIMEOUT = 10.0
MAX_RATE = 50.0
MAX_SECONDS = 900.0
MAX_FAILURES_KEPT = 1000


@dataclass(frozen=True)
class Failure:
    at: float  # seconds since the start of the traffic
    host: str
    error: str


@dataclass
class Summary:
    """What the client saw."""

    seconds: float = 0.0
    requests: int = 0
    failed: int = 0
    reopened: int = 0  # kept connections that were closed while idle: a client asks again on a new one
    failures: list[Failure] = field(default_factory=list)
    slowest: float = 0.0
    releases: dict[tuple[str, str], int] = field(default_factory=dict)  # (host, release) -> answers
    changes: list[tuple[float, str, str]] = field(default_factory=list)  # (at, host, the release seen from now on)

    def fleet_over_time(self) -> list[tuple[float, dict[str, int]]]:
        """How many hosts served which release, at each moment that this changed."""
        serving: dict[str, str] = {}
        rows = []
        for at, host, release in sorted(self.changes):
            serving[host] = release
            rows.append((at, dict(sorted(Counter(serving.values()).items()))))
        return rows


class Traffic:
    """One thread a host, `rate` requests a second each. Every other request uses a connection that is kept."""

    def __init__(self, hosts: Iterable[Any], rate: float = 10.0, path: str = "/", max_seconds: float = MAX_SECONDS):
        if not 0 < rate <= MAX_RATE or not 0 < max_seconds <= MAX_SECONDS:
            raise ValueError(f"at most {MAX_RATE:g} requests a second and host, for at most {MAX_SECONDS:g} s")
        self.hosts = list(hosts)
        for host in self.hosts:
            if not ipaddress.ip_address(host.address).is_private:
                raise ValueError(f"{host.address} is not an address of this machine")
        self.period, self.path, self.max_seconds = 1 / rate, path, max_seconds
        self._summary, self._lock, self._end = Summary(), threading.Lock(), threading.Event()
        self._threads: list[threading.Thread] = []
        self._began = 0.0

    def start(self) -> Traffic:
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._ask, args=(host,), daemon=True) for host in self.hosts]
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> Summary:
        self._end.set()
        for thread in self._threads:
            thread.join()
        self._summary.seconds = time.monotonic() - self._began
        return self._summary

    def __enter__(self) -> Traffic:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def requests(self) -> int:
        """How many were answered or failed until now."""
        return self._summary.requests

    def _ask(self, host: Any) -> None:
        kept, last, turn = _connect(host), "", 0
        following = time.monotonic()
        while not self._end.is_set() and time.monotonic() - self._began < self.max_seconds:
            turn += 1
            fresh = turn % 2 == 0
            connection = _connect(host) if fresh else kept
            began = time.monotonic()
            try:
                release = self._get(connection, close=fresh)
            except (OSError, http.client.HTTPException, ValueError) as error:
                connection.close()
                self._failed(host.name, error)
            else:
                self._answered(host.name, release, time.monotonic() - began)
                if fresh and release != last:  # a kept connection rightly ends on the release that accepted it
                    last = release
                    self._summary.changes.append((time.monotonic() - self._began, host.name, release))
            if fresh:
                connection.close()
            following = max(following + self.period, time.monotonic())
            self._end.wait(following - time.monotonic())
        kept.close()

    def _get(self, connection: http.client.HTTPConnection, close: bool) -> str:
        """The release that answered. A kept connection that the server has announced to close is opened anew."""
        reused = connection.sock is not None
        try:
            return _get(connection, self.path, close)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            connection.close()
            if not reused:
                raise
        with self._lock:
            self._summary.reopened += 1
        return _get(connection, self.path, close)

    def _failed(self, host: str, error: Exception) -> None:
        with self._lock:
            self._summary.requests += 1
            self._summary.failed += 1
            if len(self._summary.failures) < MAX_FAILURES_KEPT:
                at = time.monotonic() - self._began
                self._summary.failures.append(Failure(at, host, f"{type(error).__name__}: {error}"))

    def _answered(self, host: str, release: str, seconds: float) -> None:
        with self._lock:
            summary = self._summary
            summary.requests += 1
            summary.slowest = max(summary.slowest, seconds)
            summary.releases[host, release] = summary.releases.get((host, release), 0) + 1


def _connect(host: Any) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(host.address, PORT, timeout=TIMEOUT)


def _get(connection: http.client.HTTPConnection, path: str, close: bool) -> str:
    connection.request("GET", path, headers={"Connection": "close" if close else "keep-alive"})
    response = connection.getresponse()
    body = response.read()
    if response.status != http.client.OK:
        raise ValueError(f"status {response.status}: {body[:200]!r}")
    return json.loads(body)["release"]
