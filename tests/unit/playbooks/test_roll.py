# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbook roll against the emulated AWS: an image that goes well, one that does not, and a run that is killed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulation import REGION, Emulation
from tests.fakes.autoscaling import Options
from tests.unit.fakes.fleet import LAUNCHING, Fleet

from .estate import LOCAL, Estate, Run, alarm

GROUP = "dtk-prod-web"
APPS = ("api", "worker")


class World:
    """A fleet of two on version 1 of its launch template, and a candidate."""

    def __init__(self, aws: Emulation, folder: Path) -> None:
        self.aws, self.fleet = aws, Fleet(aws)
        aws.autoscaling.dials.health_interval = 0.5
        self.old, self.new = self.fleet.image(), self.fleet.image()
        made = self.fleet.ec2.create_launch_template(
            LaunchTemplateName=GROUP, LaunchTemplateData={"ImageId": self.old, "InstanceType": "t3.small"}
        )
        self.template = made["LaunchTemplate"]["LaunchTemplateId"]
        self.fleet.client.create_auto_scaling_group(
            AutoScalingGroupName=GROUP,
            MinSize=0,
            MaxSize=4,
            DesiredCapacity=2,
            LaunchTemplate={"LaunchTemplateId": self.template, "Version": "1"},
            VPCZoneIdentifier=",".join(list(self.fleet.subnets.values())[:2]),
        )
        for pointer, image in (("current", self.old), ("candidate", self.new)):
            self.ssm.put_parameter(
                Name=f"/dtk/prod/web/ami/{pointer}", Value=image, Type="String", DataType="aws:ec2:image"
            )
        for name in ("prod-errors", f"{GROUP}-status_check", f"{GROUP}-x-status_check"):
            alarm(aws, name, "OK")
        self.wait_for(lambda: len(self.described()["Instances"]) == 2)
        alarms = {"alarms": ["{env}-errors"]}
        refresh = {"instance_warmup": 1, "checkpoint_delay": 1, "bake_time": 1}
        self.estate = Estate(
            aws,
            folder,
            hosts={"web-1": {**LOCAL, "dtk_asg": GROUP, "dtk_region": REGION}},
            groups={"role_web": ["web-1"], "env_prod": ["web-1"]},
            variables={
                "role_web": {
                    "dtk_server_role": {"name": "web"},
                    "dtk_apps": {app: {"unit": f"{app}.service", "deploy": alarms} for app in APPS},
                    "dtk_fleet": {
                        "subnets": list(self.fleet.subnets.values())[:2],
                        "min": 2,
                        "max": 4,
                        "refresh": refresh,
                    },
                }
            },
        )

    @property
    def ssm(self) -> Any:
        return self.fleet.client_of("ssm")

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.05)

    def roll(self, *flags: str, **extra: Any) -> Run:
        return self.estate.play("roll", *flags, **self.wanted(**extra))

    def wanted(self, **extra: Any) -> dict[str, Any]:
        return {"role": "web", "env": "prod", "dtk_roll_delay": 0.3, **extra}

    def hold(self) -> None:
        """From now on instances wait for somebody who completes their hook."""
        hook = {"LifecycleHookName": "boot", "LifecycleTransition": LAUNCHING, "HeartbeatTimeout": 600}
        self.fleet.client.put_lifecycle_hook(AutoScalingGroupName=GROUP, **hook)

    def boot(self) -> None:
        """All those that wait."""
        for one in self.described()["Instances"]:
            if one["LifecycleState"] == "Pending:Wait":
                self.fleet.client.complete_lifecycle_action(
                    AutoScalingGroupName=GROUP,
                    LifecycleHookName="boot",
                    InstanceId=one["InstanceId"],
                    LifecycleActionResult="CONTINUE",
                )

    def watched(self, marker: str) -> Run:
        """A roll; once its output has the marker, instances that wait come up."""
        process = self.estate.start("roll", **self.wanted(why="libssl"))
        ended = threading.Event()

        def boot() -> None:
            while not ended.wait(0.1):
                self.boot()

        assert process.stdout is not None
        seen: list[str] = []
        helper = threading.Thread(target=boot)
        for line in process.stdout:
            seen.append(line)
            if marker in line and not helper.ident:
                helper.start()
        process.stdout.close()
        process.wait(60)
        ended.set()
        if helper.ident:
            helper.join()
        return Run(process.returncode, "".join(seen))

    def described(self) -> dict[str, Any]:
        (group,) = self.fleet.client.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
        return dict(group)

    @property
    def versions(self) -> list[str]:
        found = self.described()["Instances"]
        return sorted(one["LaunchTemplate"]["Version"] for one in found if one["LifecycleState"] == "InService")

    @property
    def refreshes(self) -> list[dict[str, Any]]:
        return self.fleet.client.describe_instance_refreshes(AutoScalingGroupName=GROUP)["InstanceRefreshes"]

    def current(self) -> str:
        return str(self.ssm.get_parameter(Name="/dtk/prod/web/ami/current")["Parameter"]["Value"])

    def log(self, app: str) -> list[dict[str, Any]]:
        found = self.ssm.get_parameters_by_path(Path=f"/dtk/prod/{app}/deploy")["Parameters"]
        return [json.loads(one["Value"]) for one in sorted(found, key=lambda one: str(one["Name"]))]


