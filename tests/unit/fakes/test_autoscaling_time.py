# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated Auto Scaling in real time, and the hosts that it has booted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.emulation import REGION, Emulation
from tests.emulation.clients import make
from tests.fakes.autoscaling import Dials, Launcher, ManualClock, Options

from .fleet import WEB, Fleet

ROOT = Path(__file__).resolve().parents[3]


class Hosts(Launcher):
    """Remembers what it is told; boots as a test has it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.boots: dict[str, tuple[str, dict[str, str], str]] = {}
        self.boot: Any = lambda instance_id: None
        self.booting = threading.Semaphore(0)

    def launch(self, instance_id: str, image_id: str, tags: Mapping[str, str], az: str) -> None:
        self.told.append(("launch", instance_id))
        self.boots[instance_id] = image_id, dict(tags), az
        self.booting.release()
        self.boot(instance_id)

    def terminate(self, instance_id: str) -> None:
        self.told.append(("terminate", instance_id))

    def stop(self, instance_id: str) -> None:
        self.told.append(("stop", instance_id))

    def start(self, instance_id: str) -> None:
        self.told.append(("start", instance_id))
        self.boot(instance_id)


@pytest.fixture
def hosts() -> Hosts:
    return Hosts()


@pytest.fixture
def live(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """In real time, with a look at health ten times a second."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    options = Options(launcher=hosts, dials=Dials(health_interval=0.1))
    with Emulation.start(autoscaling=options) as aws:
        aws.reset_data()
        fleet = Fleet(aws)
        yield fleet
        aws.reset_data()
        assert (aws.autoscaling.violations, aws.autoscaling.bugs) == ([], [])


