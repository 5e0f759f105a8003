# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instance refreshes against the emulated Auto Scaling, whose time passes while the module waits."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.sysops.dtk.plugins.module_utils import claims, clients, deploys, instance_refreshes, plans
from ansible_collections.sysops.dtk.plugins.module_utils._aws import errors

from tests.emulation import REGION, Emulation
from tests.emulation.clients import make
from tests.fakes.autoscaling import ManualClock, Options
from tests.unit.fakes.fleet import WEB, Fleet
from tests.unit.run_module import run_ansible, run_module

PREFERENCES = {"skip_matching": True, "auto_rollback": True, "instance_warmup": 60}
SAFE = {**PREFERENCES, "checkpoints": [1, "100%"], "checkpoint_delay": 120, "bake_time": 90}


@pytest.fixture(scope="module")
def scaling() -> Iterator[Emulation]:
    with pytest.MonkeyPatch.context() as patch, Emulation.start(autoscaling=Options(clock=ManualClock())) as aws:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        yield aws
        patch.undo()
        aws.reset_data()


@functools.cache
def _client(endpoint: str, service: str, region: str) -> Any:
    return errors.fail_fast(make(service, endpoint, region, **errors.client_options()))


class World:
    """A group of version 1 of a launch template, another image, and the time that waiting takes."""

    def __init__(self, aws: Emulation) -> None:
        self.aws, self.fleet = aws, Fleet(aws)
        self.fleet.fake.dials.health_interval = 30
        self.image = self.fleet.image()
        self.template = ""
        self.during: Callable[[], None] = lambda: None
        self.slept = 0.0

    def group(self, size: int = 3, **more: Any) -> None:
        self.template = self.fleet.group(size, **more)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.during()
        self.fleet.fake.advance(seconds)

    def now(self) -> Any:
        return self.fleet.fake.clock.now()

    def run(self, check: bool = False, **options: Any) -> dict[str, Any]:
        given = {"name": WEB, "state": "started", **options}
        return self.answered(instance_refreshes, given, check)

    def answered(self, facade: Any, options: dict[str, Any], check: bool) -> dict[str, Any]:
        """What the module would answer, without a module around, in a fraction of the time."""
        checked = ArgumentSpecValidator(facade.OPTIONS).validate(options)
        assert checked.error_messages == []
        return facade.answer(checked.validated_parameters, self.client, self.now, check)

    def client(self, service: str, region: str = REGION) -> Any:
        """As modules make them, but only once."""
        return _client(self.aws.endpoint, service, region)

    def roll(self, check: bool = False, **options: Any) -> dict[str, Any]:
        return self.run(check, **{"image_id": self.image, "preferences": SAFE, **options})

    def alarm(self, state: str, name: str = "errors") -> None:
        watch = self.fleet.client_of("cloudwatch")
        watch.put_metric_alarm(
            AlarmName=name,
            MetricName="m",
            Namespace="n",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
        watch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="5 errors in a minute")

    def hooked(self, image: str) -> None:
        """Instances of this image do not come up, as one that abandons at its hook; the others do."""
        self.fleet.ask("put_lifecycle_hook", **self.fleet.hook(HeartbeatTimeout=3600))

        def boot() -> None:
            for one in self.fleet.instances:
                if one.state == "Pending:Wait":
                    described = self.fleet.in_ec2(one.id)
                    tag = [{"Key": "dtk:boot", "Value": "failed: hello is not healthy"}]
                    if described["ImageId"] == image:
                        self.fleet.ec2.create_tags(Resources=[one.id], Tags=tag)
                    self.fleet.complete(one.id, "ABANDON" if described["ImageId"] == image else "CONTINUE")

        self.during = boot

    @property
    def versions(self) -> list[str]:
        return sorted((one.template or {})["Version"] for one in self.fleet.instances if not one.ending)

    @property
    def of_group(self) -> str:
        return str(self.fleet.described()["LaunchTemplate"]["Version"])

    @property
    def refreshes(self) -> list[dict[str, Any]]:
        return self.fleet.client.describe_instance_refreshes(AutoScalingGroupName=WEB)["InstanceRefreshes"]

    @property
    def written(self) -> list[str]:
        writes = ("Start", "Create", "Cancel", "Rollback")
        return sorted(call.split(":")[1] for call in self.aws.calls() if call.split(":")[1].startswith(writes))


