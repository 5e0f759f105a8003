# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated Auto Scaling: amazon.aws and community.aws get on with it, each module as it is installed."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.emulation import Emulation
from tests.fakes.autoscaling import Dials, Options
from tests.unit.run_module import run_module

from .fleet import LAUNCHING, WEB, Fleet

Run = Callable[..., dict[str, Any]]
MODULES = "ansible_collections.amazon.aws.plugins.modules."


@pytest.fixture(scope="module")
def in_real_time() -> Iterator[Emulation]:
    with (
        pytest.MonkeyPatch.context() as patch,
        Emulation.start(autoscaling=Options(dials=Dials(health_interval=0.1))) as aws,
    ):
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        yield aws


@pytest.fixture
def live(in_real_time: Emulation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    # The modules poll every ten seconds.
    hasty = SimpleNamespace(time=time.time, asctime=time.asctime, sleep=lambda _: time.sleep(0.02))
    monkeypatch.setattr(importlib.import_module(f"{MODULES}autoscaling_group"), "time", hasty)
    monkeypatch.setattr("botocore.waiter.time", hasty)
    in_real_time.reset_data()
    yield Fleet(in_real_time)
    fake = in_real_time.autoscaling
    violations, bugs = [*fake.violations], [*fake.bugs]
    fake.violations.clear()
    fake.bugs.clear()
    in_real_time.reset_data()
    assert (violations, bugs) == ([], [])


@pytest.fixture
def run(live: Fleet) -> Run:
    def run(module: str, /, check: bool = False, **options: Any) -> dict[str, Any]:
        result = run_module(module, options, live.aws.environ(), check)
        assert not result.get("failed"), result
        return result

    return run


def wanted(live: Fleet, **more: Any) -> dict[str, Any]:
    return {
        "name": WEB,
        "min_size": 0,
        "max_size": 4,
        "desired_capacity": 2,
        "vpc_zone_identifier": list(live.subnets.values())[:2],
        "wait_timeout": 30,
        **more,
    }


def test_a_group_is_made_kept_changed_and_removed(live: Fleet, run: Run) -> None:
    name, target_group = "amazon.aws.autoscaling_group", live.target_group()
    group = wanted(
        live,
        launch_template={"launch_template_id": live.template(), "version": "1"},
        target_group_arns=[target_group],
        health_check_type="ELB",
        health_check_period=60,
        tags=[{"dtk:env": "test"}, {"role": "web", "propagate_at_launch": False}],
        termination_policies=["OldestInstance"],
    )
    assert run(name, check=True, **group)["changed"]
    assert live.client.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    made = run(name, **group)
    assert (made["changed"], made["viable_instances"], made["in_service_instances"]) == (True, 2, 2)
    assert made["target_group_arns"] == [target_group]
    assert {tag["Key"]: tag["PropagateAtLaunch"] for tag in made["tags"]} == {"dtk:env": True, "role": False}
    assert live.targets(target_group) == set(made["instances"])
    assert not run(name, **group)["changed"]
    changed = run(
        name, **group | {"desired_capacity": 3, "suspend_processes": ["AZRebalance"], "target_group_arns": []}
    )
    assert (changed["changed"], changed["viable_instances"], changed["target_group_arns"]) == (True, 3, [])
    assert [one["ProcessName"] for one in live.described()["SuspendedProcesses"]] == ["AZRebalance"]
    (found,) = run("amazon.aws.autoscaling_group_info", name=WEB)["results"]
    assert (found["auto_scaling_group_name"], found["desired_capacity"], found["lifecycle_hooks"]) == (WEB, 3, [])
    assert run(name, name=WEB, state="absent")["changed"]
    assert not run(name, name=WEB, state="absent")["changed"]
    assert live.client.describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_hooks_hold_and_release(live: Fleet, run: Run) -> None:
    run(
        "amazon.aws.autoscaling_group",
        **wanted(live, desired_capacity=0, launch_template={"launch_template_id": live.template()}),
    )
    hook = {
        "autoscaling_group_name": WEB,
        "lifecycle_hook_name": "boot",
        "transition": LAUNCHING,
        "heartbeat_timeout": 600,
        "default_result": "ABANDON",
    }
    name = "community.aws.autoscaling_lifecycle_hook"
    (made,) = run(name, **hook)["lifecycle_hook_info"]
    assert (made["heartbeat_timeout"], made["global_timeout"]) == (600, 60_000)
    assert not run(name, **hook)["changed"]
    assert run(name, **hook | {"heartbeat_timeout": 900})["changed"]
    live.client.set_desired_capacity(AutoScalingGroupName=WEB, DesiredCapacity=1)
    live.fake.wait_for(lambda: live.states == {"Pending:Wait": 1})
    run(
        "community.aws.autoscaling_complete_lifecycle_action",
        asg_name=WEB,
        lifecycle_hook_name="boot",
        lifecycle_action_result="CONTINUE",
        instance_id=live.the("Pending:Wait").id,
    )
    live.fake.wait_for(lambda: live.states == {"InService": 1})
    assert run(name, autoscaling_group_name=WEB, lifecycle_hook_name="boot", state="absent")["changed"]
    assert not run(name, autoscaling_group_name=WEB, lifecycle_hook_name="boot", state="absent")["changed"]


def test_instances_go_aside_and_come_back(live: Fleet, run: Run) -> None:
    name = "amazon.aws.autoscaling_instance"
    live.group(3, settled=False)
    live.fake.wait_for(lambda: live.states == {"InService": 3})
    first, second, third = live.ids()

    def state(result: dict[str, Any]) -> dict[str, str]:
        return {one["instance_id"]: one["lifecycle_state"] for one in result["auto_scaling_instances"]}

    to_standby = {"group_name": WEB, "instance_ids": [first], "state": "standby", "decrement_desired_capacity": True}
    assert state(run(name, **to_standby))[first] == "Standby"
    assert not run(name, **to_standby)["changed"]
    assert state(run(name, group_name=WEB, instance_ids=[first], state="present"))[first] == "InService"
    run(name, group_name=WEB, instance_ids=[second], protection=True)
    (found,) = run("amazon.aws.autoscaling_instance_info", instance_ids=[second])["auto_scaling_instances"]
    assert found["protected_from_scale_in"]
    run(name, group_name=WEB, instance_ids=[third], state="detached", decrement_desired_capacity=True)
    assert sorted(live.ids()) == sorted([first, second])
    run(name, group_name=WEB, instance_ids=[third], state="attached")
    assert sorted(live.ids()) == sorted([first, second, third])
    run(name, group_name=WEB, instance_ids=[first], state="terminated", decrement_desired_capacity=True)
    assert (sorted(live.ids()), live.ec2_state(first)) == (sorted([second, third]), "terminated")


def test_a_refresh_is_started_watched_and_cancelled(live: Fleet, run: Run) -> None:
    live.group(2, settled=False)
    live.fake.wait_for(lambda: live.states == {"InService": 2})
    before = set(live.ids())
    name = "amazon.aws.autoscaling_instance_refresh"
    quick = {"min_healthy_percentage": 50, "instance_warmup": 0}
    started = run(name, name=WEB, state="started", preferences=quick)["instance_refreshes"]
    assert started["preferences"]["min_healthy_percentage"] == 50

    def refreshes() -> list[dict[str, Any]]:
        return list(run("amazon.aws.autoscaling_instance_refresh_info", name=WEB)["instance_refreshes"])

    live.fake.wait_for(lambda: refreshes()[0]["status"] == "Successful")
    assert not before & set(live.ids())
    run(name, name=WEB, state="started", preferences={"instance_warmup": 600})
    run(name, name=WEB, state="cancelled")
    live.fake.wait_for(lambda: refreshes()[0]["status"] == "Cancelled")


def test_policies_are_put_kept_and_deleted(live: Fleet, run: Run) -> None:
    live.group(0, settled=False)
    name = "community.aws.autoscaling_policy"
    target = {
        "name": "cpu",
        "asg_name": WEB,
        "policy_type": "TargetTrackingScaling",
        "target_tracking_config": {
            "predefined_metric_spec": {"predefined_metric_type": "ASGAverageCPUUtilization"},
            "target_value": 60.0,
        },
    }
    made = run(name, **target)
    assert (made["changed"], len(made["alarms"])) == (True, 2)
    assert not run(name, **target)["changed"]
    steps = {
        "name": "steps",
        "asg_name": WEB,
        "policy_type": "StepScaling",
        "adjustment_type": "ChangeInCapacity",
        "metric_aggregation": "Average",
        "step_adjustments": [{"lower_bound": 10, "scaling_adjustment": 1}],
    }
    assert run(name, **steps)["step_adjustments"] == [{"metric_interval_lower_bound": 10.0, "scaling_adjustment": 1}]
    assert not run(name, **steps)["changed"]
    assert run(name, name="cpu", asg_name=WEB, state="absent")["changed"]
    assert not run(name, name="cpu", asg_name=WEB, state="absent")["changed"]


def test_scheduled_actions_are_put_kept_and_deleted(live: Fleet, run: Run) -> None:
    live.group(0, settled=False)
    name = "community.aws.autoscaling_scheduled_action"
    action = {
        "autoscaling_group_name": WEB,
        "scheduled_action_name": "night",
        "recurrence": "0 22 * * *",
        "time_zone": "Europe/Berlin",
        "desired_capacity": 1,
    }
    made = run(name, **action)
    assert (made["changed"], made["desired_capacity"], made["time_zone"]) == (True, 1, "Europe/Berlin")
    assert not run(name, **action)["changed"]
    assert run(name, **action | {"desired_capacity": 2})["changed"]
    absent = {"autoscaling_group_name": WEB, "scheduled_action_name": "night", "state": "absent"}
    assert run(name, **absent)["changed"]
    assert not run(name, **absent)["changed"]
