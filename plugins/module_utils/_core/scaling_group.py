# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be done so that an Auto Scaling group is as declared: the calls, and what they change.

Two things are never touched once the group is there: the version of the launch template, which instance refreshes
move, and the number of instances, which belongs to scaling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import CoreError

OURS = "dtk-"  # policies whose name begins so are ours

# Our option, and what AWS calls it.
_SETTINGS = (
    ("min_size", "MinSize"),
    ("max_size", "MaxSize"),
    ("health_check_type", "HealthCheckType"),
    ("health_check_period", "HealthCheckGracePeriod"),
    ("default_instance_warmup", "DefaultInstanceWarmup"),
)
_HOOK = (
    ("lifecycle_hook_name", "LifecycleHookName"),
    ("transition", "LifecycleTransition"),
    ("heartbeat_timeout", "HeartbeatTimeout"),
    ("default_result", "DefaultResult"),
)
_POOL = (
    ("min_size", "MinSize"),
    ("max_group_prepared_capacity", "MaxGroupPreparedCapacity"),
    ("pool_state", "PoolState"),
)
_UNLIMITED = -1

Options = Mapping[str, Any]
Step = tuple[str, dict[str, Any]]
"""The call, by botocore's name, and its arguments."""


class GroupError(CoreError):
    """A group that cannot be had as asked."""


@dataclass(frozen=True)
class Plan:
    steps: tuple[Step, ...]
    before: dict[str, Any]
    after: dict[str, Any]


def plan(options: Options, actual: Options | None) -> Plan:
    """The steps from what is there to what is asked for."""
    if options["min_size"] > options["max_size"]:
        raise GroupError(
            f"min_size is {options['min_size']}, more than max_size, which is {options['max_size']}. Correct one of "
            "them."
        )
    if actual is None:
        return Plan((*_creation(options), *_policies(options, ()), *_pool(options, None)), {}, wanted(options))
    if actual.get("Status"):
        raise GroupError(f"The Auto Scaling group {options['name']} is being deleted. Run it again when it is gone.")
    steps = (
        *_hooks(options, actual["Hooks"]),  # before anything can start an instance
        *_update(options, actual),
        *_target_groups(options, actual),
        *_tags(options, actual),
        *_policies(options, actual["Policies"]),
        *_pool(options, actual.get("WarmPoolConfiguration")),
    )
    return Plan(steps, shown(options, actual), wanted(options))


def wanted(options: Options) -> dict[str, Any]:
    """What is asked for, in the words of the options."""
    return {
        **{ours: options[ours] for ours, _theirs in _SETTINGS if options[ours] is not None},
        "vpc_zone_identifier": sorted(options["vpc_zone_identifier"]),
        "target_group_arns": sorted(options["target_group_arns"]),
        "tags": dict(sorted(options["tags"].items())),
        "lifecycle_hooks": sorted(
            (dict(one) for one in options["lifecycle_hooks"]), key=lambda one: one["lifecycle_hook_name"]
        ),
        "scaling_policies": sorted((_tidy(one) for one in options["scaling_policies"]), key=lambda one: one["name"]),
        "warm_pool": _tidy(options["warm_pool"]) if options["warm_pool"] else None,
    }


def shown(options: Options, actual: Options) -> dict[str, Any]:
    """What is there, in the same words, without what is none of our business."""
    names = {one["lifecycle_hook_name"] for one in options["lifecycle_hooks"]}
    hooks = [
        {ours: one[theirs] for ours, theirs in _HOOK} for one in actual["Hooks"] if one["LifecycleHookName"] in names
    ]
    pool = actual.get("WarmPoolConfiguration")
    return {
        **{ours: actual.get(theirs) for ours, theirs in _SETTINGS if options[ours] is not None},
        "vpc_zone_identifier": sorted(_subnets(actual)),
        "target_group_arns": sorted(actual.get("TargetGroupARNs") or ()),
        "tags": dict(sorted(_own_tags(actual).items())),
        "lifecycle_hooks": sorted(hooks, key=lambda one: one["lifecycle_hook_name"]),
        "scaling_policies": sorted(map(_policy_shown, _ours(actual["Policies"])), key=lambda one: one["name"]),
        "warm_pool": _pool_shown(pool) if _is_there(pool) else None,
    }