@pytest.fixture
def world(scaling: Emulation, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    scaling.reset_data()
    found = World(scaling)
    monkeypatch.setattr(instance_refreshes, "time", mock.Mock(sleep=found.sleep))
    monkeypatch.setattr(clients, "now", found.now)
    monkeypatch.setattr(deploys, "_PAUSE", 0)
    yield found
    scaling.reset()
    violations = [*scaling.autoscaling.violations]
    scaling.autoscaling.violations.clear()
    assert violations == []


def good(result: dict[str, Any]) -> dict[str, Any]:
    assert not result.get("failed"), result["msg"]
    return result


def failure(result: dict[str, Any]) -> str:
    assert result.get("failed"), result
    return str(result["msg"])


# --- success --------------------------------------------------------------------------------------------------------


def test_an_image_is_rolled_out_one_instance_first_and_then_nothing_is_left_to_do(world: World) -> None:
    world.group(3)
    world.aws.reset()
    dry = good(world.roll(check=True))
    assert (dry["changed"], len(dry["replacing"]), world.written) == (True, 3, [])
    assert dry["launch_template"]["version"] is None
    name = dry["launch_template"]["name"]
    assert dry["text"][0] == (f"REFRESH web: 3 instances -> a new version made of version 1 of {name} ({world.image})")
    assert dry["text"][1].startswith("  from version 1: i-")
    assert dry["text"][2:] == [
        "  checkpoints  33 %, 100 %; 2 min at each",
        "  bake  1 min 30 s",
        "  rollback  by itself",
    ]

    done = good(world.roll())
    assert (done["changed"], done["started"], done["attached"]) == (True, True, False)
    assert (world.versions, world.of_group, done["launch_template"]["version"]) == (["2", "2", "2"], "2", 2)
    assert done["instance_refresh"]["status"] == "Successful"
    assert "InProgress 33 %, 2 instances left: Waiting at the checkpoint of 33 percent." in done["progress"]
    assert [text.split()[0] for text in done["progress"][-2:]] == ["Baking", "Successful"]
    (refresh,) = world.refreshes
    assert refresh["Preferences"]["CheckpointPercentages"] == [33, 100]
    data = world.fleet.ec2.describe_launch_template_versions(LaunchTemplateId=world.template, Versions=["2"])
    version = data["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert version == {"ImageId": world.image, "InstanceType": "t3.small"}, "all but the image is as before"

    world.aws.reset()
    again = good(world.roll())
    assert (again["changed"], again["started"], world.written) == (False, False, [])
    assert again["text"] == [f"web: all instances run version 2 of {name} ({world.image}) already"]


def test_the_newest_version_is_the_source_and_one_that_is_equal_is_used_again(world: World) -> None:
    world.group(1)
    old = world.fleet.ec2.describe_launch_template_versions(LaunchTemplateId=world.template)
    before = old["LaunchTemplateVersions"][0]["LaunchTemplateData"]["ImageId"]
    world.fleet.version(world.template, ImageId=world.image)  # 2, rolled once
    world.fleet.version(world.template, ImageId=before, InstanceType="t3.large")  # 3, what the declaration has become
    first = good(world.roll(preferences=PREFERENCES))
    assert first["launch_template"]["version"] == 4
    data = world.fleet.ec2.describe_launch_template_versions(LaunchTemplateId=world.template, Versions=["4"])
    version = data["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert version == {"ImageId": world.image, "InstanceType": "t3.large"}
    back = good(world.roll(image_id=before, preferences=PREFERENCES))
    assert (back["launch_template"]["version"], world.versions) == (3, ["3"])


def test_a_version_by_its_number_and_no_rollback(world: World) -> None:
    world.group(2)
    wanted = world.fleet.version(world.template)
    template = {"launch_template_id": world.template, "version": int(wanted["Version"])}
    done = good(world.run(desired_configuration={"launch_template": template}, preferences={"instance_warmup": 30}))
    assert (done["changed"], world.versions, done["text"][-1]) == (
        True,
        ["2", "2"],
        "  rollback  none, unless somebody asks for it",
    )


def test_a_group_of_several_types_keeps_its_policy(world: World) -> None:
    template = world.fleet.template()
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "1"},
            "Overrides": [{"InstanceType": "t3.small"}, {"InstanceType": "t3a.small"}],
        }
    }
    asked = {"AutoScalingGroupName": WEB, "MinSize": 0, "MaxSize": 4, "DesiredCapacity": 2}
    subnets = ",".join(list(world.fleet.subnets.values())[:2])
    world.fleet.client.create_auto_scaling_group(**asked, MixedInstancesPolicy=policy, VPCZoneIdentifier=subnets)
    world.fleet.fake.settle()
    good(world.roll())
    found = world.fleet.described()["MixedInstancesPolicy"]["LaunchTemplate"]
    assert found["LaunchTemplateSpecification"]["Version"] == "2"
    assert [one["InstanceType"] for one in found["Overrides"]] == ["t3.small", "t3a.small"]


