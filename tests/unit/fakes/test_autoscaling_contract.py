# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated Auto Scaling: bad input, pages, tags, policies, schedules, and that it never breaks its own contract."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulation import REGION
from tests.fakes.autoscaling.processes import METRICS
from tests.fakes.autoscaling.schedules import Cron
from tests.fakes.autoscaling.service import OPERATIONS
from tests.fakes.contract import Contract, RefusalError

from .fleet import WEB, Fleet

NOON = datetime.datetime(2027, 1, 1, 12, 0, tzinfo=datetime.UTC)  # a Friday


# --- the contract -----------------------------------------------------------------------------------------------------


def test_an_answer_that_the_model_forbids_is_never_sent(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.group(0)
    monkeypatch.setitem(OPERATIONS, "DescribeTags", lambda _region, _parameters: {"Tags": [{"Colour": "red"}]})
    code, message = fleet.refusal("describe_tags")
    assert code == "FakeContractViolation"
    assert "Tags[0].Colour" in message
    assert fleet.fake.violations == [message]
    fleet.fake.violations.clear()


def test_an_error_that_an_operation_does_not_declare_is_never_sent(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_region: Any, _parameters: Any) -> Any:
        raise RefusalError("AlreadyExists", "so it is")

    monkeypatch.setitem(OPERATIONS, "DescribeTags", refuse)
    assert fleet.refusal("describe_tags")[0] == "FakeContractViolation"
    assert fleet.fake.violations == ["DescribeTags does not declare AlreadyExists (so it is)"]
    fleet.fake.violations.clear()


def test_every_operation_is_one_of_the_model() -> None:
    assert set(OPERATIONS) <= set(Contract("autoscaling").model.operation_names)


def test_what_the_fake_lacks_it_refuses(fleet: Fleet) -> None:
    assert fleet.refusal("describe_account_limits") == (
        "NotImplemented",
        "The emulated Auto Scaling has no DescribeAccountLimits.",
    )
    template = fleet.group(0)
    wanted = {
        "AutoScalingGroupName": "other",
        "MinSize": 0,
        "MaxSize": 1,
        "LaunchTemplate": {"LaunchTemplateId": template},
        "VPCZoneIdentifier": next(iter(fleet.subnets.values())),
    }
    for more, what in (
        ({"LoadBalancerNames": ["classic"]}, "LoadBalancerNames of groups"),
        ({"MaxInstanceLifetime": 86_400}, "MaxInstanceLifetime of groups"),
        ({"TrafficSources": [{"Identifier": "a", "Type": "vpc-lattice"}]}, "traffic sources of type vpc-lattice"),
    ):
        message = f"The emulated Auto Scaling has no {what}."
        assert fleet.refusal("create_auto_scaling_group", **wanted | more) == ("NotImplemented", message)
    assert [
        one["AutoScalingGroupName"] for one in fleet.client.describe_auto_scaling_groups()["AutoScalingGroups"]
    ] == [WEB]


@pytest.mark.parametrize(
    ("code", "status"),
    [("Throttling", 400), ("ServiceUnavailable", 503), ("ResourceContention", 500), ("AccessDenied", 403)],
)
def test_faults_are_errors_that_the_operation_may_send(fleet: Fleet, code: str, status: int) -> None:
    fleet.aws.fault("autoscaling:DescribeAutoScalingGroups", code, times=1)
    with pytest.raises(ClientError) as caught:
        fleet.client.describe_auto_scaling_groups()
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    fleet.client.describe_auto_scaling_groups()


def test_calls_are_counted_limited_and_lost_like_all_others(fleet: Fleet) -> None:
    fleet.aws.reset()
    fleet.group(1)
    assert fleet.aws.calls()[f"autoscaling:CreateAutoScalingGroup:{REGION}"] == 1
    assert not [call for call in fleet.aws.calls() if "RunInstances" in call], (
        "what the service calls counts for nobody"
    )
    fleet.aws.limit("autoscaling", rate=0, burst=0)
    assert fleet.refusal("describe_auto_scaling_groups") == ("Throttling", "Rate exceeded")
    fleet.aws.reset()
    fleet.aws.lose("autoscaling:SetDesiredCapacity", times=1)
    with pytest.raises(Exception, match="Connection was closed"):
        fleet.client.set_desired_capacity(AutoScalingGroupName=WEB, DesiredCapacity=2)
    assert fleet.described()["DesiredCapacity"] == 2, "the answer was lost, not the request"


def test_regions_know_nothing_of_each_other(fleet: Fleet) -> None:
    fleet.group(0)
    other = fleet.client_of("autoscaling", "eu-central-1")
    assert other.describe_auto_scaling_groups()["AutoScalingGroups"] == []


# --- groups -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"MinSize": 2, "MaxSize": 1}, "Max bound, 1, must be greater than or equal to min bound, 2"),
        ({"DesiredCapacity": 4}, "Desired capacity:4 must be between the specified min size:0 and max size:3"),
        ({"MinSize": -1}, "Min and max size must not be negative."),
        ({"HealthCheckType": "EC2,PING"}, "Invalid HealthCheckType(s): PING"),
        ({"TerminationPolicies": ["Random"]}, "Invalid Termination policies: Random"),
        ({"HealthCheckGracePeriod": -1}, "must not be negative"),
        ({"InstanceMaintenancePolicy": {"MinHealthyPercentage": 90}}, "must both be specified"),
        ({"VPCZoneIdentifier": "subnet-none"}, "subnet-none"),
        ({"VPCZoneIdentifier": None}, "At least one Availability Zone or VPC Subnet is required."),
        ({"AvailabilityZones": ["eu-west-1z"]}, "There is no subnet in the Availability Zones [eu-west-1z]"),
        ({"AutoScalingGroupName": "a:b"}, "The group name a:b is invalid"),
        ({"LaunchTemplate": None}, "Valid requests must contain either LaunchTemplate,"),
        ({"LaunchTemplate": {"LaunchTemplateId": "lt-0123456789abcdef0"}}, "You must use a valid fully-formed"),
        ({"Tags": [{"Key": "aws:mine"}]}, "The tag key aws:mine is reserved."),
        ({"TargetGroupARNs": [f"arn:{number}" for number in range(11)]}, "You can specify up to 10 target groups"),
    ],
    ids=str,
)
def test_a_group_is_checked_before_it_is_made(fleet: Fleet, changed: dict[str, Any], message: str) -> None:
    wanted = {
        "AutoScalingGroupName": WEB,
        "MinSize": 0,
        "MaxSize": 3,
        "LaunchTemplate": {"LaunchTemplateId": fleet.template()},
        "VPCZoneIdentifier": next(iter(fleet.subnets.values())),
    }
    asked = {key: value for key, value in (wanted | changed).items() if value is not None}
    code, said = fleet.refusal("create_auto_scaling_group", **asked)
    assert code == "ValidationError"
    assert message in said
    assert fleet.client.describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_a_launch_template_needs_an_image(fleet: Fleet) -> None:
    made = fleet.ec2.create_launch_template(LaunchTemplateName="bare", LaunchTemplateData={"InstanceType": "t3.small"})
    spec = {"LaunchTemplateId": made["LaunchTemplate"]["LaunchTemplateId"]}
    with pytest.raises(ClientError, match=r"valid fully-formed launch template\. The ImageId is missing\."):
        fleet.group(LaunchTemplate=spec)


