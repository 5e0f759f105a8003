# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated Auto Scaling: instances on their way, and the hooks that hold them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulation import REGION

from .fleet import LAUNCHING, TERMINATING, WEB, Fleet


def ticks(fleet: Fleet) -> list[str]:
    """Every state that the only instance goes through, one tick each."""
    states = []
    while fleet.fake.tick():
        states += [one.state for one in fleet.instances] or ["gone"]
    return [state for number, state in enumerate(states) if number == 0 or state != states[number - 1]]


# --- in ---------------------------------------------------------------------------------------------------------------


def test_without_hooks_an_instance_goes_into_service_at_once(fleet: Fleet) -> None:
    fleet.group(settled=False)
    assert fleet.states == {}
    assert ticks(fleet) == ["Pending", "InService"]
    (launch,) = fleet.activities()
    instance = fleet.the("InService").id
    assert launch["Description"] == f"Launching a new EC2 instance: {instance}"
    assert launch["Cause"] == (
        "At 2026-01-01T00:00:00Z a user request created an AutoScalingGroup changing the desired capacity from 0 to 1."
        "  At 2026-01-01T00:00:00Z an instance was started in response to a difference between desired and actual "
        "capacity, increasing the capacity from 0 to 1."
    ).replace("2026-01-01T00:00:00Z", launch["Cause"][3:23])
    assert (launch["StatusCode"], launch["Progress"]) == ("Successful", 100)
    assert set(json.loads(launch["Details"])) == {"Subnet ID", "Availability Zone"}


def test_a_launch_hook_holds_an_instance_until_it_is_completed(fleet: Fleet) -> None:
    fleet.group(settled=False, LifecycleHookSpecificationList=[fleet.hook()])
    assert ticks(fleet) == ["Pending", "Pending:Wait"]
    assert fleet.activities()[0]["StatusCode"] == "MidLifecycleAction"
    fleet.client.complete_lifecycle_action(
        AutoScalingGroupName=WEB,
        LifecycleHookName="boot",
        InstanceId=fleet.the("Pending:Wait").id,
        LifecycleActionResult="CONTINUE",
    )
    assert ticks(fleet) == ["Pending:Proceed", "InService"]


def test_instances_are_real_ones_of_ec2(fleet: Fleet) -> None:
    image, profile = fleet.image(), "web-instances"
    fleet.client_of("iam").create_instance_profile(InstanceProfileName=profile)
    template = fleet.template(
        ImageId=image,
        InstanceType="t3.large",
        IamInstanceProfile={"Name": profile},
        MetadataOptions={"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "dtk:env", "Value": "test"}, {"Key": "a", "Value": "1"}]}
        ],
    )
    tags = [
        {"Key": "a", "Value": "of the group", "PropagateAtLaunch": True},
        {"Key": "b", "Value": "2", "PropagateAtLaunch": False},
    ]
    fleet.group(LaunchTemplate={"LaunchTemplateId": template, "Version": "1"}, Tags=tags)
    found = fleet.in_ec2(fleet.the("InService").id)
    assert (found["ImageId"], found["InstanceType"], found["State"]["Name"]) == (image, "t3.large", "running")
    assert found["SubnetId"] in fleet.subnets.values()
    assert found["IamInstanceProfile"]["Arn"].endswith(profile)
    assert found["MetadataOptions"]["InstanceMetadataTags"] == "enabled"
    assert {tag["Key"]: tag["Value"] for tag in found["Tags"]} == {
        "dtk:env": "test",
        "a": "of the group",
        "aws:autoscaling:groupName": WEB,
        "aws:ec2launchtemplate:id": template,
        "aws:ec2launchtemplate:version": "1",
    }


def test_an_image_may_be_named_by_a_parameter_and_network_interfaces_by_the_template(fleet: Fleet) -> None:
    image = fleet.image()
    fleet.client_of("ssm").put_parameter(Name="/golden/web", Value=image, Type="String")
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": False}
    template = fleet.template(ImageId="resolve:ssm:/golden/web", NetworkInterfaces=[interface])
    fleet.group(LaunchTemplate={"LaunchTemplateId": template})
    found = fleet.in_ec2(fleet.the("InService").id)
    assert found["ImageId"] == image
    assert found["SubnetId"] in fleet.subnets.values()


