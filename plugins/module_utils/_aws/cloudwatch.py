# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CloudWatch: how alarms stand. The client is passed in, plain data comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import translated
from .paging import pages

_NAMES_PER_CALL = 100
_KINDS = ("MetricAlarm", "CompositeAlarm")


def alarms(client: Any, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Name to state and reason, one call for a hundred of them. What is not there is left out."""
    found: dict[str, dict[str, str]] = {}
    with translated(f"read the alarms {', '.join(names)} of {client.meta.region_name}", client):
        for start in range(0, len(names), _NAMES_PER_CALL):
            # Without the kinds, composite alarms are not told.
            asked = {"AlarmNames": list(names[start : start + _NAMES_PER_CALL]), "AlarmTypes": list(_KINDS)}
            for page in pages(client, "describe_alarms", _NAMES_PER_CALL, **asked):
                for kind in _KINDS:
                    found.update((one["AlarmName"], _alarm(one)) for one in page.get(f"{kind}s", ()))
    return found


def _alarm(found: Any) -> dict[str, str]:
    return {"state": found["StateValue"], "reason": " ".join(str(found.get("StateReason") or "").split())}