def test_a_group_exists_once(fleet: Fleet) -> None:
    fleet.group(0)
    with pytest.raises(ClientError) as caught:
        fleet.group(0)
    assert caught.value.response["Error"]["Code"] == "AlreadyExists"


def test_a_changed_group_keeps_what_is_not_named(fleet: Fleet) -> None:
    fleet.group(2, HealthCheckGracePeriod=60)
    fleet.ask("update_auto_scaling_group", MaxSize=1)
    group = fleet.described()
    assert (group["MinSize"], group["MaxSize"], group["DesiredCapacity"]) == (0, 1, 1)
    assert group["HealthCheckGracePeriod"] == 60
    assert (
        "constraints to min: 0, max: 1, desired: 1 changing the desired capacity from 2 to 1."
        in (fleet.activities()[0]["Cause"])
    )
    fleet.ask("update_auto_scaling_group", MinSize=3, MaxSize=5)
    assert fleet.states == {"InService": 3}
    asked = {"AutoScalingGroupName": WEB}
    assert "above max value 5" in fleet.refusal("set_desired_capacity", **asked, DesiredCapacity=6)[1]
    assert "below min value 3" in fleet.refusal("set_desired_capacity", **asked, DesiredCapacity=2)[1]


def test_some_settings_are_taken_back(fleet: Fleet) -> None:
    policy = {"MinHealthyPercentage": 90, "MaxHealthyPercentage": 120}
    fleet.group(0, DefaultInstanceWarmup=60, InstanceMaintenancePolicy=policy)
    assert fleet.described()["InstanceMaintenancePolicy"] == policy
    cleared = {"MinHealthyPercentage": -1, "MaxHealthyPercentage": -1}
    fleet.ask("update_auto_scaling_group", DefaultInstanceWarmup=-1, InstanceMaintenancePolicy=cleared)
    assert not {"DefaultInstanceWarmup", "InstanceMaintenancePolicy"} & set(fleet.described())