def test_an_abandoned_launch_is_terminated_and_replaced(fleet: Fleet) -> None:
    fleet.group(LifecycleHookSpecificationList=[fleet.hook()])
    first = fleet.the("Pending:Wait").id
    fleet.complete(first, "ABANDON")
    second = fleet.the("Pending:Wait").id
    assert second != first
    assert fleet.ec2_state(first) == "terminated"
    new, old = fleet.activities()
    assert new["Description"] == f"Launching a new EC2 instance: {second}"
    assert "started in response to a difference between desired and actual capacity" in new["Cause"]
    assert old["StatusCode"] == "Cancelled"
    assert old["StatusMessage"].startswith("Instance failed to complete user's Lifecycle Action: Lifecycle Action with")
    assert old["StatusMessage"].endswith("was abandoned: Lifecycle Action Completed with ABANDON Result")
    assert old["Description"] == f"Launching a new EC2 instance: {first}.  Status Reason: {old['StatusMessage']}"


@pytest.mark.parametrize(
    ("default", "states"), [("ABANDON", {"Pending:Wait": 1}), ("CONTINUE", {"InService": 1})], ids=str
)
def test_a_hook_that_nobody_completes_ends_as_it_says(fleet: Fleet, default: str, states: dict[str, int]) -> None:
    fleet.group(LifecycleHookSpecificationList=[fleet.hook(DefaultResult=default)])
    first = fleet.the("Pending:Wait").id
    fleet.fake.advance(59)
    assert fleet.ids("Pending:Wait") == [first]
    fleet.fake.advance(1)
    assert fleet.states == states
    survived = first in [one.id for one in fleet.instances]
    assert survived == (default == "CONTINUE")
    if not survived:
        assert fleet.activities()[1]["StatusMessage"].endswith("was abandoned: Heartbeat Timeout")


def test_heartbeats_hold_an_instance_for_a_hundred_timeouts_and_no_longer(fleet: Fleet) -> None:
    fleet.fake.dials.health_interval = 600
    fleet.group(LifecycleHookSpecificationList=[fleet.hook(HeartbeatTimeout=30)])
    first = fleet.the("Pending:Wait").id
    for _ in range(119):
        fleet.fake.advance(25)
        fleet.ask("record_lifecycle_action_heartbeat", LifecycleHookName="boot", InstanceId=first)
        assert fleet.ids("Pending:Wait") == [first]
    fleet.fake.advance(24)
    assert fleet.ids("Pending:Wait") == [first]
    fleet.fake.advance(1)
    assert fleet.ids("Pending:Wait") != [first], "3000 seconds are 100 times 30"


def test_the_longest_wait_is_48_hours(fleet: Fleet) -> None:
    fleet.group(0)
    fleet.ask("put_lifecycle_hook", **fleet.hook(HeartbeatTimeout=7200))
    fleet.ask("put_lifecycle_hook", **fleet.hook("short", HeartbeatTimeout=30))
    found = fleet.client.describe_lifecycle_hooks(AutoScalingGroupName=WEB)["LifecycleHooks"]
    assert [(one["LifecycleHookName"], one["GlobalTimeout"]) for one in found] == [("boot", 172_800), ("short", 3000)]


def test_all_hooks_of_a_transition_have_to_be_completed(fleet: Fleet) -> None:
    fleet.group(LifecycleHookSpecificationList=[fleet.hook("a"), fleet.hook("b")])
    instance = fleet.the("Pending:Wait").id
    fleet.complete(instance, hook="a")
    assert fleet.ids("Pending:Wait") == [instance]
    fleet.complete(instance, hook="b")
    assert fleet.ids() == [instance]


