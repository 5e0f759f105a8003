# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong on request, and the record of what was called."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from .protocols import Answer, Call, throttling

DROP = Answer(0, (), b"")


@dataclass
class Rule:
    """For the calls of a pattern: after so many good ones, so many times (None: for ever)."""

    pattern: str
    region: str | None
    times: int | None
    after: int
    answer: Callable[[Call], Answer] = lambda call: DROP

    def applies(self, call: Call) -> bool:
        if not call.is_of(self.pattern, self.region) or self.times == 0:
            return False
        if self.after:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class Bucket:
    """Tokens drip in at a rate up to the burst; a call without a token is throttled."""

    pattern: str
    rate: float
    burst: float
    tokens: float = field(init=False)
    since: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens, self.since = self.burst, time.monotonic()

    def refuses(self, call: Call) -> bool:
        if not call.is_of(self.pattern):
            return False
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.since) * self.rate)
        self.since = now
        if self.tokens < 1:
            return True
        self.tokens -= 1
        return False


class Trouble:
    """Shared by the server's threads."""

    def __init__(self, throttled: Callable[[Call], Answer] = throttling) -> None:
        self._throttling = throttled
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._in_flight = 0
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self.calls: Counter[str] = Counter()
            self.throttled: Counter[str] = Counter()
            self.latency = 0.0
            self.pages: dict[str, int] = {}
            self._rules: list[Rule] = []
            self._lost: list[Rule] = []
            self._stale: list[Rule] = []
            self._buckets: list[Bucket] = []
            self.most_in_flight = self._in_flight

    def end(self) -> None:
        """Nobody waits out a latency any more."""
        self._ended.set()

    def snapshot(self, counter: Counter[str]) -> Counter[str]:
        with self._lock:
            return counter.copy()

    def pages_of(self, call: Call) -> int | None:
        return self.pages.get(f"{call.service}:{call.action}")

    def add(self, rule: Rule) -> None:
        with self._lock:
            self._rules.append(rule)

    def lose(self, rule: Rule) -> None:
        with self._lock:
            self._lost.append(rule)

    def loses(self, call: Call) -> bool:
        """Whether the answer of a call that was carried out gets lost."""
        with self._lock:
            return any(rule.applies(call) for rule in self._lost)

    def make_stale(self, rule: Rule) -> None:
        with self._lock:
            self._stale.append(rule)

    def is_stale(self, call: Call) -> bool:
        """Whether a read sees what was before the last write."""
        with self._lock:
            return call.reads and any(rule.applies(call) for rule in self._stale)

    def limit(self, pattern: str, rate: float, burst: float) -> None:
        with self._lock:
            self._buckets = [bucket for bucket in self._buckets if bucket.pattern != pattern]
            self._buckets.append(Bucket(pattern, rate, burst))

    def arrive(self, call: Call) -> Answer | None:
        """Count the call, make it wait, and refuse it if it has to be."""
        with self._lock:
            self.calls[str(call)] += 1
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            answer = self._refusal(call)
            latency = self.latency
        if latency:
            self._ended.wait(latency)
        return answer

    def leave(self) -> None:
        with self._lock:
            self._in_flight -= 1

    def _refusal(self, call: Call) -> Answer | None:
        if any(bucket.refuses(call) for bucket in self._buckets):
            self.throttled[str(call)] += 1
            return self._throttling(call)
        for rule in self._rules:
            if rule.applies(call):
                return rule.answer(call)
        return None
