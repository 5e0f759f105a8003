# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's time: real, or moved by a test."""

from __future__ import annotations

import datetime


class Clock:
    """Real time."""

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC)


class ManualClock(Clock):
    """Stands still until it is moved, which AutoScaling.advance() does in steps that miss nothing on the way."""

    def __init__(self, start: datetime.datetime | None = None) -> None:
        self._now = start or datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

    def now(self) -> datetime.datetime:
        return self._now

    def move_to(self, time: datetime.datetime) -> None:
        self._now = max(self._now, time)