def test_one_hook_that_is_abandoned_ends_a_launch_without_the_others(fleet: Fleet) -> None:
    fleet.group(LifecycleHookSpecificationList=[fleet.hook("a"), fleet.hook("b")])
    instance = fleet.the("Pending:Wait").id
    fleet.complete(instance, "ABANDON", hook="b")
    assert instance not in [one.id for one in fleet.instances]


def test_a_deleted_hook_abandons_launches_and_lets_terminations_continue(fleet: Fleet) -> None:
    hooks = [fleet.hook(), fleet.hook("drain", TERMINATING)]
    fleet.group(2, LifecycleHookSpecificationList=hooks)
    first, second = fleet.ids("Pending:Wait")
    fleet.complete(first)
    fleet.ask("suspend_processes", ScalingProcesses=["Launch"])
    fleet.client.terminate_instance_in_auto_scaling_group(InstanceId=first, ShouldDecrementDesiredCapacity=True)
    fleet.fake.settle()
    assert fleet.states == {"Pending:Wait": 1, "Terminating:Wait": 1}
    fleet.ask("delete_lifecycle_hook", LifecycleHookName="drain")
    assert fleet.ids("Pending:Wait") == [second]
    fleet.ask("delete_lifecycle_hook", LifecycleHookName="boot")
    assert fleet.states == {}


# --- who may complete what --------------------------------------------------------------------------------------------


def test_an_action_is_completed_by_the_token_of_its_notification(fleet: Fleet) -> None:
    sqs = fleet.client_of("sqs")
    url = sqs.create_queue(QueueName="hooks")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    hook = fleet.hook(NotificationTargetARN=arn, RoleARN="arn:aws:iam::123456789012:role/hooks")
    fleet.group(LifecycleHookSpecificationList=[hook | {"NotificationMetadata": "see the runbook"}])
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    found = json.loads(message["Body"])
    token = found["LifecycleActionToken"]
    assert {key: found[key] for key in ("EC2InstanceId", "LifecycleTransition", "Origin", "Destination")} == {
        "EC2InstanceId": fleet.the("Pending:Wait").id,
        "LifecycleTransition": LAUNCHING,
        "Origin": "EC2",
        "Destination": "AutoScalingGroup",
    }
    assert found["NotificationMetadata"] == "see the runbook"
    by_token = {"LifecycleHookName": "boot", "LifecycleActionToken": token}
    fleet.ask("record_lifecycle_action_heartbeat", **by_token)
    fleet.ask("complete_lifecycle_action", LifecycleActionResult="CONTINUE", **by_token)
    assert fleet.states == {"InService": 1}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"LifecycleActionResult": "GO"}, "LifecycleActionResult must be one of CONTINUE, ABANDON, and is GO."),
        ({"InstanceId": "i-unknown"}, "No active Lifecycle Action found with instance ID i-unknown"),
        ({"LifecycleActionToken": "0" * 36}, f"No active Lifecycle Action found with token {'0' * 36}"),
        ({"LifecycleHookName": "other"}, "Lifecycle hook name not found - other is no lifecycle hook of"),
        ({"AutoScalingGroupName": "other"}, "AutoScalingGroup name not found - AutoScalingGroup other not found"),
        ({"InstanceId": None}, "Either the lifecycle action token or the instance ID must be specified."),
    ],
    ids=str,
)
def test_what_is_no_action_cannot_be_completed(fleet: Fleet, changed: dict[str, Any], message: str) -> None:
    fleet.group(LifecycleHookSpecificationList=[fleet.hook()])
    asked: dict[str, Any] = {
        "AutoScalingGroupName": WEB,
        "LifecycleHookName": "boot",
        "InstanceId": fleet.the("Pending:Wait").id,
        "LifecycleActionResult": "CONTINUE",
    }
    asked = {key: value for key, value in (asked | changed).items() if value is not None}
    code, said = fleet.refusal("complete_lifecycle_action", **asked)
    assert code == "ValidationError"
    assert message in said
    assert fleet.states == {"Pending:Wait": 1}


