# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts of the inventory have an app in an env."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import PlanError
from .waves import natural

_ENV_GROUP = "env_"
# Lifecycle states in Auto Scaling of hosts that a plan leaves out: they come up on the stable release by themselves, or
# they are leaving.
_COMING_OR_GOING = ("Pending", "Warmed:", "Terminating", "Terminated")
# Our name of what the inventory knows about a host.
_FACTS = (
    ("instance_id", "instance_id"),
    ("address", "private_ip_address"),
    ("region", "dtk_region"),
    ("account_id", "dtk_account_id"),
    ("asg", "dtk_asg"),
    ("lifecycle_state", "dtk_lifecycle_state"),
)


def app_hosts(
    hostvars: Mapping[str, Mapping[str, Any]],
    groups: Mapping[str, Sequence[str]],
    env: str,
    app: str,
    settled: bool = False,
) -> list[dict[str, Any]]:
    """The hosts of group env_<env> whose dtk_apps has the app, or PlanError with what there is instead.

    settled: without those that are on their way into service, or out of it.
    """
    members = groups.get(_ENV_GROUP + env)
    if members is None:
        known = sorted(name.removeprefix(_ENV_GROUP) for name in groups if name.startswith(_ENV_GROUP))
        raise PlanError(f"The env {env} is not in the inventory. {_known('Envs', known)}")
    if not members:
        raise PlanError(f"The env {env} has no hosts. Start some, or check the filters of the inventory.")
    apps = {host: hostvars[host].get("dtk_apps") or {} for host in members}
    found = [host for host in members if app in apps[host]]
    if not found:
        known = sorted({name for specs in apps.values() for name in specs})
        raise PlanError(
            f"No host of env {env} has the app {app}. {_known('Apps', known)} "
            "An app is given to the hosts of a server role by dtk_apps in group_vars/role_<name>.yml."
        )
    rows = [_row(host, hostvars[host], apps[host][app]) for host in sorted(found, key=natural)]
    if not settled:
        return rows
    staying = [row for row in rows if not is_unsettled(hostvars[row["name"]])]
    if not staying:
        raise PlanError(
            f"The hosts of env {env} with the app {app} are all on their way into service or out of it: "
            f"{', '.join(row['name'] for row in rows)}. They take the stable release by themselves; run it again "
            "when they are in service."
        )
    return staying


def is_unsettled(facts: Mapping[str, Any]) -> bool:
    """Whether a host is on its way into service, or out of it."""
    return bool(facts.get("dtk_pending")) or str(facts.get("dtk_lifecycle_state") or "").startswith(_COMING_OR_GOING)


def _row(host: str, facts: Mapping[str, Any], spec: Any) -> dict[str, Any]:
    placement = facts.get("placement")
    zone = placement.get("availability_zone") if isinstance(placement, Mapping) else None
    row = {"name": host, "az": str(zone or facts.get("availability_zone") or "unknown"), "spec": spec}
    return {**row, **{ours: str(facts[theirs]) for ours, theirs in _FACTS if facts.get(theirs)}}


def _known(noun: str, names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"{noun} there are: {listed}." if listed else f"{noun} there are: none."
