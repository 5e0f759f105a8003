# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: what there is of a fleet, what it stands on, and whether it serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ._aws import accounts, autoscaling, elbv2, scaling_group, ssm_image
from ._aws import fleets as aws
from ._aws.errors import AwsError
from ._core import fleet, fleet_plan, fleet_view, image_pointer
from ._core.errors import CoreError

FAILURES = (AwsError, CoreError)
Client = Callable[[str], Any]
Clock = Callable[[], datetime]

# Options of module fleet_info; their documentation stands there.
OPTIONS: dict[str, Any] = {
    "env": {"type": "str", "required": True},
    "role": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": "/dtk"},
    "fleet": {"type": "dict"},
}


def answer(options: dict[str, Any], client: Client, _clock: Clock, _check: bool) -> dict[str, Any]:
    """The result of module fleet_info."""
    try:
        found = survey(options, client)
        declared = options["fleet"]
        problems = fleet_view.problems(declared, found) if declared else []
        waiting = fleet_view.waiting(found)
        return {
            "changed": False,
            **found,
            "problems": problems,
            "plan": fleet_plan.plan(declared, found) if declared and not problems else None,
            "settled": not waiting,
            "waiting": waiting,
            "lines": fleet_view.lines(found),
        }
    except FAILURES as exc:
        return {"failed": True, "msg": str(exc)}


def survey(options: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """Everything, in about a dozen calls, whatever the number of instances."""
    env, role, declared = options["env"], options["role"], options["fleet"] or {}
    name = fleet.name_of(env, role)
    parameter = image_pointer.name(options["prefix"], env, role, image_pointer.CURRENT)
    ec2, scaling = client("ec2"), client("autoscaling")
    partition, account = accounts.identity(client("sts"))
    pointer = ssm_image.read(client("ssm"), parameter)
    group = scaling_group.read(scaling, name)
    wanted = [one["name"] for one in declared.get("target_groups", ())]
    return {
        "name": name,
        "region": ec2.meta.region_name,
        "partition": partition,
        "account": account,
        "parameter": parameter,
        "image_id": pointer.value if pointer else "",
        "image": aws.image(ec2, pointer.value) if pointer else None,
        **_network(ec2, declared),
        "template": aws.template(ec2, name),
        "iam_role": aws.role(client("iam"), name),
        "group": _group(scaling, group) if group else None,
        "instances": aws.instances(ec2, env, role),
        "activities": aws.activities(scaling, name) if group else [],
        "target_groups": _target_groups(client("elbv2"), (env, role, wanted), group or {}),
        "alarms": {
            alarm: state
            for alarm, state in aws.alarms(client("cloudwatch"), f"{name}-").items()
            if fleet_plan.is_alarm_of(name, alarm)
        },
    }


def _network(ec2: Any, declared: Mapping[str, Any]) -> dict[str, Any]:
    """Empty without a declaration: a fleet that is only looked at or removed needs none of it."""
    subnets = aws.subnets(ec2, declared["subnets"]) if declared else {}
    vpc = next((one["vpc"] for one in subnets.values()), "")
    sources = [rule["from"] for rule in declared.get("ingress", ())]
    ids = [*declared.get("security_groups", ()), *declared.get("balancers", ()), *sources]
    return {
        "subnets": subnets,
        "vpc": vpc,
        "vpc_ranges": aws.vpc_ranges(ec2, vpc) if vpc else [],
        "security_groups": aws.security_groups(ec2, [one for one in ids if one.startswith("sg-")]),
    }


def _group(scaling: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    name = found["AutoScalingGroupName"]
    waiting = autoscaling.warm(scaling, name) if found.get("WarmPoolConfiguration") else []
    template = found.get("LaunchTemplate") or {}
    return {
        "name": name,
        "min": found["MinSize"],
        "max": found["MaxSize"],
        "desired": found["DesiredCapacity"],
        "zones": sorted(found.get("AvailabilityZones") or ()),
        "template_id": template.get("LaunchTemplateId", ""),
        "version": str(template.get("Version", "")),
        "tags": {tag["Key"]: tag["Value"] for tag in found.get("Tags") or ()},
        "instances": [
            {
                "id": one["InstanceId"],
                "state": one["LifecycleState"],
                "health": one["HealthStatus"],
                "zone": one["AvailabilityZone"],
                "version": (one.get("LaunchTemplate") or {}).get("Version", ""),
            }
            for one in [*found["Instances"], *waiting]
        ],
    }


def _target_groups(elb: Any, which: tuple[str, str, list[str]], group: Mapping[str, Any]) -> list[dict[str, Any]]:
    attached = set(group.get("TargetGroupARNs") or ())
    found = aws.target_groups(elb, *which)
    return [
        {
            **one,
            "attached": one["arn"] in attached,
            "targets": elbv2.targets(elb, one["arn"]) if one["arn"] in attached else [],
        }
        for one in found
    ]