def test_an_action_is_completed_once(fleet: Fleet) -> None:
    fleet.group(LifecycleHookSpecificationList=[fleet.hook()])
    instance = fleet.the("Pending:Wait").id
    asked = {"AutoScalingGroupName": WEB, "LifecycleHookName": "boot", "InstanceId": instance}
    fleet.client.complete_lifecycle_action(LifecycleActionResult="CONTINUE", **asked)
    refused = "ValidationError", f"No active Lifecycle Action found with instance ID {instance}"
    assert fleet.refusal("complete_lifecycle_action", LifecycleActionResult="ABANDON", **asked) == refused
    assert fleet.refusal("record_lifecycle_action_heartbeat", **asked) == refused


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ({"HeartbeatTimeout": 29}, "HeartbeatTimeout must be between 30 and 7200 seconds, and is 29."),
        ({"HeartbeatTimeout": 7201}, "HeartbeatTimeout must be between 30 and 7200 seconds, and is 7201."),
        ({"DefaultResult": "RETRY"}, "DefaultResult must be one of CONTINUE, ABANDON, and is RETRY."),
        ({"LifecycleTransition": "launching"}, "LifecycleTransition must be one of"),
        ({"LifecycleHookName": "with spaces"}, "must match pattern"),
    ],
    ids=str,
)
def test_hooks_are_checked(fleet: Fleet, hook: dict[str, Any], message: str) -> None:
    fleet.group(0)
    code, said = fleet.refusal("put_lifecycle_hook", AutoScalingGroupName=WEB, **fleet.hook() | hook)
    assert code == "ValidationError"
    assert message in said
    assert fleet.client.describe_lifecycle_hooks(AutoScalingGroupName=WEB)["LifecycleHooks"] == []


def test_of_a_changed_hook_the_rest_stays(fleet: Fleet) -> None:
    fleet.group(0, LifecycleHookSpecificationList=[fleet.hook(DefaultResult="CONTINUE", HeartbeatTimeout=90)])
    fleet.ask("put_lifecycle_hook", LifecycleHookName="boot", HeartbeatTimeout=120)
    (hook,) = fleet.client.describe_lifecycle_hooks(AutoScalingGroupName=WEB)["LifecycleHooks"]
    assert (hook["LifecycleTransition"], hook["DefaultResult"], hook["HeartbeatTimeout"]) == (
        LAUNCHING,
        "CONTINUE",
        120,
    )


# --- out --------------------------------------------------------------------------------------------------------------


def test_a_termination_goes_by_way_of_its_hooks(fleet: Fleet) -> None:
    fleet.group(LifecycleHookSpecificationList=[fleet.hook("drain", TERMINATING)])
    instance = fleet.the("InService").id
    fleet.client.set_desired_capacity(AutoScalingGroupName=WEB, DesiredCapacity=0)
    assert ticks(fleet) == ["Terminating", "Terminating:Wait"]
    fleet.client.complete_lifecycle_action(
        AutoScalingGroupName=WEB, LifecycleHookName="drain", InstanceId=instance, LifecycleActionResult="ABANDON"
    )
    assert fleet.ec2_state(instance) == "running"
    assert ticks(fleet) == ["Terminating:Proceed", "Terminated", "gone"], "an abandoned termination goes on"
    assert fleet.ec2_state(instance) == "terminated"
    end = fleet.activities()[0]
    assert end["Description"] == f"Terminating EC2 instance: {instance}"
    assert end["Cause"].endswith(f"instance {instance} was selected for termination.")
    assert "explicitly set group desired capacity changing the desired capacity from 1 to 0." in end["Cause"]


def test_an_abandoned_termination_may_retain_the_instance(fleet: Fleet) -> None:
    fleet.group(
        LifecycleHookSpecificationList=[fleet.hook("drain", TERMINATING)],
        InstanceLifecyclePolicy={"RetentionTriggers": {"TerminateHookAbandon": "retain"}},
    )
    instance = fleet.the("InService").id
    fleet.resize(0)
    fleet.complete(instance, "ABANDON", hook="drain")
    assert fleet.states == {"Terminating:Retained": 1}
    fleet.fake.advance(3600)
    assert fleet.ec2_state(instance) == "running"
    fleet.client.terminate_instance_in_auto_scaling_group(InstanceId=instance, ShouldDecrementDesiredCapacity=False)
    fleet.fake.settle()
    fleet.complete(instance, hook="drain")
    assert fleet.states == {}