def test_a_mixed_instances_policy_gives_the_type(fleet: Fleet) -> None:
    template = {"LaunchTemplateSpecification": {"LaunchTemplateId": fleet.template()}}
    policy = {"LaunchTemplate": template | {"Overrides": [{"InstanceType": "c5.large"}, {"InstanceType": "c6i.large"}]}}
    fleet.client.create_auto_scaling_group(
        AutoScalingGroupName=WEB,
        MinSize=1,
        MaxSize=1,
        MixedInstancesPolicy=policy,
        VPCZoneIdentifier=next(iter(fleet.subnets.values())),
    )
    fleet.fake.settle()
    assert [one.type for one in fleet.instances] == ["c5.large"]
    assert "LaunchTemplate" not in fleet.described()


def test_a_cooldown_may_be_honoured(fleet: Fleet) -> None:
    fleet.group(1, DefaultCooldown=120)
    asked = {"AutoScalingGroupName": WEB, "DesiredCapacity": 2, "HonorCooldown": True}
    assert fleet.refusal("set_desired_capacity", **asked)[0] == "ScalingActivityInProgress"
    fleet.fake.advance(120)
    fleet.client.set_desired_capacity(**asked)


def test_metrics_are_enabled_and_disabled(fleet: Fleet) -> None:
    fleet.group(0)
    fleet.ask("enable_metrics_collection", Granularity="1Minute", Metrics=["GroupMinSize"])
    assert fleet.described()["EnabledMetrics"] == [{"Metric": "GroupMinSize", "Granularity": "1Minute"}]
    fleet.ask("enable_metrics_collection", Granularity="1Minute")
    assert len(fleet.described()["EnabledMetrics"]) == len(METRICS)
    fleet.ask("disable_metrics_collection")
    assert fleet.described()["EnabledMetrics"] == []
    asked = {"AutoScalingGroupName": WEB, "Metrics": ["GroupMood"], "Granularity": "1Minute"}
    assert fleet.refusal("enable_metrics_collection", **asked)[1] == "Invalid metric names: GroupMood"


# --- pages and filters ------------------------------------------------------------------------------------------------


