# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: the tops of the deploy logs of all apps of a host, in as few calls as there can be.

Hundreds of hosts may read them at once, and Parameter Store answers 40 calls a second. Whoever knows a slot of a log
asks for that one and the next ones by name, for several apps in one call; a log of which nothing is known is listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._aws import ssm_tree
from ._aws.errors import AwsError
from ._core.deploy_log import Slot
from .deploys import FAILURES, DeployLog

__all__ = ["FAILURES", "tops"]

_AT_ONCE = ssm_tree.BATCH // 2


def tops(client: Any, prefix: str, env: str, floors: Sequence[tuple[str, int]]) -> dict[str, Slot]:
    """The newest slot of each app's log, never one below the floor that stands beside its name. Raises FAILURES."""
    logs = {app: DeployLog(client, prefix, env, app) for app, _floor in floors}
    known = [(app, floor) for app, floor in floors if floor > 0]
    found: dict[str, Slot] = {}
    for start in range(0, len(known), _AT_ONCE):
        found.update(_by_name(client, logs, known[start : start + _AT_ONCE]))
    for app, floor in floors:
        if app not in found:
            log = logs[app]
            found[app] = log.top(log.read(floor))
    return found


def _by_name(client: Any, logs: dict[str, DeployLog], known: Sequence[tuple[str, int]]) -> dict[str, Slot]:
    """The tops that are seen this way: a slot that is there, with the next one not there. A log has no holes."""
    width = ssm_tree.BATCH // len(known)
    asked = {app: range(floor, floor + width) for app, floor in known}
    items = ssm_tree.some(client, [logs[app].name(n) for app, numbers in asked.items() for n in numbers])
    for item in items.values():
        if isinstance(item, AwsError):
            raise item
    found = {}
    for app, numbers in asked.items():
        there = {n: items[logs[app].name(n)] for n in numbers}
        top = next((n for n in numbers if there[n] is not None and n + 1 in there and there[n + 1] is None), None)
        if top is not None and there[numbers[0]] is not None:
            found[app] = logs[app].slot({top: there[top]["value"]}, top)
    return found
