# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module autoscaling_group: made with its hooks, changed in what differs, never rolled, never resized, removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.sysops.dtk.plugins.module_utils import clients, scaling_groups

from tests.emulation import REGION, Emulation
from tests.fakes.autoscaling import Options
from tests.unit.fakes.fleet import LAUNCHING, TERMINATING, WEB, Fleet
from tests.unit.run_module import run_module

Run = Callable[..., dict[str, Any]]
CPU = {
    "name": "dtk-scaling",
    "target_tracking_config": {
        "predefined_metric_spec": {"predefined_metric_type": "ASGAverageCPUUtilization"},
        "target_value": 60,
    },
}


@pytest.fixture(scope="module")
def running() -> Iterator[Emulation]:
    with pytest.MonkeyPatch.context() as patch, Emulation.start(autoscaling=Options()) as aws:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        yield aws


@pytest.fixture
def fleet(running: Emulation) -> Iterator[Fleet]:
    running.reset_data()
    yield Fleet(running)
    running.reset()
    violations = [*running.autoscaling.violations, *running.autoscaling.bugs]
    running.autoscaling.violations.clear()
    running.autoscaling.bugs.clear()
    running.reset_data()
    assert violations == []


@pytest.fixture
def module(fleet: Fleet) -> Run:
    def run(check: bool = False, **options: Any) -> dict[str, Any]:
        return run_module("autoscaling_group", {"name": WEB, **options}, fleet.aws.environ(), check)

    return run


@pytest.fixture
def run(fleet: Fleet) -> Run:
    """What the module calls: making its clients takes longer than all that it does."""

    def run(check: bool = False, **options: Any) -> dict[str, Any]:
        checked = ArgumentSpecValidator(scaling_groups.OPTIONS).validate({"name": WEB, **options})
        assert checked.error_messages == []
        return scaling_groups.answer(checked.validated_parameters, fleet.client_of, clients.now, check)

    return run


@pytest.fixture
def wanted(fleet: Fleet) -> dict[str, Any]:
    return {
        "launch_template": {"launch_template_id": fleet.template(), "version": "1"},
        "min_size": 1,
        "max_size": 4,
        "vpc_zone_identifier": list(fleet.subnets.values())[:2],
        "target_group_arns": [fleet.target_group()],
        "health_check_type": "ELB",
        "health_check_period": 60,
        "default_instance_warmup": 90,
        "lifecycle_hooks": [{"lifecycle_hook_name": "boot"}],
        "scaling_policies": [CPU],
        "tags": {"dtk:env": "prod", "cost": 7},
    }


def test_it_is_made_with_its_hook_and_the_second_run_changes_nothing(fleet: Fleet, module: Run, wanted: dict) -> None:
    run = module
    predicted = run(check=True, **wanted)
    assert predicted["changed"]
    assert fleet.client.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    made = run(**wanted)
    assert made["calls"] == ["create_auto_scaling_group", "put_scaling_policy"] == predicted["calls"]
    fleet.fake.wait_for(lambda: fleet.states == {"Pending:Wait": 1})
    group = fleet.described()
    assert (group["DefaultInstanceWarmup"], group["HealthCheckType"], group["HealthCheckGracePeriod"]) == (
        90,
        "ELB",
        60,
    )
    assert {tag["Key"]: (tag["Value"], tag["PropagateAtLaunch"]) for tag in group["Tags"]} == {
        "dtk:env": ("prod", False),
        "cost": ("7", False),
    }
    fleet.aws.reset()
    again = run(**wanted)
    assert (again["changed"], again["calls"]) == (False, [])
    assert again["diff"]["before"] == again["diff"]["after"]
    assert {name.split(":")[1][:8] for name in fleet.aws.calls()} == {"Describe"}
    assert again["group"]["launch_template"]["version"] == "1"


def test_neither_the_version_nor_the_number_of_instances_is_touched(fleet: Fleet, run: Run, wanted: dict) -> None:
    run(**wanted)
    newer = fleet.version(wanted["launch_template"]["launch_template_id"])
    fleet.client.set_desired_capacity(AutoScalingGroupName=WEB, DesiredCapacity=3)
    given = {"launch_template_id": newer["LaunchTemplateId"], "version": "2"}
    again = run(**wanted | {"launch_template": given, "desired_capacity": 2})
    assert not again["changed"]
    changed = run(**wanted | {"launch_template": given, "max_size": 8})
    assert changed["calls"] == ["update_auto_scaling_group"]
    assert (changed["diff"]["before"]["max_size"], changed["diff"]["after"]["max_size"]) == (4, 8)
    group = fleet.described()
    assert (group["MaxSize"], group["DesiredCapacity"], group["LaunchTemplate"]["Version"]) == (8, 3, "1")


