# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scaling policies: kept and described, with the alarms of those that track a target.

Nothing measures an emulated instance, so no policy ever acts; tests set the desired capacity themselves.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from .region import Region, invalid, not_emulated
from .state import Group, Parameters

_SIMPLE, _STEP, _TARGET = "SimpleScaling", "StepScaling", "TargetTrackingScaling"
_NEEDED = {
    _SIMPLE: ("AdjustmentType", "ScalingAdjustment"),
    _STEP: ("AdjustmentType", "StepAdjustments"),
    _TARGET: ("TargetTrackingConfiguration",),
}
_ONLY_OF_OTHERS = {
    _SIMPLE: ("StepAdjustments", "MetricAggregationType", "EstimatedInstanceWarmup", "TargetTrackingConfiguration"),
    _STEP: ("ScalingAdjustment", "Cooldown", "TargetTrackingConfiguration"),
    _TARGET: (
        "AdjustmentType",
        "ScalingAdjustment",
        "Cooldown",
        "StepAdjustments",
        "MetricAggregationType",
        "MinAdjustmentMagnitude",
    ),
}
_ADJUSTMENTS = ("ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity")
_METRICS = {
    "ASGAverageCPUUtilization": ("AWS/EC2", "CPUUtilization"),
    "ASGAverageNetworkIn": ("AWS/EC2", "NetworkIn"),
    "ASGAverageNetworkOut": ("AWS/EC2", "NetworkOut"),
    "ALBRequestCountPerTarget": ("AWS/ApplicationELB", "RequestCountPerTarget"),
}