def test_what_was_told_to_be_left_alone_is_no_failure(world: World) -> None:
    world.group(2)
    standby, _other = world.fleet.ids()
    world.fleet.ask("enter_standby", InstanceIds=[standby], ShouldDecrementDesiredCapacity=True)
    done = good(world.roll(preferences={**PREFERENCES, "standby_instances": "Ignore"}))
    assert (world.versions, done["warnings"]) == (["1", "2"], [f"Left as they are, as asked: {standby}."])


# --- ends that are failures -----------------------------------------------------------------------------------------


def test_instances_that_do_not_come_up_bring_a_rollback_and_the_reason(world: World) -> None:
    world.group(2)
    world.hooked(world.image)
    result = world.roll()
    text = failure(result)
    identity = result["instance_refresh"]["instance_refresh_id"]
    assert text.startswith(
        f"The instance refresh {identity} of web was rolled back, so all instances start from what there was before. "
        "Reason: 3 instances that it launched failed to come into service."
    )
    assert text.count(": failed: hello is not healthy") == 3
    assert (result["instance_refresh"]["status"], result["changed"]) == ("RollbackSuccessful", True)
    assert (world.versions, world.of_group) == (["1", "1"], "1")


def test_an_alarm_brings_a_rollback(world: World) -> None:
    world.group(2)
    world.alarm("OK")
    alarms = {"alarm_specification": {"alarms": ["errors"]}}

    def ring() -> None:
        if "2" in world.versions:
            world.alarm("ALARM")

    world.during = ring
    result = world.roll(preferences={**SAFE, **alarms})
    assert "was rolled back" in failure(result)
    assert "The following alarms are in the ALARM state: errors." in result["msg"]
    assert world.versions == ["1", "1"]


def test_without_a_way_back_a_failure_names_the_instances(world: World) -> None:
    world.group(2)
    world.hooked(world.image)
    result = world.roll(preferences={"instance_warmup": 30})
    assert "failed, and nothing was rolled back" in failure(result)
    assert "Not on the version that was asked for: i-" in result["msg"]


def test_a_refresh_that_somebody_cancels_is_a_failure(world: World) -> None:
    world.group(2)

    def cancel() -> None:
        world.during = lambda: None
        world.fleet.client.cancel_instance_refresh(AutoScalingGroupName=WEB)

    world.during = cancel
    text = failure(world.roll())
    assert "was cancelled, and what is new stays" in text


def test_success_is_not_believed_where_somebody_changed_the_group(world: World) -> None:
    world.group(1)
    good(world.roll())
    other = world.fleet.version(world.template)
    world.fleet.ask("update_auto_scaling_group", LaunchTemplate=other)
    identity = world.refreshes[0]["InstanceRefreshId"]
    text = failure(world.run(instance_refresh_id=identity))
    assert text == (
        f"The instance refresh {identity} of web says Successful, but version 2 was asked for, and the group has "
        "version 3. Look who changes the group, then run this again."
    )


# --- one at a time --------------------------------------------------------------------------------------------------


def test_the_same_again_attaches_and_another_is_refused(world: World) -> None:
    world.group(2)
    begun = good(world.roll(wait=False))
    identity = begun["instance_refresh"]["instance_refresh_id"]
    other = world.fleet.image()
    world.aws.reset()
    text = failure(world.roll(image_id=other))
    assert text.startswith(f"web has another instance refresh {identity} to version 2 since 2026-01-01T")
    assert "Pending 0 %" in text
    assert f"instance_refresh_id={identity}" in text and "state=cancelled" in text
    assert world.written == []
    result = good(world.roll())
    assert (result["changed"], result["attached"], result["started"]) == (False, True, False)
    assert (result["instance_refresh"]["instance_refresh_id"], world.versions) == (identity, ["2", "2"])
    assert len(world.refreshes) == 1


