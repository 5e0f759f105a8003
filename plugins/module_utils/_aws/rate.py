# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A limit on how often a client calls, below the one of AWS, which all runs of an account share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

# Parameter Store answers 40 reads a second for a whole account and region unless somebody pays for more.
RATE = 20.0
BURST = 10.0
_SLOWEST = 0.2
_RECOVERY = 0.02  # of the full rate, for each good answer
_THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})


class Pace:
    """A token bucket that gets slower whenever AWS says that it has had enough, and recovers slowly."""

    def __init__(
        self,
        rate: float = RATE,
        burst: float = BURST,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._full = self.rate = rate
        self._burst = self._tokens = burst
        self._clock = clock
        self._sleep = sleep
        self._at = self._slowed = clock()
        self._lock = threading.Lock()

    def take(self, **_event: Any) -> None:
        """Wait for the turn of one call."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self.rate)
            self._at = now
            self._tokens -= 1
            wait = -self._tokens / self.rate
        if wait > 0:
            self._sleep(wait)

    def note(self, parsed_response: Any = None, **_event: Any) -> None:
        """Learn from an answer."""
        code = ((parsed_response or {}).get("Error") or {}).get("Code")
        with self._lock:
            if code not in _THROTTLED:
                self.rate = min(self._full, self.rate + self._full * _RECOVERY)
                return
            now = self._clock()
            # Calls that were under way together are one sign, not several.
            if now - self._slowed >= 1 / self.rate:
                self.rate = max(_SLOWEST, self.rate / 2)
                self._slowed = now
            self._tokens = min(self._tokens, 0.0)


def paced(client: Any, pace: Pace) -> Any:
    """The client, with each of its calls and each try again counted."""
    client.meta.events.register("before-send", pace.take)
    client.meta.events.register("response-received", pace.note)
    return client
