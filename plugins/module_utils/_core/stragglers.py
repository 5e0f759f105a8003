# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is not yet where a deploy has brought the others.

The deploy log was written before anybody looks. A host that boots reads it, tells what it serves, and reads it again:
if it read too early, its report is there to be seen here; if it has not told anything yet, it will read what is there
now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .estate import is_unsettled
from .verdict import ACTIVE, PENDING

TRIES = 2
# They are leaving, or wait in a pool: then they boot, or come into service, on the stable release.
_NOT_LIVE = ("Terminating", "Terminated", "Warmed:")
_REPORT = "dtk:app:"
_PLACE = ("name", "instance_id", "address", "region", "account_id", "asg")


def find_stragglers(
    hostvars: Mapping[str, Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    states: Mapping[str, Mapping[str, Any]],
    plan: Mapping[str, Any],
    tried: Sequence[str],
) -> list[dict[str, Any]]:
    """The live hosts that neither this deploy nor they themselves brought to the release, and that may be tried.

    tried: the hosts that were, each as often as it was.
    """
    found = []
    for row in rows:
        name, facts = row["name"], hostvars[row["name"]]
        state = states[name]
        lifecycle = str(facts.get("dtk_lifecycle_state") or "")
        if state["state"] == ACTIVE or lifecycle.startswith(_NOT_LIVE) or list(tried).count(name) >= TRIES:
            continue
        if state["state"] == PENDING and reports(facts, plan):
            continue
        found.append(
            {
                "name": name,
                "state": state["state"],
                "message": state["message"] or _words(lifecycle, facts),
                "place": {key: row[key] for key in _PLACE if key in row},
            }
        )
    return found


def reports(facts: Mapping[str, Any], plan: Mapping[str, Any]) -> bool:
    """Whether the host has told, by a tag on itself, that it serves the release of the plan."""
    if plan["action"] == "config":
        return False
    tags = facts.get("ec2_tags")
    report = str(tags.get(_REPORT + plan["app"], "")) if isinstance(tags, Mapping) else ""
    words = report.split()
    return len(words) >= 2 and (words[0], words[-1]) == (plan["version"], "ok")


def _words(lifecycle: str, facts: Mapping[str, Any]) -> str:
    if is_unsettled(facts):
        return f"on its way into service ({lifecycle or 'pending'})"
    return f"in {lifecycle}" if lifecycle else ""