def test_patience_that_is_over_is_told_and_the_next_run_waits_on(world: World) -> None:
    world.group(2)
    result = world.roll(wait_timeout=30)
    assert "is not over after 30 s. It goes on; run this again to wait on" in failure(result)
    assert (result["timed_out"], result["started"], world.slept) == (True, True, 30)
    assert good(world.roll())["attached"] is True


def test_cancelling_and_rolling_back(world: World) -> None:
    world.group(2)
    assert good(world.run(state="cancelled"))["changed"] is False
    assert "No instance refresh of web is under way" in failure(world.run(state="rolled_back"))
    good(world.roll(wait=False))
    assert good(world.run(check=True, state="cancelled"))["changed"] is True
    assert world.refreshes[0]["Status"] == "Pending"
    done = good(world.run(state="cancelled"))
    assert (done["changed"], done["instance_refresh"]["status"]) == (True, "Cancelled")
    good(world.roll(wait=False))
    world.fleet.fake.advance(70)
    done = good(world.run(state="rolled_back"))
    assert (done["changed"], done["instance_refresh"]["status"]) == (True, "RollbackSuccessful")
    assert set(world.versions) == {"1"}
    assert good(world.run(state="rolled_back"))["changed"] is False


# --- trouble of the network -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["autoscaling:StartInstanceRefresh", "ec2:CreateLaunchTemplateVersion"])
def test_an_answer_that_is_lost_starts_nothing_twice(world: World, call: str) -> None:
    world.group(1)
    world.aws.lose(call, times=1)
    done = good(world.roll(preferences=PREFERENCES))
    assert (done["started"], done["changed"], len(world.refreshes)) == (True, True, 1)
    assert set(world.versions) == {str(done["launch_template"]["version"])}


def test_it_is_patient_with_throttling(world: World) -> None:
    world.group(1)
    world.aws.fault("autoscaling:StartInstanceRefresh", "Throttling", times=1)
    world.aws.fault("autoscaling:DescribeInstanceRefreshes", "Throttling", times=1, after=1)
    world.aws.fault("ec2:DescribeLaunchTemplateVersions", "RequestLimitExceeded", times=1)
    assert good(world.roll(preferences=PREFERENCES))["instance_refresh"]["status"] == "Successful"


def test_trouble_while_it_waits_says_that_the_refresh_goes_on(world: World) -> None:
    world.group(1)
    world.aws.fault("autoscaling:DescribeInstanceRefreshes", "AccessDenied", message="no", after=2)
    result = world.roll(preferences=PREFERENCES)
    assert "access denied (no)" in failure(result)
    assert result["msg"].endswith(f"{result['instance_refresh']['instance_refresh_id']} of web goes on.")


# --- claims ---------------------------------------------------------------------------------------------------------


def claim(world: World, check: bool = False, **options: Any) -> dict[str, Any]:
    given = {"apps": ["web", "api"], "env": "prod", "state": "claimed", "image_id": world.image, "owner": "alice"}
    return world.answered(claims, {**given, **options}, check)


def log(world: World, app: str) -> dict[str, Any]:
    return deploys.describe_log(world.fleet.client_of("ssm"), ("/dtk", "prod", app), world.now(), 20)


def test_a_claim_is_renewed_while_it_waits_and_the_apps_are_held(world: World) -> None:
    world.group(2)
    claimed = good(claim(world, lease=300))
    assert (claimed["apps"], claimed["changed"]) == (["api", "web"], True)
    refused = failure(claim(world, owner="bob"))
    assert refused.startswith("api in prod is held by alice since 2026-01-01T")
    assert f"(an image is being rolled out, {world.image}, id {claimed['id']})" in refused
    kept = {"apps": claimed["apps"], "env": "prod", "id": claimed["id"], "lease": 300}
    good(world.roll(claim=kept))
    assert world.slept > 300
    for app in claimed["apps"]:
        found = log(world, app)
        assert (found["held"], found["expired"], found["target"]["kind"]) == (True, False, "ami")
        assert "renewed" in {entry["act"] for entry in found["history"]}
    released = good(claim(world, state="released", id=claimed["id"]))
    assert (released["apps"], log(world, "api")["held"]) == (["api", "web"], False)
    assert good(claim(world, state="released", id=claimed["id"]))["changed"] is False


