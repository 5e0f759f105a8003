# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated Auto Scaling: warm pools."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .fleet import LAUNCHING, TERMINATING, WEB, Fleet


def pool(fleet: Fleet) -> dict[str, Any]:
    return dict(fleet.client.describe_warm_pool(AutoScalingGroupName=WEB))


@pytest.mark.parametrize(
    ("state", "in_ec2"), [("Stopped", "stopped"), ("Running", "running"), ("Hibernated", "stopped")]
)
def test_a_warm_pool_is_filled_by_way_of_launch_hooks(fleet: Fleet, state: str, in_ec2: str) -> None:
    fleet.group(0, LifecycleHookSpecificationList=[fleet.hook()])
    fleet.ask("put_warm_pool", MinSize=1, MaxGroupPreparedCapacity=1, PoolState=state)
    (waiting,) = fleet.ids("Warmed:Pending:Wait")
    fleet.complete(waiting)
    assert fleet.states == {f"Warmed:{state}": 1}
    assert fleet.ec2_state(waiting) == in_ec2
    found = pool(fleet)
    assert found["WarmPoolConfiguration"] == {"MinSize": 1, "MaxGroupPreparedCapacity": 1, "PoolState": state}
    assert [one["LifecycleState"] for one in found["Instances"]] == [f"Warmed:{state}"]
    group = fleet.described()
    assert (group["Instances"], group["WarmPoolSize"]) == ([], 1), "a group does not list its warm pool"
    everywhere = fleet.client.describe_auto_scaling_instances()["AutoScalingInstances"]
    assert [one["LifecycleState"] for one in everywhere] == [f"Warmed:{state}"]
    assert fleet.activities()[0]["Description"] == f"Launching a new EC2 instance into warm pool: {waiting}"
    fleet.fake.advance(600)
    assert fleet.ids(f"Warmed:{state}") == [waiting], "a stopped instance of a pool is healthy"


def test_scaling_out_takes_from_the_pool_and_fills_it_again(fleet: Fleet) -> None:
    fleet.group(0, MaxSize=3)
    fleet.ask("put_warm_pool", MinSize=1, MaxGroupPreparedCapacity=1)
    (warm,) = fleet.ids("Warmed:Stopped")
    fleet.ask("put_lifecycle_hook", **fleet.hook())
    fleet.resize(1)
    assert fleet.ids("Pending:Wait") == [warm], "hooks hold it a second time"
    assert fleet.ec2_state(warm) == "running"
    assert fleet.activities()[0]["Description"].startswith("Launching a new EC2 instance into warm pool: ")
    assert fleet.activities()[1]["Description"] == f"Launching a new EC2 instance from warm pool: {warm}"
    fleet.complete(warm)
    assert fleet.ids() == [warm]
    assert fleet.states == {"InService": 1, "Warmed:Pending:Wait": 1}


def test_a_pool_is_as_large_as_the_rest_of_the_group(fleet: Fleet) -> None:
    fleet.group(1, MaxSize=4)
    fleet.ask("put_warm_pool")
    assert fleet.states == {"InService": 1, "Warmed:Stopped": 3}
    fleet.resize(3)
    assert fleet.states == {"InService": 3, "Warmed:Stopped": 1}
    fleet.ask("put_warm_pool", MaxGroupPreparedCapacity=3)
    assert fleet.states == {"InService": 3}
    fleet.ask("put_warm_pool", MinSize=2)
    assert fleet.states == {"InService": 3, "Warmed:Stopped": 2}
    fleet.ask("put_warm_pool", MinSize=0, MaxGroupPreparedCapacity=-1)
    assert fleet.states == {"InService": 3, "Warmed:Stopped": 1}


def test_scaling_in_returns_instances_to_a_pool_that_reuses_them(fleet: Fleet) -> None:
    target_group = fleet.target_group(delay=20)
    fleet.group(
        2, MaxSize=2, TargetGroupARNs=[target_group], LifecycleHookSpecificationList=[fleet.hook("drain", TERMINATING)]
    )
    fleet.ask("put_warm_pool", InstanceReusePolicy={"ReuseOnScaleIn": True})
    first, second = fleet.ids()
    fleet.resize(1)
    (leaving,) = fleet.ids("Warmed:Pending")
    assert fleet.targets(target_group) == {first, second} - {leaving}
    fleet.fake.advance(20)
    assert fleet.the("Warmed:Pending:Wait").id == leaving, "held by the hook of terminations"
    fleet.complete(leaving, hook="drain")
    assert fleet.ids("Warmed:Stopped") == [leaving]
    fleet.resize(2)
    assert sorted(fleet.ids()) == sorted([first, second])
    assert fleet.targets(target_group) == {first, second}


