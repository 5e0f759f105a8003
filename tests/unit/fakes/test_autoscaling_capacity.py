# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated Auto Scaling: groups that keep their size over their zones, and replace what is sick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.emulation import Emulation
from tests.fakes.autoscaling import ManualClock, Options
from tests.fakes.elbv2 import Options as BalancerOptions

from .fleet import TERMINATING, WEB, Fleet


@pytest.fixture(scope="module")
def with_balancers() -> Iterator[Emulation]:
    clock = ManualClock()
    balancers = BalancerOptions(clock=lambda: clock.now().timestamp())
    with (
        pytest.MonkeyPatch.context() as patch,
        Emulation.start(autoscaling=Options(clock=clock), balancers=balancers) as aws,
    ):
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        yield aws


@pytest.fixture
def balanced(with_balancers: Emulation) -> Iterator[Fleet]:
    """Its target groups check their targets, every five seconds of the same time."""
    with_balancers.reset_data()
    yield Fleet(with_balancers)
    with_balancers.reset()
    with_balancers.reset_data()
    assert (with_balancers.autoscaling.violations, with_balancers.balancers.violations) == ([], [])


def zones(fleet: Fleet) -> list[int]:
    return sorted(Counter(one.zone for one in fleet.instances).values())


# --- size -------------------------------------------------------------------------------------------------------------


def test_a_group_spreads_over_its_zones_and_keeps_its_size(fleet: Fleet) -> None:
    fleet.group(5, zones=3)
    assert zones(fleet) == [1, 2, 2]
    fleet.resize(9)
    assert zones(fleet) == [3, 3, 3]
    fleet.resize(4)
    assert zones(fleet) == [1, 1, 2]
    assert fleet.described()["DesiredCapacity"] == 4
    running = [{"Name": "instance-state-name", "Values": ["running"]}]
    found = fleet.ec2.describe_instances(Filters=running)["Reservations"]
    assert sorted(one["Instances"][0]["InstanceId"] for one in found) == sorted(fleet.ids())


def test_without_subnets_the_default_ones_of_the_zones_are_taken(fleet: Fleet) -> None:
    chosen = sorted(fleet.subnets)[:2]
    fleet.group(2, AvailabilityZones=chosen, zones=0)
    assert fleet.described()["AvailabilityZones"] == chosen
    assert sorted(one.zone for one in fleet.instances) == chosen


@pytest.mark.parametrize(
    ("policy", "survivors"),
    [
        ("OldestInstance", [1, 2]),
        ("NewestInstance", [0, 1]),
        ("OldestLaunchTemplate", [1, 2]),
        ("ClosestToNextInstanceHour", [1, 2]),
    ],
)
def test_the_termination_policy_chooses(fleet: Fleet, policy: str, survivors: list[int]) -> None:
    template = fleet.group(1, zones=1, TerminationPolicies=[policy])
    fleet.fake.advance(100)
    fleet.ask("update_auto_scaling_group", LaunchTemplate=fleet.version(template))
    for size in (2, 3):
        fleet.resize(size)
        fleet.fake.advance(100)
    made = [one.id for one in sorted(fleet.instances, key=lambda one: one.launched)]
    fleet.resize(2)
    assert sorted(fleet.ids()) == sorted(made[number] for number in survivors)


def test_by_default_the_oldest_template_goes_first_and_from_the_fullest_zone(fleet: Fleet) -> None:
    template = fleet.group(3, zones=2)
    fleet.ask("update_auto_scaling_group", LaunchTemplate=fleet.version(template))
    fleet.resize(4)
    new = max(fleet.instances, key=lambda one: int((one.template or {})["Version"]))
    fleet.resize(3)
    fleet.resize(2)
    assert new.id in fleet.ids()
    assert zones(fleet) == [1, 1]


def test_what_still_waits_for_its_hooks_goes_before_what_serves(fleet: Fleet) -> None:
    fleet.group(1, zones=1)
    serving = fleet.ids()
    fleet.ask("put_lifecycle_hook", **fleet.hook())
    fleet.resize(2)
    fleet.resize(1)
    assert fleet.ids() == serving


