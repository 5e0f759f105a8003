# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One Auto Scaling group with its hooks, policies and warm pool. The client is passed in, plain data comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import ClientError, code_of, translated
from .paging import pages

_TERMINATED_AT_ONCE = 100
_POLICIES = 100
_GONE = frozenset({"ValidationError"})


def read(client: Any, name: str) -> dict[str, Any] | None:
    """The group as Auto Scaling describes it, with Hooks and Policies; None if there is none."""
    with translated(f"read the Auto Scaling group {name}", client):
        found = client.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        if not found:
            return None
        try:
            hooks = client.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"]
            policies = [
                one
                for page in pages(client, "describe_policies", _POLICIES, AutoScalingGroupName=name)
                for one in page["ScalingPolicies"]
            ]
        except ClientError as exc:
            if code_of(exc) in _GONE and found[0].get("Status"):
                return None  # it went between two calls
            raise
    return {**found[0], "Hooks": hooks, "Policies": policies}


def act(client: Any, name: str, call: str, arguments: Mapping[str, Any]) -> None:
    """One call that changes something, by botocore's name of it."""
    with translated(f"{call.replace('_', ' ')} of the Auto Scaling group {name}", client):
        getattr(client, call)(**arguments)


def living(client: Any, ids: Sequence[str]) -> set[str]:
    """Those of the instances that EC2 has not ended yet, and whose network interfaces are therefore in use."""
    left: set[str] = set()
    with translated("see whether the instances have ended", client):
        for start in range(0, len(ids), _TERMINATED_AT_ONCE):
            some = [{"Name": "instance-id", "Values": list(ids[start : start + _TERMINATED_AT_ONCE])}]
            for page in pages(client, "describe_instances", 1000, Filters=some):
                left.update(
                    one["InstanceId"]
                    for reservation in page["Reservations"]
                    for one in reservation["Instances"]
                    if one["State"]["Name"] != "terminated"
                )
    return left