def test_each_thing_is_changed_by_its_own_call_and_check_mode_predicts_it(fleet: Fleet, run: Run, wanted: dict) -> None:
    run(**wanted)
    others = fleet.target_group()
    other_hook = fleet.hook("drain", TERMINATING)
    fleet.client.put_lifecycle_hook(AutoScalingGroupName=WEB, **other_hook)
    for change, calls in (
        ({"lifecycle_hooks": [{"lifecycle_hook_name": "boot", "heartbeat_timeout": 600}]}, ["put_lifecycle_hook"]),
        ({"tags": {"dtk:env": "prod"}}, ["delete_tags"]),
        ({"tags": {"dtk:env": "beta", "cost": 7}}, ["create_or_update_tags"]),
        ({"vpc_zone_identifier": list(fleet.subnets.values())[:1]}, ["update_auto_scaling_group"]),
        ({"target_group_arns": [others]}, ["attach_load_balancer_target_groups", "detach_load_balancer_target_groups"]),
        ({"scaling_policies": []}, ["delete_policy"]),
        ({"warm_pool": {"min_size": 1, "reuse_on_scale_in": True}}, ["put_warm_pool"]),
    ):
        given = wanted | change
        assert run(check=True, **given)["calls"] == calls
        assert run(**given)["calls"] == calls
        assert run(**given)["calls"] == [], change
        run(**wanted)
    hooks = fleet.client.describe_lifecycle_hooks(AutoScalingGroupName=WEB)["LifecycleHooks"]
    assert {one["LifecycleHookName"]: one["LifecycleTransition"] for one in hooks} == {
        "boot": LAUNCHING,
        "drain": TERMINATING,
    }


def test_it_is_removed_with_its_instances_and_its_pool(fleet: Fleet, run: Run, wanted: dict) -> None:
    given = wanted | {"lifecycle_hooks": [], "warm_pool": {"max_group_prepared_capacity": 3}, "desired_capacity": 2}
    run(**given)
    fleet.fake.wait_for(lambda: fleet.states["InService"] == 2 and fleet.states["Warmed:Stopped"] == 1)
    ids = fleet.ids() + fleet.ids("Warmed:Stopped")
    assert run(check=True, state="absent")["changed"]
    gone = run(state="absent", wait_timeout=30, delay=0.05)
    assert gone["calls"] == ["delete_warm_pool", "update_auto_scaling_group", "delete_auto_scaling_group"], gone
    assert {fleet.ec2_state(one) for one in ids} == {"terminated"}
    assert fleet.client.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert not run(state="absent")["changed"]


def test_an_instance_that_stays_is_told_and_a_later_run_goes_on(fleet: Fleet, run: Run, wanted: dict) -> None:
    run(**wanted | {"lifecycle_hooks": [{"lifecycle_hook_name": "drain", "transition": TERMINATING}]})
    fleet.fake.wait_for(lambda: fleet.states == {"InService": 1})
    (instance,) = fleet.ids()
    failed = run(state="absent", wait_timeout=1, delay=0.05)
    assert failed["failed"]
    assert f"is not gone after 1 s: instances are still in it: {instance} (Terminating:Wait)" in failed["msg"]
    fleet.client.complete_lifecycle_action(
        AutoScalingGroupName=WEB, LifecycleHookName="drain", LifecycleActionResult="CONTINUE", InstanceId=instance
    )
    assert run(state="absent", wait_timeout=30, delay=0.05)["changed"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"launch_template": None}, f"There is no Auto Scaling group {WEB}; to make it, give launch_template."),
        ({"min_size": 9}, "min_size is 9, more than max_size, which is 4. Correct one of them."),
        ({"min_size": None}, "state is present but all of the following are missing: min_size"),
        (
            {"vpc_zone_identifier": ["subnet-00000000"]},
            "Cannot create auto scaling group of the Auto Scaling group web:",
        ),
        ({"delay": 0}, "delay is 0. Give more than 0 seconds."),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(module: Run, wanted: dict, change: dict, message: str) -> None:
    failed = module(**{key: value for key, value in (wanted | change).items() if value is not None})
    assert failed["failed"]
    assert message in failed["msg"]


def test_a_group_that_follows_whatever_is_newest_is_refused(run: Run, wanted: dict) -> None:
    template = wanted["launch_template"] | {"version": "$Latest"}
    failed = run(check=True, **wanted | {"launch_template": template})
    assert "launch_template.version is '$Latest'. Give a number" in failed["msg"]


def test_throttling_is_waited_for(fleet: Fleet, module: Run, wanted: dict) -> None:
    fleet.aws.fault("autoscaling:CreateAutoScalingGroup", "Throttling", message="Rate exceeded", times=2)
    fleet.aws.fault("autoscaling:DescribeAutoScalingGroups", "Throttling", message="Rate exceeded", times=1)
    assert module(**wanted)["changed"]
    assert fleet.aws.calls()[f"autoscaling:CreateAutoScalingGroup:{REGION}"] == 3