def test_without_reuse_scaling_in_terminates(fleet: Fleet) -> None:
    fleet.group(2, MaxSize=2)
    fleet.ask("put_warm_pool", MaxGroupPreparedCapacity=2)
    before = set(fleet.ids())
    fleet.resize(1)
    assert set(fleet.ids()) < before
    assert not set(fleet.ids("Warmed:Stopped")) & before


def test_a_notification_says_where_an_instance_comes_from_and_goes_to(fleet: Fleet) -> None:
    sqs = fleet.client_of("sqs")
    url = sqs.create_queue(QueueName="hooks")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def route() -> tuple[str, str, str]:
        (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        found = json.loads(message["Body"])
        return found["Origin"], found["Destination"], found["LifecycleTransition"]

    hooks = [
        fleet.hook(name, way, NotificationTargetARN=arn) for name, way in (("boot", LAUNCHING), ("end", TERMINATING))
    ]
    fleet.group(0, MaxSize=1, LifecycleHookSpecificationList=hooks)
    fleet.ask("put_warm_pool", InstanceReusePolicy={"ReuseOnScaleIn": True})
    assert route() == ("EC2", "WarmPool", LAUNCHING)
    (instance,) = [one.id for one in fleet.instances]
    fleet.complete(instance)
    fleet.resize(1)
    assert route() == ("WarmPool", "AutoScalingGroup", LAUNCHING)
    fleet.complete(instance)
    fleet.resize(0)
    assert route() == ("AutoScalingGroup", "WarmPool", TERMINATING)
    fleet.complete(instance, hook="end")
    fleet.ask("delete_warm_pool")
    assert route() == ("WarmPool", "EC2", TERMINATING)


def test_an_abandoned_warming_is_replaced(fleet: Fleet) -> None:
    fleet.group(0, LifecycleHookSpecificationList=[fleet.hook()])
    fleet.ask("put_warm_pool", MinSize=1, MaxGroupPreparedCapacity=1)
    (first,) = fleet.ids("Warmed:Pending:Wait")
    fleet.complete(first, "ABANDON")
    (second,) = fleet.ids("Warmed:Pending:Wait")
    assert (second != first, fleet.ec2_state(first)) == (True, "terminated")


def test_a_pool_instance_that_is_terminated_elsewhere_is_replaced(fleet: Fleet) -> None:
    fleet.group(0)
    fleet.ask("put_warm_pool", MinSize=1, MaxGroupPreparedCapacity=1)
    (first,) = fleet.ids("Warmed:Stopped")
    fleet.ec2.terminate_instances(InstanceIds=[first])
    fleet.fake.advance(10)
    assert fleet.ids("Warmed:Stopped") not in ([], [first])
    pooled = fleet.ids("Warmed:Stopped")[0]
    asked = {"InstanceId": pooled, "ShouldDecrementDesiredCapacity": False}
    assert "is in the warm pool" in fleet.refusal("terminate_instance_in_auto_scaling_group", **asked)[1]


@pytest.mark.parametrize("force", [True, False])
def test_a_deleted_pool_goes_with_its_instances(fleet: Fleet, force: bool) -> None:
    fleet.group(0, LifecycleHookSpecificationList=[fleet.hook("end", TERMINATING)])
    fleet.ask("put_warm_pool", MinSize=1, MaxGroupPreparedCapacity=1)
    fleet.ask("delete_warm_pool", ForceDelete=force)
    if not force:
        assert pool(fleet)["WarmPoolConfiguration"]["Status"] == "PendingDelete"
        assert fleet.states == {"Warmed:Terminating:Wait": 1}
        fleet.fake.advance(60)
    assert (fleet.states, "WarmPoolConfiguration" in pool(fleet)) == ({}, False)
    assert fleet.refusal("delete_warm_pool", AutoScalingGroupName=WEB)[0] == "ValidationError"
