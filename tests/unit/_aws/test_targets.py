# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts leave their target groups and come back: over the real protocol, to targets that change in their time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils import targets
from ansible_collections.sysops.dtk.plugins.module_utils._core.balance import Declared
from ansible_collections.sysops.dtk.plugins.module_utils._core.waves import Host

from tests.emulation import Emulation
from tests.fakes.elbv2 import Options

from .balanced import REGION, Time, World

WRITES = ("RegisterTargets", "DeregisterTargets")


@pytest.fixture(scope="module")
def emulation() -> Iterator[tuple[Emulation, Time]]:
    time = Time()
    with Emulation.start(balancers=Options(clock=time)) as aws:
        yield aws, time


@pytest.fixture
def world(emulation: tuple[Emulation, Time], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    aws, time = emulation
    monkeypatch.setattr(targets, "time", time)
    aws.reset()
    yield World(aws, time)
    aws.balancers.sick.clear()
    aws.balancers.registering = 0
    assert aws.balancers.violations == []


@pytest.fixture
def fleet(world: World) -> World:
    """Three hosts, healthy behind an application load balancer."""
    world.launch(3)
    world.group("http")
    world.enter("http")
    assert set(world.states("http").values()) == {"healthy"}
    world.aws.reset()
    return world


def http(world: World) -> str:
    return f"http-{world.mark}"


def test_hosts_leave_and_the_wait_is_the_deregistration_delay(fleet: World) -> None:
    began = fleet.time.now
    done = fleet.act("drained", http(fleet), hosts=fleet.hosts[:2])
    assert done["late"] == {} and done["changed"]
    assert fleet.states("http") == {"web-3": "healthy"}
    assert 30 <= fleet.time.now - began <= 34
    assert [one["id"] for one in done["deregistered"][fleet.arns["http"]]] == [
        host["instance_id"] for host in fleet.hosts[:2]
    ]
    assert done["diff"] == {
        "before": {http(fleet): ["web-1", "web-2"]},
        "after": {http(fleet): []},
    }


def test_hosts_come_back_and_are_waited_for(fleet: World) -> None:
    fleet.act("drained", http(fleet))
    fleet.aws.balancers.registering = 20
    began = fleet.time.now
    done = fleet.act("registered", http(fleet))
    assert done["late"] == {} and done["changed"]
    assert set(fleet.states("http").values()) == {"healthy"}
    assert 20 <= fleet.time.now - began <= 26
    again = fleet.act("registered", http(fleet))
    assert (again["changed"], again["late"], again["seconds"]) == (False, {}, 0)


def test_one_call_for_each_group_however_many_hosts(world: World) -> None:
    world.launch(12)
    names = [world.group("http"), world.group("tcp", protocol="TCP", HealthCheckProtocol="TCP")]
    for name in ("http", "tcp"):
        world.enter(name)
    world.aws.reset()
    assert world.act("drained", *names)["late"] == {}
    assert world.act("registered", *names)["late"] == {}
    assert world.calls(*WRITES) == {"RegisterTargets": 2, "DeregisterTargets": 2}
    # 3 s between two looks while draining, 5 s while becoming healthy, and one at the beginning of each.
    assert world.calls("DescribeTargetHealth")["DescribeTargetHealth"] < 40


def test_many_targets_are_sent_in_portions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.sysops.dtk.plugins.module_utils._aws.elbv2._TARGETS_PER_CALL", 2)
    world.launch(5)
    name = world.group("http")
    assert world.act("registered", name)["late"] == {}
    assert world.calls("RegisterTargets") == {"RegisterTargets": 3}


def test_a_plan_names_groups_completely_and_nothing_is_looked_up(fleet: World) -> None:
    found = targets.find(fleet.client, [targets.Wish(http(fleet))], [targets.Host("web-1", region=REGION)])
    fleet.aws.reset()
    complete = [vars(group) for group in found]
    assert fleet.act("drained", *complete, hosts=fleet.hosts[:1])["late"] == {}
    assert fleet.calls("DescribeTargetGroups", "DescribeTargetGroupAttributes") == {
        "DescribeTargetGroups": 0,
        "DescribeTargetGroupAttributes": 0,
    }


def test_a_host_that_never_becomes_healthy_is_late(fleet: World) -> None:
    sick = fleet.hosts[1]
    fleet.act("drained", http(fleet))
    fleet.aws.balancers.sick.add(sick["instance_id"])
    began = fleet.time.now
    done = fleet.act("registered", http(fleet))
    assert list(done["late"]) == ["web-2"]
    assert done["late"]["web-2"].startswith(f"unhealthy in {http(fleet)} (Target.FailedHealthChecks: ")
    # 3 checks 10 s apart, the timeout of one, and a minute
    assert 92 <= fleet.time.now - began <= 100
    quicker = fleet.act("registered", http(fleet), wait_timeout=7)
    assert quicker["late"]["web-2"].endswith("after 7 s")
    others = fleet.act("registered", http(fleet), wait_for=["web-1", "web-3"])
    assert (others["late"], others["seconds"]) == ({}, 0)


def test_who_is_waited_for_is_told_whenever_it_changes(fleet: World) -> None:
    said: list[str] = []
    fleet.act("drained", http(fleet))
    fleet.aws.balancers.sick.add(fleet.hosts[1]["instance_id"])
    fleet.aws.balancers.registering = 12
    targets.answer(fleet.options("registered", http(fleet)), fleet.client, lambda: None, False, said.append)
    assert said == [
        f"  after 0 s: waiting for web-1, web-2, web-3 to be healthy in {http(fleet)}",
        f"  after 15 s: waiting for web-2 to be healthy in {http(fleet)}",
    ]


def test_a_network_load_balancer_gets_more_time(world: World) -> None:
    world.launch(1)
    name = world.group("tcp", protocol="TCP", HealthCheckProtocol="TCP")
    world.aws.balancers.registering = 150
    began = world.time.now
    assert world.act("registered", name)["late"] == {}
    assert 170 <= world.time.now - began <= 190


def test_connections_that_never_end_are_told(fleet: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets.Group, "drained_within", lambda self: 12)
    done = fleet.act("drained", http(fleet))
    assert done["late"]["web-1"] == f"still in the target group {http(fleet)} after 12 s"
    assert set(done["late"]) == {"web-1", "web-2", "web-3"}


def test_a_port_of_its_own_survives_the_way_out_and_back(fleet: World) -> None:
    elb, arn = fleet.client("elbv2"), fleet.arns["http"]
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": fleet.hosts[0]["instance_id"], "Port": 9999}])
    first = fleet.hosts[:1]
    drained = fleet.act("drained", http(fleet), hosts=first)
    assert sorted(one["port"] for one in drained["deregistered"][arn]) == [8080, 9999]
    fleet.act("registered", http(fleet), hosts=first, restore=drained["deregistered"])
    listed = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    ports = [one["Target"]["Port"] for one in listed if one["Target"]["Id"] == first[0]["instance_id"]]
    assert sorted(ports) == [8080, 9999]


def test_a_declared_port_is_used_where_nobody_knows_better(world: World) -> None:
    world.launch(1)
    name = world.group("http")
    assert world.act("registered", {"name": name, "port": 9090})["late"] == {}
    (one,) = world.client("elbv2").describe_target_health(TargetGroupArn=world.arns["http"])["TargetHealthDescriptions"]
    assert one["Target"]["Port"] == 9090


def test_addresses_and_names_with_the_env(world: World) -> None:
    world.launch(2)
    world.group("ip", TargetType="ip")
    done = world.act("registered", "ip-{env}", env=world.mark)
    assert done["late"] == {}
    assert world.states("ip") == {"web-1": "healthy", "web-2": "healthy"}


def test_what_auto_scaling_has_elsewhere_is_left_there(fleet: World) -> None:
    group = fleet.scaling_group("web", *fleet.hosts)
    scaling = fleet.client("autoscaling")
    standby = fleet.hosts[2]["instance_id"]
    scaling.enter_standby(AutoScalingGroupName=group, InstanceIds=[standby], ShouldDecrementDesiredCapacity=True)
    fleet.act("drained", http(fleet))
    fleet.aws.reset()
    done = fleet.act("registered", http(fleet))
    assert done["late"] == {}
    assert fleet.states("http") == {"web-1": "healthy", "web-2": "healthy"}
    assert fleet.aws.calls()[f"autoscaling:DescribeAutoScalingGroups:{REGION}"] == 1


def test_an_instance_that_was_terminated_does_not_keep_the_others_out(fleet: World) -> None:
    fleet.act("drained", http(fleet))
    fleet.client("ec2").terminate_instances(InstanceIds=[fleet.hosts[1]["instance_id"]])
    began = fleet.time.now
    done = fleet.act("registered", http(fleet))
    assert fleet.states("http") == {"web-1": "healthy", "web-3": "healthy"}
    assert list(done["late"]) == ["web-2"]
    assert "refuses it" in done["late"]["web-2"] and "not in a running state" in done["late"]["web-2"]
    assert fleet.time.now - began < 40


def test_one_that_is_taken_away_while_it_is_waited_for(fleet: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.act("drained", http(fleet))
    fleet.aws.balancers.registering = 30
    rest = fleet.time.sleep

    def sleep_and_terminate(seconds: float) -> None:
        rest(seconds)
        fleet.client("ec2").terminate_instances(InstanceIds=[fleet.hosts[0]["instance_id"]])

    monkeypatch.setattr(fleet.time, "sleep", sleep_and_terminate)
    done = fleet.act("registered", http(fleet))
    assert list(done["late"]) == ["web-1"]
    assert done["late"]["web-1"].startswith(f"draining in {http(fleet)}")


def test_a_group_without_a_load_balancer_and_one_without_checks(world: World) -> None:
    world.launch(1)
    unused = world.group("unused", used=False)
    unchecked = world.group("unchecked", TargetType="ip")
    world.client("elbv2").modify_target_group(TargetGroupArn=world.arns["unchecked"], HealthCheckEnabled=False)
    began = world.time.now
    assert world.act("registered", unused, unchecked)["late"] == {}
    assert (world.states("unused"), world.states("unchecked")) == ({"web-1": "unused"}, {"web-1": "unavailable"})
    assert world.time.now - began < 10


def test_check_mode_changes_nothing_and_does_not_wait(fleet: World) -> None:
    began = fleet.time.now
    done = fleet.act("drained", http(fleet), check=True)
    assert done["changed"] and done["late"] == {} and fleet.time.now == began
    assert set(fleet.states("http").values()) == {"healthy"}
    fleet.act("drained", http(fleet))
    done = fleet.act("registered", http(fleet), check=True)
    assert done["changed"] and done["late"] == {}
    assert done["diff"]["after"] == {http(fleet): ["web-1", "web-2", "web-3"]}
    assert fleet.states("http") == {}


def test_nobody_is_nobodys_call(world: World) -> None:
    assert world.act("drained", "http", hosts=[])["changed"] is False
    assert world.act("registered", hosts=[])["changed"] is False
    assert world.aws.calls() == {}


def test_the_load_balancer_cannot_tell_for_a_while(fleet: World) -> None:
    fleet.act("drained", http(fleet))
    fleet.aws.fault("elbv2:DescribeTargetHealth", "HealthUnavailable", times=4, after=1)
    assert fleet.act("registered", http(fleet))["late"] == {}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nope", "There is no target group nope in eu-west-1. Correct load_balancer.target_groups"),
        ("no_group", "load_balancer.target_groups[0] is 'no_group'; it must be the name or ARN of a target group"),
    ],
)
def test_a_name_that_is_none_and_one_that_nobody_has(fleet: World, name: str, words: str) -> None:
    done = fleet.act("drained", name)
    assert done["failed"] and words in done["msg"]
    assert set(done["late"]) == {"web-1", "web-2", "web-3"}
    both = fleet.act("drained", http(fleet), "nope")
    assert "There is no target group nope in eu-west-1." in both["msg"]
    assert set(fleet.states("http").values()) == {"healthy"}