def test_connections_are_drained_before_a_termination(fleet: Fleet) -> None:
    target_group = fleet.target_group(delay=40)
    fleet.group(TargetGroupARNs=[target_group], LifecycleHookSpecificationList=[fleet.hook("drain", TERMINATING)])
    instance = fleet.the("InService").id
    assert fleet.targets(target_group) == {instance}
    fleet.resize(0)
    assert fleet.targets(target_group) == set()
    assert fleet.states == {"Terminating": 1}
    end = fleet.activities()[0]
    assert end["StatusCode"] == "WaitingForELBConnectionDraining"
    assert end["Description"] == f"Terminating EC2 instance: {instance} - Waiting For ELB Connection Draining"
    fleet.fake.advance(39)
    assert fleet.states == {"Terminating": 1}
    fleet.fake.advance(1)
    assert fleet.states == {"Terminating:Wait": 1}
    assert fleet.activities()[0]["Description"] == f"Terminating EC2 instance: {instance}"


# --- what goes wrong before an instance is in service -----------------------------------------------------------------


def test_an_instance_that_dies_while_it_boots_is_a_failed_launch(fleet: Fleet) -> None:
    fleet.group(LifecycleHookSpecificationList=[fleet.hook(HeartbeatTimeout=3600)])
    first = fleet.the("Pending:Wait").id
    fleet.ec2.terminate_instances(InstanceIds=[first])
    fleet.fake.advance(10)
    assert fleet.the("Pending:Wait").id != first
    failed = fleet.activities()[1]
    assert failed["StatusCode"] == "Cancelled"
    assert failed["StatusMessage"].startswith(
        "Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: "
    )


# --- dials ------------------------------------------------------------------------------------------------------------


def test_an_instance_may_dwell_in_a_state(fleet: Fleet) -> None:
    fleet.fake.dials.dwell = {"Pending": 20, "Pending:Proceed": 5}
    fleet.group(LifecycleHookSpecificationList=[fleet.hook()])
    assert fleet.states == {"Pending": 1}
    fleet.fake.advance(20)
    assert fleet.states == {"Pending:Wait": 1}
    fleet.complete(fleet.the("Pending:Wait").id)
    assert fleet.states == {"Pending:Proceed": 1}
    fleet.fake.advance(5)
    assert fleet.states == {"InService": 1}


def test_reads_may_see_what_was_before_the_last_change(fleet: Fleet) -> None:
    fleet.group(LifecycleHookSpecificationList=[fleet.hook()])
    instance = fleet.the("Pending:Wait").id
    fleet.client.complete_lifecycle_action(
        AutoScalingGroupName=WEB, LifecycleHookName="boot", InstanceId=instance, LifecycleActionResult="CONTINUE"
    )
    fleet.fake.tick()
    fleet.fake.tick()
    fleet.aws.stale("autoscaling:DescribeAutoScalingGroups", times=2)
    seen = [fleet.described()["Instances"][0]["LifecycleState"] for _ in range(3)]
    assert seen == ["Pending:Proceed", "Pending:Proceed", "InService"]


def test_the_state_of_an_instance_can_be_asked_for(fleet: Fleet) -> None:
    fleet.group(LifecycleHookSpecificationList=[fleet.hook()])
    instance = fleet.the("Pending:Wait")
    found = fleet.fake.instance(instance.id, REGION)
    assert found == instance
    assert fleet.fake.instance("i-unknown", REGION) is None
    described = fleet.client.describe_auto_scaling_instances(InstanceIds=[instance.id])["AutoScalingInstances"]
    assert [(one["LifecycleState"], one["HealthStatus"]) for one in described] == [("Pending:Wait", "HEALTHY")]
