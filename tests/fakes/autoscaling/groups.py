# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups: made, changed, described and deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.fakes.contract import RefusalError

from . import capacity, checks, hooks, lifecycle, policies, sources, tags, words
from .region import Region, invalid, not_emulated
from .state import Group, Instance, Parameters, Source, seconds

# Kept as they are given and described.
_KEPT = (
    "DefaultCooldown",
    "HealthCheckType",
    "HealthCheckGracePeriod",
    "TerminationPolicies",
    "NewInstancesProtectedFromScaleIn",
    "DefaultInstanceWarmup",
    "InstanceMaintenancePolicy",
    "InstanceLifecyclePolicy",
    "DeletionProtection",
    "ServiceLinkedRoleARN",
)
_DEFAULTS: dict[str, Any] = {
    "DefaultCooldown": 300,
    "HealthCheckType": "EC2",
    "HealthCheckGracePeriod": 0,
    "TerminationPolicies": ["Default"],
    "NewInstancesProtectedFromScaleIn": False,
    "CapacityRebalance": False,
}
_PLACES = frozenset({"AvailabilityZones", "VPCZoneIdentifier"})
_ATTACHED = frozenset({"TargetGroupARNs", "TrafficSources", "Tags", "LifecycleHookSpecificationList"})
_EMULATED = frozenset({"AutoScalingGroupName", *checks.CONFIGS, *checks.SIZES, *_KEPT, *_PLACES, *_ATTACHED})
_CONFIG_IS_TAKEN = (
    "An active instance refresh with a desired configuration exists. All configuration options derived from the "
    "desired configuration are not available for update while the instance refresh is active."
)


def _refuse_the_rest(parameters: Parameters) -> None:
    for name in sorted(set(parameters) - _EMULATED):
        # What is empty or off asks for nothing.
        if parameters[name]:
            raise not_emulated(f"{name} of groups")


# --- making -----------------------------------------------------------------------------------------------------------


def _create(region: Region, parameters: Parameters) -> Parameters:
    _refuse_the_rest(parameters)
    name = parameters["AutoScalingGroupName"]
    if name in region.state.groups:
        raise _exists(name)
    if ":" in name or not name.isascii():
        raise invalid(f"The group name {name} is invalid: it is of ASCII characters, and none of them is a colon.")
    desired = parameters.get("DesiredCapacity", parameters["MinSize"])
    sizes = {"MinSize": parameters["MinSize"], "MaxSize": parameters["MaxSize"], "DesiredCapacity": desired}
    settings = _DEFAULTS | sizes | {key: parameters[key] for key in _KEPT if key in parameters}
    checks.check_sizes(sizes)
    checks.check_settings(settings)
    attached = sources.named(parameters)
    sources.check(region, attached)
    group = Group(
        name=name,
        arn=region.arn("autoScalingGroup", name),
        created=region.now,
        settings=checks.without_cleared(settings),
        config=checks.checked_config(region, parameters),
        subnets=checks.chosen_subnets(region, parameters),
        tags={tag["Key"]: tags.described(name, tag) for tag in parameters.get("Tags", [])},
        hooks={
            one["LifecycleHookName"]: hooks.made(one) for one in parameters.get("LifecycleHookSpecificationList", [])
        },
        # Those of a new group are in service from the beginning.
        sources={arn: Source(arn, by, "InService") for arn, by in attached.items()},
    )
    group.causes.append(words.at(region.now, words.created(group.desired)))
    region.state.groups[name] = group
    region.touch()
    return {}


def _exists(name: str) -> RefusalError:
    message = f"AutoScalingGroup by this name already exists - A group with the name {name} already exists"
    return RefusalError("AlreadyExists", message)


# --- changing ---------------------------------------------------------------------------------------------------------


def _update(region: Region, parameters: Parameters) -> Parameters:
    _refuse_the_rest(parameters)
    group = region.group(parameters["AutoScalingGroupName"])
    settings = group.settings | {key: parameters[key] for key in (*_KEPT, *checks.SIZES) if key in parameters}
    if "DesiredCapacity" not in parameters:
        settings["DesiredCapacity"] = min(max(group.desired, settings["MinSize"]), settings["MaxSize"])
    checks.check_sizes(settings)
    checks.check_settings(settings)
    config, subnets = group.config, group.subnets
    if any(key in parameters for key in checks.CONFIGS):
        if group.refresh and group.refresh.desired:
            raise invalid(_CONFIG_IS_TAKEN)
        config = checks.checked_config(region, parameters)
    if any(key in parameters for key in _PLACES):
        subnets = checks.chosen_subnets(region, parameters)
    was = group.desired
    group.settings, group.config, group.subnets = checks.without_cleared(settings), config, subnets
    if group.desired != was:
        sizes = settings["MinSize"], settings["MaxSize"]
        group.causes.append(words.at(region.now, words.updated(*sizes, was, group.desired)))
    region.touch()
    return {}