def _put(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    kind = parameters.get("PolicyType", _SIMPLE)
    _check(kind, parameters)
    name = parameters["PolicyName"]
    before = group.policies.get(name)
    if before and before["PolicyType"] != kind:
        raise invalid(f"The type of the scaling policy {name} is {before['PolicyType']}, and cannot be changed.")
    policy: dict[str, Any] = {
        "Enabled": True,
        **({"MetricAggregationType": "Average"} if kind == _STEP else {}),
        **parameters,
        "PolicyType": kind,
        "PolicyARN": before["PolicyARN"] if before else _arn(region, group, name),
        "Alarms": before["Alarms"] if before else [],
    }
    if kind == _TARGET:
        policy["TargetTrackingConfiguration"] = {"DisableScaleIn": False} | parameters["TargetTrackingConfiguration"]
        policy["Alarms"] = _alarms(region, group, policy)
    group.policies[name] = policy
    region.touch()
    return {"PolicyARN": policy["PolicyARN"], "Alarms": policy["Alarms"]}


def _arn(region: Region, group: Group, name: str) -> str:
    return f"{region.arn('scalingPolicy', group.name)}:policyName/{name}"


def _check(kind: str, parameters: Parameters) -> None:
    if kind == "PredictiveScaling":
        raise not_emulated("predictive scaling")
    if kind not in _NEEDED:
        raise invalid(f"PolicyType must be one of {', '.join(_NEEDED)}, and is {kind}.")
    for needed in _NEEDED[kind]:
        if needed not in parameters:
            raise invalid(f"{needed} is required for policies of type {kind}.")
    for other in _ONLY_OF_OTHERS[kind]:
        if other in parameters:
            raise invalid(f"{other} is not supported for policies of type {kind}.")
    adjustment = parameters.get("AdjustmentType", _ADJUSTMENTS[0])
    if adjustment not in _ADJUSTMENTS:
        raise invalid(f"AdjustmentType must be one of {', '.join(_ADJUSTMENTS)}, and is {adjustment}.")
    if kind == _TARGET:
        _check_target(parameters["TargetTrackingConfiguration"])


def _check_target(config: dict[str, Any]) -> None:
    predefined = config.get("PredefinedMetricSpecification")
    if (predefined is None) == ("CustomizedMetricSpecification" not in config):
        raise invalid("Exactly one of predefined and customized metric specification is required.")
    if predefined and predefined["PredefinedMetricType"] not in _METRICS:
        raise not_emulated(f"{predefined['PredefinedMetricType']} of target tracking")
    by_target = predefined and predefined["PredefinedMetricType"] == "ALBRequestCountPerTarget"
    if by_target and "ResourceLabel" not in predefined:
        raise invalid("ResourceLabel is required for ALBRequestCountPerTarget.")
    if "Metrics" in config.get("CustomizedMetricSpecification", {}):
        raise not_emulated("metric math of target tracking")


def _alarms(region: Region, group: Group, policy: dict[str, Any]) -> list[dict[str, str]]:
    """A high one, and a low one unless nothing is to scale in; of a changed policy they keep their names."""
    config = policy["TargetTrackingConfiguration"]
    names = {one["AlarmName"].split("-Alarm")[1][:3]: one["AlarmName"] for one in policy["Alarms"]}
    made = []
    for side, operator, share in (("High", "GreaterThanThreshold", 1.0), ("Low", "LessThanThreshold", 0.9)):
        if side == "Low" and config["DisableScaleIn"]:
            continue
        name = names.get(side[:3]) or f"TargetTracking-{group.name}-Alarm{side}-{uuid.uuid4()}"
        arn = region.cloud.put_alarm(
            AlarmName=name,
            AlarmActions=[policy["PolicyARN"]],
            ComparisonOperator=operator,
            Threshold=config["TargetValue"] * share,
            EvaluationPeriods=3 if side == "High" else 15,
            Period=60,
            **_metric(group, config),
        )
        made.append({"AlarmName": name, "AlarmARN": arn})
    left = {one["AlarmName"] for one in policy["Alarms"]} - {one["AlarmName"] for one in made}
    if left:
        region.cloud.delete_alarms(sorted(left))
    return made


def _metric(group: Group, config: dict[str, Any]) -> dict[str, Any]:
    custom = config.get("CustomizedMetricSpecification")
    if custom:
        return {
            "Namespace": custom["Namespace"],
            "MetricName": custom["MetricName"],
            "Dimensions": custom.get("Dimensions", []),
            "Statistic": custom.get("Statistic", "Average"),
        }
    predefined = config["PredefinedMetricSpecification"]
    namespace, metric = _METRICS[predefined["PredefinedMetricType"]]
    by_group = [{"Name": "AutoScalingGroupName", "Value": group.name}]
    if "ResourceLabel" not in predefined:
        return {"Namespace": namespace, "MetricName": metric, "Dimensions": by_group, "Statistic": "Average"}
    target = predefined["ResourceLabel"].split("/targetgroup/")[-1]
    dimensions = [{"Name": "TargetGroup", "Value": f"targetgroup/{target}"}]
    return {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions, "Statistic": "Sum"}


def _describe(region: Region, parameters: Parameters) -> Parameters:
    name = parameters.get("AutoScalingGroupName")
    groups = [region.group(name)] if name else list(region.state.groups.values())
    wanted, kinds = parameters.get("PolicyNames"), parameters.get("PolicyTypes")
    found = [
        policy
        for group in groups
        for _, policy in sorted(group.policies.items())
        if (not wanted or policy["PolicyName"] in wanted or policy["PolicyARN"] in wanted)
        and (not kinds or policy["PolicyType"] in kinds)
    ]
    return region.page("DescribePolicies", "ScalingPolicies", found, parameters, size=50, most=100)


def _delete(region: Region, parameters: Parameters) -> Parameters:
    name = parameters["PolicyName"]
    for group in (
        [region.group(parameters["AutoScalingGroupName"])]
        if "AutoScalingGroupName" in parameters
        else list(region.state.groups.values())
    ):
        for key, policy in list(group.policies.items()):
            if name in {key, policy["PolicyARN"]}:
                _remove_alarms(region, policy)
                del group.policies[key]
                region.touch()
                return {}
    raise invalid(f"Scaling policy {name} was not found.")


def remove_alarms(region: Region, group: Group) -> None:
    for policy in group.policies.values():
        _remove_alarms(region, policy)


def _remove_alarms(region: Region, policy: dict[str, Any]) -> None:
    names = [one["AlarmName"] for one in policy["Alarms"]]
    if names:
        region.cloud.delete_alarms(names)


OPERATIONS: dict[str, Callable[[Region, Parameters], Parameters]] = {
    "PutScalingPolicy": _put,
    "DescribePolicies": _describe,
    "DeletePolicy": _delete,
}