def test_protected_instances_are_not_scaled_in(fleet: Fleet) -> None:
    fleet.fake.dials.health_interval = 100
    fleet.group(2, NewInstancesProtectedFromScaleIn=True)
    first, second = fleet.ids()
    fleet.resize(0)
    assert fleet.states == {"InService": 2}
    stuck = fleet.activities()[0]
    assert (stuck["StatusCode"], stuck["StatusMessage"]) == (
        "Failed",
        "Could not scale to desired capacity because all remaining instances are protected from scale-in.",
    )
    fleet.fake.advance(300)
    assert len(fleet.activities()) == 3, "it is said once"
    fleet.ask("set_instance_protection", InstanceIds=[first], ProtectedFromScaleIn=False)
    assert fleet.ids() == [second]


def test_zones_are_balanced_again_by_a_launch_before_a_termination(fleet: Fleet) -> None:
    fleet.group(4, zones=2)
    lone = [one for one in fleet.instances if one.zone == fleet.instances[0].zone]
    fleet.ask("suspend_processes", ScalingProcesses=["AZRebalance"])
    for one in lone:
        fleet.client.terminate_instance_in_auto_scaling_group(InstanceId=one.id, ShouldDecrementDesiredCapacity=True)
    fleet.fake.settle()
    assert zones(fleet) == [2]
    fleet.ask("resume_processes", ScalingProcesses=["AZRebalance"])
    assert zones(fleet) == [1, 1]
    launch = next(one for one in fleet.activities() if "to balance instances in zones" in one["Cause"])
    assert launch["StatusCode"] == "Successful"


def test_a_launch_that_ec2_refuses_is_tried_again(fleet: Fleet) -> None:
    template = fleet.group(0)
    fleet.client_of("iam").create_instance_profile(InstanceProfileName="gone-later")
    broken = fleet.version(template, IamInstanceProfile={"Name": "gone-later"})
    fleet.ask("update_auto_scaling_group", LaunchTemplate=broken)
    fleet.client_of("iam").delete_instance_profile(InstanceProfileName="gone-later")
    fleet.resize(1)
    failed = fleet.activities()[0]
    assert (failed["StatusCode"], fleet.states) == ("Failed", {})
    assert failed["StatusMessage"].endswith("Launching EC2 instance failed.")
    assert failed["Description"].startswith("Launching a new EC2 instance.  Status Reason: ")
    fleet.fake.advance(15)
    assert [one["StatusCode"] for one in fleet.activities()] == ["Failed", "Failed"]
    fleet.client_of("iam").create_instance_profile(InstanceProfileName="gone-later")
    fleet.fake.advance(15)
    assert fleet.states == {"InService": 1}


@pytest.mark.parametrize("decrement", [True, False])
def test_an_instance_is_terminated_with_or_without_a_replacement(fleet: Fleet, decrement: bool) -> None:
    fleet.group(2)
    first, second = fleet.ids()
    answer = fleet.client.terminate_instance_in_auto_scaling_group(
        InstanceId=first, ShouldDecrementDesiredCapacity=decrement
    )
    assert answer["Activity"]["Description"] == f"Terminating EC2 instance: {first}"
    change = ", shrinking the capacity from 2 to 1." if decrement else "."
    assert answer["Activity"]["Cause"].endswith(
        f"instance {first} was taken out of service in response to a user request{change}"
    )
    fleet.fake.settle()
    assert fleet.described()["DesiredCapacity"] == (1 if decrement else 2)
    assert fleet.states == {"InService": 1 if decrement else 2}
    assert second in fleet.ids()
    assert first not in fleet.ids()


def test_several_instances_are_terminated_at_once(fleet: Fleet) -> None:
    fleet.group(3)
    chosen = fleet.ids()[:2]
    answer = fleet.ask(
        "terminate_instance_in_auto_scaling_group", InstanceIds=chosen, ShouldDecrementDesiredCapacity=True
    )
    assert len(answer["Activities"]) == 2
    assert fleet.states == {"InService": 1}