def test_lists_come_in_pages(fleet: Fleet) -> None:
    template = fleet.group(3)
    for number in range(4):
        fleet.group(0, AutoScalingGroupName=f"{number}", LaunchTemplate={"LaunchTemplateId": template})
    first = fleet.client.describe_auto_scaling_groups(MaxRecords=3)
    assert len(first["AutoScalingGroups"]) == 3
    second = fleet.client.describe_auto_scaling_groups(MaxRecords=3, NextToken=first["NextToken"])
    names = [one["AutoScalingGroupName"] for one in first["AutoScalingGroups"] + second["AutoScalingGroups"]]
    assert names == ["0", "1", "2", "3", WEB]
    assert "NextToken" not in second
    fleet.aws.page("autoscaling:DescribeAutoScalingInstances", 2)
    pages = list(fleet.client.get_paginator("describe_auto_scaling_instances").paginate())
    assert [len(page["AutoScalingInstances"]) for page in pages] == [2, 1]
    assert fleet.refusal("describe_tags", NextToken=first["NextToken"])[0] == "InvalidNextToken"
    assert fleet.refusal("describe_auto_scaling_groups", MaxRecords=101)[0] == "ValidationError"


def test_groups_are_found_by_their_tags(fleet: Fleet) -> None:
    template = fleet.group(0, Tags=[{"Key": "dtk:env", "Value": "prod"}])
    spec = {"LaunchTemplateId": template}
    fleet.group(0, AutoScalingGroupName="b", LaunchTemplate=spec, Tags=[{"Key": "dtk:env", "Value": "test"}])

    def found(name: str, *values: str) -> list[str]:
        answer = fleet.client.describe_auto_scaling_groups(Filters=[{"Name": name, "Values": list(values)}])
        return [one["AutoScalingGroupName"] for one in answer["AutoScalingGroups"]]

    assert found("tag:dtk:env", "prod") == [WEB]
    assert found("tag-key", "dtk:env") == ["b", WEB]
    assert found("tag-value", "test", "none") == ["b"]
    assert found("tag:other", "prod") == []
    assert fleet.refusal("describe_auto_scaling_groups", Filters=[{"Name": "name", "Values": []}])[0] == (
        "ValidationError"
    )


def test_tags_are_put_found_and_deleted(fleet: Fleet) -> None:
    fleet.group(0)
    tag = {"ResourceId": WEB, "ResourceType": "auto-scaling-group", "Key": "a", "Value": "1", "PropagateAtLaunch": True}
    fleet.client.create_or_update_tags(Tags=[tag, tag | {"Key": "b", "Value": "2"}])
    fleet.client.create_or_update_tags(Tags=[tag | {"Key": "b", "Value": "3"}])
    by_key = fleet.client.describe_tags(Filters=[{"Name": "key", "Values": ["b"]}])["Tags"]
    assert by_key == [tag | {"Key": "b", "Value": "3"}]
    fleet.client.delete_tags(Tags=[{"ResourceId": WEB, "ResourceType": "auto-scaling-group", "Key": "b"}])
    assert fleet.client.describe_tags()["Tags"] == [tag]
    assert fleet.refusal("create_or_update_tags", Tags=[{"Key": "a", "ResourceId": WEB}])[0] == "ValidationError"
    assert fleet.refusal("describe_tags", Filters=[{"Name": "colour", "Values": []}])[0] == "ValidationError"


def test_activities_are_found(fleet: Fleet) -> None:
    fleet.group(2)
    fleet.fake.advance(60)
    later = fleet.fake.clock.now().isoformat()
    fleet.ask("put_lifecycle_hook", **fleet.hook())
    fleet.resize(3)
    asked = fleet.client.describe_scaling_activities
    running, *done = asked(AutoScalingGroupName=WEB)["Activities"]
    assert (running["StatusCode"], [one["StatusCode"] for one in done]) == ("MidLifecycleAction", ["Successful"] * 2)
    assert asked(ActivityIds=[done[0]["ActivityId"], "unknown"])["Activities"] == [done[0]]
    lower = [{"Name": "StartTimeLowerBound", "Values": [later]}]
    assert asked(AutoScalingGroupName=WEB, Filters=lower)["Activities"] == [running]
    status = [{"Name": "Status", "Values": ["Successful"]}]
    assert asked(AutoScalingGroupName=WEB, Filters=status)["Activities"] == done
    assert fleet.refusal("describe_scaling_activities", Filters=status)[0] == "ValidationError"
    when = [{"Name": "StartTimeUpperBound", "Values": ["yesterday"]}]
    assert fleet.refusal("describe_scaling_activities", Filters=when)[0] == "ValidationError"


