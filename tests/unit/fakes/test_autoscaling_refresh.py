# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated Auto Scaling: instance refreshes, and how they end."""

from __future__ import annotations

from typing import Any

import pytest

from .fleet import WEB, Fleet


class Roll:
    """A group of version 1, and refreshes of it to others."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.template = ""
        self.wanted: dict[str, str] = {}

    def group(self, size: int, **more: Any) -> None:
        self.template = self.fleet.group(size, **more)
        self.wanted = self.fleet.version(self.template)

    def start(self, desired: bool = True, **preferences: Any) -> str:
        """Without settling, so that it is Pending."""
        wanted = {"InstanceWarmup": 60} | preferences
        config = {"DesiredConfiguration": {"LaunchTemplate": self.wanted}} if desired else {}
        answer = self.fleet.client.start_instance_refresh(AutoScalingGroupName=WEB, Preferences=wanted, **config)
        return str(answer["InstanceRefreshId"])

    @property
    def now(self) -> dict[str, Any]:
        found = self.fleet.client.describe_instance_refreshes(AutoScalingGroupName=WEB)["InstanceRefreshes"]
        return dict(found[0])

    @property
    def status(self) -> str:
        return str(self.now["Status"])

    @property
    def versions(self) -> list[str]:
        """Of what counts."""
        return sorted((one.template or {})["Version"] for one in self.fleet.instances if not one.ending)

    @property
    def of_group(self) -> str:
        return str(self.fleet.described()["LaunchTemplate"]["Version"])

    def advance(self, seconds: float) -> None:
        self.fleet.fake.advance(seconds)


@pytest.fixture
def roll(fleet: Fleet) -> Roll:
    # Looks at health, and at alarms, are what takes long here.
    fleet.fake.dials.health_interval = 300
    return Roll(fleet)


# --- replacing --------------------------------------------------------------------------------------------------------


def test_a_refresh_replaces_one_after_the_other_and_then_the_group_has_the_new_version(roll: Roll) -> None:
    roll.group(3)
    identity = roll.start()
    assert roll.status == "Pending"
    roll.advance(0)
    first = roll.now
    assert (first["Status"], first["PercentageComplete"], first["InstancesToUpdate"]) == ("InProgress", 0, 3)
    assert roll.versions == ["1", "1", "2"], "90 % of 3 is 3: one is terminated and launched at the same time"
    seen = []
    for _ in range(3):
        roll.advance(60)
        seen.append((roll.now["PercentageComplete"], roll.now["InstancesToUpdate"], roll.versions, roll.of_group))
    assert seen[:2] == [(33, 2, ["1", "2", "2"], "1"), (66, 1, ["2", "2", "2"], "1")]
    assert seen[2] == (100, 0, ["2", "2", "2"], "2")
    end = roll.now
    assert (end["Status"], end["InstanceRefreshId"], "EndTime" in end) == ("Successful", identity, True)
    causes = [one["Cause"] for one in roll.fleet.activities() if "instance refresh" in one["Cause"]]
    assert sum("an instance was launched in response to an instance refresh." in cause for cause in causes) == 3
    assert sum("taken out of service in response to an instance refresh." in cause for cause in causes) == 3


def test_preferences_are_described_with_their_defaults(roll: Roll) -> None:
    roll.group(1, DefaultInstanceWarmup=30)
    roll.fleet.client.start_instance_refresh(AutoScalingGroupName=WEB)
    assert roll.now["Preferences"] == {
        "MinHealthyPercentage": 90,
        "InstanceWarmup": 30,
        "SkipMatching": False,
        "AutoRollback": False,
        "ScaleInProtectedInstances": "Wait",
        "StandbyInstances": "Wait",
    }
    assert (roll.now["Strategy"], "DesiredConfiguration" in roll.now) == ("Rolling", False)


def test_a_minimum_lets_several_be_replaced_at_once(roll: Roll) -> None:
    roll.group(4)
    roll.start(MinHealthyPercentage=50)
    roll.advance(0)
    assert roll.versions == ["1", "1", "2", "2"]
    roll.advance(60)
    assert (roll.versions, roll.now["PercentageComplete"]) == (["2", "2", "2", "2"], 50)


def test_a_maximum_launches_before_it_terminates(roll: Roll) -> None:
    roll.group(2)
    roll.start(MinHealthyPercentage=100, MaxHealthyPercentage=150)
    roll.advance(0)
    assert roll.versions == ["1", "1", "2"]
    roll.advance(59)
    assert roll.versions == ["1", "1", "2"]
    roll.advance(1)
    assert roll.versions == ["1", "2", "2"], "one went, and the next came"
    roll.advance(60)
    assert (roll.versions, roll.status) == (["2", "2"], "Successful")
    assert roll.fleet.described()["DesiredCapacity"] == 2


@pytest.mark.parametrize(
    ("preferences", "versions"),
    [
        ({}, ["2"]),
        ({"MinHealthyPercentage": 100}, ["2"]),
        ({"MinHealthyPercentage": 100, "MaxHealthyPercentage": 100}, ["1", "2"]),
        ({"MinHealthyPercentage": 90, "MaxHealthyPercentage": 110}, ["1", "2"]),
    ],
    ids=str,
)
def test_where_the_percentages_cannot_be_kept_the_maximum_decides(
    roll: Roll, preferences: dict[str, int], versions: list[str]
) -> None:
    """One instance: without a maximum it goes first, with one its replacement comes first."""
    roll.group(1)
    roll.start(**preferences)
    roll.advance(0)
    assert roll.versions == versions
    roll.advance(60)
    assert (roll.versions, roll.status) == (["2"], "Successful")


def test_the_maintenance_policy_of_a_group_gives_the_percentages(roll: Roll) -> None:
    roll.group(2, InstanceMaintenancePolicy={"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200})
    roll.start()
    roll.advance(0)
    assert roll.versions == ["1", "1", "2", "2"]


def test_hooks_hold_the_new_instances_and_the_refresh(roll: Roll) -> None:
    roll.group(1)
    roll.fleet.ask("put_lifecycle_hook", **roll.fleet.hook(HeartbeatTimeout=3600))
    roll.start(InstanceWarmup=10)
    roll.advance(600)
    (new,) = roll.fleet.ids("Pending:Wait")
    assert (roll.status, roll.now["PercentageComplete"]) == ("InProgress", 0)
    assert roll.now["StatusReason"] == (
        f"Waiting for remaining instances to be available. For example: {new} is warming up."
    )
    roll.fleet.complete(new)
    roll.advance(10)
    assert roll.status == "Successful"


def test_what_is_scaled_out_meanwhile_is_new(roll: Roll) -> None:
    roll.group(2)
    roll.start()
    roll.advance(0)
    roll.fleet.resize(3)
    assert roll.versions == ["1", "2", "2"]
    roll.advance(120)
    assert (roll.versions, roll.status) == (["2", "2", "2"], "Successful")


def test_without_a_desired_configuration_all_are_replaced_by_the_groups_own(roll: Roll) -> None:
    roll.group(2)
    before = set(roll.fleet.ids())
    roll.fleet.ask("update_auto_scaling_group", LaunchTemplate=roll.wanted)
    roll.start(desired=False)
    roll.advance(120)
    assert (roll.status, roll.versions, before & set(roll.fleet.ids())) == ("Successful", ["2", "2"], set())


def test_skip_matching_leaves_what_is_new_already(roll: Roll) -> None:
    roll.group(1)
    old = roll.fleet.ids()
    roll.fleet.ask("update_auto_scaling_group", LaunchTemplate=roll.wanted)
    roll.fleet.resize(3)
    new = set(roll.fleet.ids()) - set(old)
    roll.start(SkipMatching=True)
    roll.advance(0)
    assert roll.now["InstancesToUpdate"] == 1
    roll.advance(60)
    assert (roll.status, roll.versions) == ("Successful", ["2", "2", "2"])
    assert new < set(roll.fleet.ids())
    roll.start(SkipMatching=True)
    roll.advance(0)
    assert (roll.status, roll.now["PercentageComplete"]) == ("Successful", 100)


def test_an_empty_group_is_refreshed_at_once(roll: Roll) -> None:
    roll.group(0)
    roll.start()
    roll.advance(0)
    assert (roll.status, roll.of_group) == ("Successful", "2")


def test_the_warm_pool_is_refreshed_as_well(roll: Roll) -> None:
    roll.group(1, MaxSize=3)
    roll.fleet.ask("put_warm_pool")
    roll.start()
    roll.advance(0)
    progress = roll.now["ProgressDetails"]
    assert progress["LivePoolProgress"] == {"PercentageComplete": 0, "InstancesToUpdate": 1}
    assert progress["WarmPoolProgress"] == {"PercentageComplete": 100, "InstancesToUpdate": 0}
    roll.advance(60)
    assert (roll.status, roll.versions) == ("Successful", ["2", "2", "2"])
    assert roll.fleet.states == {"InService": 1, "Warmed:Stopped": 2}


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_waited_out(roll: Roll) -> None:
    roll.group(4)
    roll.start(InstanceWarmup=0, MinHealthyPercentage=50, CheckpointPercentages=[25, 100], CheckpointDelay=600)
    roll.advance(0)
    assert (roll.versions, roll.now["PercentageComplete"]) == (["1", "1", "1", "2"], 25)
    assert roll.now["StatusReason"] == "Waiting at the checkpoint of 25 percent."
    roll.advance(599)
    assert roll.versions == ["1", "1", "1", "2"]
    roll.advance(1)
    assert (roll.versions, roll.status) == (["2", "2", "2", "2"], "Successful")


def test_a_refresh_may_end_before_all_are_replaced(roll: Roll) -> None:
    roll.group(4)
    roll.start(InstanceWarmup=0, CheckpointPercentages=[50])
    roll.advance(0)
    assert (roll.status, roll.versions, roll.of_group) == ("Successful", ["1", "1", "2", "2"], "2")
    assert roll.now["Preferences"]["CheckpointDelay"] == 3600


def test_a_refresh_bakes_before_it_is_successful(roll: Roll) -> None:
    roll.group(1)
    roll.start(BakeTime=300)
    roll.advance(60)
    assert (roll.status, roll.of_group) == ("Baking", "1")
    roll.advance(299)
    assert roll.status == "Baking"
    roll.advance(1)
    assert (roll.status, roll.of_group) == ("Successful", "2")


@pytest.mark.parametrize("kind", ["Standby", "protected"])
def test_what_is_set_aside_is_waited_for_an_hour_and_then_it_fails(roll: Roll, kind: str) -> None:
    roll.group(2)
    (one, _) = roll.fleet.ids()
    if kind == "Standby":
        roll.fleet.ask("enter_standby", InstanceIds=[one], ShouldDecrementDesiredCapacity=True)
    else:
        roll.fleet.ask("set_instance_protection", InstanceIds=[one], ProtectedFromScaleIn=True)
    roll.start()
    roll.advance(600)
    assert roll.status == "InProgress"
    assert roll.now["StatusReason"].startswith("Waiting for remaining instances to be available. For example: ")
    assert f"{one} is {'in Standby' if kind == 'Standby' else 'protected'}" in roll.now["StatusReason"]
    roll.advance(3600)
    assert roll.status == "Failed"
    assert one in [instance.id for instance in roll.fleet.instances]


@pytest.mark.parametrize(
    ("preference", "stays"),
    [
        ({"StandbyInstances": "Ignore"}, True),
        ({"StandbyInstances": "Terminate"}, False),
    ],
    ids=str,
)
def test_what_is_in_standby_is_ignored_or_terminated(roll: Roll, preference: dict[str, str], stays: bool) -> None:
    roll.group(2)
    (one, _) = roll.fleet.ids()
    roll.fleet.ask("enter_standby", InstanceIds=[one], ShouldDecrementDesiredCapacity=True)
    roll.start(**preference)
    roll.advance(60)
    assert roll.status == "Successful"
    assert (one in roll.fleet.ids("Standby")) == stays
    assert roll.fleet.states["InService"] == 1


@pytest.mark.parametrize(("preference", "versions"), [("Ignore", ["1", "2"]), ("Refresh", ["2", "2"])])
def test_what_is_protected_is_ignored_or_refreshed(roll: Roll, preference: str, versions: list[str]) -> None:
    roll.group(2)
    roll.fleet.ask("set_instance_protection", InstanceIds=roll.fleet.ids()[:1], ProtectedFromScaleIn=True)
    roll.start(ScaleInProtectedInstances=preference)
    roll.advance(120)
    assert (roll.status, roll.versions) == ("Successful", versions)


def test_while_the_process_is_suspended_nothing_is_replaced(roll: Roll) -> None:
    roll.group(1)
    roll.fleet.ask("suspend_processes", ScalingProcesses=["InstanceRefresh"])
    roll.start()
    roll.advance(600)
    assert (roll.status, roll.versions) == ("Pending", ["1"])
    roll.fleet.ask("resume_processes")
    roll.advance(60)
    assert roll.status == "Successful"


# --- failing and rolling back -----------------------------------------------------------------------------------------


def break_boots(roll: Roll) -> None:
    roll.fleet.ask("put_lifecycle_hook", **roll.fleet.hook(HeartbeatTimeout=30))


def test_instances_that_never_come_into_service_fail_a_refresh(roll: Roll) -> None:
    roll.group(2)
    break_boots(roll)
    roll.start()
    roll.advance(89)
    assert roll.status == "InProgress"
    roll.advance(1)
    assert (roll.status, roll.of_group) == ("Failed", "1")
    assert roll.now["StatusReason"] == "3 instances that it launched failed to come into service."
    roll.fleet.ask("delete_lifecycle_hook", LifecycleHookName="boot")
    assert roll.versions == ["1", "1"], "what is missing is launched as the group says"


def test_a_failed_refresh_is_rolled_back_by_itself(roll: Roll) -> None:
    roll.group(2)
    roll.start(AutoRollback=True)
    roll.advance(60)
    assert (roll.now["PercentageComplete"], roll.versions) == (50, ["2", "2"])
    break_boots(roll)
    warming = max(roll.fleet.instances, key=lambda one: one.launched)
    roll.fleet.client.set_instance_health(
        InstanceId=warming.id, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False
    )
    roll.fleet.fake.settle()
    roll.advance(60)
    assert roll.status == "RollbackInProgress"
    details = roll.now["RollbackDetails"]
    assert details["RollbackReason"] == (
        "Automatic rollback: 3 instances that it launched failed to come into service."
    )
    assert (details["PercentageCompleteOnRollback"], details["InstancesToUpdateOnRollback"]) == (50, 1)
    roll.fleet.ask("delete_lifecycle_hook", LifecycleHookName="boot")
    for _ in range(3):
        roll.advance(60)
    end = roll.now
    assert (end["Status"], end["PercentageComplete"], roll.versions) == ("RollbackSuccessful", 0, ["1", "1"])
    assert roll.of_group == "1"


def test_a_rollback_that_fails_says_so(roll: Roll) -> None:
    roll.group(1)
    break_boots(roll)
    roll.start(AutoRollback=True)
    roll.advance(180)
    assert roll.status == "RollbackFailed"


def alarm(roll: Roll, state: str | None = None) -> None:
    roll.fleet.fake.dials.health_interval = 10
    client = roll.fleet.client_of("cloudwatch")
    if state is None:
        client.put_metric_alarm(
            AlarmName="errors",
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            MetricName="5xx",
            Namespace="Web",
            Period=60,
            Statistic="Sum",
            Threshold=1,
        )
    else:
        client.set_alarm_state(AlarmName="errors", StateValue=state, StateReason="a test")


@pytest.mark.parametrize("stage", ["InProgress", "Baking"])
@pytest.mark.parametrize(("auto", "end"), [(True, "RollbackSuccessful"), (False, "Failed")])
def test_an_alarm_ends_a_refresh(roll: Roll, stage: str, auto: bool, end: str) -> None:
    roll.group(2)
    alarm(roll)
    alarm(roll, "OK")
    roll.start(AutoRollback=auto, BakeTime=600, AlarmSpecification={"Alarms": ["errors"]})
    roll.advance(60 if stage == "InProgress" else 120)
    assert roll.status == stage
    alarm(roll, "ALARM")
    roll.advance(10)
    assert roll.status == ("RollbackInProgress" if auto else "Failed")
    assert "The following alarms are in the ALARM state: errors." in roll.now["StatusReason"]
    roll.advance(600)
    assert (roll.status, roll.of_group) == (end, "1")
    assert roll.versions == (["1", "1"] if auto else ["2", "2"])


def test_with_an_alarm_that_rings_already_nothing_is_replaced(roll: Roll) -> None:
    roll.group(1)
    alarm(roll)
    alarm(roll, "ALARM")
    roll.start(AutoRollback=True, AlarmSpecification={"Alarms": ["errors"]})
    roll.advance(60)
    assert (roll.status, roll.versions) == ("Failed", ["1"])


def test_a_user_rolls_back(roll: Roll) -> None:
    roll.group(2)
    identity = roll.start()
    roll.advance(60)
    answer = roll.fleet.client.rollback_instance_refresh(AutoScalingGroupName=WEB)
    assert (answer["InstanceRefreshId"], roll.status) == (identity, "RollbackInProgress")
    roll.advance(180)
    end = roll.now
    assert (end["Status"], roll.versions, roll.of_group) == ("RollbackSuccessful", ["1", "1"], "1")
    assert end["RollbackDetails"]["RollbackReason"] == "Rolled back due to user request."
    assert roll.fleet.refusal("rollback_instance_refresh", AutoScalingGroupName=WEB)[0] == (
        "ActiveInstanceRefreshNotFound"
    )


@pytest.mark.parametrize(
    ("version", "image", "why"),
    [
        ("$Latest", "", "The launch template's version is $Latest or $Default"),
        ("$Default", "", "The launch template's version is $Latest or $Default"),
        ("1", "resolve:ssm:/golden/web", "uses an AWS Systems Manager parameter instead of an AMI ID"),
    ],
)
def test_some_refreshes_cannot_be_rolled_back(roll: Roll, version: str, image: str, why: str) -> None:
    fleet = roll.fleet
    fleet.client_of("ssm").put_parameter(Name="/golden/web", Value=fleet.image(), Type="String")
    template = fleet.template(**({"ImageId": image} if image else {}))
    roll.group(1, LaunchTemplate={"LaunchTemplateId": template, "Version": version})
    asked = {"AutoScalingGroupName": WEB, "DesiredConfiguration": {"LaunchTemplate": roll.wanted}}
    code, message = fleet.refusal("start_instance_refresh", **asked, Preferences={"AutoRollback": True})
    assert code == "ValidationError"
    assert why in message
    roll.start()
    code, message = fleet.refusal("rollback_instance_refresh", AutoScalingGroupName=WEB)
    assert code == "IrreversibleInstanceRefresh"
    assert why in message


def test_without_a_desired_configuration_nothing_can_be_rolled_back(roll: Roll) -> None:
    roll.group(1)
    refused = roll.fleet.refusal("start_instance_refresh", AutoScalingGroupName=WEB, Preferences={"AutoRollback": True})
    assert refused == (
        "ValidationError",
        "The request isn't valid. The AutoRollback parameter cannot be set to true when the DesiredConfiguration "
        "parameter is empty. Set AutoRollback to false or specify a desired configuration and try again.",
    )
    roll.start(desired=False)
    assert roll.fleet.refusal("rollback_instance_refresh", AutoScalingGroupName=WEB)[0] == (
        "IrreversibleInstanceRefresh"
    )


# --- one at a time ----------------------------------------------------------------------------------------------------


def test_one_refresh_at_a_time_and_none_but_it_chooses_the_version(roll: Roll) -> None:
    roll.group(1)
    roll.start()
    assert roll.fleet.refusal("start_instance_refresh", AutoScalingGroupName=WEB) == (
        "InstanceRefreshInProgress",
        "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.",
    )
    asked = {"AutoScalingGroupName": WEB, "LaunchTemplate": roll.wanted}
    code, message = roll.fleet.refusal("update_auto_scaling_group", **asked)
    assert code == "ValidationError"
    assert message.startswith("An active instance refresh with a desired configuration exists.")
    roll.fleet.ask("update_auto_scaling_group", MaxSize=5)
    assert roll.fleet.refusal("put_warm_pool", AutoScalingGroupName=WEB)[0] == "InstanceRefreshInProgress"
    roll.advance(60)
    second = roll.start(desired=False)
    found = roll.fleet.client.describe_instance_refreshes(AutoScalingGroupName=WEB)["InstanceRefreshes"]
    assert [one["Status"] for one in found] == ["Pending", "Successful"], "the newest first"
    one = roll.fleet.client.describe_instance_refreshes(AutoScalingGroupName=WEB, InstanceRefreshIds=[second])
    assert [found["InstanceRefreshId"] for found in one["InstanceRefreshes"]] == [second]


def test_a_cancelled_refresh_waits_for_what_is_under_way(roll: Roll) -> None:
    roll.group(2)
    roll.fleet.ask("put_lifecycle_hook", **roll.fleet.hook())
    identity = roll.start()
    roll.advance(0)
    answer = roll.fleet.ask("cancel_instance_refresh")
    assert (answer["InstanceRefreshId"], roll.status) == (identity, "Cancelling")
    roll.fleet.complete(roll.fleet.the("Pending:Wait").id)
    assert (roll.status, roll.now["StatusReason"]) == ("Cancelled", "Cancelled due to user request.")
    assert (roll.versions, roll.of_group) == (["1", "2"], "1")
    refused = roll.fleet.refusal("cancel_instance_refresh", AutoScalingGroupName=WEB)
    assert refused == ("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found.")


def test_a_cancellation_may_be_at_once(roll: Roll) -> None:
    roll.group(1)
    roll.fleet.ask("put_lifecycle_hook", **roll.fleet.hook())
    roll.start()
    roll.advance(0)
    roll.fleet.ask("cancel_instance_refresh", WaitForTransitioningInstances=False)
    assert (roll.status, roll.fleet.states) == ("Cancelled", {"Pending:Wait": 1})


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preferences", "message"),
    [
        ({"MaxHealthyPercentage": 110}, "you must also specify MinHealthyPercentage"),
        ({"MinHealthyPercentage": 50, "MaxHealthyPercentage": 200}, "cannot be greater than 100"),
        ({"MinHealthyPercentage": 101}, "must be at most 100"),
        ({"CheckpointDelay": 60}, "you must also specify CheckpointPercentages"),
        ({"CheckpointPercentages": [50, 20]}, "in ascending order"),
        ({"CheckpointPercentages": [50, 101]}, "must be at most 100"),
        ({"BakeTime": 172_801}, "must be at most 172800"),
        ({"StandbyInstances": "Wake"}, "must be one of Terminate, Ignore, Wait"),
        ({"AlarmSpecification": {"Alarms": ["none"]}}, "The following alarms do not exist: none."),
        ({"AlarmSpecification": {"Alarms": [f"a{number}" for number in range(11)]}}, "up to 10 alarms"),
    ],
    ids=str,
)
def test_preferences_are_checked(roll: Roll, preferences: dict[str, Any], message: str) -> None:
    roll.group(1)
    asked = {"AutoScalingGroupName": WEB, "Preferences": preferences}
    code, said = roll.fleet.refusal("start_instance_refresh", **asked)
    assert code == "ValidationError"
    assert message in said
    found = roll.fleet.client.describe_instance_refreshes(AutoScalingGroupName=WEB)
    assert found["InstanceRefreshes"] == []


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ({"LaunchTemplateName": "none-such", "Version": "1"}, "You must use a valid fully-formed launch template."),
        ({"Version": "1"}, "Valid requests must contain either launchTemplateId or LaunchTemplateName"),
    ],
    ids=str,
)
def test_a_desired_configuration_has_to_exist(roll: Roll, template: dict[str, str], message: str) -> None:
    roll.group(1)
    asked = {"AutoScalingGroupName": WEB, "DesiredConfiguration": {"LaunchTemplate": template}}
    code, said = roll.fleet.refusal("start_instance_refresh", **asked)
    assert code == "ValidationError"
    assert said.startswith(message)


def test_a_version_or_an_image_that_is_not_there_is_refused(roll: Roll) -> None:
    roll.group(1)
    asked = {"AutoScalingGroupName": WEB}
    missing = {"LaunchTemplate": roll.wanted | {"Version": "7"}}
    assert "7" in roll.fleet.refusal("start_instance_refresh", **asked, DesiredConfiguration=missing)[1]
    gone = roll.fleet.version(roll.template, ImageId="ami-0123456789abcdef0")
    code, said = roll.fleet.refusal("start_instance_refresh", **asked, DesiredConfiguration={"LaunchTemplate": gone})
    assert (code, "ami-0123456789abcdef0" in said) == ("ValidationError", True)
