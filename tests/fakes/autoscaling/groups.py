# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups: made, changed, described and deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.fakes.contract import RefusalError

from . import capacity, hooks, lifecycle, policies, sources, tags, words
from .cloud import BY_PARAMETER, CloudError, specification
from .region import Region, invalid, not_emulated
from .state import PROCESSES, Group, Instance, Parameters, Source, seconds

_CONFIGS = ("LaunchTemplate", "MixedInstancesPolicy")
_SIZES = ("MinSize", "MaxSize", "DesiredCapacity")
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
_EMULATED = frozenset({"AutoScalingGroupName", *_CONFIGS, *_SIZES, *_KEPT, *_PLACES, *_ATTACHED})
_HEALTH_CHECKS = frozenset({"EC2", "ELB", "EBS", "VPC_LATTICE"})
_ONE_CONFIG = (
    "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy "
    "parameter."
)
_CONFIG_IS_TAKEN = (
    "An active instance refresh with a desired configuration exists. All configuration options derived from the "
    "desired configuration are not available for update while the instance refresh is active."
)
_CLEARED = -1


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
    check_sizes(sizes)
    _check_settings(settings)
    attached = sources.named(parameters)
    sources.check(region, attached)
    group = Group(
        name=name,
        arn=region.arn("autoScalingGroup", name),
        created=region.now,
        settings=_without_cleared(settings),
        config=checked_config(region, parameters),
        subnets=_subnets(region, parameters),
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


def check_sizes(sizes: dict[str, Any]) -> None:
    least, most, desired = (sizes[key] for key in _SIZES)
    if least < 0 or most < 0:
        raise invalid("Min and max size must not be negative.")
    if most < least:
        raise invalid(f"Max bound, {most}, must be greater than or equal to min bound, {least}")
    if not least <= desired <= most:
        raise invalid(f"Desired capacity:{desired} must be between the specified min size:{least} and max size:{most}")


def _check_settings(settings: dict[str, Any]) -> None:
    unknown = set(settings["HealthCheckType"].split(",")) - _HEALTH_CHECKS
    if unknown:
        raise invalid(f"Invalid HealthCheckType(s): {', '.join(sorted(unknown))}")
    unknown = set(settings["TerminationPolicies"]) - capacity.TERMINATION_POLICIES
    if unknown:
        raise invalid(f"Invalid Termination policies: {', '.join(sorted(unknown))}")
    if settings["HealthCheckGracePeriod"] < 0 or settings["DefaultCooldown"] < 0:
        raise invalid("HealthCheckGracePeriod and DefaultCooldown must not be negative.")
    _check_maintenance(settings.get("InstanceMaintenancePolicy", {}))


def _check_maintenance(policy: dict[str, int]) -> None:
    if not policy or set(policy.values()) == {_CLEARED}:
        return
    least, most = policy.get("MinHealthyPercentage"), policy.get("MaxHealthyPercentage")
    if least is None or most is None or not 0 <= most - least <= 100 or most < 100:
        raise invalid(
            "MinHealthyPercentage (0 to 100) and MaxHealthyPercentage (100 to 200) must both be specified, and the "
            "difference between them cannot be greater than 100."
        )


def _without_cleared(settings: dict[str, Any]) -> dict[str, Any]:
    """-1 takes some settings back."""
    policy = settings.get("InstanceMaintenancePolicy", {})
    return {
        key: value
        for key, value in settings.items()
        if not (key == "DefaultInstanceWarmup" and value == _CLEARED)
        and not (key == "InstanceMaintenancePolicy" and _CLEARED in policy.values())
    }


def checked_config(region: Region, parameters: Parameters) -> dict[str, Any]:
    """What to launch: one launch template or mixed instances policy, in which everything is to be found."""
    found = {key: parameters[key] for key in _CONFIGS if key in parameters}
    if len(found) != 1:
        raise invalid(_ONE_CONFIG)
    mixed = found.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    if "MixedInstancesPolicy" in found and "LaunchTemplateSpecification" not in mixed:
        raise invalid("A mixed instances policy must have a launch template specification.")
    for override in mixed.get("Overrides", []):
        if set(override) - {"InstanceType"}:
            raise not_emulated(f"{', '.join(sorted(set(override) - {'InstanceType'}))} in overrides")
    spec = specification(found)
    if ("LaunchTemplateId" in spec) == ("LaunchTemplateName" in spec):
        raise invalid("Valid requests must contain either launchTemplateId or LaunchTemplateName")
    try:
        template = region.cloud.template(found)
        if not template.data.get("ImageId"):
            raise invalid("You must use a valid fully-formed launch template. The ImageId is missing.")
        if not region.cloud.image_exists(region.cloud.image(template)):
            raise invalid(_not_formed(f"The image id '[{template.data['ImageId']}]' does not exist"))
    except CloudError as error:
        raise invalid(_not_formed(error.message)) from error
    described = {key: value for key, value in template.described.items() if key != "Version"}
    spec |= described | {"Version": spec.get("Version", "$Default")}
    return found


def _not_formed(why: str) -> str:
    return f"You must use a valid fully-formed launch template. {why}"


def reversible(region: Region, config: dict[str, Any]) -> str:
    """Why a group cannot be rolled back to, or from, this configuration; empty where it can."""
    if specification(config)["Version"] in {"$Latest", "$Default"}:
        return "The launch template's version is $Latest or $Default"
    if region.cloud.template(config).data.get("ImageId", "").startswith(BY_PARAMETER):
        return "The launch template uses an AWS Systems Manager parameter instead of an AMI ID"
    return ""


def _subnets(region: Region, parameters: Parameters) -> dict[str, tuple[str, str]]:
    named = [one.strip() for one in parameters.get("VPCZoneIdentifier", "").split(",") if one.strip()]
    zones = parameters.get("AvailabilityZones", [])
    if not named and not zones:
        raise invalid("At least one Availability Zone or VPC Subnet is required.")
    try:
        found = region.cloud.subnets(named) if named else region.cloud.default_subnets(zones)
    except CloudError as error:
        raise invalid(error.message) from error
    missing = set(zones) - {zone for zone, _ in found.values()}
    if missing:
        raise invalid(f"There is no subnet in the Availability Zones [{', '.join(sorted(missing))}]")
    return {one: found[one] for one in named} if named else found


# --- changing ---------------------------------------------------------------------------------------------------------


def _update(region: Region, parameters: Parameters) -> Parameters:
    _refuse_the_rest(parameters)
    group = region.group(parameters["AutoScalingGroupName"])
    settings = group.settings | {key: parameters[key] for key in (*_KEPT, *_SIZES) if key in parameters}
    if "DesiredCapacity" not in parameters:
        settings["DesiredCapacity"] = min(max(group.desired, settings["MinSize"]), settings["MaxSize"])
    check_sizes(settings)
    _check_settings(settings)
    config, subnets = group.config, group.subnets
    if any(key in parameters for key in _CONFIGS):
        if group.refresh and group.refresh.desired:
            raise invalid(_CONFIG_IS_TAKEN)
        config = checked_config(region, parameters)
    if any(key in parameters for key in _PLACES):
        subnets = _subnets(region, parameters)
    was = group.desired
    group.settings, group.config, group.subnets = _without_cleared(settings), config, subnets
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


# --- processes and metrics --------------------------------------------------------------------------------------------


def _processes(parameters: Parameters) -> list[str]:
    names: list[str] = parameters.get("ScalingProcesses", []) or list(PROCESSES)
    unknown = [name for name in names if name not in PROCESSES]
    if unknown:
        raise invalid(f"Invalid process names: {', '.join(unknown)}. The valid ones are {', '.join(PROCESSES)}.")
    return names


def _suspend(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    reason = f"User suspended at {region.now.strftime('%Y-%m-%dT%H:%M:%SZ')}"
    group.suspended |= dict.fromkeys(_processes(parameters), reason)
    region.touch()
    return {}


def _resume(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    for name in _processes(parameters):
        group.suspended.pop(name, None)
    region.touch()
    return {}


METRICS = (
    *(f"Group{what}" for what in ("MinSize", "MaxSize", "DesiredCapacity")),
    *(
        f"Group{state}{unit}"
        for state in ("InService", "Pending", "Standby", "Terminating", "Total")
        for unit in ("Instances", "Capacity")
    ),
    *(f"WarmPool{what}" for what in ("DesiredCapacity", "WarmedCapacity", "PendingCapacity", "TerminatingCapacity")),
    *("WarmPoolTotalCapacity", "GroupAndWarmPoolDesiredCapacity", "GroupAndWarmPoolTotalCapacity"),
)


def _metrics(parameters: Parameters) -> list[str]:
    names: list[str] = parameters.get("Metrics", []) or list(METRICS)
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise invalid(f"Invalid metric names: {', '.join(unknown)}")
    return names


def _enable_metrics(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    if parameters["Granularity"] != "1Minute":
        raise invalid("The valid granularity is 1Minute.")
    group.metrics |= dict.fromkeys(_metrics(parameters), parameters["Granularity"])
    region.touch()
    return {}


def _disable_metrics(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    for name in _metrics(parameters):
        group.metrics.pop(name, None)
    region.touch()
    return {}


OPERATIONS: dict[str, Callable[[Region, Parameters], Parameters]] = {
    "CreateAutoScalingGroup": _create,
    "UpdateAutoScalingGroup": _update,
    "DeleteAutoScalingGroup": _delete,
    "DescribeAutoScalingGroups": _describe,
    "SetDesiredCapacity": _set_desired,
    "SuspendProcesses": _suspend,
    "ResumeProcesses": _resume,
    "EnableMetricsCollection": _enable_metrics,
    "DisableMetricsCollection": _disable_metrics,
}
