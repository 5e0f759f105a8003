# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One instance on its way: from Pending into service or a warm pool, to Standby and back, and out.

Choices where AWS's guide does not decide: an instance whose launch was abandoned leaves by the same way as any other,
its termination hooks included; what is attached or comes back from Standby is held by no hook; connections are drained
before termination hooks begin.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from typing import Any

from . import words
from .cloud import CloudError
from .region import Region
from .state import TERMINATING, WARM, Action, Group, Hook, Instance, Time, seconds


def step(region: Region, group: Group, instance: Instance) -> None:
    """At most one state further, if its time has come."""
    take = _STEPS.get(instance.state.removeprefix(WARM))
    if take and region.dwelt(instance) and not _draining(region, instance):
        take(region, group, instance)


def deadlines(region: Region, instance: Instance) -> list[Time]:
    """When something may be due, some of it in the past."""
    found = [action.until for action in instance.actions if not action.result]
    if instance.drained:
        found.append(instance.drained)
    dwell = region.dials.dwell.get(instance.state)
    return [*found, instance.since + seconds(dwell)] if dwell else found


def destination(group: Group, instance: Instance) -> str:
    """Where a lifecycle action leads to, in the words of its notification."""
    if instance.ending:
        return "EC2"
    return "WarmPool" if instance.warm else "AutoScalingGroup"


# --- in ---------------------------------------------------------------------------------------------------------------


def _pending(region: Region, group: Group, instance: Instance) -> None:
    if not _hold(region, group, instance, instance.transition):
        _enter(region, group, instance)


def _enter(region: Region, group: Group, instance: Instance) -> None:
    if instance.warm:
        _rest(region, group, instance)
        return
    instance.in_service = region.now
    trouble = join_sources(region, group, instance)
    region.move(instance, "InService")
    region.end(instance.activity, message=trouble)


def _rest(region: Region, group: Group, instance: Instance) -> None:
    """In the warm pool."""
    state = group.pool.state if group.pool else "Running"
    if state != "Running":
        region.cloud.stop(instance.id, hibernate=state == "Hibernated")
        region.errand(instance.id, functools.partial(region.launcher.stop, instance.id))
    region.move(instance, f"{WARM}{state}")
    region.end(instance.activity)


def join_sources(region: Region, group: Group, instance: Instance) -> str:
    """Register with what the group is attached to; says what refused."""
    if not group.runs("AddToLoadBalancer"):
        return ""
    trouble = ""
    for source in group.sources.values():
        if source.state != "Removing":
            try:
                region.cloud.register(source.arn, [instance.id])
                instance.sources.add(source.arn)
            except CloudError as error:
                trouble = error.message
    return trouble


# --- hooks ------------------------------------------------------------------------------------------------------------


def _hold(region: Region, group: Group, instance: Instance, transition: str) -> bool:
    hooks = group.holding(transition) if instance.hooked else []
    if not hooks:
        return False
    instance.transition = transition
    instance.actions = [_action(region, hook) for hook in hooks]
    for hook, action in zip(hooks, instance.actions, strict=True):
        if hook.target:
            region.cloud.notify(hook.target, _message(region, group, instance, hook, action))
    region.move(instance, f"{instance.state}:Wait")
    region.report(instance, "MidLifecycleAction", 60)
    return True


def _action(region: Region, hook: Hook) -> Action:
    return Action(
        hook=hook.name,
        token=str(uuid.uuid4()),
        heartbeat=hook.heartbeat,
        default=hook.default,
        deadline=region.now + seconds(hook.heartbeat),
        limit=region.now + seconds(hook.limit),
    )


def _message(region: Region, group: Group, instance: Instance, hook: Hook, action: Action) -> dict[str, Any]:
    return {
        "LifecycleHookName": hook.name,
        "AccountId": region.account,
        "RequestId": instance.activity,
        "LifecycleTransition": hook.transition,
        "AutoScalingGroupName": group.name,
        "Service": "AWS Auto Scaling",
        "Time": region.now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "EC2InstanceId": instance.id,
        "NotificationMetadata": hook.metadata,
        "LifecycleActionToken": action.token,
        "Origin": instance.origin,
        "Destination": destination(group, instance),
    }


def _waiting(region: Region, group: Group, instance: Instance) -> None:
    for action in instance.actions:
        if not action.result and region.now >= action.until:
            action.result, action.because = action.default, words.TIMED_OUT
            region.touch()
    given_up = next((action for action in instance.actions if action.result == "ABANDON"), None)
    if given_up is None and not all(action.result for action in instance.actions):
        return
    if given_up is not None and not instance.ending:
        abandon(region, group, instance, words.abandoned(given_up.token, given_up.because))
    elif given_up is not None and _retains(group):
        instance.actions = []
        region.move(instance, instance.state.replace(":Wait", ":Retained"))
        region.end(instance.activity, "Cancelled", words.abandoned(given_up.token, given_up.because))
    else:
        instance.actions = []
        region.move(instance, instance.state.replace(":Wait", ":Proceed"))


