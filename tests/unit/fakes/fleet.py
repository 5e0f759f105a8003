# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of Auto Scaling, made with as few words as a test needs, in an AWS whose time the test moves."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.emulation import REGION, Emulation
from tests.emulation.clients import make
from tests.fakes.autoscaling.state import LAUNCHING, TERMINATING, Instance

WEB = "web"


@functools.cache
def _client(endpoint: str, service: str, region: str) -> Any:
    return make(service, endpoint, region, Config(retries={"total_max_attempts": 1}))


class Fleet:
    def __init__(self, aws: Emulation) -> None:
        self.aws, self.fake = aws, aws.autoscaling
        self.client, self.ec2, self.elb = (self.client_of(one) for one in ("autoscaling", "ec2", "elbv2"))
        self._names = (f"name-{number}" for number in itertools.count(1))
        self.subnets = {one["AvailabilityZone"]: one["SubnetId"] for one in self.ec2.describe_subnets()["Subnets"]}

    def client_of(self, service: str, region: str = REGION) -> Any:
        return _client(self.aws.endpoint, service, region)

    # --- what a group needs ---

    def image(self) -> str:
        return str(self.ec2.register_image(Name=next(self._names), RootDeviceName="/dev/sda1")["ImageId"])

    def template(self, **data: Any) -> str:
        wanted = {"ImageId": self.image(), "InstanceType": "t3.small"} | data
        name = next(self._names)
        made = self.ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=wanted)
        return str(made["LaunchTemplate"]["LaunchTemplateId"])

    def version(self, template: str, **data: Any) -> dict[str, str]:
        """Another one, as a configuration names it."""
        wanted = {"ImageId": self.image(), "InstanceType": "t3.small"} | data
        made = self.ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData=wanted)
        return {
            "LaunchTemplateId": template,
            "Version": str(made["LaunchTemplateVersion"]["VersionNumber"]),
        }

    def target_group(self, delay: int = 0) -> str:
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        made = self.elb.create_target_group(Name=next(self._names), Protocol="HTTP", Port=80, VpcId=vpc)
        arn: str = made["TargetGroups"][0]["TargetGroupArn"]
        attributes = [{"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}]
        self.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=attributes)
        return arn

    def checked_target_group(self) -> str:
        """One of a load balancer, which asks its targets every five seconds and believes two answers."""
        arn = self.target_group()
        checks = {"HealthCheckIntervalSeconds": 5, "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2}
        self.elb.modify_target_group(TargetGroupArn=arn, **checks)
        subnets = list(self.subnets.values())[:2]
        balancer = self.elb.create_load_balancer(Name=next(self._names), Subnets=subnets)["LoadBalancers"][0]
        self.elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}],
        )
        return arn

    def targets(self, arn: str) -> set[str]:
        found = self.elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return {one["Target"]["Id"] for one in found if one["TargetHealth"]["State"] != "draining"}

    # --- groups ---

    def group(self, size: int = 1, *, settled: bool = True, **more: Any) -> str:
        """Its launch template; `zones` is the number of zones that it has subnets of, 2 by default."""
        spec = more.pop("LaunchTemplate", None) or {"LaunchTemplateId": self.template(), "Version": "1"}
        zones = more.pop("zones", 2)
        wanted = {
            "AutoScalingGroupName": WEB,
            "MinSize": 0,
            "MaxSize": 10,
            "DesiredCapacity": size,
            "LaunchTemplate": spec,
        }
        if zones:
            wanted["VPCZoneIdentifier"] = ",".join(list(self.subnets.values())[:zones])
        self.client.create_auto_scaling_group(**wanted | more)
        if settled:
            self.fake.settle()
        return str(spec["LaunchTemplateId"])

    def hook(self, name: str = "boot", transition: str = LAUNCHING, **more: Any) -> dict[str, Any]:
        return {"LifecycleHookName": name, "LifecycleTransition": transition, "HeartbeatTimeout": 60} | more

    def ask(self, call: str, **parameters: Any) -> Any:
        """Of the group, and then everything that follows at once."""
        answer = getattr(self.client, call)(AutoScalingGroupName=WEB, **parameters)
        self.fake.settle()
        return answer

    def complete(self, instance_id: str, result: str = "CONTINUE", hook: str = "boot") -> None:
        self.ask(
            "complete_lifecycle_action",
            LifecycleHookName=hook,
            InstanceId=instance_id,
            LifecycleActionResult=result,
        )

    def resize(self, size: int) -> None:
        self.ask("set_desired_capacity", DesiredCapacity=size)

    # --- what is there ---

    @property
    def instances(self) -> list[Instance]:
        return list(self.fake.group(WEB, REGION).instances.values())

    def the(self, state: str) -> Instance:
        """The only one in this state."""
        (found,) = [one for one in self.instances if one.state == state]
        return found

    @property
    def states(self) -> Counter[str]:
        return Counter(one.state for one in self.instances)

    def ids(self, state: str = "InService") -> list[str]:
        return [one.id for one in self.instances if one.state == state]

    def described(self) -> dict[str, Any]:
        (group,) = self.client.describe_auto_scaling_groups(AutoScalingGroupNames=[WEB])["AutoScalingGroups"]
        return dict(group)

    def activities(self) -> list[dict[str, Any]]:
        return list(self.client.describe_scaling_activities(AutoScalingGroupName=WEB)["Activities"])

    def in_ec2(self, instance_id: str) -> dict[str, Any]:
        found = self.ec2.describe_instances(InstanceIds=[instance_id])
        return dict(found["Reservations"][0]["Instances"][0])

    def ec2_state(self, instance_id: str) -> str:
        return str(self.in_ec2(instance_id)["State"]["Name"])

    def refusal(self, call: str, **parameters: Any) -> tuple[str, str]:
        """Code and message."""
        with pytest.raises(ClientError) as caught:
            getattr(self.client, call)(**parameters)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]


__all__ = ["LAUNCHING", "TERMINATING", "WEB", "Fleet"]
