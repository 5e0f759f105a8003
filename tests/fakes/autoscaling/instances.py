# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of instances: shown, attached, set aside, terminated, called sick, protected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import activities, health, lifecycle, words
from .region import Region, invalid
from .state import COUNTED, Group, Instance, Parameters

_MOST_AT_ONCE = 20
_MOST_TERMINATED = 100
_WOULD_VIOLATE = (
    "Currently, desiredSize equals minSize ({least}). Terminating instance without replacement will violate group's "
    "min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size."
)


def _describe(region: Region, parameters: Parameters) -> Parameters:
    wanted = parameters.get("InstanceIds")
    found = [
        _described(group, instance)
        for group, instance in sorted(region.state.everyone(), key=lambda pair: pair[1].id)
        if not wanted or instance.id in wanted
    ]
    return region.page("DescribeAutoScalingInstances", "AutoScalingInstances", found, parameters, size=50, most=50)


def _described(group: Group, instance: Instance) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "InstanceId": instance.id,
        "InstanceType": instance.type,
        "AutoScalingGroupName": group.name,
        "AvailabilityZone": instance.zone,
        "AvailabilityZoneId": instance.zone_id,
        "LifecycleState": instance.state,
        "HealthStatus": instance.health.upper(),
        "ProtectedFromScaleIn": instance.protected,
    }
    return shown | ({"LaunchTemplate": instance.template} if instance.template else {})


# --- in and out -------------------------------------------------------------------------------------------------------


