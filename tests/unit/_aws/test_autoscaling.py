# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

from ansible_collections.sysops.dtk.plugins.module_utils._aws import autoscaling

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


class Client:
    """Auto Scaling with a warm pool of two pages."""

    meta = SimpleNamespace(region_name="eu-west-1")

    def describe_auto_scaling_groups(self, **_arguments: Any) -> dict[str, Any]:
        plain = {"AutoScalingGroupName": "plain", "Instances": [_instance("i-1", "InService")]}
        pooled = {"AutoScalingGroupName": "pooled", "Instances": [], "WarmPoolConfiguration": {"MinSize": 2}}
        return {"AutoScalingGroups": [plain, pooled]}

    def describe_warm_pool(self, **arguments: Any) -> dict[str, Any]:
        assert arguments["AutoScalingGroupName"] == "pooled"
        if "NextToken" in arguments:
            return {"Instances": [_instance("i-3", "Warmed:Pending")]}
        return {"Instances": [_instance("i-2", "Warmed:Running")], "NextToken": "more"}


def _instance(identifier: str, state: str) -> dict[str, Any]:
    template = {"LaunchTemplateId": "lt-1", "Version": "3"}
    return {"InstanceId": identifier, "LifecycleState": state, "HealthStatus": "Healthy", "LaunchTemplate": template}


def test_warm_pools_are_asked_for_where_there_are_some() -> None:
    found = autoscaling.members(Client())
    states = {identifier: (member["group"], member["lifecycle_state"]) for identifier, member in found.items()}
    assert states == {
        "i-1": ("plain", "InService"),
        "i-2": ("pooled", "Warmed:Running"),
        "i-3": ("pooled", "Warmed:Pending"),
    }
    assert (found["i-1"]["template"], found["i-1"]["template_version"]) == ("lt-1", "3")