def test_below_the_minimum_nothing_is_taken_away(fleet: Fleet) -> None:
    fleet.group(1, MinSize=1, MaxSize=1)
    (instance,) = fleet.ids()
    by_group = {"AutoScalingGroupName": WEB, "InstanceIds": [instance], "ShouldDecrementDesiredCapacity": True}
    violates = fleet.refusal(
        "terminate_instance_in_auto_scaling_group", InstanceId=instance, ShouldDecrementDesiredCapacity=True
    )
    assert violates[1].startswith("Currently, desiredSize equals minSize (1). Terminating instance without replacement")
    sizes = f"AutoScalingGroup {WEB} has min-size=1, max-size=1, and desired-size=1. To {{}} 1 instance, please update "
    assert fleet.refusal("enter_standby", **by_group)[1].startswith(sizes.format("place into standby"))
    assert fleet.refusal("detach_instances", **by_group)[1].startswith(sizes.format("detach"))
    assert fleet.states == {"InService": 1}


# --- aside and back ---------------------------------------------------------------------------------------------------


def test_standby_takes_an_instance_out_of_traffic_and_of_the_count(fleet: Fleet) -> None:
    target_group = fleet.target_group(delay=30)
    fleet.group(
        2, TargetGroupARNs=[target_group], LifecycleHookSpecificationList=[fleet.hook(DefaultResult="CONTINUE")]
    )
    fleet.fake.advance(60)
    first, second = fleet.ids()
    answer = fleet.ask("enter_standby", InstanceIds=[first], ShouldDecrementDesiredCapacity=True)
    (activity,) = answer["Activities"]
    assert activity["Description"] == f"Moving EC2 instance to Standby: {first}"
    assert activity["Cause"].endswith(
        "was moved to standby in response to a user request, shrinking the capacity from 2 to 1."
    )
    assert fleet.states == {"EnteringStandby": 1, "InService": 1}
    assert fleet.targets(target_group) == {second}
    fleet.fake.advance(30)
    assert fleet.states == {"Standby": 1, "InService": 1}
    answer = fleet.ask("exit_standby", InstanceIds=[first])
    assert answer["Activities"][0]["Cause"].endswith("increasing the capacity from 1 to 2.")
    assert fleet.states == {"InService": 2}, "no hook holds what comes back"
    assert fleet.targets(target_group) == {first, second}


def test_standby_without_a_decrement_is_replaced(fleet: Fleet) -> None:
    fleet.group(1)
    (first,) = fleet.ids()
    fleet.ask("enter_standby", InstanceIds=[first], ShouldDecrementDesiredCapacity=False)
    assert fleet.states == {"Standby": 1, "InService": 1}
    assert fleet.described()["DesiredCapacity"] == 1
    code, message = fleet.refusal(
        "enter_standby", AutoScalingGroupName=WEB, InstanceIds=[first], ShouldDecrementDesiredCapacity=True
    )
    assert (code, message) == ("ValidationError", f"The instance {first} is not in InService; it is in Standby.")


def test_an_instance_in_standby_is_neither_checked_nor_replaced(fleet: Fleet) -> None:
    fleet.group(1)
    (first,) = fleet.ids()
    fleet.ask("enter_standby", InstanceIds=[first], ShouldDecrementDesiredCapacity=True)
    fleet.ec2.stop_instances(InstanceIds=[first])
    fleet.fake.advance(60)
    assert fleet.states == {"Standby": 1}


def test_instances_are_detached_and_attached(fleet: Fleet) -> None:
    target_group = fleet.target_group()
    fleet.group(1, MaxSize=2, TargetGroupARNs=[target_group])
    (first,) = fleet.ids()
    answer = fleet.ask("detach_instances", InstanceIds=[first], ShouldDecrementDesiredCapacity=True)
    assert answer["Activities"][0]["Cause"].endswith(
        "detached in response to a user request, shrinking the capacity from 1 to 0."
    )
    assert (fleet.states, fleet.ec2_state(first), fleet.targets(target_group)) == ({}, "running", set())
    fleet.ask("attach_instances", InstanceIds=[first])
    assert (fleet.ids(), fleet.targets(target_group)) == ([first], {first})
    assert fleet.described()["DesiredCapacity"] == 1
    assert fleet.activities()[0]["Description"] == f"Attaching an existing EC2 instance: {first}"
    asked = {"AutoScalingGroupName": WEB, "InstanceIds": [first]}
    assert "is already part of an Auto Scaling group" in fleet.refusal("attach_instances", **asked)[1]
    assert "Invalid Instance ID" in fleet.refusal("attach_instances", **asked | {"InstanceIds": ["i-unknown"]})[1]
    assert "To attach 2 instances" in fleet.refusal("attach_instances", **asked | {"InstanceIds": ["a", "b"]})[1]


