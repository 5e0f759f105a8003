# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules targets, targets_info and departed_info as Ansible runs them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from ansible_collections.sysops.dtk.plugins.action import departed_info, targets_info
from ansible_collections.sysops.dtk.plugins.action import targets as targets_action
from ansible_collections.sysops.dtk.plugins.module_utils import departures, targets

from tests.emulation import Emulation
from tests.fakes.elbv2 import Options
from tests.unit._aws.balanced import REGION, Time, World
from tests.unit.run_module import run_ansible, run_module


@pytest.fixture(scope="module")
def emulation() -> Iterator[tuple[Emulation, Time]]:
    time = Time()
    with Emulation.start(balancers=Options(clock=time)) as aws:
        yield aws, time


@pytest.fixture
def world(emulation: tuple[Emulation, Time], monkeypatch: pytest.MonkeyPatch) -> World:
    aws, time = emulation
    monkeypatch.setattr(targets, "time", time)
    aws.reset()
    found = World(aws, time)
    found.launch(2)
    found.group("http")
    found.enter("http")
    aws.reset()
    return found


def run(world: World, module: str, check: bool = False, **options: Any) -> dict[str, Any]:
    return run_module(module, {"hosts": world.hosts, **options}, world.aws.environ(), check)


def test_out_and_back_with_what_a_playbook_would_pass_on(world: World) -> None:
    groups = [f"http-{world.mark}"]
    assert run(world, "targets", check=True, state="drained", target_groups=groups)["changed"]
    assert set(world.states("http").values()) == {"healthy"}
    out = run(world, "targets", state="drained", target_groups=groups)
    assert (out["changed"], out["late"], world.states("http")) == (True, {}, {})
    assert out["diff"]["before"] == {groups[0]: ["web-1", "web-2"]}
    told = run(world, "targets_info", target_groups=groups)
    assert told["hosts"]["web-1"]["trouble"] == f"not registered in {groups[0]}"
    back = run(world, "targets", state="registered", target_groups=groups, restore=out["deregistered"])
    assert (back["changed"], back["late"]) == (True, {})
    assert set(world.states("http").values()) == {"healthy"}


def test_a_failure_says_which_hosts_it_concerns(world: World) -> None:
    failed = run(world, "targets", state="drained", target_groups=["nope"])
    assert failed["failed"] and "There is no target group nope" in failed["msg"]
    assert set(failed["late"]) == {"web-1", "web-2"}
    assert run(world, "targets_info", target_groups=["nope"])["msg"] == failed["msg"]


def test_groups_in_another_region_are_asked_there(world: World) -> None:
    arn = world.arns["http"].replace(REGION, "eu-central-1")
    failed = run(world, "targets", state="drained", target_groups=[arn])
    assert f"There is no target group {arn} in eu-central-1" in failed["msg"]


def test_packed_for_a_controller_of_its_own(world: World) -> None:
    """The facade, with all that it imports, is complete on the other side."""
    options = {"target_groups": [f"http-{world.mark}"], "hosts": world.hosts, "region": REGION}
    found = run_ansible("targets_info", options, world.aws.environ())
    assert found["hosts"]["web-2"]["healthy"] is True


def test_who_has_departed(world: World) -> None:
    world.launch(3)
    group = world.scaling_group("web", *world.hosts[2:4])
    ec2, scaling = world.client("ec2"), world.client("autoscaling")
    ec2.terminate_instances(InstanceIds=[world.hosts[0]["instance_id"]])
    ec2.stop_instances(InstanceIds=[world.hosts[1]["instance_id"]])
    scaling.enter_standby(
        AutoScalingGroupName=group, InstanceIds=[world.hosts[3]["instance_id"]], ShouldDecrementDesiredCapacity=True
    )
    never = {"name": "web-9", "instance_id": "i-0123456789abcdef0"}
    plain = {"name": "bare"}
    keys = ("name", "instance_id", "region", "asg")
    hosts = [{key: host[key] for key in keys if key in host} for host in world.hosts] + [never, plain]
    world.aws.reset()
    found = run_module("departed_info", {"hosts": hosts}, world.aws.environ())
    assert found["departed"] == {"web-1": "terminated", "web-9": "terminated"}
    calls = world.aws.calls()
    assert calls[f"autoscaling:DescribeAutoScalingGroups:{REGION}"] == 1
    world.aws.fault("ec2:DescribeInstances", "UnauthorizedOperation")
    assert "access denied" in run_module("departed_info", {"hosts": hosts}, world.aws.environ())["msg"]


@pytest.mark.parametrize(
    ("state", "lifecycle", "reason"),
    [
        ("running", "", ""),
        ("running", "InService", ""),
        ("running", "Standby", ""),
        ("running", "Terminating", "Terminating"),
        ("running", "Terminating:Wait", "Terminating:Wait"),
        ("running", "Terminated", "Terminated"),
        ("stopped", "InService", ""),
        ("shutting-down", "", "shutting-down"),
        ("terminated", "InService", "terminated"),
        ("", "", "terminated"),
    ],
)
def test_what_counts_as_departed(state: str, lifecycle: str, reason: str) -> None:
    states = {"i-1": state} if state else {}
    assert departures._reason("i-1", states, {"i-1": lifecycle}) == reason


def test_nobody_with_an_instance_is_nobodys_call(world: World) -> None:
    assert run_module("departed_info", {"hosts": [{"name": "bare"}]}, world.aws.environ())["departed"] == {}
    assert world.aws.calls() == {}


def test_the_worker_says_whom_it_waits_for(world: World) -> None:
    class Rehearsal(targets_action.ActionModule):
        def __init__(self) -> None:
            self._display = mock.Mock()

    action, options = Rehearsal(), world.options("drained", f"http-{world.mark}")
    assert action.answer(options, world.client, lambda: None, False)["late"] == {}
    (said,) = [call.args[0] for call in action._display.display.call_args_list]
    assert said == f"  after 0 s: waiting for web-1, web-2 to leave http-{world.mark}"


@pytest.mark.parametrize(
    ("plugin", "facade", "name"),
    [
        (targets_info, targets.answer_info, "INFO_OPTIONS"),
        (departed_info, departures.answer, "OPTIONS"),
    ],
)
def test_the_worker_answers_as_the_module_does(plugin: Any, facade: Any, name: str) -> None:
    module = departures if plugin is departed_info else targets
    assert plugin.ActionModule.options is getattr(module, name)
    assert plugin.ActionModule.answer is facade
