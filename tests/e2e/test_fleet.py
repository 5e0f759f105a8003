# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets that heal themselves: every instance that Auto Scaling starts is a real host, and comes up by itself.

The image is really baked. The tests follow each other, each beginning with the fleet that the one before has left.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import Lab, LabHost, aws, containers
from tests.lab.aws import BUCKET
from tests.lab.machine import podman

from .balancer import Clients
from .conftest import ROOT, Run, Step
from .scaled import GROUP, TARGETS, Scaled, Watch

DEADLINE = 15
PATIENCE = 4  # it ends where the pause before another try would be longer than what is left
RELEASES: dict[str, dict[str, Any]] = {"1.0.0": {}, "1.0.1": {}, "1.0.2-broken": {"broken": True}}
INVENTORY = {
    "plugin": "sysops.dtk.ec2_fleet",
    "regions": ["eu-west-1"],
    "filters": {"tag-key": "dtk:env"},
    "hostnames": ["instance-id"],
}
LOAD_BALANCER = {
    "port": 8080,
    "health_path": "/health",
    "deregistration_delay": 4,
    "health_interval": 5,
    "healthy_threshold": 2,
    "target_groups": [TARGETS],
}
FLEET = {
    "min": 1,
    "desired": 2,
    "max": 5,
    "balancers": ["10.0.0.0/8"],
    "hook": {"timeout": 60},
    "health_check": {"grace": 10},
    "warmup": 0,
    "refresh": {"min_healthy_percentage": 100, "checkpoint_delay": 3, "bake_time": 3},
}
OF_LAB = {"Name": "tag:Name", "Values": ["lab"]}
# Of the estate: instances that cannot come up give up sooner than others do.
HURRY = {
    "name": "Hurry",
    "ansible.builtin.copy": {
        "content": json.dumps({"deadline": DEADLINE, "heartbeat": 60}),
        "dest": "/etc/dtk/converge.json",
        "mode": "0644",
    },
}


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaled]:
    """Releases, an image that is current, and no host."""
    work = tmp_path_factory.mktemp("scaled")
    with Lab.up("fleet", hosts=0, scaling=True) as lab:
        fleet = Scaled(lab, work, inventory=estate(work, lab))
        with ThreadPoolExecutor(2) as pool:
            baking = pool.submit(image, fleet, "bake")
            published = [fleet.publish(version, **how) for version, how in RELEASES.items()]
            for run in (baking.result(), *published, image(fleet, "promote")):
                assert run.rc == 0, run.out
        yield fleet


def estate(work: Path, lab: Lab) -> Path:
    """The demo's, of a fleet in the lab's network."""
    found = work / "estate"
    shutil.copytree(ROOT / "inventories" / "demo" / "group_vars", found / "group_vars")
    (found / "fleet.dtk.yml").write_text(yaml.safe_dump(INVENTORY))
    tasks = work / "roles" / "hurry" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text(yaml.safe_dump([HURRY]))
    path = found / "group_vars" / "role_web.yml"
    document = yaml.safe_load(path.read_text())
    document["dtk_server_role"]["image"]["roles"] = ["hurry"]
    document["dtk_apps"]["hello"]["load_balancer"] = LOAD_BALANCER
    subnets = [one["SubnetId"] for one in lab.boto("ec2").describe_subnets(Filters=[OF_LAB])["Subnets"]]
    document["dtk_fleet"] = {"subnets": subnets, **FLEET}
    path.write_text(yaml.safe_dump(document))
    return found


def image(fleet: Scaled, playbook: str, **extra: Any) -> Run:
    return fleet.play(playbook, environ={"PWD": str(fleet.work)}, role="web", **extra)


def deploy(fleet: Scaled, version: str, steps: list[tuple[str, Step]] | None = None) -> Run:
    return fleet.play_through(steps or [], "deploy", version=version, dtk_sweep_pause=3)


@pytest.fixture(scope="module")
def fleet(baked: Scaled) -> Scaled:
    """Two instances on the first release."""
    run = baked.play("fleet", role="web", app_fleet_delay=1)
    assert run.rc == 0, run.out
    run = deploy(baked, "1.0.0")
    assert run.rc == 0, run.out
    listen(baked)
    baked.wait_until_settled(2, "1.0.0")
    return baked


