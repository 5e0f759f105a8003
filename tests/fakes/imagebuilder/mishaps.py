# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What shall go wrong with the next images."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass

STAGES = ("BUILDING", "TESTING", "DISTRIBUTING", "INTEGRATING")


class EndedError(Exception):
    """The image got this status from elsewhere, while it was being built."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class StruckError(Exception):
    """This stage fails; without a reason it is the usual one."""

    def __init__(self, reason: str | None) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class _Mishap:
    stage: str
    error: Callable[[], Exception]
    times: int | None


class Mishaps:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[_Mishap] = []

    def clear(self) -> None:
        with self._lock:
            self._planned.clear()

    def fail_at(self, stage: str, reason: str | None = None, *, times: int | None = None) -> None:
        """BUILDING and TESTING fail with the simulated builder only; the other stages are the service's own."""
        self._plan(stage, functools.partial(StruckError, reason), times)

    def end_as(self, status: str, *, at: str = "BUILDING", times: int | None = None) -> None:
        """Images become DELETED, CANCELLED or DISABLED instead of leaving this stage."""
        self._plan(at, functools.partial(EndedError, status), times)

    def _plan(self, stage: str, error: Callable[[], Exception], times: int | None) -> None:
        if stage not in STAGES:
            raise ValueError(f"{stage} is no stage of an image; these are: {', '.join(STAGES)}")
        with self._lock:
            self._planned.append(_Mishap(stage, error, times))

    def strike(self, stage: str) -> None:
        """Raise what was planned for a stage."""
        with self._lock:
            for mishap in self._planned:
                if mishap.stage == stage and mishap.times != 0:
                    if mishap.times is not None:
                        mishap.times -= 1
                    raise mishap.error()
