# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: the heartbeats of an instance that its group waits for, from a thread of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ._aws import lifecycle
from ._aws.errors import AwsError
from ._core import boot_facts
from ._core.boot_protocol import PENDING, WARMING

# Most instances are up before: for those there is no heartbeat at all.
FIRST_S = 5.0


class Beats(threading.Thread):
    """One heartbeat each third of the hook's timeout, until `until` on the clock of time.monotonic.

    However long an act takes, the group keeps waiting; with the deadline it stops, whatever the program does then.
    """

    def __init__(
        self, clients: Callable[[str], Any], instance: str, hook: str, timeout: float, until: float, note: Any
    ) -> None:
        super().__init__(name="heartbeats", daemon=True)
        self._clients = clients
        self._instance = instance
        self._hook = hook
        self._every = timeout / 3
        self._until = until
        self._note = note
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        pause = min(FIRST_S, self._every)
        while not self._stopped.wait(max(0.0, min(pause, self._until - time.monotonic()))):
            if time.monotonic() >= self._until:
                return
            pause = self._beat()

    def _beat(self) -> float:
        """One heartbeat; the seconds until the next one."""
        try:
            client = self._clients("autoscaling")
            found = lifecycle.membership(client, self._instance)
            if found is None or boot_facts.place(found[1]) not in (PENDING, WARMING):
                return self._every
            heard = lifecycle.heartbeat(client, found[0], self._hook, self._instance)
        except AwsError as exc:
            self._note("beat", result="failed", reason=str(exc))
            return min(FIRST_S, self._every)
        self._note("beat", result="done" if heard else "nobody waits yet")
        return self._every if heard else min(FIRST_S, self._every)
