# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: the alarms that deploys and image rolls ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ._aws import cloudwatch
from ._aws.errors import AwsError
from ._core import alarms
from ._core.alarms import Alarms
from ._core.errors import CoreError, PlanError

FAILURES = (AwsError, CoreError)

# Options of module alarms_info; their documentation stands there.
OPTIONS: dict[str, Any] = {
    "names": {"type": "list", "elements": "str", "required": True},
    "env": {"type": "str"},
    "watch": {"type": "float", "default": 0},
    "delay": {"type": "float", "default": 15},
}

Client = Callable[..., Any]


def answer(
    options: dict[str, Any], client: Client, _clock: Callable[[], datetime], check: bool = False
) -> dict[str, Any]:
    """The result of module alarms_info."""
    names = alarms.names_of(options["names"], options["env"] or "{env}")
    try:
        if options["delay"] <= 0 or options["watch"] < 0:
            raise PlanError(
                f"delay is {options['delay']} and watch {options['watch']}. Give more than 0 seconds, and 0 or more."
            )
        found = _watched(client("cloudwatch"), names, 0 if check else options["watch"], options["delay"])
    except FAILURES as exc:
        return {"failed": True, "msg": str(exc), "stops": True, "text": [str(exc)]}
    return {"changed": False, **found.result()}


def ask(client: Any, names: Sequence[str]) -> Alarms:
    """All of them as they are now; nothing is asked if there are none."""
    return Alarms(tuple(names), cloudwatch.alarms(client, names) if names else {})


def _watched(client: Any, names: Sequence[str], seconds: float, delay: float) -> Alarms:
    """Look again and again until the time is up or one stops."""
    end = time.monotonic() + seconds
    while True:
        found = ask(client, names)
        left = end - time.monotonic()
        if found.stops or left <= 0:
            return found
        time.sleep(min(delay, left))