@pytest.fixture
def still(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with Emulation.start(autoscaling=Options(clock=ManualClock(), launcher=hosts)) as aws:
        aws.reset_data()
        yield Fleet(aws)
        aws.reset_data()


def wait_for_states(fleet: Fleet, **states: int) -> None:
    wanted = {name.replace("_", ":"): number for name, number in states.items()}
    fleet.fake.wait_for(lambda: fleet.states == wanted)


def create(fleet: Fleet, size: int, **more: Any) -> None:
    fleet.group(size, settled=False, **more)


# --- real time --------------------------------------------------------------------------------------------------------


def test_instances_come_into_service_by_themselves(live: Fleet) -> None:
    create(live, 3)
    wait_for_states(live, InService=3)
    live.client.set_desired_capacity(AutoScalingGroupName=WEB, DesiredCapacity=1)
    wait_for_states(live, InService=1)
    live.client.delete_auto_scaling_group(AutoScalingGroupName=WEB, ForceDelete=True)
    live.fake.wait_for(lambda: not live.client.describe_auto_scaling_groups()["AutoScalingGroups"])


def test_a_host_completes_its_own_launch(live: Fleet, hosts: Hosts) -> None:
    """At once: by then its hooks hold it."""
    hosts.boot = lambda instance_id: live.client.complete_lifecycle_action(
        AutoScalingGroupName=WEB, LifecycleHookName="boot", InstanceId=instance_id, LifecycleActionResult="CONTINUE"
    )
    create(live, 5, LifecycleHookSpecificationList=[live.hook()])
    wait_for_states(live, InService=5)
    found = {one.id: one for one in live.instances}
    assert set(hosts.boots) == set(found)
    for identity, (image, tags, zone) in hosts.boots.items():
        assert (image, zone) == (live.in_ec2(identity)["ImageId"], found[identity].zone)
        assert tags["aws:autoscaling:groupName"] == WEB


def test_hosts_boot_at_the_same_time_and_block_nobody(live: Fleet, hosts: Hosts) -> None:
    together = threading.Barrier(4, timeout=30)
    hosts.boot = lambda _: together.wait()
    create(live, 3, LifecycleHookSpecificationList=[live.hook()])
    for _ in range(3):
        assert hosts.booting.acquire(timeout=30)
    assert live.states == {"Pending:Wait": 3}, "the service answers meanwhile"
    together.wait()


def test_a_boot_that_fails_is_a_launch_that_failed(live: Fleet, hosts: Hosts) -> None:
    def fail_once(instance_id: str) -> None:
        if len(hosts.boots) == 1:
            raise OSError("no space left")

    hosts.boot = fail_once
    create(live, 1, LifecycleHookSpecificationList=[live.hook(DefaultResult="CONTINUE")])
    live.fake.wait_for(lambda: len(hosts.boots) == 2)
    failed = live.activities()[-1]
    assert failed["StatusMessage"].endswith("Termination Reason: OSError: no space left")
    live.fake.wait_for(lambda: ("terminate", next(iter(hosts.boots))) in hosts.told)


def test_a_dead_instance_is_noticed_and_its_host_ended(live: Fleet, hosts: Hosts) -> None:
    create(live, 1)
    wait_for_states(live, InService=1)
    (first,) = live.ids()
    live.ec2.terminate_instances(InstanceIds=[first])
    live.fake.wait_for(lambda: live.ids() not in ([], [first]))
    live.fake.wait_for(lambda: ("terminate", first) in hosts.told)


def test_waiting_for_what_never_comes_ends(live: Fleet) -> None:
    with pytest.raises(TimeoutError):
        live.fake.wait_for(lambda: False, timeout=0.05)


def test_a_fault_of_the_fake_itself_is_kept_for_the_test(live: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("a bug")

    def fail(_region: Any) -> bool:
        raise error

    monkeypatch.setattr("tests.fakes.autoscaling.engine.tick", fail)
    create(live, 1)
    live.fake.wait_for(lambda: live.fake.bugs == [error] or bool(live.client.describe_tags() and live.fake.bugs))
    live.fake.bugs.clear()


# --- time that stands still -------------------------------------------------------------------------------------------


def test_with_a_manual_clock_hosts_are_told_in_turn(still: Fleet, hosts: Hosts) -> None:
    still.group(0, MaxSize=1)
    still.ask("put_warm_pool", InstanceReusePolicy={"ReuseOnScaleIn": True})
    (instance,) = still.ids("Warmed:Stopped")
    still.resize(1)
    still.resize(0)
    still.ask("delete_warm_pool")
    assert hosts.told == [(what, instance) for what in ("launch", "stop", "start", "stop", "terminate")]


def test_a_host_may_complete_its_action_from_within_its_boot(still: Fleet, hosts: Hosts) -> None:
    hosts.boot = lambda instance_id: still.client.complete_lifecycle_action(
        AutoScalingGroupName=WEB, LifecycleHookName="boot", InstanceId=instance_id, LifecycleActionResult="CONTINUE"
    )
    still.group(2, LifecycleHookSpecificationList=[still.hook()])
    assert still.states == {"InService": 2}


def test_nothing_happens_unless_time_is_moved(still: Fleet, hosts: Hosts) -> None:
    still.group(1, settled=False)
    assert (still.states, hosts.told) == ({}, [])
    assert still.fake.tick()
    assert still.states == {"Pending": 1}
    still.fake.settle()
    assert not still.fake.tick()


def test_only_a_manual_clock_is_moved(live: Fleet) -> None:
    with pytest.raises(TypeError, match="only a ManualClock can be advanced"):
        live.fake.advance(1)


def test_without_our_auto_scaling_there_is_motos() -> None:
    with Emulation.start() as aws:
        assert aws.client("autoscaling", REGION).describe_auto_scaling_groups()["AutoScalingGroups"] == []
        with pytest.raises(AttributeError, match="started without autoscaling=True"):
            _ = aws.autoscaling
        with pytest.raises(ValueError, match="only imagebuilder remember what was before a change"):
            aws.stale("autoscaling:DescribeAutoScalingGroups")


# --- as a process -----------------------------------------------------------------------------------------------------


class Announcing(Launcher):
    """For a process: says what it boots."""

    def launch(self, instance_id: str, image_id: str, tags: Mapping[str, str], az: str) -> None:
        print(f"booted {instance_id}", flush=True)


def test_a_process_boots_hosts_as_well() -> None:
    command = [sys.executable, "-m", "tests.emulation", "--autoscaling", "--launcher"]
    launcher = "tests.unit.fakes.test_autoscaling_time:Announcing"
    environ = os.environ | {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
    with subprocess.Popen([*command, launcher], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(7)]
            endpoint = next(line.split("=")[1].strip() for line in lines if "AWS_ENDPOINT_URL" in line)
            image = make("ec2", endpoint, REGION).register_image(Name="web", RootDeviceName="/dev/sda1")["ImageId"]
            data = {"ImageId": image, "InstanceType": "t3.small"}
            make("ec2", endpoint, REGION).create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)
            make("autoscaling", endpoint, REGION).create_auto_scaling_group(
                AutoScalingGroupName=WEB,
                MinSize=1,
                MaxSize=1,
                LaunchTemplate={"LaunchTemplateName": "web"},
                AvailabilityZones=[f"{REGION}a"],
            )
            assert process.stdout.readline().startswith("booted i-")
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.stdout.read() if process.stdout else ""
            assert process.wait(20) == 0
    assert "1 autoscaling:CreateAutoScalingGroup:eu-west-1" in rest


def test_a_launcher_without_auto_scaling_makes_no_sense() -> None:
    command = [sys.executable, "-m", "tests.emulation", "--launcher", "tests.fakes.autoscaling:Launcher"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--launcher needs --autoscaling" in done.stderr