# --- health -----------------------------------------------------------------------------------------------------------


def test_a_stopped_instance_is_replaced(fleet: Fleet) -> None:
    fleet.group(2, HealthCheckGracePeriod=3600)
    first, second = fleet.ids()
    fleet.ec2.stop_instances(InstanceIds=[first])
    fleet.fake.advance(10)
    assert (fleet.states, second in fleet.ids(), first in fleet.ids()) == ({"InService": 2}, True, False)
    causes = {one["Description"].split()[0]: one["Cause"] for one in fleet.activities()[:2]}
    assert causes["Terminating"].endswith(
        "an instance was taken out of service in response to an EC2 health check indicating it has been terminated or "
        "stopped."
    )
    assert causes["Launching"].endswith(
        "an instance was launched in response to an unhealthy instance needing to be replaced."
    )


def test_what_load_balancers_say_counts_after_the_grace_period(balanced: Fleet) -> None:
    target_group, sick = balanced.checked_target_group(), balanced.aws.balancers.sick
    balanced.group(2, TargetGroupARNs=[target_group], HealthCheckType="EC2,ELB", HealthCheckGracePeriod=100)
    first, second = balanced.ids()
    assert balanced.targets(target_group) == {first, second}
    sick.add(first)
    balanced.fake.advance(95)
    assert first in balanced.ids()
    assert balanced.aws.balancers.state(target_group, first) == "unhealthy"
    balanced.fake.advance(10)
    assert (first in balanced.ids(), second in balanced.ids(), balanced.states) == (False, True, {"InService": 2})
    causes = " ".join(one["Cause"] for one in balanced.activities())
    assert "an instance was taken out of service in response to an ELB system health check failure." in causes
    balanced.fake.advance(60)
    assert {one["Id"] for one in balanced.aws.balancers.healthy(target_group)} == set(balanced.ids())


def test_without_elb_checks_an_unhealthy_target_stays(balanced: Fleet) -> None:
    balanced.group(1, TargetGroupARNs=[balanced.checked_target_group()])
    sick = balanced.aws.balancers.sick
    sick.update(balanced.ids())
    balanced.fake.advance(600)
    assert set(balanced.ids()) == sick


def test_a_target_group_counts_once_one_of_its_targets_was_healthy(balanced: Fleet) -> None:
    balanced.group(1, HealthCheckType="ELB")
    (first,) = balanced.ids()
    sick = balanced.aws.balancers.sick
    sick.add(first)
    arn = balanced.checked_target_group()
    balanced.client.attach_load_balancer_target_groups(AutoScalingGroupName=WEB, TargetGroupARNs=[arn])

    def state() -> str:
        found = balanced.client.describe_load_balancer_target_groups(AutoScalingGroupName=WEB)
        return str(found["LoadBalancerTargetGroups"][0]["State"])

    assert state() == "Adding"
    balanced.fake.advance(100)
    assert (state(), balanced.ids()) == ("Added", [first])
    sick.clear()
    balanced.fake.advance(20)
    assert state() == "InService"
    sick.add(first)
    balanced.fake.advance(30)
    assert first not in balanced.ids()


def test_a_user_may_call_an_instance_sick(fleet: Fleet) -> None:
    fleet.group(1, HealthCheckGracePeriod=60)
    (first,) = fleet.ids()
    sick = {"InstanceId": first, "HealthStatus": "Unhealthy"}
    fleet.client.set_instance_health(**sick)
    fleet.fake.settle()
    assert fleet.ids() == [first], "within the grace period that is not heard"
    fleet.client.set_instance_health(**sick, ShouldRespectGracePeriod=False)
    fleet.fake.settle()
    assert first not in fleet.ids()
    causes = " ".join(one["Cause"] for one in fleet.activities())
    assert "an instance was taken out of service in response to a user health-check." in causes
    assert fleet.refusal("set_instance_health", InstanceId=fleet.ids()[0], HealthStatus="Ill")[0] == "ValidationError"
    unknown = fleet.refusal("set_instance_health", InstanceId="i-unknown", HealthStatus="Healthy")
    assert unknown[1] == "Instance Id not found - No managed instance found for instance ID: i-unknown"


