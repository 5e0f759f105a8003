# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small fleet behind load balancers of an emulated AWS, whose time passes only while our code waits."""

from __future__ import annotations

import functools
import uuid
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.sysops.dtk.plugins.module_utils import targets

from tests.emulation import Emulation

ACCOUNT = "123456789012"
REGION = "eu-west-1"
ZONES = ("eu-west-1a", "eu-west-1b")


@dataclass
class Time:
    """Seconds; sleeping moves them on."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    monotonic = __call__

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class World:
    """Instances, target groups and a load balancer in front of them, with names of this test's own."""

    aws: Emulation
    time: Time
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    hosts: list[dict[str, Any]] = field(default_factory=list)
    arns: dict[str, str] = field(default_factory=dict)

    def client(self, service: str, region: str = "") -> Any:
        return self.aws.client(service, region or REGION)

    @functools.cached_property
    def network(self) -> tuple[str, list[str]]:
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
            for number, zone in enumerate(ZONES)
        ]
        return vpc, subnets

    def launch(self, count: int) -> list[dict[str, Any]]:
        ec2, (_vpc, subnets) = self.client("ec2"), self.network
        image = ec2.register_image(Name=f"image-{self.mark}", RootDeviceName="/dev/sda1")["ImageId"]
        for number in range(len(self.hosts), len(self.hosts) + count):
            asked = {"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnets[number % len(subnets)]}
            (made,) = ec2.run_instances(**asked)["Instances"]
            self.hosts.append(
                {
                    "name": f"web-{number + 1}",
                    "instance_id": made["InstanceId"],
                    "address": made["PrivateIpAddress"],
                    "region": REGION,
                    "account_id": ACCOUNT,
                }
            )
        return self.hosts

    def group(self, name: str, *, protocol: str = "HTTP", delay: int = 30, used: bool = True, **more: Any) -> str:
        """A target group behind a load balancer; returns its name."""
        elb = self.client("elbv2")
        full = f"{name}-{self.mark}"
        settings = {
            "Protocol": protocol,
            "Port": 8080,
            "VpcId": self.network[0],
            "HealthCheckIntervalSeconds": 10,
            "HealthCheckTimeoutSeconds": 2,
            "HealthyThresholdCount": 3,
            "UnhealthyThresholdCount": 2,
            **more,
        }
        arn = elb.create_target_group(Name=full, **settings)["TargetGroups"][0]["TargetGroupArn"]
        change = [{"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}]
        elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=change)
        if used:
            self._listen(full, arn, protocol)
        self.arns[name] = arn
        return full

    def _listen(self, name: str, arn: str, protocol: str) -> None:
        elb = self.client("elbv2")
        kind = "application" if protocol.startswith("HTTP") else "network"
        made = elb.create_load_balancer(Name=name, Subnets=self.network[1], Type=kind)["LoadBalancers"][0]
        elb.create_listener(
            LoadBalancerArn=made["LoadBalancerArn"],
            Protocol=protocol,
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}],
        )

    def enter(self, name: str, *hosts: dict[str, Any], **more: Any) -> None:
        """Hosts are registered, and time passes until the load balancer has made up its mind."""
        places = [{"Id": host["instance_id"], **more} for host in hosts or self.hosts]
        self.client("elbv2").register_targets(TargetGroupArn=self.arns[name], Targets=places)
        for _ in range(10):
            self.states(name)
            self.time.sleep(10)
        self.states(name)

    def states(self, name: str) -> dict[str, str]:
        """Host to state, as AWS says it."""
        found = self.client("elbv2").describe_target_health(TargetGroupArn=self.arns[name])["TargetHealthDescriptions"]
        names = {host["instance_id"]: host["name"] for host in self.hosts}
        names |= {host["address"]: host["name"] for host in self.hosts}
        return {names[one["Target"]["Id"]]: one["TargetHealth"]["State"] for one in found}

    def scaling_group(self, name: str, *hosts: dict[str, Any]) -> str:
        """An Auto Scaling group that these hosts are members of."""
        full = f"{name}-{self.mark}"
        ec2, scaling = self.client("ec2"), self.client("autoscaling")
        data = {"ImageId": "ami-12345678", "InstanceType": "t3.micro"}
        ec2.create_launch_template(LaunchTemplateName=full, LaunchTemplateData=data)
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=full,
            LaunchTemplate={"LaunchTemplateName": full},
            MinSize=0,
            MaxSize=10,
            DesiredCapacity=0,
            VPCZoneIdentifier=",".join(self.network[1]),
        )
        scaling.attach_instances(AutoScalingGroupName=full, InstanceIds=[host["instance_id"] for host in hosts])
        for host in hosts:
            host["asg"] = full
        return full

    def options(self, state: str, *groups: Any, **more: Any) -> dict[str, Any]:
        """Options of module targets, as Ansible completes them."""
        given = {"state": state, "target_groups": list(groups), "hosts": self.hosts, **more}
        return {name: given.get(name, spec.get("default")) for name, spec in targets.OPTIONS.items()}

    def act(self, state: str, *groups: Any, check: bool = False, **more: Any) -> dict[str, Any]:
        return targets.answer(self.options(state, *groups, **more), self.client, lambda: None, check)

    def calls(self, *actions: str) -> dict[str, int]:
        """How often each was called since the last reset."""
        found = self.aws.calls()
        return {action: found[f"elbv2:{action}:{REGION}"] for action in actions}
