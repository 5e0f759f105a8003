# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Target groups of a group: attached as such, or as traffic sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .cloud import CloudError
from .lifecycle import drain_seconds, leave_sources
from .region import Region, invalid, not_emulated
from .state import Group, Parameters, Source, seconds

BY_TARGET_GROUPS, BY_TRAFFIC_SOURCES = "TargetGroupARNs", "TrafficSources"
_KIND = "elbv2"
_MOST_AT_ONCE = 10


# --- under way --------------------------------------------------------------------------------------------------------


def step(region: Region, group: Group) -> None:
    for source in list(group.sources.values()):
        if source.state == "Adding" and group.runs("AddToLoadBalancer"):
            _add(region, group, source)
        elif source.state == "Removing" and source.drained and region.now >= source.drained:
            del group.sources[source.arn]
            region.touch()


def _add(region: Region, group: Group, source: Source) -> None:
    serving = [one for one in group.instances.values() if one.state == "InService"]
    if serving:
        try:
            region.cloud.register(source.arn, [one.id for one in serving])
        except CloudError:
            return  # as long as the target group is not there, this goes on
        for one in serving:
            one.sources.add(source.arn)
    source.state = "Added"
    region.touch()


# --- what parameters name ---------------------------------------------------------------------------------------------


def named(parameters: Parameters) -> dict[str, str]:
    """ARN to the list that it is in."""
    found = dict.fromkeys(parameters.get("TargetGroupARNs", []), BY_TARGET_GROUPS)
    for source in parameters.get("TrafficSources", []):
        if source.get("Type", _KIND) != _KIND:
            raise not_emulated(f"traffic sources of type {source['Type']}")
        found[source["Identifier"]] = BY_TRAFFIC_SOURCES
    return found


def check(region: Region, arns: Iterable[str]) -> None:
    wanted = list(arns)
    if not wanted:
        return
    if len(wanted) > _MOST_AT_ONCE:
        raise invalid(f"You can specify up to {_MOST_AT_ONCE} target groups in one request.")
    if not region.cloud.target_groups_exist(wanted):
        raise invalid("Provided Target Groups may not be valid. Please ensure they exist and try again.")


def described(group: Group) -> dict[str, Any]:
    there = [one for one in group.sources.values() if one.state != "Removing"]
    return {
        "TargetGroupARNs": [one.arn for one in there if one.by == BY_TARGET_GROUPS],
        "TrafficSources": [{"Identifier": one.arn, "Type": _KIND} for one in there],
    }


# --- operations -------------------------------------------------------------------------------------------------------


def _attach(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    sources = named(parameters)
    check(region, sources)
    for arn, by in sources.items():
        if arn not in group.sources or group.sources[arn].state == "Removing":
            group.sources[arn] = Source(arn, by, "Adding")
    region.touch()
    return {}


def _detach(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    for arn, by in named(parameters).items():
        source = group.sources.get(arn)
        if source is None or source.by != by:
            raise invalid(f"Target group {arn} is not attached to Auto Scaling group {group.name}.")
        for instance in group.instances.values():
            leave_sources(region, instance, arn)
        source.state = "Removing"
        source.drained = region.now + seconds(drain_seconds(region, arn))
    region.touch()
    return {}


def _describe_target_groups(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    found = [
        {"LoadBalancerTargetGroupARN": one.arn, "State": one.state}
        for one in group.sources.values()
        if one.by == BY_TARGET_GROUPS
    ]
    return region.page(
        "DescribeLoadBalancerTargetGroups", "LoadBalancerTargetGroups", found, parameters, size=100, most=100
    )


def _describe_traffic_sources(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    found = [
        {"TrafficSource": one.arn, "Identifier": one.arn, "Type": _KIND, "State": one.state}
        for one in group.sources.values()
        if parameters.get("TrafficSourceType", _KIND) == _KIND
    ]
    return region.page("DescribeTrafficSources", "TrafficSources", found, parameters, size=50, most=50)


OPERATIONS: dict[str, Callable[[Region, Parameters], Parameters]] = {
    "AttachLoadBalancerTargetGroups": _attach,
    "AttachTrafficSources": _attach,
    "DetachLoadBalancerTargetGroups": _detach,
    "DetachTrafficSources": _detach,
    "DescribeLoadBalancerTargetGroups": _describe_target_groups,
    "DescribeTrafficSources": _describe_traffic_sources,
}