def test_a_claim_that_was_taken_ends_the_wait_and_the_refresh_goes_on(world: World) -> None:
    world.group(2)
    claimed = good(claim(world, lease=60))

    def steal() -> None:
        world.during = lambda: None
        good(claim(world, apps=["web"], owner="bob", takeover=True))

    world.during = steal
    kept = {"apps": claimed["apps"], "env": "prod", "id": claimed["id"], "lease": 60}
    text = failure(world.roll(claim=kept))
    assert "no longer owns the app: it is now held by bob" in text and text.endswith("of web goes on.")
    released = good(claim(world, state="released", id=claimed["id"]))
    assert (released["apps"], len(released["notes"])) == (["api"], 1)
    assert log(world, "web")["target"]["owner"] == "bob"


def test_a_claim_that_is_lost_half_way_is_given_back(world: World) -> None:
    good(claim(world, apps=["web"], owner="bob"))
    text = failure(claim(world))
    assert text.startswith("web in prod is held by bob")
    found = log(world, "api")
    assert (found["held"], [entry["act"] for entry in found["history"]]) == (False, ["released", "claimed"])
    assert failure(claim(world, check=True)).startswith("web in prod is held by bob")


def test_a_deploy_waits_for_the_refresh_that_a_dead_roll_left(world: World) -> None:
    world.group(1)
    claimed = good(claim(world, apps=["web"], lease=60))
    good(world.roll(wait=False))
    hosts = [{"name": "web-1", "asg": WEB, "region": REGION}]
    asked = {"app": "web", "env": "prod", "action": "config", "hosts": hosts, "owner": "bob"}
    held = failure(world.answered(plans, asked, False))
    assert "is held by alice since 2026-01-01T" in held and "an image is being rolled out" in held
    world.fleet.fake.advance(61)
    identity = world.refreshes[0]["InstanceRefreshId"]
    place = {"target_groups": [], "hosts": [{**hosts[0], "instance_id": world.fleet.ids()[0]}], "refreshes": True}
    told = run_module("targets_info", place, world.aws.environ())["refreshes"]
    assert told[WEB].startswith(f"instance refresh {identity} to version 2 since 2026-01-01T")
    text = failure(world.answered(plans, asked, False))
    assert text.startswith(f"Whoever rolled {world.image} out is gone, and web has an instance refresh {identity} to")
    assert text.endswith("to deploy meanwhile, run again with takeover=true.")
    assert log(world, "web")["id"] == claimed["id"]
    meant = good(world.answered(plans, {**asked, "takeover": True}, True))
    assert any(identity in note for note in meant["plan"]["warnings"])
    world.fleet.fake.advance(600)
    assert world.refreshes[0]["Status"] == "Successful"
    planned = good(world.answered(plans, asked, False))
    assert "took over from alice, whose lease ended at" in planned["plan"]["warnings"][0]


# --- bad input ------------------------------------------------------------------------------------------------------

