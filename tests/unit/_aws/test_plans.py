# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of apps behind load balancers: what they read, what they say, and what they repair before anything else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils import artifacts, deploys, plans, targets

from tests.emulation import Emulation
from tests.fakes.elbv2 import Options
from tests.unit.emulated_aws import build_archive

from .balanced import REGION, Time, World

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
BUCKET = "releases"
HEALTH = {"http": {"url": "http://127.0.0.1:8080/health"}}


@pytest.fixture(scope="module")
def emulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulation, Time]]:
    time = Time()
    with Emulation.start(balancers=Options(clock=time)) as aws:
        s3 = aws.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        for version in ("1.0.0", "1.0.1"):
            archive = build_archive(Path(tmp_path_factory.mktemp(version)) / "hello.tar.gz", version)
            artifacts.publish(s3, BUCKET, "hello", version, str(archive), now=NOW)
        yield aws, time


@pytest.fixture
def world(emulation: tuple[Emulation, Time], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Four hosts, healthy behind one application load balancer."""
    aws, time = emulation
    monkeypatch.setattr(targets, "time", time)
    monkeypatch.setattr(deploys, "_PAUSE", 0)
    aws.reset()
    found = World(aws, time)
    found.launch(4)
    found.group("http", delay=300)
    found.enter("http")
    aws.reset()
    yield found
    aws.balancers.sick.clear()
    assert aws.balancers.violations == []


def plan(world: World, *, check: bool = False, **changes: Any) -> dict[str, Any]:
    given = {
        "app": "hello",
        "env": "demo",
        "prefix": f"/test/{world.mark}",
        "bucket": BUCKET,
        "version": "1.0.0",
        "hosts": [{**host, "az": "a", "healthy": True, "current": None} for host in world.hosts],
        "health": HEALTH,
        "load_balancer": {"port": 8080, "target_groups": [f"http-{world.mark}"]},
        "owner": "alice",
        **changes,
    }
    options = {name: given.get(name, spec.get("default")) for name, spec in plans.OPTIONS.items()}
    return plans.answer(options, world.client, lambda: NOW, check)


def log(world: World) -> dict[str, Any]:
    return deploys.describe_log(world.client("ssm"), (f"/test/{world.mark}", "demo", "hello"), NOW, 10)


def leave(world: World, *numbers: int) -> None:
    """As a run leaves hosts that died while they were drained."""
    places = [{"Id": world.hosts[number]["instance_id"]} for number in numbers]
    world.client("elbv2").deregister_targets(TargetGroupArn=world.arns["http"], Targets=places)
    world.time.sleep(400)
    world.states("http")


def test_health_and_settings_are_read_once_and_told(world: World) -> None:
    found = plan(world)
    assert world.calls("DescribeTargetHealth", "DescribeTargetGroupAttributes", "RegisterTargets") == {
        "DescribeTargetHealth": 1,
        "DescribeTargetGroupAttributes": 1,
        "RegisterTargets": 0,
    }
    page = "\n".join(found["text"])
    assert f"targets  http-{world.mark}: 4 of 4 hosts healthy; drained in 300 s, healthy again in 30 s" in page
    assert "16 min 30 s of that for load balancers" in page
    (warning,) = found["plan"]["warnings"]
    assert warning == (
        "300 s deregistration delay x 3 waves = 15 min of 16 min 46 s: lower deregistration_delay.timeout_seconds of "
        f"target group http-{world.mark} to what its requests need"
    )
    assert found["plan"]["forecast"]["seconds"]["load_balancers"] == 990
    # 360 s to leave, 30 s of checks, 2 s of the last one and a minute to come back; twice
    assert found["plan"]["lease"] == 900 + 2 * (360 + 92)


def test_the_steps_of_a_deploy_get_all_that_they_need(world: World) -> None:
    found = json.loads(json.dumps(plan(world)))["plan"]["balance"]
    assert (found["drain"], found["wait_timeout"]) == (True, None)
    assert [host["name"] for host in found["hosts"]] == ["web-1", "web-2", "web-3", "web-4"]
    world.aws.reset()
    assert world.act("drained", *found["target_groups"], hosts=found["hosts"][:1])["late"] == {}
    assert world.calls("DescribeTargetGroups") == {"DescribeTargetGroups": 0}


@pytest.mark.parametrize(
    ("activation", "drain", "drained"),
    [("restart", None, True), ("reload", None, False), ("none", None, False), ("reload", True, True)],
)
def test_who_leaves_while_it_changes(world: World, activation: str, drain: bool | None, drained: bool) -> None:
    balancer = {"port": 8080, "target_groups": [f"http-{world.mark}"]}
    if drain is not None:
        balancer["drain"] = drain
    found = plan(world, activation=activation, load_balancer=balancer)
    assert found["plan"]["balance"]["drain"] is drained
    waits = found["plan"]["forecast"]["seconds"]["load_balancers"]
    assert (waits > 0) is drained
    assert any("nobody leaves while it changes" in line for line in found["text"]) is not drained


@pytest.mark.parametrize("balancer", [None, {"port": 8080}, {"port": 8080, "target_groups": []}])
def test_without_target_groups_nothing_is_asked(world: World, balancer: dict[str, Any] | None) -> None:
    found = plan(world, load_balancer=balancer)
    assert found["plan"]["balance"] == {"target_groups": [], "hosts": [], "drain": False, "wait_timeout": None}
    assert found["plan"]["lease"] == 900
    assert not any(call.startswith(("elbv2", "autoscaling", "ec2")) for call in world.aws.calls())
    assert not any("targets" in line for line in found["text"])


def test_hosts_that_are_unhealthy_count_as_lost(world: World) -> None:
    world.aws.balancers.sick.add(world.hosts[0]["instance_id"])
    for _ in range(4):
        world.time.sleep(10)
        world.states("http")
    found = plan(world, min_healthy=2, waves=["100%"])
    # web-1 is lost already, so one of the other three may leave at a time.
    assert found["plan"]["waves"] == [2, 1, 1]
    assert "1 host unhealthy already: web-1" in found["plan"]["warnings"]
    refused = plan(world, min_healthy=3, owner="alice", takeover=True)
    assert "min_healthy asks for 3 healthy hosts, but only 3 of 4 are healthy now" in refused["msg"]


def test_what_a_dead_run_left_is_put_back_first(world: World) -> None:
    leave(world, 1, 2)
    world.aws.reset()
    # As it was left, no wave might begin.
    found = plan(world, min_healthy=3)
    assert set(world.states("http").values()) == {"healthy"} and len(world.states("http")) == 4
    assert world.calls("RegisterTargets") == {"RegisterTargets": 1}
    assert "put back into the load balancers: web-2, web-3" in found["plan"]["warnings"]
    assert found["plan"]["waves"] == [1, 1, 1, 1]
    assert log(world)["target"]["owner"] == "alice"


def test_check_mode_says_so_and_leaves_them_out(world: World) -> None:
    leave(world, 1)
    found = plan(world, min_healthy=3, check=True)
    assert "not in every target group although in service, and put back first: web-2" in found["plan"]["warnings"]
    assert len(world.states("http")) == 3
    assert log(world)["n"] == 0


def test_one_that_cannot_be_repaired_gives_the_claim_back(world: World) -> None:
    leave(world, 1)
    world.aws.balancers.sick.add(world.hosts[1]["instance_id"])
    refused = plan(world, min_healthy=3)
    assert "min_healthy asks for 3 healthy hosts, but only 3 of 4 are healthy now" in refused["msg"]
    newest = log(world)
    assert (newest["target"], newest["act"]) == (None, "released")
    assert "min_healthy" in newest["why"]
    # Without the minimum the deploy may bring it back itself.
    assert plan(world)["plan"]["waves"] == [1, 2, 1]


def test_a_repair_that_is_denied_gives_the_claim_back(world: World) -> None:
    leave(world, 1)
    world.aws.fault("elbv2:RegisterTargets", "AccessDenied", message="no")
    refused = plan(world)
    assert "access denied" in refused["msg"]
    assert log(world)["act"] == "released"


def test_hosts_of_a_live_deploy_are_not_put_back(world: World) -> None:
    assert plan(world)["changed"]
    leave(world, 0)
    refused = plan(world, owner="bob")
    assert "is held by alice" in refused["msg"]
    assert len(world.states("http")) == 3


def test_a_run_that_was_overtaken_leaves_load_balancers_alone(world: World) -> None:
    mine = plan(world)["plan"]["id"]
    claim = {"app": "hello", "env": "demo", "prefix": f"/test/{world.mark}", "id": mine}
    assert world.act("drained", f"http-{world.mark}", hosts=world.hosts[:1], claim=claim)["late"] == {}
    assert plan(world, owner="bob", takeover=True)["plan"]["claimed"]
    for state in ("drained", "registered"):
        refused = world.act(state, f"http-{world.mark}", claim=claim)
        assert f"Deploy {mine} no longer owns the app: it is now held by bob" in refused["msg"]
        assert set(refused["late"]) == {"web-1", "web-2", "web-3", "web-4"}
    assert set(world.states("http").values()) == {"healthy"} and len(world.states("http")) == 4


def test_standby_is_deployed_to_and_not_put_back(world: World) -> None:
    group = world.scaling_group("web", *world.hosts)
    scaling, standby = world.client("autoscaling"), world.hosts[3]["instance_id"]
    scaling.enter_standby(AutoScalingGroupName=group, InstanceIds=[standby], ShouldDecrementDesiredCapacity=True)
    leave(world, 3)
    world.aws.reset()
    found = plan(world)
    assert len(found["plan"]["hosts"]) == 4
    assert any("3 of 3 hosts healthy" in line for line in found["text"])
    assert world.calls("RegisterTargets") == {"RegisterTargets": 0}


def test_a_rollback_never_takes_everybody_out_by_default(world: World) -> None:
    first = plan(world)["plan"]["id"]
    where = f"/test/{world.mark}", "demo", "hello"
    deploys.change_log(world.client("ssm"), where, deploys.ending(first, "committed", ""), lambda: NOW)
    asked = {"action": "rollback", "version": "1.0.0"}
    assert plan(world, check=True, **asked)["plan"]["waves"] == [2, 2]
    assert plan(world, check=True, activation="reload", **asked)["plan"]["waves"] == [4]
    warned = plan(world, check=True, waves=["100%"], **asked)["plan"]
    assert warned["waves"] == [4]
    assert any("wave 1 takes every healthy host out of the load balancers" in one for one in warned["warnings"])


def test_oddities_are_told(world: World) -> None:
    elb = world.client("elbv2")
    place = {"Id": world.hosts[0]["instance_id"], "Port": 9999}
    elb.register_targets(TargetGroupArn=world.arns["http"], Targets=[place])
    world.group("idle", used=False)
    world.hosts[3]["region"] = "eu-central-1"
    groups = [world.arns["http"], world.arns["idle"]]
    found = plan(world, check=True, load_balancer={"port": 8080, "target_groups": groups})["plan"]["warnings"]
    text = "\n".join(found)
    assert "no target group can hold web-4: they are not in eu-west-1 of 123456789012" in text
    assert f"no load balancer uses the target group idle-{world.mark}" in text
    assert f"web-1 in http-{world.mark} with another port than 8080" in text


@pytest.mark.parametrize(
    ("balancer", "words"),
    [
        ({"target_groups": ["a"]}, "dtk_apps: load_balancer.port is missing"),
        ({"port": 1, "target_groups": "a"}, "load_balancer.target_groups is 'a'; it must be a list"),
        ({"port": 1, "target_groups": [{"port": 2}]}, "load_balancer.target_groups[0].name is missing"),
        ({"port": 1, "target_groups": ["a", "a"]}, "load_balancer.target_groups names a twice"),
        ({"port": 1, "target_groups": ["a"], "drian": True}, "did you mean drain?"),
        ({"port": 1, "target_groups": ["{env}-nope"]}, "There is no target group demo-nope in eu-west-1"),
    ],
)
def test_bad_input_is_told_before_anything_changes(world: World, balancer: dict[str, Any], words: str) -> None:
    refused = plan(world, load_balancer=balancer)
    assert refused["failed"] and words in refused["msg"]
    assert log(world)["n"] == 0


# --- alarms ---------------------------------------------------------------------------------------------------------


def alarm(world: World, state: str) -> str:
    name, watch = f"demo-{world.mark}", world.client("cloudwatch")
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
    watch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="because")
    return name


def test_alarms_stand_in_the_plan_and_are_asked_once(world: World) -> None:
    name = alarm(world, "INSUFFICIENT_DATA")
    asked = {"alarms": [f"{{env}}-{world.mark}"], "load_balancer": None}
    world.aws.reset()
    planned = plan(world, **asked)
    assert planned["plan"]["alarms"] == [name]
    assert any(line.startswith(f"  alarms   {name}: 1 alarm, 1 without data, asked after") for line in planned["text"])
    assert f"{name} has no data: it stops nothing unless it rings" in planned["plan"]["warnings"]
    assert world.aws.calls()[f"cloudwatch:DescribeAlarms:{REGION}"] == 1


def test_an_alarm_that_rings_already_refuses_a_deploy_but_not_a_rollback(world: World) -> None:
    name = alarm(world, "ALARM")
    asked = {"alarms": [name], "load_balancer": None}
    refused = plan(world, **asked)
    assert refused["msg"].startswith(f"Already in ALARM before anything changed: {name} (because).")
    assert log(world)["n"] == 0
    meant = plan(world, check=True, ignore_alarms=True, **asked)
    assert (meant["plan"]["alarms"], f"{name} rings already, and is not asked" in meant["plan"]["warnings"]) == (
        [],
        True,
    )
    back = plan(world, check=True, action="rollback", **asked)
    assert (back["plan"]["alarms"], "failed" in back) == ([], False)
    gone = plan(world, **{**asked, "alarms": ["nope"]})
    assert gone["msg"].startswith(f"There is no alarm nope in {REGION}. Correct deploy.alarms of the app")
