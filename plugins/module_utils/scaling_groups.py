# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: an Auto Scaling group as declared, or gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ._aws import scaling_group as aws
from ._aws.errors import AwsError
from ._core import scaling_group as core
from ._core.errors import CoreError

FAILURES = (AwsError, CoreError)
Client = Callable[[str], Any]
Clock = Callable[[], datetime]

_METRIC: dict[str, Any] = {
    "predefined_metric_type": {
        "type": "str",
        "required": True,
        "choices": [
            "ASGAverageCPUUtilization",
            "ASGAverageNetworkIn",
            "ASGAverageNetworkOut",
            "ALBRequestCountPerTarget",
        ],
    },
    "resource_label": {"type": "str"},
}
_TRACKING: dict[str, Any] = {
    "predefined_metric_spec": {"type": "dict", "required": True, "options": _METRIC},
    "target_value": {"type": "float", "required": True},
    "disable_scale_in": {"type": "bool", "default": False},
}
_HOOK: dict[str, Any] = {
    "lifecycle_hook_name": {"type": "str", "required": True},
    "transition": {
        "type": "str",
        "choices": ["autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"],
        "default": "autoscaling:EC2_INSTANCE_LAUNCHING",
    },
    "heartbeat_timeout": {"type": "int", "default": 300},
    "default_result": {"type": "str", "choices": ["ABANDON", "CONTINUE"], "default": "ABANDON"},
}
_POOL: dict[str, Any] = {
    "min_size": {"type": "int", "default": 0},
    "max_group_prepared_capacity": {"type": "int"},
    "pool_state": {"type": "str", "choices": ["Stopped", "Running", "Hibernated"], "default": "Stopped"},
    "reuse_on_scale_in": {"type": "bool", "default": False},
}
# Options of the module; their documentation stands there.
OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "launch_template": {
        "type": "dict",
        "options": {
            "launch_template_id": {"type": "str"},
            "launch_template_name": {"type": "str"},
            "version": {"type": "str"},
        },
    },
    "min_size": {"type": "int"},
    "max_size": {"type": "int"},
    "desired_capacity": {"type": "int"},
    "vpc_zone_identifier": {"type": "list", "elements": "str"},
    "target_group_arns": {"type": "list", "elements": "str", "default": []},
    "health_check_type": {"type": "str", "choices": ["EC2", "ELB"], "default": "EC2"},
    "health_check_period": {"type": "int", "default": 300},
    "default_instance_warmup": {"type": "int"},
    "lifecycle_hooks": {"type": "list", "elements": "dict", "default": [], "options": _HOOK},
    "scaling_policies": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "target_tracking_config": {"type": "dict", "required": True, "options": _TRACKING},
        },
    },
    "warm_pool": {"type": "dict", "options": _POOL},
    "tags": {"type": "dict", "default": {}},
    "wait_timeout": {"type": "int", "default": 900},
    "delay": {"type": "float", "default": 5},
}
REQUIRED_IF = [("state", "present", ("min_size", "max_size", "vpc_zone_identifier"))]


def answer(options: dict[str, Any], client: Client, _clock: Clock, check: bool) -> dict[str, Any]:
    """The result of module autoscaling_group."""
    try:
        if options["delay"] <= 0:
            raise core.GroupError(f"delay is {options['delay']:g}. Give more than 0 seconds.")
        act = remove if options["state"] == "absent" else converge
        return act(options, client, check)
    except FAILURES as exc:
        return {"failed": True, "msg": str(exc)}


def converge(options: dict[str, Any], client: Client, check: bool) -> dict[str, Any]:
    """Bring the group to what is declared."""
    autoscaling, name = client("autoscaling"), options["name"]
    given = {**options, "tags": {str(key): str(value) for key, value in options["tags"].items()}}
    actual = aws.read(autoscaling, name)
    plan = core.plan(given, actual)
    if not check:
        for call, arguments in plan.steps:
            aws.act(autoscaling, name, call, arguments)
    found = actual if check or not plan.steps else aws.read(autoscaling, name)
    return {
        "changed": bool(plan.steps),
        "group": _told(found),
        "calls": [call for call, _arguments in plan.steps],
        "diff": {"before": plan.before, "after": plan.after if plan.steps else plan.before},
    }


def remove(options: dict[str, Any], client: Client, check: bool) -> dict[str, Any]:
    """Let every instance go as it would by itself, then delete the group; ends when EC2 has ended them all."""
    autoscaling, name = client("autoscaling"), options["name"]
    actual = aws.read(autoscaling, name)
    told = {
        "changed": actual is not None,
        "group": None,
        "diff": {"before": {"name": name} if actual else {}, "after": {}},
    }
    if actual is None or check:
        return {**told, "calls": ["delete_auto_scaling_group"] if actual else []}
    until = time.monotonic() + options["wait_timeout"]
    ids = [one["InstanceId"] for one in actual["Instances"]]
    calls: list[str] = []
    if not actual.get("Status"):
        for call, arguments in core.leaving(actual):
            aws.act(autoscaling, name, call, arguments)
            calls.append(call)
        _wait(options, until, lambda: _occupants(autoscaling, name), "instances are still in it")
        # By force: nobody is in it but what EC2 has ended a moment ago, and a pool that is being deleted.
        aws.act(autoscaling, name, "delete_auto_scaling_group", {"AutoScalingGroupName": name, "ForceDelete": True})
        calls.append("delete_auto_scaling_group")
    _wait(options, until, lambda: [name] if aws.read(autoscaling, name) else [], "it is still being deleted")
    # A security group cannot be deleted while an instance that ends still has it.
    _wait(options, until, lambda: sorted(aws.living(client("ec2"), ids)) if ids else [], "instances still end")
    return {**told, "calls": calls}


def _occupants(autoscaling: Any, name: str) -> list[str]:
    found = aws.read(autoscaling, name)
    return [f"{one['InstanceId']} ({one['LifecycleState']})" for one in found["Instances"]] if found else []


def _wait(options: dict[str, Any], until: float, left: Callable[[], list[str]], why: str) -> None:
    """Until nothing is left. botocore has no waiters for Auto Scaling."""
    while True:
        names = left()
        if not names:
            return
        pause = min(options["delay"], until - time.monotonic())
        if pause <= 0:
            raise core.GroupError(
                f"The Auto Scaling group {options['name']} is not gone after {options['wait_timeout']} s: {why}: "
                f"{', '.join(names)}. Look for suspended processes, protected instances and hooks that hold them; "
                "then run it again, it goes on from there."
            )
        time.sleep(pause)


def _told(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    template = found.get("LaunchTemplate") or {}
    return {
        "name": found["AutoScalingGroupName"],
        "arn": found["AutoScalingGroupARN"],
        "desired_capacity": found["DesiredCapacity"],
        "availability_zones": sorted(found.get("AvailabilityZones") or ()),
        "launch_template": {"id": template.get("LaunchTemplateId"), "version": template.get("Version")},
        "instances": sorted(one["InstanceId"] for one in found["Instances"]),
    }