# --- policies ---------------------------------------------------------------------------------------------------------


def tracking(**more: Any) -> dict[str, Any]:
    config = {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
        "TargetValue": 50.0,
    }
    return {
        "AutoScalingGroupName": WEB,
        "PolicyName": "cpu",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingConfiguration": config | more,
    }


def test_a_policy_that_tracks_a_target_has_alarms(fleet: Fleet) -> None:
    fleet.group(0)
    cloudwatch = fleet.client_of("cloudwatch")

    def alarms() -> list[str]:
        return sorted(one["AlarmName"] for one in cloudwatch.describe_alarms()["MetricAlarms"])

    made = fleet.client.put_scaling_policy(**tracking())
    assert [one["AlarmName"] for one in made["Alarms"]] == alarms()
    assert [name.split("-")[2] for name in alarms()] == ["AlarmHigh", "AlarmLow"]
    (policy,) = fleet.client.describe_policies(AutoScalingGroupName=WEB)["ScalingPolicies"]
    assert (policy["PolicyARN"], policy["Enabled"]) == (made["PolicyARN"], True)
    assert policy["TargetTrackingConfiguration"]["DisableScaleIn"] is False
    high = alarms()[:1]
    again = fleet.client.put_scaling_policy(**tracking(DisableScaleIn=True))
    assert (again["PolicyARN"], alarms()) == (made["PolicyARN"], high)
    fleet.client.delete_policy(AutoScalingGroupName=WEB, PolicyName="cpu")
    assert (alarms(), fleet.client.describe_policies()["ScalingPolicies"]) == ([], [])
    assert fleet.refusal("delete_policy", AutoScalingGroupName=WEB, PolicyName="cpu")[0] == "ValidationError"


def test_the_policies_of_a_deleted_group_go_with_it(fleet: Fleet) -> None:
    fleet.group(0)
    fleet.client.put_scaling_policy(**tracking())
    fleet.ask("delete_auto_scaling_group")
    assert fleet.client_of("cloudwatch").describe_alarms()["MetricAlarms"] == []


def test_other_policies_are_kept(fleet: Fleet) -> None:
    fleet.group(0)
    asked = {"AutoScalingGroupName": WEB, "AdjustmentType": "ChangeInCapacity"}
    fleet.client.put_scaling_policy(**asked, PolicyName="simple", ScalingAdjustment=1, Cooldown=60)
    steps = [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 2}]
    fleet.client.put_scaling_policy(**asked, PolicyName="steps", PolicyType="StepScaling", StepAdjustments=steps)
    found = fleet.client.describe_policies(PolicyTypes=["StepScaling"])["ScalingPolicies"]
    assert [(one["PolicyName"], one["StepAdjustments"], one["MetricAggregationType"]) for one in found] == [
        ("steps", steps, "Average")
    ]
    assert len(fleet.client.describe_policies(PolicyNames=["simple"])["ScalingPolicies"]) == 1


@pytest.mark.parametrize(
    ("policy", "code", "message"),
    [
        ({"AdjustmentType": "ChangeInCapacity"}, "ValidationError", "ScalingAdjustment is required"),
        ({"AdjustmentType": "Double", "ScalingAdjustment": 1}, "ValidationError", "AdjustmentType must be one of"),
        ({"PolicyType": "Magic"}, "ValidationError", "PolicyType must be one of"),
        ({"PolicyType": "PredictiveScaling"}, "NotImplemented", "predictive scaling"),
        ({"PolicyType": "TargetTrackingScaling"}, "ValidationError", "TargetTrackingConfiguration is required"),
        (tracking() | {"Cooldown": 3}, "ValidationError", "Cooldown is not supported"),
        (
            tracking(PredefinedMetricSpecification={"PredefinedMetricType": "ALBRequestCountPerTarget"}),
            "ValidationError",
            "ResourceLabel is required",
        ),
        (tracking(CustomizedMetricSpecification={"MetricName": "a"}), "ValidationError", "Exactly one of"),
    ],
    ids=str,
)
def test_policies_are_checked(fleet: Fleet, policy: dict[str, Any], code: str, message: str) -> None:
    fleet.group(0)
    refused = fleet.refusal("put_scaling_policy", **{"AutoScalingGroupName": WEB, "PolicyName": "p"} | policy)
    assert refused[0] == code
    assert message in refused[1]


