# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: a target group as declared, or gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ._aws import target_group as aws
from ._aws.errors import AwsError
from ._core import target_group as core
from ._core.errors import CoreError

FAILURES = (AwsError, CoreError)
Client = Callable[[str], Any]
Clock = Callable[[], datetime]

_PROTOCOLS = ["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP"]
# Options of the module; their documentation stands there.
OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "protocol": {"type": "str", "choices": _PROTOCOLS},
    "port": {"type": "int"},
    "vpc_id": {"type": "str"},
    "health_check_protocol": {"type": "str", "choices": ["HTTP", "HTTPS", "TCP"]},
    "health_check_path": {"type": "str"},
    "health_check_interval": {"type": "int"},
    "health_check_timeout": {"type": "int"},
    "healthy_threshold_count": {"type": "int"},
    "unhealthy_threshold_count": {"type": "int"},
    "deregistration_delay_timeout": {"type": "int"},
    "tags": {"type": "dict", "default": {}},
}
REQUIRED_IF = [("state", "present", ("protocol", "port", "vpc_id"))]


def answer(options: dict[str, Any], client: Client, _clock: Clock, check: bool) -> dict[str, Any]:
    """The result of module target_group."""
    try:
        act = remove if options["state"] == "absent" else converge
        given = {**options, "tags": {str(key): str(value) for key, value in options["tags"].items()}}
        return act(given, client("elbv2"), check)
    except FAILURES as exc:
        return {"failed": True, "msg": str(exc)}


def converge(options: dict[str, Any], elb: Any, check: bool) -> dict[str, Any]:
    """Bring it to what is declared."""
    name = options["name"]
    actual = aws.read(elb, name)
    before, after = core.shown(options, actual) if actual else {}, core.wanted(options)
    calls: list[str] = []
    arn = actual["TargetGroupArn"] if actual else None
    if actual is None:
        calls.append("create_target_group")
        if not check:
            arn = aws.create(elb, name, core.creation(options))
            actual = aws.read(elb, name)
    for call, arguments in core.steps(options, actual) if actual else ():
        calls.append(call)
        if not check:
            aws.act(elb, name, call, arguments)
    return {
        "changed": bool(calls),
        "target_group_arn": arn,
        "target_group_name": name,
        "calls": calls,
        "diff": {"before": before, "after": after if calls else before},
    }


def remove(options: dict[str, Any], elb: Any, check: bool) -> dict[str, Any]:
    """Delete it. AWS refuses that as long as a listener forwards to it."""
    name = options["name"]
    actual = aws.read(elb, name)
    if actual is not None:
        try:
            _delete(elb, name, actual, check)
        except aws.InUseError as exc:
            balancers = ", ".join(arn.partition(":loadbalancer/")[2] for arn in actual.get("LoadBalancerArns") or ())
            raise core.TargetGroupError(
                f"The target group {name} is in use: {balancers or 'a load balancer'} forwards to it. Take it out of "
                "the listener's rules first."
            ) from exc
    return {
        "changed": actual is not None,
        "target_group_arn": None,
        "target_group_name": name,
        "calls": ["delete_target_group"] if actual is not None else [],
        "diff": {"before": {"name": name} if actual is not None else {}, "after": {}},
    }


def _delete(elb: Any, name: str, actual: dict[str, Any], check: bool) -> None:
    if not check:
        aws.delete(elb, name, actual["TargetGroupArn"])
    elif actual.get("LoadBalancerArns"):
        raise aws.InUseError(name)
