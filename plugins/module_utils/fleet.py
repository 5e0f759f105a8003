# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: pure views of the fleet, for the filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ._core.errors import CoreError, PlanError
from ._core.estate import app_hosts
from ._core.image_role import image_plan
from ._core.status import status_lines, status_reasons
from ._core.stragglers import find_stragglers
from ._core.verdict import host_state, verdict

__all__ = [
    "CoreError",
    "app_hosts",
    "deploy_states",
    "deploy_verdict",
    "image_plan",
    "status_table",
    "status_verdict",
    "stragglers",
]

# What the role of an action registers on each host, under <role>_<step>.
_ROLES = {"deploy": "release", "rollback": "release", "config": "app_config"}
_STEPS = ("stage", "activate", "revert", "gone")
# What the playbooks register of module targets, on all hosts of a wave, by our name of it.
_BALANCE = {"drained": "dtk_drained", "returned": "dtk_returned"}
_INFO = "dtk_host_status"


def deploy_states(
    hostvars: Mapping[str, Mapping[str, Any]],
    hosts: Iterable[str],
    action: str = "deploy",
    departed: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Host to state; a host that has left the inventory or is among the departed is gone.

    PlanError for an action that there is not.
    """
    if action not in _ROLES:
        raise PlanError(f"action is {action!r}; it must be one of {', '.join(_ROLES)}.")
    left = departed or {}
    return {host: host_state(_results(hostvars, host, _ROLES[action], left)) for host in hosts}


def stragglers(
    hostvars: Mapping[str, Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    plan: Mapping[str, Any],
    tried: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The hosts that are not where the deploy brought the others, and have not been tried twice."""
    action = plan["action"]
    states = deploy_states(hostvars, [row["name"] for row in rows], action)
    return find_stragglers(hostvars, rows, states, plan, tried)


def deploy_verdict(states: Mapping[str, Any], budget: int | str = 0, total: int | str | None = None) -> dict[str, Any]:
    """The verdict as plain data."""
    return verdict(states, budget, None if total is None else int(total)).as_dict()


def status_table(
    hostvars: Mapping[str, Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    log: Mapping[str, Any] | None = None,
    info: str = _INFO,
    balance: Mapping[str, Any] | None = None,
) -> list[str]:
    """One line per target, from what the variable `info` holds on each host. balance: the result of targets_info."""
    rows = [{"name": row["name"], "az": row.get("az"), "info": hostvars[row["name"]].get(info)} for row in targets]
    return status_lines(rows, log, balance)


def status_verdict(
    hostvars: Mapping[str, Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    log: Mapping[str, Any],
    expected: str = "",
    info: str = _INFO,
) -> dict[str, Any]:
    """Whether every target is healthy and serves what is stable, and that is what is expected."""
    rows = [{"name": row["name"], "az": row.get("az"), "info": hostvars[row["name"]].get(info)} for row in targets]
    reasons = status_reasons(rows, log, expected)
    good = f"{len(rows)} hosts serve {log.get('stable')} and are healthy"
    return {"good": not reasons, "text": "; ".join(reasons) or good}


def _results(
    hostvars: Mapping[str, Mapping[str, Any]], host: str, role: str, departed: Mapping[str, str]
) -> dict[str, Any]:
    if host not in hostvars:
        return {"gone": True}
    variables = hostvars[host]
    found = {step: variables.get(f"{role}_{step}") for step in _STEPS}
    if host in departed:
        found["gone"] = departed[host]
    return {**found, **{ours: _lateness(variables.get(theirs), host) for ours, theirs in _BALANCE.items()}}


def _lateness(result: Any, host: str) -> str:
    """Why a host is not where module targets should have brought it; empty if it is, or if nobody tried."""
    if not isinstance(result, Mapping) or result.get("skipped"):
        return ""
    late = result.get("late")
    if not isinstance(late, Mapping):
        return str(result.get("msg") or "module targets gave no answer")
    return str(late.get(host) or "")