def test_a_group_of_functions_is_refused(fleet: World) -> None:
    fleet.client("elbv2").create_target_group(Name=f"fn-{fleet.mark}", TargetType="lambda")
    done = fleet.act("drained", f"fn-{fleet.mark}")
    assert "holds targets of type lambda, which are no hosts" in done["msg"]


def test_access_denied_is_one_sentence_and_every_host_is_late(fleet: World) -> None:
    fleet.aws.fault("elbv2:DeregisterTargets", "AccessDenied", message="User is not authorized")
    done = fleet.act("drained", http(fleet))
    assert done["msg"].startswith("Cannot deregister 3 targets from target group arn:aws:elasticloadbalancing")
    assert "access denied" in done["msg"]
    assert set(done["late"].values()) == {done["msg"]}


def test_hosts_of_another_region_are_none_of_the_groups(fleet: World) -> None:
    fleet.hosts[0]["region"] = "eu-central-1"
    fleet.hosts[1]["account_id"] = "999999999999"
    arn = fleet.arns["http"]
    fleet.act("drained", arn)
    assert fleet.states("http") == {"web-1": "healthy", "web-2": "healthy"}


def test_how_everybody_stands(fleet: World) -> None:
    group = fleet.scaling_group("web", *fleet.hosts)
    scaling = fleet.client("autoscaling")
    scaling.enter_standby(
        AutoScalingGroupName=group,
        InstanceIds=[fleet.hosts[2]["instance_id"]],
        ShouldDecrementDesiredCapacity=True,
    )
    scaling.suspend_processes(AutoScalingGroupName=group, ScalingProcesses=["AZRebalance"])
    fleet.act("drained", http(fleet), hosts=fleet.hosts[:1])
    options = {"target_groups": [http(fleet)], "hosts": fleet.hosts, "env": None, "refreshes": False}
    found = targets.answer_info(options, fleet.client, lambda: None)
    assert found["hosts"]["web-1"] == {
        "lifecycle_state": "InService",
        "serves": True,
        "healthy": False,
        "states": {http(fleet): "not registered"},
        "trouble": f"not registered in {http(fleet)}",
    }
    assert found["hosts"]["web-2"]["healthy"] and not found["hosts"]["web-2"]["trouble"]
    assert (found["hosts"]["web-3"]["serves"], found["hosts"]["web-3"]["lifecycle_state"]) == (False, "Standby")
    assert found["suspended"] == {group: ["AZRebalance"]}
    assert found["target_groups"][0]["delay"] == 30


def test_without_load_balancers_nobody_is_ill_because_of_them(fleet: World) -> None:
    scaled = Host("api-1", "eu-west-1a", instance_id="i-0123456789abcdef0", asg="dtk-prod-api")
    standing = targets.stand(fleet.client, Declared(), [scaled])
    assert standing.hosts([scaled], repaired=True) == (scaled,) and scaled.healthy
    assert not fleet.aws.calls()
