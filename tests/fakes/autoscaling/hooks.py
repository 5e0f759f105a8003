# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lifecycle hooks, and what is said about the instances that they hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import words
from .region import Region, invalid
from .state import LAUNCHING, TERMINATING, Action, Group, Hook, Instance, Parameters, seconds

_TRANSITIONS = (LAUNCHING, TERMINATING)
_RESULTS = ("CONTINUE", "ABANDON")
_MOST = 50
_HEARTBEAT = range(30, 7201)


def made(parameters: Parameters, before: Hook | None = None) -> Hook:
    """A hook as it is asked for; what is not said stays as it was."""
    transition = parameters.get("LifecycleTransition") or (before.transition if before else None)
    if transition not in _TRANSITIONS:
        raise invalid(f"LifecycleTransition must be one of {', '.join(_TRANSITIONS)}, and is {transition}.")
    hook = before or Hook(parameters["LifecycleHookName"], transition)
    heartbeat = parameters.get("HeartbeatTimeout", hook.heartbeat)
    if heartbeat not in _HEARTBEAT:
        raise invalid(f"HeartbeatTimeout must be between 30 and 7200 seconds, and is {heartbeat}.")
    default = parameters.get("DefaultResult", hook.default)
    if default not in _RESULTS:
        raise invalid(f"DefaultResult must be one of {', '.join(_RESULTS)}, and is {default}.")
    return Hook(
        name=hook.name,
        transition=transition,
        heartbeat=heartbeat,
        default=default,
        target=parameters.get("NotificationTargetARN", hook.target),
        role=parameters.get("RoleARN", hook.role),
        metadata=parameters.get("NotificationMetadata", hook.metadata),
    )


def _put(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    name = parameters["LifecycleHookName"]
    hook = made(parameters, group.hooks.get(name))
    if name not in group.hooks and len(group.hooks) >= _MOST:
        raise invalid(f"You cannot create more than {_MOST} lifecycle hooks for {group.name}.")
    if hook.target and "NotificationTargetARN" in parameters:
        test = {"AutoScalingGroupName": group.name, "Event": "autoscaling:TEST_NOTIFICATION"}
        region.cloud.notify(hook.target, test)
    group.hooks[name] = hook
    region.touch()
    return {}


def _described(group: Group, hook: Hook) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "LifecycleHookName": hook.name,
        "AutoScalingGroupName": group.name,
        "LifecycleTransition": hook.transition,
        "HeartbeatTimeout": hook.heartbeat,
        "GlobalTimeout": hook.limit,
        "DefaultResult": hook.default,
    }
    more = {"NotificationTargetARN": hook.target, "RoleARN": hook.role, "NotificationMetadata": hook.metadata}
    return shown | {key: value for key, value in more.items() if value}


def _describe(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    wanted = parameters.get("LifecycleHookNames")
    found = [_described(group, hook) for name, hook in sorted(group.hooks.items()) if not wanted or name in wanted]
    return {"LifecycleHooks": found}


def _delete(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    hook = _hook(group, parameters)
    for instance in group.instances.values():
        for action in instance.actions:
            if action.hook == hook.name and not action.result:
                action.result = "CONTINUE" if instance.ending else "ABANDON"
                action.because = words.ABANDONED
    del group.hooks[hook.name]
    region.touch()
    return {}


def _hook(group: Group, parameters: Parameters) -> Hook:
    name = parameters["LifecycleHookName"]
    if name not in group.hooks:
        raise invalid(f"Lifecycle hook name not found - {name} is no lifecycle hook of Auto Scaling group {group.name}")
    return group.hooks[name]


# --- actions ----------------------------------------------------------------------------------------------------------


def _action(region: Region, parameters: Parameters) -> tuple[Instance, Action]:
    """The open action that a token, or an instance, means."""
    group = region.group(parameters["AutoScalingGroupName"])
    hook = _hook(group, parameters)
    token, instance_id = parameters.get("LifecycleActionToken"), parameters.get("InstanceId")
    if not token and not instance_id:
        raise invalid("Either the lifecycle action token or the instance ID must be specified.")
    for instance in group.instances.values():
        for action in instance.actions:
            meant = (not token or action.token == token) and (not instance_id or instance.id == instance_id)
            if meant and action.hook == hook.name and not action.result and instance.held:
                return instance, action
    by = f"token {token}" if token else f"instance ID {instance_id}"
    raise invalid(f"No active Lifecycle Action found with {by}")


def _complete(region: Region, parameters: Parameters) -> Parameters:
    result = parameters["LifecycleActionResult"]
    if result not in _RESULTS:
        raise invalid(f"LifecycleActionResult must be one of {', '.join(_RESULTS)}, and is {result}.")
    _, action = _action(region, parameters)
    action.result, action.because = result, words.ABANDONED
    region.touch()
    return {}


def _heartbeat(region: Region, parameters: Parameters) -> Parameters:
    _, action = _action(region, parameters)
    action.deadline = region.now + seconds(action.heartbeat)
    region.touch()
    return {}


OPERATIONS: dict[str, Callable[[Region, Parameters], Parameters]] = {
    "PutLifecycleHook": _put,
    "DescribeLifecycleHooks": _describe,
    "DeleteLifecycleHook": _delete,
    "CompleteLifecycleAction": _complete,
    "RecordLifecycleActionHeartbeat": _heartbeat,
}