# --- suspended processes ----------------------------------------------------------------------------------------------


def test_suspended_processes_are_named_and_resumed(fleet: Fleet) -> None:
    fleet.group(0)
    fleet.ask("suspend_processes", ScalingProcesses=["Launch", "Terminate"])
    found = fleet.described()["SuspendedProcesses"]
    assert [one["ProcessName"] for one in found] == ["Launch", "Terminate"]
    assert found[0]["SuspensionReason"].startswith("User suspended at 20")
    fleet.ask("suspend_processes")
    assert len(fleet.described()["SuspendedProcesses"]) == 9
    fleet.ask("resume_processes")
    assert fleet.described()["SuspendedProcesses"] == []
    refused = fleet.refusal("suspend_processes", AutoScalingGroupName=WEB, ScalingProcesses=["Lunch"])
    assert refused[1].startswith("Invalid process names: Lunch.")


@pytest.mark.parametrize(("process", "size"), [("Launch", 3), ("Terminate", 1)])
def test_a_suspended_process_does_nothing_until_it_is_resumed(fleet: Fleet, process: str, size: int) -> None:
    fleet.fake.dials.health_interval = 300
    fleet.group(2)
    fleet.ask("suspend_processes", ScalingProcesses=[process])
    fleet.resize(size)
    fleet.fake.advance(600)
    assert fleet.states == {"InService": 2}
    fleet.ask("resume_processes", ScalingProcesses=[process])
    assert fleet.states == {"InService": size}


@pytest.mark.parametrize(("process", "health"), [("HealthCheck", "Healthy"), ("ReplaceUnhealthy", "Unhealthy")])
def test_sick_instances_stay_while_the_process_is_suspended(fleet: Fleet, process: str, health: str) -> None:
    fleet.group(1)
    (first,) = fleet.ids()
    fleet.ask("suspend_processes", ScalingProcesses=[process])
    fleet.ec2.stop_instances(InstanceIds=[first])
    fleet.fake.advance(60)
    assert [(one.id, one.health) for one in fleet.instances] == [(first, health)]
    fleet.ask("resume_processes", ScalingProcesses=[process])
    fleet.fake.advance(10)
    assert first not in fleet.ids()


def test_while_adding_is_suspended_nothing_is_registered(fleet: Fleet) -> None:
    target_group = fleet.target_group()
    fleet.group(0, TargetGroupARNs=[target_group])
    fleet.ask("suspend_processes", ScalingProcesses=["AddToLoadBalancer"])
    fleet.resize(1)
    fleet.ask("resume_processes")
    assert (fleet.states, fleet.targets(target_group)) == ({"InService": 1}, set()), "and not later either"
    fleet.resize(2)
    assert len(fleet.targets(target_group)) == 1


# --- target groups ----------------------------------------------------------------------------------------------------


def test_target_groups_are_attached_and_detached(fleet: Fleet) -> None:
    mine, other = fleet.target_group(delay=20), fleet.target_group(delay=20)
    fleet.group(1, TargetGroupARNs=[mine])
    fleet.ask("attach_traffic_sources", TrafficSources=[{"Identifier": other, "Type": "elbv2"}])
    assert (fleet.targets(mine), fleet.targets(other)) == (set(fleet.ids()), set(fleet.ids()))
    group = fleet.described()
    assert group["TargetGroupARNs"] == [mine]
    assert [one["Identifier"] for one in group["TrafficSources"]] == [mine, other]
    by_source = fleet.client.describe_traffic_sources(AutoScalingGroupName=WEB)["TrafficSources"]
    assert [(one["Identifier"], one["State"]) for one in by_source] == [(mine, "InService"), (other, "Added")]
    fleet.ask("detach_load_balancer_target_groups", TargetGroupARNs=[mine])
    assert (fleet.targets(mine), fleet.described()["TargetGroupARNs"]) == (set(), [])
    found = fleet.client.describe_load_balancer_target_groups(AutoScalingGroupName=WEB)["LoadBalancerTargetGroups"]
    assert [one["State"] for one in found] == ["Removing"]
    fleet.fake.advance(20)
    found = fleet.client.describe_load_balancer_target_groups(AutoScalingGroupName=WEB)["LoadBalancerTargetGroups"]
    assert found == []
    fleet.ask("detach_traffic_sources", TrafficSources=[{"Identifier": other}])
    fleet.fake.advance(20)
    assert fleet.described()["TrafficSources"] == []
    assert fleet.states == {"InService": 1}