def _retains(group: Group) -> bool:
    triggers = group.settings.get("InstanceLifecyclePolicy", {}).get("RetentionTriggers", {})
    return bool(triggers.get("TerminateHookAbandon") == "retain")


def abandon(region: Region, group: Group, instance: Instance, message: str, status: str = "Cancelled") -> None:
    """A launch that came to nothing; the activity that began it says so, and nothing else does."""
    region.end(instance.activity, status, message)
    if group.refresh and instance.refresh == group.refresh.id:
        group.refresh.failures += 1
    _depart(region, instance)


# --- out --------------------------------------------------------------------------------------------------------------


def take_out(region: Region, group: Group, instance: Instance, cause: str) -> None:
    """Terminate it, by way of hooks."""
    region.end(instance.activity, "Cancelled")
    region.begin(group, f"Terminating EC2 instance: {instance.id}", cause, instance)
    instance.hooked = True
    _depart(region, instance)


def _depart(region: Region, instance: Instance) -> None:
    instance.actions = []
    instance.transition = TERMINATING
    instance.origin = "WarmPool" if instance.warm else "AutoScalingGroup"
    leave_sources(region, instance)
    region.move(instance, f"{WARM}Terminating" if instance.warm else "Terminating")


def return_to_pool(region: Region, group: Group, instance: Instance, cause: str) -> None:
    """Scale in without an end: a warm pool that reuses instances takes it."""
    region.begin(group, f"Moving EC2 instance into warm pool: {instance.id}", cause, instance)
    instance.transition, instance.hooked, instance.origin = TERMINATING, True, "AutoScalingGroup"
    instance.in_service = None
    leave_sources(region, instance)
    region.move(instance, f"{WARM}Pending")


def leave_sources(region: Region, instance: Instance, arn: str | None = None) -> None:
    """Deregister from all target groups, or from this one; connections get their time to end."""
    leaving = [one for one in sorted(instance.sources) if arn in {None, one}]
    for one in leaving:
        region.cloud.deregister(one, [instance.id])
    instance.sources.difference_update(leaving)
    # An instance that is broken serves nobody who could be waited for.
    if arn is None and leaving and instance.health == "Healthy":
        delay = max(drain_seconds(region, one) for one in leaving)
        instance.drained = region.now + seconds(delay) if delay else None


def drain_seconds(region: Region, arn: str) -> float:
    delay = region.cloud.delay(arn)
    most = region.dials.drain_at_most
    return delay if most is None else min(delay, most)


def _draining(region: Region, instance: Instance) -> bool:
    if instance.drained is None:
        return False
    activity = region.state.activities.get(instance.activity)
    if region.now < instance.drained:
        if activity and instance.ending and not activity.description.endswith(words.DRAINING):
            activity.description += words.DRAINING
            region.report(instance, "WaitingForELBConnectionDraining", 50)
        return True
    instance.drained = None
    if activity:
        activity.description = activity.description.removesuffix(words.DRAINING)
    region.touch()
    return False


def _terminating(region: Region, group: Group, instance: Instance) -> None:
    if not _hold(region, group, instance, TERMINATING):
        _end(region, group, instance)


def _end(region: Region, _group: Group, instance: Instance) -> None:
    region.cloud.terminate(instance.id)
    region.errand(instance.id, functools.partial(region.launcher.terminate, instance.id))
    region.move(instance, f"{WARM}Terminated" if instance.warm else "Terminated")
    region.end(instance.activity)


def forget(region: Region, group: Group, instance: Instance) -> None:
    del group.instances[instance.id]
    region.failed_boots.pop(instance.id, None)
    region.touch()


# --- aside ------------------------------------------------------------------------------------------------------------


def _standing_by(region: Region, _group: Group, instance: Instance) -> None:
    region.move(instance, "Standby")
    region.end(instance.activity)


def _detached(region: Region, group: Group, instance: Instance) -> None:
    region.end(instance.activity)
    forget(region, group, instance)


_STEPS: dict[str, Callable[[Region, Group, Instance], None]] = {
    "Pending": _pending,
    "Pending:Wait": _waiting,
    "Pending:Proceed": _enter,
    "Terminating": _terminating,
    "Terminating:Wait": _waiting,
    "Terminating:Proceed": _end,
    "Terminated": forget,
    "EnteringStandby": _standing_by,
    "Detaching": _detached,
}
