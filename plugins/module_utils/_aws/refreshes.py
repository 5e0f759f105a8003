# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Auto Scaling: groups and their instance refreshes. The client is passed in, plain data comes out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from .autoscaling import warm
from .errors import AwsError, ClientError, code_of, translated

_NEWEST = 100
_ACTIVITIES = 100
_NO_SUCH = "ValidationError"
_BUSY = frozenset({"InstanceRefreshInProgress", "InstanceRefreshInProgressFault"})
_NONE_RUNS = frozenset({"ActiveInstanceRefreshNotFound", "ActiveInstanceRefreshNotFoundFault"})
_ENDED_BADLY = frozenset({"Failed", "Cancelled"})


class BusyError(AwsError):
    """Another refresh of the group is under way."""


class NoneRunsError(AwsError):
    """No refresh of the group is under way any more."""


def group(client: Any, name: str) -> dict[str, Any] | None:
    """A group with its configuration and instances, those of its warm pool included; None if there is none."""
    with translated(f"read the Auto Scaling group {name} in {client.meta.region_name}", client):
        found = client.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        if not found:
            return None
        waiting = warm(client, name) if found[0].get("WarmPoolConfiguration") else []
    return {
        "name": name,
        "template": found[0].get("LaunchTemplate"),
        "mixed": found[0].get("MixedInstancesPolicy"),
        "instances": [_instance(one) for one in [*found[0].get("Instances", ()), *waiting]],
    }


def newest(client: Any, name: str, identity: str = "") -> list[dict[str, Any]]:
    """The refreshes of a group that AWS still knows, the newest first; or the one with this id."""
    chosen = {"InstanceRefreshIds": [identity]} if identity else {}
    with translated(f"read the instance refreshes of {name} in {client.meta.region_name}", client):
        try:
            answer = client.describe_instance_refreshes(AutoScalingGroupName=name, MaxRecords=_NEWEST, **chosen)
        except ClientError as exc:
            if code_of(exc) == _NO_SUCH and "not found" in str(exc):
                return []
            raise
    return [_refresh(one) for one in answer["InstanceRefreshes"]]


def start(
    client: Any, name: str, strategy: str, preferences: Mapping[str, Any], desired: Mapping[str, Any] | None
) -> str:
    """Start a refresh; BusyError if one is under way, which may be what an answer that was lost has started."""
    more = {} if desired is None else {"DesiredConfiguration": desired}
    asked = {"AutoScalingGroupName": name, "Strategy": strategy, "Preferences": preferences, **more}
    with translated(f"start an instance refresh of {name}", client):
        try:
            identity: str = client.start_instance_refresh(**asked)["InstanceRefreshId"]
        except ClientError as exc:
            if code_of(exc) in _BUSY:
                raise BusyError(f"An instance refresh of {name} is under way already.") from exc
            raise
    return identity


def cancel(client: Any, name: str) -> None:
    """Replace nothing more; what is new stays. NoneRunsError if it has ended meanwhile."""
    _stop(client.cancel_instance_refresh, f"cancel the instance refresh of {name}", name, client)


def roll_back(client: Any, name: str) -> None:
    """Replace what is new by what there was before. NoneRunsError if it has ended meanwhile."""
    _stop(client.rollback_instance_refresh, f"roll back the instance refresh of {name}", name, client)


def failed_launches(client: Any, name: str, since: datetime) -> dict[str, str]:
    """Instance to why it did not come into service, for those that were started since then."""
    with translated(f"read what Auto Scaling did in {name}", client):
        # The newest first, and a page of them is enough to know why.
        answer = client.describe_scaling_activities(AutoScalingGroupName=name, MaxRecords=_ACTIVITIES)
    found: dict[str, str] = {}
    for one in answer["Activities"]:
        instance = next((word for word in one.get("Description", "").split() if word.startswith("i-")), "").rstrip(".")
        launch = one.get("Description", "").startswith("Launching")
        if launch and instance and one["StartTime"] >= since and one["StatusCode"] in _ENDED_BADLY:
            found[instance] = " ".join(str(one.get("StatusMessage") or one["StatusCode"]).split())
    return found


def _stop(call: Any, doing: str, name: str, client: Any) -> None:
    with translated(doing, client):
        try:
            call(AutoScalingGroupName=name)
        except ClientError as exc:
            if code_of(exc) in _NONE_RUNS:
                raise NoneRunsError(f"No instance refresh of {name} is under way.") from exc
            raise


def _instance(found: Mapping[str, Any]) -> dict[str, Any]:
    template = found.get("LaunchTemplate") or {}
    return {
        "id": found["InstanceId"],
        "state": found["LifecycleState"],
        "health": found.get("HealthStatus", ""),
        "protected": bool(found.get("ProtectedFromScaleIn")),
        "template": template.get("LaunchTemplateId", ""),
        "version": template.get("Version", ""),
    }


def _refresh(found: Mapping[str, Any]) -> dict[str, Any]:
    desired = found.get("DesiredConfiguration") or {}
    policy = desired.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    back = found.get("RollbackDetails") or {}
    return {
        "id": found["InstanceRefreshId"],
        "status": found["Status"],
        "reason": " ".join(str(found.get("StatusReason") or "").split()),
        "percent": found.get("PercentageComplete") or 0,
        "remaining": found.get("InstancesToUpdate") or 0,
        "start": _utc(found.get("StartTime")),
        "end": _utc(found.get("EndTime")),
        "template": desired.get("LaunchTemplate") or policy.get("LaunchTemplateSpecification"),
        "rollback_reason": " ".join(str(back.get("RollbackReason") or "").split()),
        "preferences": found.get("Preferences") or {},
    }


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(timezone.utc) if moment else None