# --- schedules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("* * * * *", "2027-01-01T12:01"),
        ("0 12 * * *", "2027-01-02T12:00"),
        ("*/15 9-17 * * mon-fri", "2027-01-01T12:15"),
        ("30 8 * * 0", "2027-01-03T08:30"),
        ("30 8 * * 7", "2027-01-03T08:30"),
        ("0 0 1,15 feb *", "2027-02-01T00:00"),
        ("0 0 13 * fri", "2027-01-08T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("5/20 0 * * *", "2027-01-02T00:05"),
    ],
)
def test_cron_finds_the_next_time(text: str, following: str) -> None:
    found = Cron(text).after(NOON)
    assert found is not None
    assert found.strftime("%Y-%m-%dT%H:%M") == following


@pytest.mark.parametrize("text", ["* * * *", "60 * * * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "* * 0 * *"])
def test_what_is_no_cron_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Cron(text)


def test_a_scheduled_action_changes_the_sizes_in_its_time(fleet: Fleet) -> None:
    fleet.group(0)
    now = fleet.fake.clock.now()
    in_two_minutes = (now + datetime.timedelta(minutes=2)).replace(second=0)
    every_hour = {"Recurrence": f"{in_two_minutes.minute} * * * *", "DesiredCapacity": 2, "MinSize": 1}
    fleet.ask("put_scheduled_update_group_action", ScheduledActionName="hourly", **every_hour)
    once = now + datetime.timedelta(hours=2)
    fleet.ask("put_scheduled_update_group_action", ScheduledActionName="once", StartTime=once, DesiredCapacity=4)
    found = fleet.client.describe_scheduled_actions(AutoScalingGroupName=WEB)["ScheduledUpdateGroupActions"]
    assert [(one["ScheduledActionName"], one["StartTime"]) for one in found] == [
        ("hourly", in_two_minutes),
        ("once", once),
    ]
    fleet.fake.advance(120)
    assert (fleet.states, fleet.described()["MinSize"]) == ({"InService": 2}, 1)
    assert "the scheduled action hourly executed." in fleet.activities()[0]["Cause"].lower()
    fleet.resize(1)
    fleet.fake.advance(3600)
    assert fleet.states == {"InService": 2}
    fleet.ask("delete_scheduled_action", ScheduledActionName="hourly")
    fleet.fake.advance(3600)
    assert fleet.states == {"InService": 4}
    assert fleet.client.describe_scheduled_actions()["ScheduledUpdateGroupActions"] == []


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"Recurrence": "often", "MinSize": 1}, "Given recurrence string:often is invalid"),
        ({"Recurrence": "0 0 * * *"}, "At least one of min, max and desired"),
        ({"MinSize": 1}, "Either the recurrence or the start time"),
        ({"StartTime": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), "MinSize": 1}, "must be in the future"),
        ({"Recurrence": "0 0 * * *", "MinSize": 1, "TimeZone": "Moon/North"}, "The time zone Moon/North is not valid."),
    ],
    ids=str,
)
def test_scheduled_actions_are_checked(fleet: Fleet, action: dict[str, Any], message: str) -> None:
    fleet.group(0)
    asked = {"AutoScalingGroupName": WEB, "ScheduledActionName": "a"}
    code, said = fleet.refusal("put_scheduled_update_group_action", **asked | action)
    assert (code, message in said) == ("ValidationError", True)
    assert fleet.refusal("delete_scheduled_action", **asked)[0] == "ValidationError"
