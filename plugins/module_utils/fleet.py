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
from ._core.status import status_lines
from ._core.verdict import host_state, verdict

__all__ = ["CoreError", "app_hosts", "deploy_states", "deploy_verdict", "image_plan", "status_table"]

# What the role of an action registers on each host, under <role>_<step>.
_ROLES = {"deploy": "release", "rollback": "release", "config": "app_config"}
_STEPS = ("stage", "activate", "revert", "gone")
_INFO = "dtk_host_status"


def deploy_states(
    hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str], action: str = "deploy"
) -> dict[str, dict[str, Any]]:
    """Host to state; a host that has left the inventory is gone. PlanError for an action that there is not."""
    if action not in _ROLES:
        raise PlanError(f"action is {action!r}; it must be one of {', '.join(_ROLES)}.")
    return {host: host_state(_results(hostvars, host, _ROLES[action])) for host in hosts}


def deploy_verdict(states: Mapping[str, Any], budget: int | str = 0, total: int | str | None = None) -> dict[str, Any]:
    """The verdict as plain data."""
    return verdict(states, budget, None if total is None else int(total)).as_dict()


def status_table(
    hostvars: Mapping[str, Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    log: Mapping[str, Any] | None = None,
    info: str = _INFO,
) -> list[str]:
    """One line per target, from what the variable `info` holds on each host."""
    rows = [{"name": row["name"], "az": row.get("az"), "info": hostvars[row["name"]].get(info)} for row in targets]
    return status_lines(rows, log)


def _results(hostvars: Mapping[str, Mapping[str, Any]], host: str, role: str) -> dict[str, Any]:
    if host not in hostvars:
        return {"gone": True}
    return {step: hostvars[host].get(f"{role}_{step}") for step in _STEPS}