def listen(fleet: Scaled) -> None:
    """A load balancer, which fleets share, so that it is none of theirs."""
    elb, ec2 = fleet.lab.boto("elbv2"), fleet.lab.boto("ec2")
    subnets = [one["SubnetId"] for one in ec2.describe_subnets(Filters=[OF_LAB])["Subnets"]]
    (made,) = elb.create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"]
    forward = {"Type": "forward", "TargetGroupArn": fleet.targets}
    elb.create_listener(LoadBalancerArn=made["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[forward])


@pytest.fixture
def watch(fleet: Scaled) -> Iterator[Watch]:
    with Watch(fleet) as watching:
        yield watching
    assert watching.looks and watching.violations == []


def test_an_instance_that_auto_scaling_starts_comes_up_by_itself(fleet: Scaled, watch: Watch) -> None:
    fleet.resize(3)
    fleet.wait_until_settled(3, "1.0.0")
    newest = fleet.in_service()[-1]
    told = fleet.tags(newest.instance_id)
    assert told["dtk:app:hello"] == "1.0.0 slot 2 ok" and told["dtk:boot"].startswith("ok ")
    assert fleet.state(newest)["activated_by"] == "dtk-converge"
    assert newest.exec(["systemctl", "is-system-running"]).stdout.strip() == "running"


class Disturbance:
    """At each boundary of a deploy an instance comes, or one goes, in good order or not."""

    def __init__(self, fleet: Scaled) -> None:
        self.fleet = fleet
        self.known = {host.instance_id: host for host in fleet.in_service()}
        self.lost: LabHost | None = None

    @property
    def steps(self) -> list[tuple[str, Step]]:
        return [
            ("TASK [Plan | Show it", lambda *_: self.fleet.resize(4)),
            ("PLAY [Stage]", lambda _, said: self.fleet.retire(self.planned(said)[-1][0], replace=False)),
            ("PLAY [Activate]", lambda *_: self.fleet.resize(4)),
            ("PLAY [Activate]", self.lose_one),
            ("PLAY [Commit]", self.replace_newest),
            ("PLAY [Look again]", self.replace_newest),
        ]

    def planned(self, said: str) -> list[list[LabHost]]:
        """The waves."""
        table = said.partition("  wave  hosts ")[2].partition("  fetch ")[0]
        rows = re.findall(r"^\s*- '\s+\d+\s+\d+ .*?((?:i-[0-9a-f]{17}(?:, )?)+)", table, re.MULTILINE)
        return [[self.known[one] for one in row.split(", ") if one] for row in rows]

    def lose_one(self, _process: subprocess.Popen[str], said: str) -> None:
        self.lost = self.planned(said)[-1][1]
        self.fleet.lose(self.lost)

    def replace_newest(self, *_unused: Any) -> None:
        self.fleet.retire(self.fleet.in_service()[-1], replace=True)


def test_a_deploy_while_instances_come_and_go_at_every_boundary(fleet: Scaled, watch: Watch) -> None:
    disturbance = Disturbance(fleet)
    watch.deploying("1.0.0")
    with Clients(watch.url, quick=1, slow=1) as clients:
        run = deploy(fleet, "1.0.1", disturbance.steps)
        assert run.rc == 0, run.out
        fleet.wait_until_settled(4, "1.0.1")
    watch.deploying("")
    assert disturbance.lost
    assert clients.requests > 50
    of_others = [failure for failure in clients.failures if f"{disturbance.lost.address}:" not in failure]
    assert of_others == [], run.out
    assert re.search(rf"gone, not counted as failed: [^:]*{disturbance.lost.name}", run.text), run.out
    assert fleet.slots()[-1]["stable"] == "1.0.1" and fleet.slots()[-1]["target"] is None


def test_who_comes_up_after_a_deploy_that_was_rolled_back_is_on_the_old_release(fleet: Scaled, watch: Watch) -> None:
    with Clients(watch.url, quick=1, slow=1) as clients:
        fleet.resize(2)
        fleet.wait_until_settled(2, "1.0.1")
        run = deploy(fleet, "1.0.2-broken", [("PLAY [Activate]", lambda *_: fleet.resize(3))])
        assert run.rc == 2 and "1.0.2-broken was halted in demo; stable stays 1.0.1" in run.text, run.out
        fleet.wait_until_settled(3, "1.0.1")
        fleet.resize(4)
        fleet.wait_until_settled(4, "1.0.1")
    assert clients.requests > 50 and clients.failures == []
    newest = fleet.in_service()[-1]
    assert fleet.tags(newest.instance_id)["dtk:app:hello"] == f"1.0.1 slot {len(fleet.slots())} ok"


def test_an_instance_that_cannot_come_up_gives_up_with_a_reason_and_the_fleet_does_not_flap(
    fleet: Scaled, watch: Watch
) -> None:
    fleet.resize(2)
    fleet.wait_until_settled(2, "1.0.1")
    s3, key = fleet.lab.boto("s3"), "hello/1.0.1.tar.gz"
    found = s3.get_object(Bucket=BUCKET, Key=key)
    kept = {"Body": found["Body"].read(), "Metadata": found["Metadata"]}
    before = fleet.launched()
    s3.delete_object(Bucket=BUCKET, Key=key)
    began = time.monotonic()
    fleet.resize(3)
    fleet.wait_for(lambda: bool(abandoned(fleet) - before), "an instance gives up", 3 * DEADLINE)
    took = time.monotonic() - began
    (gone,) = abandoned(fleet) - before
    assert took > PATIENCE, "it tries again by itself"
    boot = fleet.tags(gone)["dtk:boot"]
    assert boot.startswith("failed: ") and "1.0.1" in boot, boot
    fleet.wait_for(lambda: len(fleet.launched() - before) == 2, "it is replaced once")
    assert len(fleet.in_service()) == 2, "who serves is left alone"
    s3.put_object(Bucket=BUCKET, Key=key, **kept)
    fleet.wait_until_settled(3, "1.0.1")
    # However long it lasts, there is one launch in the time that an instance takes to give up.
    assert len(fleet.launched() - before) <= 1 + (time.monotonic() - began) / PATIENCE


def abandoned(fleet: Scaled) -> set[str]:
    """Instances whose launch came to nothing."""
    failed = (one["Description"] for one in fleet.activities() if one["StatusCode"] == "Cancelled")
    found = (re.match(r"Launching a new EC2 instance: (i-[0-9a-f]+)", text) for text in failed)
    return {match[1] for match in found if match}


# --- images -----------------------------------------------------------------------------------------------------------


def test_an_image_that_is_good_goes_through_the_fleet(fleet: Scaled, watch: Watch) -> None:
    new = derived(fleet, "good", "touch /etc/second-image")
    candidate(fleet, new)
    with Clients(watch.url, quick=1, slow=1) as clients:
        run = roll(fleet)
    assert run.rc == 0, run.out
    fleet.wait_until_settled(3, "1.0.1")
    assert images(fleet) == {new} and pointer(fleet, "current") == new
    assert clients.requests > 50 and clients.failures == []
    assert fleet.slots()[-1]["target"] is None and fleet.slots()[-1]["stable"] == "1.0.1"


def test_one_that_is_bad_fails_and_the_fleet_returns_to_what_it_had(fleet: Scaled, watch: Watch) -> None:
    good = pointer(fleet, "current")
    candidate(fleet, derived(fleet, "bad", "rm /etc/systemd/system/hello.service"))
    with Clients(watch.url, quick=1, slow=1) as clients:
        run = roll(fleet)
    assert run.rc == 2 and f"current stays {good}" in run.text, run.out
    fleet.wait_until_settled(3, "1.0.1")
    assert images(fleet) == {good} == {pointer(fleet, "current")}
    assert clients.requests > 50 and clients.failures == []
    assert fleet.slots()[-1]["target"] is None


def roll(fleet: Scaled) -> Run:
    return fleet.play("roll", role="web", dtk_roll_delay=1)


def derived(fleet: Scaled, name: str, command: str) -> str:
    """An AMI that differs from the current one by a command: baking it would take a minute."""
    ec2 = fleet.lab.boto("ec2")
    base = pointer(fleet, "current")
    tag = f"{containers.SNAPSHOTS}:{fleet.lab.name}-{name}"
    recipe = f"FROM {aws.container_image(ec2, base)}\nRUN {command}\n"
    podman("build", "--quiet", "--isolation=chroot", "--tag", tag, "-", input=recipe)
    (found,) = ec2.describe_images(ImageIds=[base])["Images"]
    tags = {one["Key"]: one["Value"] for one in found["Tags"]} | {aws.IMAGE_TAG: tag}
    made = ec2.register_image(Name=f"{fleet.lab.name}-{name}", Architecture="x86_64", RootDeviceName="/dev/sda1")
    ec2.create_tags(Resources=[made["ImageId"]], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    return str(made["ImageId"])


def candidate(fleet: Scaled, image_id: str) -> None:
    fleet.lab.boto("ssm").put_parameter(
        Name=f"/dtk/{fleet.env}/web/ami/candidate", Value=image_id, Type="String", Overwrite=True
    )


def pointer(fleet: Scaled, name: str) -> str:
    found = fleet.lab.boto("ssm").get_parameter(Name=f"/dtk/{fleet.env}/web/ami/{name}")
    return str(found["Parameter"]["Value"])


def images(fleet: Scaled) -> set[str]:
    """What the instances in service are made of."""
    ec2 = fleet.lab.boto("ec2")
    return {str(aws.instance(ec2, host.instance_id)["ImageId"]) for host in fleet.in_service()}


# --- the end ----------------------------------------------------------------------------------------------------------


def test_a_fleet_is_destroyed_by_its_name_and_leaves_nothing(fleet: Scaled) -> None:
    elb = fleet.lab.boto("elbv2")
    elb.delete_load_balancer(LoadBalancerArn=elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"])
    run = fleet.play("fleet", role="web", state="absent", destroy=GROUP, app_fleet_delay=1)
    assert run.rc == 0 and f"FLEET {GROUP}: destroyed" in run.text, run.out
    assert fleet.lab.scaled() == []
    assert [one for one in containers.listed(containers.of_lab(fleet.lab.name)) if "-i-" in one] == []
    ec2, iam = fleet.lab.boto("ec2"), fleet.lab.boto("iam")
    assert fleet.lab.boto("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    assert elb.describe_target_groups()["TargetGroups"] == []
    assert GROUP not in {one["GroupName"] for one in ec2.describe_security_groups()["SecurityGroups"]}
    assert GROUP not in {one["RoleName"] for one in iam.list_roles()["Roles"]}
    assert GROUP not in {one["InstanceProfileName"] for one in iam.list_instance_profiles()["InstanceProfiles"]}
