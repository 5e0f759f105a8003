# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an instance asks and tells about itself. The client is passed in, plain data comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import ClientError, code_of, translated

# Auto Scaling has one code for everything that is not as asked for, so also for an action that nobody waits for.
_NO_ACTION = "ValidationError"


def membership(client: Any, instance: str) -> tuple[str, str] | None:
    """Group and lifecycle state of an instance, None if it is in no group."""
    with translated(f"ask Auto Scaling about the instance {instance}", client):
        found = client.describe_auto_scaling_instances(InstanceIds=[instance])["AutoScalingInstances"]
    return (found[0]["AutoScalingGroupName"], found[0]["LifecycleState"]) if found else None


def heartbeat(client: Any, group: str, hook: str, instance: str) -> bool:
    """Begin the timeout of a lifecycle action anew; False if none waits for this instance."""
    with translated(f"record a heartbeat of {instance} for the hook {hook} of {group}", client):
        return _unless_missing(
            client.record_lifecycle_action_heartbeat,
            AutoScalingGroupName=group,
            LifecycleHookName=hook,
            InstanceId=instance,
        )


def complete(client: Any, group: str, hook: str, instance: str, result: str) -> bool:
    """End a lifecycle action with CONTINUE or ABANDON; False if none waits for this instance."""
    with translated(f"complete the lifecycle action {hook} of {group} with {result}", client):
        return _unless_missing(
            client.complete_lifecycle_action,
            AutoScalingGroupName=group,
            LifecycleHookName=hook,
            InstanceId=instance,
            LifecycleActionResult=result,
        )


def tag(client: Any, instance: str, tags: Mapping[str, str]) -> None:
    """Write tags of an instance; its other ones stay."""
    with translated(f"tag the instance {instance}", client):
        client.create_tags(
            Resources=[instance], Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())]
        )


def _unless_missing(call: Any, **arguments: str) -> bool:
    try:
        call(**arguments)
    except ClientError as exc:
        if code_of(exc) == _NO_ACTION:
            return False
        raise
    return True