@pytest.fixture(scope="module")
def scaling() -> Iterator[Emulation]:
    with pytest.MonkeyPatch.context() as patch, Emulation.start(autoscaling=Options()) as aws:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        yield aws
        patch.undo()
        aws.reset_data()


@pytest.fixture
def world(scaling: Emulation, tmp_path: Path) -> World:
    scaling.reset_data()
    return World(scaling, tmp_path)


def test_an_image_that_goes_well_becomes_current_also_where_the_run_was_killed_half_way(world: World) -> None:
    world.hold()
    dry = world.roll("--check")
    assert dry.rc == 0, dry.out
    assert f"REFRESH {GROUP}: 2 instances -> a new version made of version 1 of {GROUP} ({world.new})" in dry.text
    assert f"then current: {world.old} -> {world.new}" in dry.text
    assert (world.refreshes, world.log("api"), world.current()) == ([], [], world.old)

    world.estate.play_killed_at("InProgress", "roll", **world.wanted(why="libssl"))
    (left,) = world.refreshes
    assert (left["Status"], world.log("worker")[-1]["target"]["kind"]) == ("InProgress", "ami")

    told = world.estate.play("status", app="api", env="prod")
    assert told.rc == 0, told.out
    refresh = f"{GROUP} has an instance refresh {left['InstanceRefreshId']} to version 2 since"
    assert refresh in told.text and "the playbook roll sees it through" in told.text, told.out
    assert f"an image is being rolled out, {world.new}" in told.text

    run = world.watched(f"{GROUP} InProgress")
    assert run.rc == 0, run.out
    assert f"{GROUP} has this instance refresh {left['InstanceRefreshId']} to version 2" in run.text
    assert f"{GROUP} Successful 100 %" in run.text, run.out
    assert "verdict: good" in run.text and f"release: {world.new}" in run.text
    assert (world.versions, world.current()) == (["2", "2"], world.new)
    (refresh,) = world.refreshes
    asked = [f"{GROUP}-status_check", "prod-errors"]
    assert refresh["Preferences"]["AlarmSpecification"] == {"Alarms": asked}, "the fleet's own, and those of deploys"
    assert (refresh["Preferences"]["AutoRollback"], refresh["Preferences"]["SkipMatching"]) == (True, True)
    for app in APPS:
        first, again, released = world.log(app)
        assert (first["target"]["kind"], first["target"]["release"], first["why"]) == ("ami", world.new, "libssl")
        assert again["why"] == f"libssl; took over from {first['by']}, whose process is gone"
        assert (released["target"], released["stable"], released["act"]) == (None, None, "released")


def test_an_alarm_brings_back_what_there_was_and_current_stays(world: World) -> None:
    process = world.estate.start("roll", **world.wanted())
    world.wait_for(lambda: "2" in world.versions)
    held = world.log("api")[-1]["target"]
    alarm(world.aws, "prod-errors", "ALARM")
    out, _nothing = process.communicate(timeout=120)
    run = Run(process.returncode, out)
    assert run.rc == 2, run.out
    assert f"of {GROUP} was rolled back, so all instances start from what there was before. Reason:" in run.text
    assert "The following alarms are in the ALARM state: prod-errors." in run.text
    assert f"current stays {world.old}; candidate {world.new} was not promoted." in run.text
    assert "verdict: halted" in run.text
    assert (world.versions, world.current(), held["kind"]) == (["1", "1"], world.old, "ami")
    assert [world.log(app)[-1]["target"] for app in APPS] == [None, None]


def test_a_server_role_without_a_fleet(world: World) -> None:
    run = world.roll(role="nope")
    assert run.rc == 2
    assert "The estate knows of no fleet of the server role nope" in run.text, run.out
