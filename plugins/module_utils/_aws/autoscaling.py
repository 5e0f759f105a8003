# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Auto Scaling: what it knows about instances. The client is passed in, plain data comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import translated
from .paging import pages

_GROUPS_PER_PAGE = 100
_INSTANCES_PER_PAGE = 50


def members(client: Any) -> dict[str, dict[str, Any]]:
    """Instance id to its place in Auto Scaling, warm pools included.

    By groups, a hundred a page with all their instances: asked for its instances, Auto Scaling gives fifty a page.
    """
    found: dict[str, dict[str, Any]] = {}
    with translated(f"list the Auto Scaling groups of {client.meta.region_name}", client):
        for page in pages(client, "describe_auto_scaling_groups", _GROUPS_PER_PAGE):
            for group in page["AutoScalingGroups"]:
                name = group["AutoScalingGroupName"]
                waiting = warm(client, name) if group.get("WarmPoolConfiguration") else []
                found.update((one["InstanceId"], _member(name, one)) for one in [*group.get("Instances", ()), *waiting])
    return found


def groups(client: Any, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Group to the lifecycle state of its instances by id, and to the processes that somebody suspended there."""
    found: dict[str, dict[str, Any]] = {}
    with translated(f"read the Auto Scaling groups {', '.join(names)} of {client.meta.region_name}", client):
        for start in range(0, len(names), _GROUPS_PER_PAGE):
            chosen = list(names[start : start + _GROUPS_PER_PAGE])
            for page in pages(client, "describe_auto_scaling_groups", _GROUPS_PER_PAGE, AutoScalingGroupNames=chosen):
                found.update((one["AutoScalingGroupName"], _group(one)) for one in page["AutoScalingGroups"])
    return found


def _group(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "lifecycle": {one["InstanceId"]: one["LifecycleState"] for one in found.get("Instances", ())},
        "suspended": sorted(one["ProcessName"] for one in found.get("SuspendedProcesses", ())),
    }


def warm(client: Any, name: str) -> list[dict[str, Any]]:
    """The instances of a group's warm pool, as Auto Scaling describes them."""
    found: list[dict[str, Any]] = []
    for page in pages(client, "describe_warm_pool", _INSTANCES_PER_PAGE, AutoScalingGroupName=name):
        found += page.get("Instances", ())
    return found


def _member(group: str, instance: Mapping[str, Any]) -> dict[str, Any]:
    member = {
        "group": group,
        "lifecycle_state": instance["LifecycleState"],
        "health": instance["HealthStatus"],
        "protected": bool(instance.get("ProtectedFromScaleIn")),
    }
    template = instance.get("LaunchTemplate")
    if template:
        member["template"] = template.get("LaunchTemplateName") or template.get("LaunchTemplateId", "")
        member["template_version"] = template.get("Version", "")
    return member
