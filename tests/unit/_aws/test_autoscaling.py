# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import boto3
from ansible_collections.sysops.dtk.plugins.module_utils._aws import autoscaling
from botocore.stub import Stubber

from tests.unit.emulated_aws import EmulatedAws


def group(aws: EmulatedAws, count: int) -> str:
    name = uuid.uuid4().hex[:8]
    ec2 = aws.client("ec2")
    image = ec2.register_image(Name=name, Architecture="x86_64", RootDeviceName="/dev/sda1")["ImageId"]
    ec2.create_launch_template(
        LaunchTemplateName=name, LaunchTemplateData={"ImageId": image, "InstanceType": "t3.micro"}
    )
    aws.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=count,
        MaxSize=count,
        AvailabilityZones=["eu-west-1a"],
        LaunchTemplate={"LaunchTemplateName": name, "Version": "1"},
    )
    return name


def test_members_of_all_groups(aws: EmulatedAws) -> None:
    one, two = group(aws, 2), group(aws, 1)
    found = [
        member for member in autoscaling.members(aws.client("autoscaling")).values() if member["group"] in (one, two)
    ]
    assert sorted(member["group"] for member in found) == sorted([one, one, two])
    member = next(member for member in found if member["group"] == two)
    expected = {"group": two, "lifecycle_state": "InService", "health": "Healthy", "protected": False}
    assert member == {**expected, "template": two, "template_version": "1"}


def _instance(identifier: str, state: str) -> dict[str, Any]:
    template = {"LaunchTemplateId": "lt-1", "Version": "3"}
    plain = {"AvailabilityZone": "eu-west-1a", "HealthStatus": "Healthy", "ProtectedFromScaleIn": False}
    return {**plain, "InstanceId": identifier, "LifecycleState": state, "LaunchTemplate": template}


def _group(name: str, *instances: dict[str, Any], **more: Any) -> dict[str, Any]:
    sizes = dict.fromkeys(("MinSize", "MaxSize", "DesiredCapacity", "DefaultCooldown"), 1)
    plain = {"AvailabilityZones": [], "HealthCheckType": "EC2", "CreatedTime": datetime(2026, 1, 1, tzinfo=UTC)}
    return {**sizes, **plain, "AutoScalingGroupName": name, "Instances": list(instances), **more}


def test_warm_pools_are_asked_for_where_there_are_some() -> None:
    client = boto3.client("autoscaling", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    pooled = _group("pooled", WarmPoolConfiguration={"MinSize": 2})
    groups = {"AutoScalingGroups": [_group("plain", _instance("i-1", "InService")), pooled]}
    pool = {"AutoScalingGroupName": "pooled", "MaxRecords": 50}
    first = {"Instances": [_instance("i-2", "Warmed:Running")], "NextToken": "more"}
    with Stubber(client) as stub:
        stub.add_response("describe_auto_scaling_groups", groups, {"MaxRecords": 100})
        stub.add_response("describe_warm_pool", first, pool)
        stub.add_response(
            "describe_warm_pool", {"Instances": [_instance("i-3", "Warmed:Pending")]}, {**pool, "NextToken": "more"}
        )
        found = autoscaling.members(client)
    states = {identifier: (member["group"], member["lifecycle_state"]) for identifier, member in found.items()}
    assert states == {
        "i-1": ("plain", "InService"),
        "i-2": ("pooled", "Warmed:Running"),
        "i-3": ("pooled", "Warmed:Pending"),
    }
    assert (found["i-1"]["template"], found["i-1"]["template_version"]) == ("lt-1", "3")
