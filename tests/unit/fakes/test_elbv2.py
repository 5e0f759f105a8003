# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated target groups: states in their order and time, ports, and what AWS refuses."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulation import Emulation
from tests.fakes.elbv2 import Check, Options

SETTINGS = {
    "HealthCheckIntervalSeconds": 10,
    "HealthCheckTimeoutSeconds": 2,
    "HealthyThresholdCount": 3,
    "UnhealthyThresholdCount": 2,
}


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class World:
    """A VPC, a running instance, and checks that are recorded."""

    def __init__(self) -> None:
        self.time = Time()
        self.checks: list[Check] = []
        self.good = True

    def probe(self, check: Check) -> bool:
        self.checks.append(check)
        return self.good

    def begin(self, aws: Emulation) -> None:
        self.aws = aws
        ec2 = aws.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"eu-west-1{zone}")["Subnet"]
            for n, zone in enumerate("ab")
        ]
        image = ec2.register_image(Name="image", RootDeviceName="/dev/sda1")["ImageId"]
        made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, SubnetId=self.subnets[0]["SubnetId"])
        self.instance = made["Instances"][0]["InstanceId"]

    def group(self, protocol: str = "HTTP", *, used: bool = True, delay: int = 30, **more: Any) -> str:
        elb, name = self.elb, f"g-{uuid.uuid4().hex[:8]}"
        given = {"Protocol": protocol, "Port": 80, "VpcId": self.vpc, **SETTINGS, **more}
        arn = str(elb.create_target_group(Name=name, **given)["TargetGroups"][0]["TargetGroupArn"])
        attribute = {"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}
        elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[attribute])
        if used:
            kind = "application" if protocol == "HTTP" else "network"
            subnets = [one["SubnetId"] for one in self.subnets]
            made = elb.create_load_balancer(Name=name, Subnets=subnets, Type=kind)["LoadBalancers"][0]
            action = {"Type": "forward", "TargetGroupArn": arn}
            elb.create_listener(
                LoadBalancerArn=made["LoadBalancerArn"], Protocol=protocol, Port=80, DefaultActions=[action]
            )
        return arn

    @property
    def elb(self) -> Any:
        return self.aws.client("elbv2")

    def register(self, arn: str, **more: Any) -> None:
        self.elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": self.instance, **more}])

    def deregister(self, arn: str, **more: Any) -> None:
        self.elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": self.instance, **more}])

    def health(self, arn: str, **more: Any) -> list[tuple[int, str, str]]:
        found = self.elb.describe_target_health(TargetGroupArn=arn, **more)["TargetHealthDescriptions"]
        return [
            (one["Target"]["Port"], one["TargetHealth"]["State"], one["TargetHealth"].get("Reason", ""))
            for one in found
        ]


@pytest.fixture(scope="module")
def whole_world() -> Iterator[World]:
    world = World()
    with Emulation.start(balancers=Options(probe=world.probe, clock=world.time)) as aws:
        world.begin(aws)
        yield world


@pytest.fixture
def world(whole_world: World) -> Iterator[World]:
    whole_world.checks.clear()
    whole_world.good = True
    whole_world.aws.balancers.registering = 0
    yield whole_world
    assert whole_world.aws.balancers.violations == []


def test_a_target_comes_and_goes_in_its_time(world: World) -> None:
    arn = world.group()
    world.aws.balancers.registering = 5
    assert world.health(arn) == []
    world.register(arn)
    assert world.health(arn) == [(80, "initial", "Elb.RegistrationInProgress")]
    world.time.now += 5
    assert world.health(arn) == [(80, "healthy", "")]
    assert world.checks[0].path == "/" and world.checks[0].port == 80
    world.deregister(arn)
    assert world.health(arn) == [(80, "draining", "Target.DeregistrationInProgress")]
    world.time.now += 29
    assert world.health(arn) == [(80, "draining", "Target.DeregistrationInProgress")]
    world.time.now += 1
    assert world.health(arn) == []
    assert world.health(arn, Targets=[{"Id": world.instance}]) == [(80, "unused", "Target.NotRegistered")]


def test_an_application_load_balancer_believes_the_first_good_answer_and_then_as_many_as_the_threshold(
    world: World,
) -> None:
    arn = world.group()
    world.good = False
    world.register(arn)
    assert world.health(arn) == [(80, "initial", "Elb.InitialHealthChecking")]
    world.time.now += 10
    assert world.health(arn) == [(80, "unhealthy", "Target.FailedHealthChecks")]
    world.good = True
    for state in ("unhealthy", "unhealthy", "healthy"):
        world.time.now += 10
        assert world.health(arn)[0][1] == state
    world.good = False
    for state in ("healthy", "unhealthy"):
        world.time.now += 10
        assert world.health(arn)[0][1] == state