BAD = [
    ({"preferences": {"auto_rollback": True}}, "preferences.auto_rollback needs to know what is new"),
    ({"desired_configuration": {"launch_template": {"launch_template_name": "x", "version": "$Latest"}}}, "'$Latest'"),
    ({"desired_configuration": {"launch_template": {"version": "1"}}}, "needs either launch_template_id or"),
    ({"image_id": "ami-x"}, "image_id is 'ami-x', which is no id of an AMI"),
    (
        {"preferences": {"checkpoint_percentages": [50, 20]}},
        "is [50, 20]; they must be different numbers from 1 to 100",
    ),
    ({"preferences": {"checkpoint_delay": 5}}, "checkpoint_delay needs checkpoints or checkpoint_percentages"),
    ({"preferences": {"checkpoints": [0, "200%"]}}, "preferences.checkpoints has 0, '200%'"),
    ({"preferences": {"max_healthy_percentage": 120}}, "max_healthy_percentage needs min_healthy_percentage"),
    ({"preferences": {"min_healthy_percentage": 101}}, "min_healthy_percentage is 101; it must be 0 to 100"),
    ({"preferences": {"min_healthy_percentage": 10, "max_healthy_percentage": 150}}, "may differ by 100"),
    ({"preferences": {"bake_time": 200_000}}, "bake_time is 200000; it must be 0 to 172800"),
    ({"delay": 0}, "delay is 0.0"),
    ({"state": "cancelled", "preferences": {"bake_time": 1}}, "preferences means nothing with state=cancelled"),
    ({"preferences": {"alarm_specification": {"alarms": [f"a{one}" for one in range(11)]}}}, "11 alarms; AWS takes 10"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_bad_options_are_told_before_anything_is_asked(world: World, options: dict[str, Any], message: str) -> None:
    world.aws.reset()
    assert message in failure(world.run(**options))
    assert not world.aws.calls()


def template(version: str, **named: str) -> dict[str, Any]:
    return {"desired_configuration": {"launch_template": {"version": version, **named}}}


def test_what_is_not_there_is_told_before_anything_changes(world: World) -> None:
    world.group(1)
    gone = world.fleet.version(world.template, ImageId="ami-0123456789abcdef0")["Version"]
    world.aws.reset()
    told = {
        "There is no Auto Scaling group none in eu-west-1. Correct name": world.run(name="none"),
        "There is no version 9 of the launch template": world.run(**template("9", launch_template_id=world.template)),
        "There is no version 1 of the launch template nope": world.run(**template("1", launch_template_name="nope")),
        "There is no AMI ami-0123456789abcdef0 in eu-west-1": world.run(
            **template(gone, launch_template_id=world.template)
        ),
        "There is no AMI ami-00000000000000000 in eu-west-1": world.roll(image_id="ami-00000000000000000"),
        "There is no alarm nope in eu-west-1. Correct preferences.alarm_specification": world.roll(
            preferences={"alarm_specification": {"alarms": ["nope"]}}
        ),
        "web has no instance refresh 00000000-0000-0000-0000-000000000000": world.run(
            instance_refresh_id="00000000-0000-0000-0000-000000000000"
        ),
    }
    for text, result in told.items():
        assert text in failure(result)
    assert (world.written, world.refreshes) == ([], [])


def test_an_alarm_that_rings_already(world: World) -> None:
    world.group(1)
    world.alarm("ALARM")
    world.alarm("INSUFFICIENT_DATA", "quiet")
    chosen = {"alarm_specification": {"alarms": ["errors", "quiet"]}}
    assert "alarm errors rings (5 errors in a minute)" in failure(world.roll(preferences={**SAFE, **chosen}))
    assert world.refreshes == []
    quiet = {"alarm_specification": {"alarms": ["quiet"]}}
    done = good(world.roll(check=True, preferences={**SAFE, **quiet}))
    assert done["warnings"] == ["alarm quiet has no data, which stops nothing"]


@pytest.mark.parametrize(
    ("version", "image", "why"),
    [
        ("$Latest", "", "has the launch template's version $Latest, which says nothing of what was there before"),
        ("1", "resolve:ssm:/golden/web", "starts from resolve:ssm:/golden/web, which AWS cannot roll back"),
    ],
)
def test_what_could_not_be_rolled_back_is_refused(world: World, version: str, image: str, why: str) -> None:
    fleet = world.fleet
    fleet.client_of("ssm").put_parameter(Name="/golden/web", Value=fleet.image(), Type="String")
    made = fleet.template(**({"ImageId": image} if image else {}))
    world.group(1, LaunchTemplate={"LaunchTemplateId": made, "Version": version})
    text = failure(world.roll(preferences=PREFERENCES))
    assert text.startswith("Nothing could be rolled back: The Auto Scaling group web") and why in text
    assert world.refreshes == []


def test_packed_for_a_controller_of_its_own(world: World) -> None:
    """The facades, with all that they import, are complete on the other side."""
    world.group(1)
    here = run_module("instance_refresh", {"name": WEB, "state": "cancelled"}, world.aws.environ(), True)
    assert (here["changed"], here["progress"]) == (False, [])
    found = run_ansible("instance_refresh", {"name": WEB, "state": "cancelled", "region": REGION}, world.aws.environ())
    assert found["_status"] == "SUCCESS" and found["instance_refresh"] is None