def test_a_target_group_that_is_not_there_is_refused(fleet: Fleet) -> None:
    fleet.group(0)
    arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/none/0123456789abcdef"
    asked = {"AutoScalingGroupName": WEB, "TargetGroupARNs": [arn]}
    message = "Provided Target Groups may not be valid. Please ensure they exist and try again."
    assert fleet.refusal("attach_load_balancer_target_groups", **asked) == ("ValidationError", message)
    assert "is not attached" in fleet.refusal("detach_load_balancer_target_groups", **asked)[1]


def test_draining_takes_no_longer_than_the_dial_says(fleet: Fleet) -> None:
    fleet.fake.dials.drain_at_most = 2
    fleet.group(1, TargetGroupARNs=[fleet.target_group(delay=300)])
    fleet.resize(0)
    fleet.fake.advance(2)
    assert fleet.states == {}


# --- ends -------------------------------------------------------------------------------------------------------------


def test_a_group_with_instances_is_deleted_by_force_only(fleet: Fleet) -> None:
    fleet.group(2, LifecycleHookSpecificationList=[fleet.hook("drain", TERMINATING)])
    instances = fleet.ids()
    code, message = fleet.refusal("delete_auto_scaling_group", AutoScalingGroupName=WEB)
    assert (code, message.startswith("You cannot delete an AutoScalingGroup while")) == ("ResourceInUse", True)
    fleet.client.delete_auto_scaling_group(AutoScalingGroupName=WEB, ForceDelete=True)
    assert fleet.described()["Status"] == "Delete in progress"
    fleet.fake.settle()
    assert fleet.client.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert {fleet.ec2_state(one) for one in instances} == {"terminated"}
    assert fleet.refusal("describe_scaling_activities", AutoScalingGroupName=WEB)[0] == "ValidationError"
    with_deleted = fleet.client.describe_scaling_activities(AutoScalingGroupName=WEB, IncludeDeletedGroups=True)
    assert {one["AutoScalingGroupState"] for one in with_deleted["Activities"]} == {"Deleted"}
    fleet.group(0)


def test_a_group_that_is_scaled_in_has_to_end_its_activities_first(fleet: Fleet) -> None:
    fleet.group(1, LifecycleHookSpecificationList=[fleet.hook("drain", TERMINATING)])
    fleet.resize(0)
    assert fleet.refusal("delete_auto_scaling_group", AutoScalingGroupName=WEB)[0] == "ScalingActivityInProgress"
    fleet.fake.advance(60)
    fleet.client.delete_auto_scaling_group(AutoScalingGroupName=WEB)
    fleet.fake.settle()
    assert fleet.refusal("set_desired_capacity", AutoScalingGroupName=WEB, DesiredCapacity=1)[1] == (
        f"AutoScalingGroup name not found - AutoScalingGroup {WEB} not found"
    )


def test_deletion_protection_is_kept_to(fleet: Fleet) -> None:
    fleet.group(0, DeletionProtection="prevent-force-deletion")
    force = {"AutoScalingGroupName": WEB, "ForceDelete": True}
    assert fleet.refusal("delete_auto_scaling_group", **force)[0] == "ResourceInUse"
    fleet.ask("update_auto_scaling_group", DeletionProtection="none")
    fleet.ask("delete_auto_scaling_group", ForceDelete=True)