def _set_desired(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    wanted, least, most = parameters["DesiredCapacity"], group.settings["MinSize"], group.settings["MaxSize"]
    if wanted > most:
        raise invalid(
            f"New SetDesiredCapacity value {wanted} is above max value {most} for the AutoScalingGroup {group.name}."
        )
    if wanted < least:
        raise invalid(
            f"New SetDesiredCapacity value {wanted} is below min value {least} for the AutoScalingGroup {group.name}."
        )
    if parameters.get("HonorCooldown") and _cools_down(region, group):
        raise RefusalError("ScalingActivityInProgress", f"The cooldown period of {group.name} is not over.")
    if wanted != group.desired:
        group.causes.append(words.at(region.now, words.set_to(group.desired, wanted)))
        group.desired = wanted
        region.touch()
    return {}


def _cools_down(region: Region, group: Group) -> bool:
    return group.scaled is not None and region.now < group.scaled + seconds(group.settings["DefaultCooldown"])


def _delete(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    force = parameters.get("ForceDelete", False)
    protection = group.settings.get("DeletionProtection", "none")
    if protection == "prevent-all-deletion" or (force and protection == "prevent-force-deletion"):
        raise RefusalError("ResourceInUse", f"The deletion protection of {group.name} is {protection}.")
    if not force and any(not one.ending for one in group.instances.values()):
        raise RefusalError(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still "
            "in the group.",
        )
    if not force and group.instances:
        raise RefusalError(
            "ScalingActivityInProgress",
            "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.",
        )
    group.deleting = True
    for instance in list(group.instances.values()):
        _end_at_once(region, group, instance)
    region.touch()
    return {}


def _end_at_once(region: Region, group: Group, instance: Instance) -> None:
    """Without hooks and without waiting for anybody."""
    if not instance.ending:
        cause = words.at(region.now, words.by_user(instance.id, "taken out of service", 0, 0))
        lifecycle.take_out(region, group, instance, cause)
    instance.hooked, instance.actions, instance.drained = False, [], None


def step(region: Region, group: Group) -> None:
    """The end of a deletion."""
    if group.deleting and not group.instances:
        policies.remove_alarms(region, group)
        del region.state.groups[group.name]
        for activity in region.state.activities.values():
            if activity.arn == group.arn:
                activity.deleted = True
        region.touch()


# --- showing ----------------------------------------------------------------------------------------------------------


def _describe(region: Region, parameters: Parameters) -> Parameters:
    names = parameters.get("AutoScalingGroupNames")
    found = [
        _described(group, with_instances=parameters.get("IncludeInstances", True))
        for name, group in sorted(region.state.groups.items())
        if (not names or name in names) and tags.pass_filters(group, parameters.get("Filters", []))
    ]
    return region.page("DescribeAutoScalingGroups", "AutoScalingGroups", found, parameters, size=50, most=100)


def _described(group: Group, *, with_instances: bool) -> dict[str, Any]:
    zones = sorted(set(group.subnets.values()))
    shown: dict[str, Any] = {
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "CreatedTime": group.created,
        **group.config,
        **group.settings,
        **sources.described(group),
        "AvailabilityZones": [zone for zone, _ in zones],
        "AvailabilityZoneIds": [identity for _, identity in zones],
        "VPCZoneIdentifier": ",".join(group.subnets),
        "LoadBalancerNames": [],
        "Instances": [_instance(one) for one in group.instances.values() if with_instances and not one.warm],
        "SuspendedProcesses": [
            {"ProcessName": name, "SuspensionReason": reason} for name, reason in sorted(group.suspended.items())
        ],
        "EnabledMetrics": [
            {"Metric": name, "Granularity": granularity} for name, granularity in sorted(group.metrics.items())
        ],
        "Tags": [tag for _, tag in sorted(group.tags.items())],
    }
    pool = capacity.described_pool(group)
    if pool:
        shown |= {"WarmPoolConfiguration": pool, "WarmPoolSize": len(group.warm)}
    return shown | ({"Status": "Delete in progress"} if group.deleting else {})


def _instance(instance: Instance) -> dict[str, Any]:
    """As a part of its group; asked for by itself it looks different."""
    shown: dict[str, Any] = {
        "InstanceId": instance.id,
        "InstanceType": instance.type,
        "AvailabilityZone": instance.zone,
        "AvailabilityZoneId": instance.zone_id,
        "LifecycleState": instance.state,
        "HealthStatus": instance.health,
        "ProtectedFromScaleIn": instance.protected,
    }
    return shown | ({"LaunchTemplate": instance.template} if instance.template else {})


def described_instances(instances: Iterable[Instance]) -> list[dict[str, Any]]:
    return [_instance(one) for one in instances]


OPERATIONS: dict[str, Callable[[Region, Parameters], Parameters]] = {
    "CreateAutoScalingGroup": _create,
    "UpdateAutoScalingGroup": _update,
    "DeleteAutoScalingGroup": _delete,
    "DescribeAutoScalingGroups": _describe,
    "SetDesiredCapacity": _set_desired,
}