def leaving(actual: Options) -> list[Step]:
    """The first steps of a deletion: nobody starts, everybody goes, with hooks and with their connections."""
    name = {"AutoScalingGroupName": actual["AutoScalingGroupName"]}
    pool = actual.get("WarmPoolConfiguration")
    steps: list[Step] = [("delete_warm_pool", {**name, "ForceDelete": True})] if _is_there(pool) else []
    return [*steps, ("update_auto_scaling_group", {**name, "MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0})]


# --- a group that is not there ----------------------------------------------------------------------------------------


def _creation(options: Options) -> list[Step]:
    template = options["launch_template"]
    if not template:
        raise GroupError(f"There is no Auto Scaling group {options['name']}; to make it, give launch_template.")
    desired = options["desired_capacity"] if options["desired_capacity"] is not None else options["min_size"]
    request = {
        "AutoScalingGroupName": options["name"],
        "LaunchTemplate": _template(template),
        "DesiredCapacity": desired,
        "VPCZoneIdentifier": ",".join(options["vpc_zone_identifier"]),
        "Tags": [_tag(options["name"], key, value) for key, value in sorted(options["tags"].items())],
        **{theirs: options[ours] for ours, theirs in _SETTINGS if options[ours] is not None},
    }
    if options["target_group_arns"]:
        request["TargetGroupARNs"] = list(options["target_group_arns"])
    if options["lifecycle_hooks"]:
        # In this very call: an instance that started before its hook would serve with whatever it has.
        request["LifecycleHookSpecificationList"] = [_hook(one) for one in options["lifecycle_hooks"]]
    return [("create_auto_scaling_group", request)]


def _template(template: Options) -> dict[str, str]:
    by = (
        ("LaunchTemplateId", "launch_template_id")
        if template["launch_template_id"]
        else ("LaunchTemplateName", "launch_template_name")
    )
    version = str(template["version"] or "")
    if not version.isdigit():
        raise GroupError(
            f"launch_template.version is {version!r}. Give a number: a group that follows $Latest or $Default changes "
            "with every version, without a refresh and without a way back."
        )
    return {by[0]: template[by[1]], "Version": version}


# --- a group that is there --------------------------------------------------------------------------------------------


def _name(actual: Options) -> dict[str, str]:
    return {"AutoScalingGroupName": actual["AutoScalingGroupName"]}


def _update(options: Options, actual: Options) -> list[Step]:
    changes = {
        theirs: options[ours]
        for ours, theirs in _SETTINGS
        if options[ours] is not None and options[ours] != actual.get(theirs)
    }
    if sorted(_subnets(actual)) != sorted(options["vpc_zone_identifier"]):
        changes["VPCZoneIdentifier"] = ",".join(options["vpc_zone_identifier"])
    return [("update_auto_scaling_group", {**_name(actual), **changes})] if changes else []


def _target_groups(options: Options, actual: Options) -> list[Step]:
    there, asked = set(actual.get("TargetGroupARNs") or ()), set(options["target_group_arns"])
    calls = (("attach", asked - there), ("detach", there - asked))
    return [
        (f"{verb}_load_balancer_target_groups", {**_name(actual), "TargetGroupARNs": sorted(arns)})
        for verb, arns in calls
        if arns
    ]


def _tags(options: Options, actual: Options) -> list[Step]:
    there, asked, name = _own_tags(actual), options["tags"], actual["AutoScalingGroupName"]
    wrong = [_tag(name, key, value) for key, value in sorted(asked.items()) if there.get(key) != value]
    extra = [_tag(name, key, there[key]) for key in sorted(set(there) - set(asked))]
    steps: list[Step] = [("create_or_update_tags", {"Tags": wrong})] if wrong else []
    return [*steps, ("delete_tags", {"Tags": extra})] if extra else steps


def _hooks(options: Options, there: Sequence[Options]) -> list[Step]:
    known = {one["LifecycleHookName"]: {theirs: one[theirs] for _ours, theirs in _HOOK} for one in there}
    asked = [_hook(one) for one in options["lifecycle_hooks"]]
    return [
        ("put_lifecycle_hook", {"AutoScalingGroupName": options["name"], **hook})
        for hook in asked
        if known.get(hook["LifecycleHookName"]) != hook
    ]


def _policies(options: Options, there: Sequence[Options]) -> list[Step]:
    known = {one["PolicyName"]: _policy_shown(one) for one in _ours(there)}
    asked = {one["name"]: one for one in options["scaling_policies"]}
    put = [_policy(options["name"], one) for name, one in sorted(asked.items()) if known.get(name) != _tidy(one)]
    extra = sorted(set(known) - set(asked))
    gone = [{"AutoScalingGroupName": options["name"], "PolicyName": name} for name in extra]
    return [*(("put_scaling_policy", one) for one in put), *(("delete_policy", one) for one in gone)]


def _pool(options: Options, there: Options | None) -> list[Step]:
    name, pool = {"AutoScalingGroupName": options["name"]}, options["warm_pool"]
    if not pool:
        return [("delete_warm_pool", {**name, "ForceDelete": True})] if _is_there(there) else []
    if there and _is_there(there) and _pool_shown(there) == _tidy(pool):
        return []
    request = {theirs: pool[ours] for ours, theirs in _POOL if pool[ours] is not None}
    request.setdefault("MaxGroupPreparedCapacity", _UNLIMITED)
    return [
        ("put_warm_pool", {**name, **request, "InstanceReusePolicy": {"ReuseOnScaleIn": pool["reuse_on_scale_in"]}})
    ]


# --- the words of one and the other -----------------------------------------------------------------------------------


def _subnets(actual: Options) -> list[str]:
    return [one for one in (actual.get("VPCZoneIdentifier") or "").split(",") if one]


def _own_tags(actual: Options) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in actual.get("Tags") or () if not tag["Key"].startswith("aws:")}


def _tag(group: str, key: str, value: str) -> dict[str, Any]:
    # Instances have theirs from the launch template.
    kind = {"ResourceType": "auto-scaling-group", "ResourceId": group}
    return {**kind, "Key": key, "Value": value, "PropagateAtLaunch": False}


def _hook(hook: Options) -> dict[str, Any]:
    return {theirs: hook[ours] for ours, theirs in _HOOK}


def _ours(policies: Sequence[Options]) -> list[Options]:
    return [one for one in policies if one["PolicyName"].startswith(OURS)]


def _policy(group: str, policy: Options) -> dict[str, Any]:
    config = policy["target_tracking_config"]
    metric = {"PredefinedMetricType": config["predefined_metric_spec"]["predefined_metric_type"]}
    label = config["predefined_metric_spec"]["resource_label"]
    return {
        "AutoScalingGroupName": group,
        "PolicyName": policy["name"],
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingConfiguration": {
            "PredefinedMetricSpecification": {**metric, **({"ResourceLabel": label} if label else {})},
            "TargetValue": float(config["target_value"]),
            "DisableScaleIn": bool(config["disable_scale_in"]),
        },
    }


def _policy_shown(policy: Options) -> dict[str, Any]:
    config = policy.get("TargetTrackingConfiguration") or {}
    metric = config.get("PredefinedMetricSpecification") or {}
    spec = {
        "predefined_metric_type": metric.get("PredefinedMetricType"),
        "resource_label": metric.get("ResourceLabel"),
    }
    told = {
        "predefined_metric_spec": spec,
        "target_value": config.get("TargetValue"),
        "disable_scale_in": bool(config.get("DisableScaleIn")),
    }
    return _tidy({"name": policy["PolicyName"], "target_tracking_config": told})


def _is_there(pool: Options | None) -> bool:
    return bool(pool) and (pool or {}).get("Status") != "PendingDelete"


def _pool_shown(pool: Options) -> dict[str, Any]:
    found = {ours: pool.get(theirs) for ours, theirs in _POOL}
    if found["max_group_prepared_capacity"] == _UNLIMITED:
        found["max_group_prepared_capacity"] = None
    reuse = (pool.get("InstanceReusePolicy") or {}).get("ReuseOnScaleIn", False)
    return _tidy({**found, "min_size": found["min_size"] or 0, "reuse_on_scale_in": bool(reuse)})


def _tidy(value: Any) -> Any:
    """Without what is not given, so that it can be compared."""
    if isinstance(value, Mapping):
        return {key: _tidy(item) for key, item in sorted(value.items()) if item is not None}
    return value
