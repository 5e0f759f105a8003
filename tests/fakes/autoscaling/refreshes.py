# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of instance refreshes; how they go on is in refreshing.py."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from tests.fakes.contract import RefusalError

from . import checks, refreshing
from .region import Region, invalid, not_emulated
from .state import POOLED, Group, Parameters, Refresh

_ROLLING = "Rolling"
_MOST_ALARMS = 10
_NO_DESIRED = (
    "The request isn't valid. The AutoRollback parameter cannot be set to true when the DesiredConfiguration parameter "
    "is empty. Set AutoRollback to false or specify a desired configuration and try again."
)


# --- starting ---------------------------------------------------------------------------------------------------------


def _start(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    if parameters.get("Strategy", _ROLLING) != _ROLLING:
        raise not_emulated(f"strategy {parameters['Strategy']} of instance refreshes")
    if group.refresh:
        raise RefusalError(
            "InstanceRefreshInProgress",
            "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.",
        )
    desired = parameters.get("DesiredConfiguration")
    config = checks.checked_config(region, desired) if desired else None
    wanted = _preferences(region, group, parameters.get("Preferences", {}))
    if wanted["AutoRollback"]:
        _check_rollback(region, group, config)
    refresh = Refresh(
        id=str(uuid.uuid4()),
        preferences=wanted,
        previous=group.config,
        desired=config,
        start=region.now,
        progressed=region.now,
    )
    group.refreshes.insert(0, refresh)
    region.touch()
    return {"InstanceRefreshId": refresh.id}


def _check_rollback(region: Region, group: Group, config: dict[str, Any] | None) -> None:
    if config is None:
        raise invalid(_NO_DESIRED)
    why = checks.reversible(region, group.config) or checks.reversible(region, config)
    if why:
        raise invalid(f"The request isn't valid. The AutoRollback parameter cannot be set to true. {why}.")


def _preferences(region: Region, group: Group, given: dict[str, Any]) -> dict[str, Any]:
    _check_healthy(given)
    _check_checkpoints(given.get("CheckpointPercentages", []), given)
    _check_alarms(region, given.get("AlarmSpecification", {}).get("Alarms", []))
    settings = group.settings
    warmup = settings.get("DefaultInstanceWarmup", settings["HealthCheckGracePeriod"])
    wanted = {
        "MinHealthyPercentage": 90,
        **settings.get("InstanceMaintenancePolicy", {}),
        "InstanceWarmup": warmup,
        "SkipMatching": False,
        "AutoRollback": False,
        "ScaleInProtectedInstances": "Wait",
        "StandbyInstances": "Wait",
        **given,
    }
    if "MinHealthyPercentage" in given and "MaxHealthyPercentage" not in given:
        wanted.pop("MaxHealthyPercentage", None)
    if wanted.get("CheckpointPercentages"):
        wanted.setdefault("CheckpointDelay", 3600)
    return wanted


def _check_healthy(given: dict[str, Any]) -> None:
    least, most = given.get("MinHealthyPercentage"), given.get("MaxHealthyPercentage")
    if most is None:
        return
    if least is None:
        raise invalid("If you specify MaxHealthyPercentage, you must also specify MinHealthyPercentage.")
    if most - least > 100:
        raise invalid(
            "The difference between MaxHealthyPercentage and MinHealthyPercentage cannot be greater than 100."
        )


def _check_checkpoints(points: Sequence[int], given: dict[str, Any]) -> None:
    if "CheckpointDelay" in given and not points:
        raise invalid("If you specify a value for CheckpointDelay, you must also specify CheckpointPercentages.")
    if list(points) != sorted(set(points)):
        raise invalid("CheckpointPercentages must be unique numbers in ascending order.")


def _check_alarms(region: Region, names: list[str]) -> None:
    if len(names) > _MOST_ALARMS:
        raise invalid(f"You can specify up to {_MOST_ALARMS} alarms.")
    missing = set(names) - set(region.cloud.alarm_states(names))
    if missing:
        raise invalid(f"The following alarms do not exist: {', '.join(sorted(missing))}.")


# --- stopping ---------------------------------------------------------------------------------------------------------


def _active(group: Group) -> Refresh:
    if group.refresh is None:
        raise RefusalError("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found.")
    return group.refresh


def _cancel(region: Region, parameters: Parameters) -> Parameters:
    refresh = _active(region.group(parameters["AutoScalingGroupName"]))
    refresh.status, refresh.surge = "Cancelling", 0
    refresh.patient = parameters.get("WaitForTransitioningInstances", True)
    region.touch()
    return {"InstanceRefreshId": refresh.id}


def _rollback(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    refresh = _active(group)
    if refresh.status not in refreshing.UNDER_WAY:
        raise RefusalError("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found.")
    why = (
        checks.reversible(region, refresh.previous) or checks.reversible(region, refresh.desired)
        if refresh.desired
        else "There is no desired configuration specified for the instance refresh"
    )
    if why:
        raise RefusalError("IrreversibleInstanceRefresh", f"The instance refresh cannot be rolled back. {why}.")
    refreshing.roll_back(region, group, refresh, "Rolled back due to user request.")
    return {"InstanceRefreshId": refresh.id}


# --- showing ----------------------------------------------------------------------------------------------------------


def _describe(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    wanted = parameters.get("InstanceRefreshIds")
    found = [_described(group, one) for one in group.refreshes if not wanted or one.id in wanted]
    return region.page("DescribeInstanceRefreshes", "InstanceRefreshes", found, parameters, size=50, most=100)


def _described(group: Group, refresh: Refresh) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "InstanceRefreshId": refresh.id,
        "AutoScalingGroupName": group.name,
        "Status": refresh.status,
        "StartTime": refresh.start,
        "PercentageComplete": refresh.percent,
        "InstancesToUpdate": refresh.remaining,
        "Preferences": refresh.preferences,
        "Strategy": _ROLLING,
    }
    more = {
        "StatusReason": refresh.reason,
        "EndTime": refresh.end,
        "DesiredConfiguration": refresh.desired,
        "RollbackDetails": refresh.rollback,
    }
    if group.pool and refresh.status != "Pending":
        more["ProgressDetails"] = _by_pool(group, refresh)
    return shown | {key: value for key, value in more.items() if value}


def _by_pool(group: Group, refresh: Refresh) -> dict[str, Any]:
    new = sum(one.state in POOLED and one.refresh == refresh.id for one in group.warm)
    left = max(0, refresh.warm_total - new) if refresh.active else 0
    share = 100 * (refresh.warm_total - left) // refresh.warm_total if refresh.warm_total else 100
    return {
        "LivePoolProgress": {"PercentageComplete": refresh.percent, "InstancesToUpdate": refresh.remaining},
        "WarmPoolProgress": {"PercentageComplete": share, "InstancesToUpdate": left},
    }


OPERATIONS: dict[str, Callable[[Region, Parameters], Parameters]] = {
    "StartInstanceRefresh": _start,
    "DescribeInstanceRefreshes": _describe,
    "CancelInstanceRefresh": _cancel,
    "RollbackInstanceRefresh": _rollback,
}
