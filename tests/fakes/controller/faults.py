# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Controller in trouble: broken, slow to take more, gone in the middle of a sentence."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Any

_WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@dataclass
class Fault:
    """What happens to requests that it is for."""

    status: int = 503
    """What is answered instead; 0 closes the connection in the middle of the answer."""
    method: str = ".*"
    path: str = ".*"
    times: int | None = 1
    """How often; None for as long as it is there."""
    after: int = 0
    """So many requests that it is for are spared first."""
    carried_out: bool = False
    """Whether what was asked for is done all the same, and only the answer is lost."""
    body: dict[str, Any] | None = None

    def hits(self, method: str, path: str) -> bool:
        if not re.fullmatch(self.method, method) or not re.search(self.path, path) or self.times == 0:
            return False
        if self.after:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Faults:
    """Those that wait for their requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def of(self, method: str, path: str) -> Fault | None:
        with self._lock:
            return next((fault for fault in self._faults if fault.hits(method, path)), None)


WRITES = "|".join(sorted(_WRITES))
"""For `Fault.method`: whatever changes something."""