def _attach(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    wanted = _some(parameters)
    if group.desired + len(wanted) > group.settings["MaxSize"]:
        raise invalid(words.does_not_fit(group.name, group.settings, "attach", len(wanted)))
    described = region.cloud.described(wanted)
    for one in wanted:
        _check_attachable(region, group, one, described.get(one))
    for one in wanted:
        group.desired += 1
        found = described[one]
        instance = Instance(
            id=one,
            zone=found["Placement"]["AvailabilityZone"],
            zone_id=next(zone_id for zone, zone_id in group.subnets.values() if zone == _zone(found)),
            subnet="",
            type=found["InstanceType"],
            template=None,
            launched=region.now,
            state="Pending",
            since=region.now,
            hooked=False,
        )
        group.instances[one] = instance
        cause = words.at(region.now, words.attached(group.desired))
        region.begin(group, f"Attaching an existing EC2 instance: {one}", cause, instance)
    return {}


def _zone(described: dict[str, Any]) -> str:
    return str(described["Placement"]["AvailabilityZone"])


def _check_attachable(region: Region, group: Group, instance_id: str, described: dict[str, Any] | None) -> None:
    if described is None:
        raise invalid(f"Invalid Instance ID(s): [{instance_id}] specified")
    if described["State"]["Name"] != "running":
        raise invalid(f"Instance {instance_id} is not in correct state. The instance must be running.")
    if region.state.find(instance_id):
        raise invalid(f"Instance {instance_id} is already part of an Auto Scaling group.")
    if _zone(described) not in {zone for zone, _ in group.subnets.values()}:
        raise invalid(f"Instance {instance_id} is in the Availability Zone {_zone(described)}, and the group is not.")


def _some(parameters: Parameters) -> list[str]:
    wanted: list[str] = parameters.get("InstanceIds", [])
    if not wanted:
        raise invalid("At least one instance ID is required.")
    if len(wanted) > _MOST_AT_ONCE:
        raise invalid(f"You can specify up to {_MOST_AT_ONCE} instances.")
    return wanted


def _in_state(instances: Sequence[Instance], states: set[str]) -> None:
    for one in instances:
        if one.state not in states:
            raise invalid(f"The instance {one.id} is not in {' or '.join(sorted(states))}; it is in {one.state}.")


def _fewer(group: Group, instances: Sequence[Instance], decrement: bool, what: str) -> int:
    """The desired capacity without these instances, which it counts."""
    count = sum(one.state in COUNTED for one in instances)
    if not decrement:
        return group.desired
    if group.desired - count < group.settings["MinSize"]:
        raise invalid(words.does_not_fit(group.name, group.settings, what, count))
    return group.desired - count


def _enter_standby(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    chosen = region.members(group, _some(parameters))
    _in_state(chosen, {"InService"})
    becomes = _fewer(group, chosen, parameters["ShouldDecrementDesiredCapacity"], "place into standby")
    step = (group.desired - becomes) // len(chosen)
    begun = []
    for one in chosen:
        cause = words.by_user(one.id, "moved to standby", group.desired, group.desired - step)
        activity = region.begin(group, f"Moving EC2 instance to Standby: {one.id}", words.at(region.now, cause), one)
        group.desired -= step
        lifecycle.leave_sources(region, one)
        region.move(one, "EnteringStandby")
        begun.append(activities.described(activity))
    return {"Activities": begun}


def _exit_standby(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    chosen = region.members(group, _some(parameters))
    _in_state(chosen, {"Standby"})
    if group.desired + len(chosen) > group.settings["MaxSize"]:
        raise invalid(words.does_not_fit(group.name, group.settings, "exit standby", len(chosen)))
    begun = []
    for one in chosen:
        cause = words.by_user(one.id, "moved out of standby", group.desired, group.desired + 1)
        activity = region.begin(
            group, f"Moving EC2 instance out of Standby: {one.id}", words.at(region.now, cause), one, "PreInService"
        )
        group.desired += 1
        one.hooked = False
        region.move(one, "Pending")
        begun.append(activities.described(activity))
    return {"Activities": begun}


def _detach(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    chosen = region.members(group, _some(parameters))
    _in_state(chosen, {"InService", "Standby"})
    becomes = _fewer(group, chosen, parameters["ShouldDecrementDesiredCapacity"], "detach")
    begun = []
    for one in chosen:
        step = 1 if becomes < group.desired and one.state in COUNTED else 0
        cause = words.by_user(one.id, "detached", group.desired, group.desired - step)
        activity = region.begin(group, f"Detaching EC2 instance: {one.id}", words.at(region.now, cause), one)
        group.desired -= step
        lifecycle.leave_sources(region, one)
        region.move(one, "Detaching")
        begun.append(activities.described(activity))
    return {"Activities": begun}


# --- out for good -----------------------------------------------------------------------------------------------------


def _terminate(region: Region, parameters: Parameters) -> Parameters:
    if "InstanceIds" not in parameters:
        if "InstanceId" not in parameters:
            raise invalid("Either InstanceId or InstanceIds is required.")
        group, instance = region.managed(parameters["InstanceId"])
        return {"Activity": _take_out(region, group, [instance], parameters)[0]}
    if "InstanceId" in parameters or "AutoScalingGroupName" not in parameters:
        raise invalid("InstanceIds requires AutoScalingGroupName, and excludes InstanceId.")
    if len(parameters["InstanceIds"]) > _MOST_TERMINATED:
        raise invalid(f"You can specify up to {_MOST_TERMINATED} instances.")
    group = region.group(parameters["AutoScalingGroupName"])
    chosen = region.members(group, parameters["InstanceIds"])
    return {"Activities": _take_out(region, group, chosen, parameters)}


def _take_out(region: Region, group: Group, chosen: list[Instance], parameters: Parameters) -> list[dict[str, Any]]:
    for one in chosen:
        if one.warm:
            raise invalid(f"The instance {one.id} is in the warm pool of {group.name}, and cannot be terminated so.")
        if one.ending:
            raise invalid(f"The instance {one.id} is already being terminated.")
    counted = [one for one in chosen if one.state in COUNTED]
    decrement = parameters["ShouldDecrementDesiredCapacity"]
    if decrement and group.desired - len(counted) < group.settings["MinSize"]:
        raise invalid(_WOULD_VIOLATE.format(least=group.settings["MinSize"]))
    begun = []
    for one in chosen:
        step = 1 if decrement and one in counted else 0
        cause = words.by_user(one.id, "taken out of service", group.desired, group.desired - step)
        group.desired -= step
        lifecycle.take_out(region, group, one, words.at(region.now, cause))
        begun.append(activities.described(region.state.activities[one.activity]))
    return begun


# --- said about them --------------------------------------------------------------------------------------------------


def _set_health(region: Region, parameters: Parameters) -> Parameters:
    group, instance = region.managed(parameters["InstanceId"])
    status = parameters["HealthStatus"]
    if status not in {"Healthy", "Unhealthy"}:
        raise invalid(f"HealthStatus must be Healthy or Unhealthy, and is {status}.")
    if status == "Healthy":
        instance.health, instance.sick = "Healthy", ""
        region.touch()
    elif not (parameters.get("ShouldRespectGracePeriod", True) and health.in_grace(region, group, instance)):
        health.mark(region, instance, words.SICK_USER)
    return {}


def _set_protection(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    if len(parameters["InstanceIds"]) > 50:
        raise invalid("You can specify up to 50 instances.")
    for one in region.members(group, parameters["InstanceIds"]):
        one.protected = parameters["ProtectedFromScaleIn"]
    group.stuck = False
    region.touch()
    return {}


OPERATIONS: dict[str, Callable[[Region, Parameters], Parameters]] = {
    "DescribeAutoScalingInstances": _describe,
    "AttachInstances": _attach,
    "DetachInstances": _detach,
    "EnterStandby": _enter_standby,
    "ExitStandby": _exit_standby,
    "TerminateInstanceInAutoScalingGroup": _terminate,
    "SetInstanceHealth": _set_health,
    "SetInstanceProtection": _set_protection,
}
