# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else is done when Auto Scaling launches or ends an instance: nothing, unless a test boots a host for each."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

HOSTS_AT_ONCE = 16


class Launcher:
    """Override what is needed. Each call has a thread of its own in real time; those of one instance keep their order.

    By the time of launch() the instance waits for its launch hooks, if there are any. What launch() or start() raises
    is a failed boot: the emulated EC2 instance is terminated with the error as its reason.
    """

    def launch(self, instance_id: str, image_id: str, tags: Mapping[str, str], az: str) -> None:
        """A new instance runs."""

    def terminate(self, instance_id: str) -> None:
        """It is gone."""

    def stop(self, instance_id: str) -> None:
        """It went into a warm pool that keeps instances stopped or hibernated."""

    def start(self, instance_id: str) -> None:
        """It left such a pool."""


class Errands:
    """Calls of the launcher, made while nothing is locked; `done` is called after each."""

    def __init__(self, threads: bool, done: Callable[[], None]) -> None:
        self._done = done
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, Callable[[], None]]] = []
        self._last: dict[str, Future[None]] = {}
        self._pool = ThreadPoolExecutor(HOSTS_AT_ONCE, "launcher") if threads else None

    def add(self, instance_id: str, call: Callable[[], None]) -> None:
        with self._lock:
            self._waiting.append((instance_id, call))

    def run(self) -> bool:
        """Begin, or do, what is waiting; whether there was anything."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            for instance_id, call in waiting if self._pool else ():
                before = self._last.get(instance_id)
                self._last[instance_id] = self._pool.submit(self._after, before, call)
        for _, call in waiting if not self._pool else ():
            self._after(None, call)
        return bool(waiting)

    def _after(self, before: Future[None] | None, call: Callable[[], None]) -> None:
        # It was submitted earlier, so it has a thread or had one.
        with contextlib.suppress(Exception):
            if before:
                before.result()
        call()
        self._done()

    def forget(self) -> None:
        """What has not begun never does."""
        with self._lock:
            self._waiting.clear()
            self._last.clear()

    def stop(self) -> None:
        """Nothing new begins; what is under way ends first."""
        self.forget()
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)
