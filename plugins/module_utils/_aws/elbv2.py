# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers: their target groups, who is in them and how well. The client is passed in, plain data comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .errors import AwsError, ClientError, code_of, translated
from .paging import pages

_GROUPS_PER_PAGE = 400
# AWS names no limit; its own controller for Kubernetes never sends more in one call.
_TARGETS_PER_CALL = 200
_DELAY = "deregistration_delay.timeout_seconds"
_DEFAULT_DELAY = 300
_PLACE = (("id", "Id"), ("port", "Port"), ("zone", "AvailabilityZone"), ("server_id", "QuicServerId"))


def target_health(client: Any) -> dict[str, list[dict[str, Any]]]:
    """Instance id or address to what each target group says about it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for group in _target_groups(client):
        for answer in _health_in(client, group["TargetGroupArn"]):
            target, health = answer["Target"], answer["TargetHealth"]
            state = {"target_group": group["TargetGroupName"], "port": target.get("Port"), "state": health["State"]}
            if health.get("Reason"):
                state["reason"] = health["Reason"]
            found.setdefault(target["Id"], []).append(state)
    return found


def groups(client: Any, names: Sequence[str] = (), arns: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Target groups with their settings, one call for each to learn its delay. AwsError tells which are not there."""
    chosen = {"Names": list(names)} if names else {"TargetGroupArns": list(arns)}
    with translated(f"read the target groups {', '.join(names or arns)} of {client.meta.region_name}", client):
        try:
            found = [
                one
                for page in client.get_paginator("describe_target_groups").paginate(**chosen)
                for one in page["TargetGroups"]
            ]
        except ClientError as exc:
            if code_of(exc) != "TargetGroupNotFound":
                raise
            raise AwsError(_not_there(client, names or arns, next(iter(chosen)))) from exc
    return [_group(client, one) for one in found]


def targets(client: Any, arn: str) -> list[dict[str, Any]]:
    """Everybody in a target group, those included whose connections are still ending."""
    with translated(f"read the health of target group {arn}", client):
        answer = client.describe_target_health(TargetGroupArn=arn)
    return [_target(one) for one in answer["TargetHealthDescriptions"]]


def register(client: Any, arn: str, wanted: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Register targets; the ids of those that the load balancer refuses, with its words."""
    refused: dict[str, str] = {}
    with translated(f"register {len(wanted)} targets with target group {arn}", client):
        for start in range(0, len(wanted), _TARGETS_PER_CALL):
            refused.update(_register(client, arn, wanted[start : start + _TARGETS_PER_CALL]))
    return refused


def deregister(client: Any, arn: str, unwanted: Sequence[Mapping[str, Any]]) -> None:
    """Let targets leave. One that is not there is none of our business."""
    with translated(f"deregister {len(unwanted)} targets from target group {arn}", client):
        for start in range(0, len(unwanted), _TARGETS_PER_CALL):
            chosen = unwanted[start : start + _TARGETS_PER_CALL]
            client.deregister_targets(TargetGroupArn=arn, Targets=[_place(one) for one in chosen])


def _register(client: Any, arn: str, wanted: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """One call; if it is refused because of some targets, as few more as it takes to find them."""
    try:
        client.register_targets(TargetGroupArn=arn, Targets=[_place(one) for one in wanted])
    except ClientError as exc:
        if code_of(exc) != "InvalidTarget":
            raise
        if len(wanted) == 1:
            return {wanted[0]["id"]: exc.response["Error"].get("Message", "")}
        half = len(wanted) // 2
        return {**_register(client, arn, wanted[:half]), **_register(client, arn, wanted[half:])}
    return {}


def _group(client: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "arn": found["TargetGroupArn"],
        "name": found["TargetGroupName"],
        "kind": found.get("TargetType", "instance"),
        "protocol": found.get("Protocol", ""),
        "port": found.get("Port"),
        "delay": _delay(client, found["TargetGroupArn"]),
        "interval": found.get("HealthCheckIntervalSeconds", 0),
        "threshold": found.get("HealthyThresholdCount", 0),
        "timeout": found.get("HealthCheckTimeoutSeconds", 0),
        "used": bool(found.get("LoadBalancerArns")),
    }


def _delay(client: Any, arn: str) -> int:
    with translated(f"read the attributes of target group {arn}", client):
        found = client.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    return int(next((one["Value"] for one in found if one["Key"] == _DELAY), _DEFAULT_DELAY))


def _not_there(client: Any, wanted: Iterable[str], key: str) -> str:
    """Which of several: asked for all at once, AWS does not say."""
    lacking = []
    for one in wanted:
        try:
            client.describe_target_groups(**{key: [one]})
        except ClientError as exc:
            if code_of(exc) != "TargetGroupNotFound":
                raise
            lacking.append(one)
    return (
        f"There is no target group {', '.join(lacking)} in {client.meta.region_name}. Correct "
        "load_balancer.target_groups of the app, or create it there."
    )


def _target(answer: Mapping[str, Any]) -> dict[str, Any]:
    target, health = answer["Target"], answer["TargetHealth"]
    place = {ours: target[theirs] for ours, theirs in _PLACE if target.get(theirs) is not None}
    return {
        "port": None,
        **place,
        "state": health["State"],
        "reason": health.get("Reason", ""),
        "description": health.get("Description", ""),
    }


def _place(target: Mapping[str, Any]) -> dict[str, Any]:
    return {theirs: target[ours] for ours, theirs in _PLACE if target.get(ours) is not None}


def _target_groups(client: Any) -> Iterator[dict[str, Any]]:
    with translated(f"list the target groups of {client.meta.region_name}", client):
        for page in pages(client, "describe_target_groups", _GROUPS_PER_PAGE):
            yield from (group for group in page["TargetGroups"] if group.get("TargetType", "instance") != "lambda")


def _health_in(client: Any, arn: str) -> list[dict[str, Any]]:
    with translated(f"read the health of target group {arn}", client):
        try:
            return client.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        except ClientError as exc:
            # Deleted since the groups were listed.
            if code_of(exc) == "TargetGroupNotFound":
                return []
            raise