def test_a_network_load_balancer_wants_as_many_from_the_beginning(world: World) -> None:
    arn = world.group("TCP", HealthCheckProtocol="TCP")
    world.register(arn)
    for state in ("initial", "initial", "healthy"):
        assert world.health(arn)[0][1] == state
        world.time.now += 10


def test_one_instance_has_several_ports(world: World) -> None:
    arn = world.group(delay=0)
    world.register(arn)
    world.register(arn, Port=81)
    assert [port for port, *_ in world.health(arn)] == [80, 81]
    world.deregister(arn)  # without a port: that of the group
    assert [port for port, *_ in world.health(arn)] == [81]
    world.deregister(arn, Port=99)  # nobody: no error
    world.deregister(arn, Port=81)
    assert world.health(arn) == []


def test_one_that_leaves_may_come_back_at_once(world: World) -> None:
    arn = world.group()
    world.register(arn)
    world.health(arn)
    world.deregister(arn)
    world.aws.balancers.registering = 1
    world.register(arn)
    assert world.health(arn) == [(80, "initial", "Elb.RegistrationInProgress")]
    checked = len(world.checks)
    world.register(arn)  # again: nothing changes
    world.time.now += 1
    assert world.health(arn)[0][1] == "healthy" and len(world.checks) == checked + 1


def test_where_nobody_asks_nobody_is_healthy(world: World) -> None:
    unused = world.group(used=False)
    unchecked = world.group(TargetType="ip")
    world.elb.modify_target_group(TargetGroupArn=unchecked, HealthCheckEnabled=False)
    world.register(unused)
    world.elb.register_targets(TargetGroupArn=unchecked, Targets=[{"Id": "10.0.0.9"}])
    assert world.health(unused) == [(80, "unused", "Target.NotInUse")]
    assert world.health(unchecked) == [(80, "unavailable", "Target.HealthCheckDisabled")]
    assert world.checks == []


def test_instances_that_do_not_run(world: World) -> None:
    arn = world.group()
    ec2 = world.aws.client("ec2")
    world.register(arn)
    ec2.stop_instances(InstanceIds=[world.instance])
    try:
        assert world.health(arn) == [(80, "unused", "Target.InvalidState")]
        for one in (world.instance, "i-0123456789abcdef0"):
            with pytest.raises(ClientError, match="not in a running state and cannot be registered") as refused:
                world.elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
            assert refused.value.response["Error"]["Code"] == "InvalidTarget"
    finally:
        ec2.start_instances(InstanceIds=[world.instance])


def test_a_terminated_instance_is_deregistered_by_itself(world: World) -> None:
    arn, ec2 = world.group(delay=20), world.aws.client("ec2")
    image = ec2.describe_instances(InstanceIds=[world.instance])["Reservations"][0]["Instances"][0]["ImageId"]
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, SubnetId=world.subnets[0]["SubnetId"])
    other = made["Instances"][0]["InstanceId"]
    world.elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": other}])
    assert world.health(arn)[0][1] == "healthy"
    ec2.terminate_instances(InstanceIds=[other])
    assert world.health(arn)[0][1] == "draining"
    world.time.now += 20
    assert world.health(arn) == []


def test_a_group_that_is_not_there(world: World) -> None:
    arn = world.group().replace("/g-", "/h-")
    for call in (world.register, world.deregister, world.health):
        with pytest.raises(ClientError) as refused:
            call(arn)
        assert refused.value.response["Error"]["Code"] == "TargetGroupNotFound"


def test_what_the_model_forbids_is_refused(world: World) -> None:
    with pytest.raises(ClientError, match="must be at most 65535"):
        world.register(world.group(), Port=70000)


def test_checks_are_made_in_their_time_where_nobody_asks() -> None:
    world = World()
    with Emulation.start(balancers=Options(probe=world.probe, thread=True)) as aws:
        world.begin(aws)
        arn = world.group()
        world.register(arn)

        deadline = time.monotonic() + 20
        while aws.balancers.state(arn, world.instance) != "healthy":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert aws.balancers.healthy(arn) == [{"Id": world.instance, "Port": 80}]
        world.deregister(arn)
        assert aws.balancers.state(arn, world.instance) == "draining" and aws.balancers.healthy(arn) == []
        aws.reset_data()
        assert aws.balancers.state(arn, world.instance) == ""
