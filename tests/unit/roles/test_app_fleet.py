# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role app_fleet by the playbook fleet, really run in an emulated AWS: the life of a fleet, and what ails it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.emulation import Emulation
from tests.fakes.autoscaling import Dials, Launcher, Options

ROOT = Path(__file__).resolve().parents[3]
NAME = "dtk-prod-web"
ROLE = yaml.safe_load(
    """
dtk_server_role: {name: web}
dtk_apps:
  shop:
    unit: shop.service
    service: {command: [/srv/shop/current/serve]}
    health: {tcp: {port: 8080}}
    config: {format: [env]}
    ports: [{port: 8080, from: load_balancer}, {port: 9100, from: vpc}]
    load_balancer: {port: 8080, health_path: /health, deregistration_delay: 0, target_groups: ["dtk-{env}-shop"]}
dtk_fleet:
  min: 2
  max: 4
  ingress: [{port: 22, from: 10.0.0.0/8, about: the office}]
  scaling: {metric: cpu, target: 60}
  tags: {Team: shop}
"""
)


class Hosts(Launcher):
    """What a host does that boots: it is up, or it says why it is not."""

    def __init__(self) -> None:
        self.client: Any = None
        self.trouble = ""

    def launch(self, instance_id: str, image_id: str, tags: Mapping[str, str], az: str) -> None:
        said = f"failed: {self.trouble}" if self.trouble else "ok"
        ec2, autoscaling = self.client("ec2"), self.client("autoscaling")
        ec2.create_tags(Resources=[instance_id], Tags=[{"Key": "dtk:boot", "Value": said}])
        autoscaling.complete_lifecycle_action(
            AutoScalingGroupName=NAME,
            LifecycleHookName="dtk-converge",
            InstanceId=instance_id,
            LifecycleActionResult="ABANDON" if self.trouble else "CONTINUE",
        )


@dataclass
class Estate:
    folder: Path
    aws: Emulation
    hosts: Hosts
    role: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(ROLE)))

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def prepare(self) -> None:
        ec2 = self.client("ec2")
        subnets = {one["AvailabilityZone"]: one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]}
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        balancer = ec2.create_security_group(GroupName="front", Description="front", VpcId=vpc)["GroupId"]
        self.role["dtk_fleet"] |= {"subnets": sorted(subnets.values())[:2], "balancers": [balancer]}
        self.point(self.image("web-1"))

    def image(self, name: str) -> str:
        mapping = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}]
        found = self.client("ec2").register_image(Name=name, RootDeviceName="/dev/xvda", BlockDeviceMappings=mapping)
        return str(found["ImageId"])

    def point(self, image: str) -> None:
        self.client("ssm").put_parameter(Name="/dtk/prod/web/ami/current", Value=image, Type="String", Overwrite=True)

    def write(self) -> None:
        (self.folder / "group_vars").mkdir(exist_ok=True)
        (self.folder / "group_vars" / "all.yml").write_text("dtk_bucket: releases\n")
        (self.folder / "group_vars" / "role_web.yml").write_text(yaml.safe_dump(self.role))
        (self.folder / "hosts").write_text("[nobody]\n")

    def play(self, *words: str, **variables: Any) -> Played:
        """The playbook, as users start it."""
        self.write()
        given = {"role": "web", "env": "prod", "app_fleet_delay": 0.2, "app_fleet_wait_timeout": 60, **variables}
        environ = {
            **os.environ,
            **self.aws.environ(),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
        }
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts", "sysops.dtk.fleet"]
        done = subprocess.run(
            [*command, "-e", json.dumps(given), *words],
            cwd=self.folder,
            env=environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=240,
        )
        return Played(done.returncode, done.stdout + done.stderr)

    # --- what there is ---

    def group(self) -> dict[str, Any] | None:
        found = self.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[NAME])
        return next(iter(found["AutoScalingGroups"]), None)

    def versions(self) -> list[dict[str, Any]]:
        return self.client("ec2").describe_launch_template_versions(LaunchTemplateName=NAME)["LaunchTemplateVersions"]

    def left(self) -> dict[str, int]:
        """How much there is of everything that a fleet is made of."""
        ec2, iam = self.client("ec2"), self.client("iam")
        groups = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [NAME]}])["SecurityGroups"]
        alive = [
            one
            for reservation in ec2.describe_instances()["Reservations"]
            for one in reservation["Instances"]
            if one["State"]["Name"] != "terminated"
        ]
        counted = {
            "groups": int(self.group() is not None),
            "instances": len(alive),
            "templates": len(ec2.describe_launch_templates()["LaunchTemplates"]),
            "target groups": len(self.client("elbv2").describe_target_groups()["TargetGroups"]),
            "alarms": len(self.client("cloudwatch").describe_alarms()["MetricAlarms"]),
            "security groups": len(groups),
            "roles": len(iam.list_roles()["Roles"]),
            "profiles": len(iam.list_instance_profiles()["InstanceProfiles"]),
        }
        return {kind: count for kind, count in counted.items() if count}


@dataclass(frozen=True)
class Played:
    rc: int
    out: str

    @property
    def changed(self) -> list[str]:
        """The tasks that changed something, each once."""
        found: dict[str, None] = {}
        task = ""
        for line in self.out.splitlines():
            if line.startswith("TASK ["):
                task = line.split("[", 1)[1].split("]")[0].rpartition(" : ")[2]
            elif line.startswith("changed:"):
                found[task] = None
        return list(found)

    @property
    def message(self) -> str:
        """What the last failed task said, on one line."""
        return " ".join(self.out.partition("fatal:")[2].split())


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Emulation, Hosts]]:
    hosts = Hosts()
    options = Options(launcher=hosts, dials=Dials(health_interval=0.1))
    with pytest.MonkeyPatch.context() as patch, Emulation.start(autoscaling=options) as aws:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        hosts.client = aws.client
        yield aws, hosts
        aws.reset_data()


@pytest.fixture
def estate(running: tuple[Emulation, Hosts], tmp_path: Path) -> Iterator[Estate]:
    aws, hosts = running
    hosts.trouble = ""
    aws.reset_data()
    found = Estate(tmp_path, aws, hosts)
    found.prepare()
    yield found
    aws.reset()
    violations = [*aws.autoscaling.violations]
    aws.autoscaling.violations.clear()
    aws.reset_data()
    assert violations == []


ALL = [
    "Access | Security group",
    "Access | Role of the instances",
    "Access | What that role may do",
    "Access | Instance profile",
    "Group | Launch template",
    "Group | Target groups",
    "Group | Auto Scaling group",
    "Alarms | Those that are declared",
]


def test_the_life_of_a_fleet(estate: Estate) -> None:
    # A check of the first run changes nothing and tells all.
    predicted = estate.play("--check", "--diff")
    assert predicted.rc == 0, predicted.out
    assert predicted.changed == [task for task in ALL if task != "Access | What that role may do"]
    assert estate.left() == {}

    # The first run, with an AWS that is busy and hosts that do not come up.
    estate.hosts.trouble = "shop 1.0.0 is not healthy"
    estate.aws.fault("autoscaling:CreateAutoScalingGroup", "Throttling", message="Rate exceeded", times=2)
    estate.aws.fault("ec2:DescribeSubnets", "RequestLimitExceeded", times=1)
    made = estate.play(app_fleet_wait_timeout=6)
    assert made.rc == 2, made.out
    assert made.changed == ALL
    assert "The fleet dtk-prod-web does not serve after 6 s: - 0 of 2 instances are in service." in made.message
    assert "was given up; its dtk:boot says: failed: shop 1.0.0 is not healthy." in made.message
    look_at_it(estate)

    # The second one: they do come up. Another image and another size change two things, and no instance notices.
    estate.hosts.trouble = ""
    estate.point(estate.image("web-2"))
    estate.role["dtk_fleet"]["max"] = 6
    changed = estate.play()
    assert (changed.rc, changed.changed) == (0, ["Group | Launch template", "Group | Auto Scaling group"]), changed.out
    assert "FLEET dtk-prod-web: 2 wanted, 2 to 6" in changed.out
    assert "instances  2 InService" in changed.out
    assert "version 1, the newest is 2" in changed.out
    assert "No load balancer forwards to dtk-prod-shop yet." in changed.out
    group = estate.group()
    assert (group["MaxSize"], group["LaunchTemplate"]["Version"]) == (6, "1")
    assert {one["LaunchTemplate"]["Version"] for one in group["Instances"]} == {"1"}
    assert len(estate.versions()) == 2

    # The third one changes nothing, although the group is not on the newest version.
    again = estate.play("--diff")
    assert (again.rc, again.changed) == (0, []), again.out
    assert len(estate.versions()) == 2

    # The end: only by its name, and then of everything.
    refused = estate.play(state="absent", destroy="dtk-prod-web-2")
    assert refused.rc == 2
    assert "app_fleet_destroy is dtk-prod-web-2. To destroy the fleet of web in prod" in refused.message
    assert "give its exact name: -e destroy=dtk-prod-web" in refused.message
    gone = estate.play(state="absent", destroy=NAME)
    assert gone.rc == 0, gone.out
    assert "FLEET dtk-prod-web: destroyed" in gone.out
    assert estate.left() == {}


def look_at_it(estate: Estate) -> None:
    group = estate.group()
    assert (group["DefaultInstanceWarmup"], group["HealthCheckType"], len(group["AvailabilityZones"])) == (60, "ELB", 2)
    (version,) = estate.versions()
    data = version["LaunchTemplateData"]
    assert data["ImageId"].startswith("ami-")
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    assert data["MetadataOptions"]["InstanceMetadataTags"] == "enabled"
    (image,) = estate.client("ec2").describe_images(ImageIds=[data["ImageId"]])["Images"]
    assert data["BlockDeviceMappings"][0]["DeviceName"] == image["RootDeviceName"]
    assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
    tags = {"dtk:env": "prod", "dtk:role": "web", "dtk:prefix": "/dtk", "dtk:bucket": "releases"}
    specs = {
        spec["ResourceType"]: {tag["Key"]: tag["Value"] for tag in spec["Tags"]} for spec in data["TagSpecifications"]
    }
    assert tags.items() <= specs["instance"].items()
    assert tags.items() <= specs["volume"].items()
    iam = estate.client("iam")
    policy = iam.get_role_policy(RoleName=NAME, PolicyName="dtk-converge")["PolicyDocument"]
    assert [one["Sid"] for one in policy["Statement"]][:2] == ["ReadDeployLogs", "ReadSettings"]
    ec2 = estate.client("ec2")
    (security,) = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [NAME]}])["SecurityGroups"]
    reached = {
        (
            rule["FromPort"],
            *(one["CidrIp"] for one in rule["IpRanges"]),
            *(one["GroupId"] for one in rule["UserIdGroupPairs"]),
        )
        for rule in security["IpPermissions"]
    }
    (balancer,) = estate.role["dtk_fleet"]["balancers"]
    assert reached == {(8080, balancer), (9100, "172.31.0.0/16"), (22, "10.0.0.0/8")}


@pytest.mark.parametrize(
    ("change", "image", "message"),
    [
        (
            {"min": 9, "subnets": []},
            True,
            "The fleet of web in prod has 1 problem: - dtk_fleet.subnets is empty; it must be a list that is not empty",
        ),
        (
            {"subnets": ["subnet-00000000"], "security_groups": ["sg-00000000"]},
            False,
            "The fleet dtk-prod-web cannot be made yet: - There is no parameter /dtk/prod/web/ami/current in eu-west-1",
        ),
    ],
    ids=["declaration", "place"],
)
def test_what_cannot_be_is_told_before_anything_is_made(
    estate: Estate, change: dict[str, Any], image: bool, message: str
) -> None:
    estate.role["dtk_fleet"] |= change
    if not image:
        estate.client("ssm").delete_parameter(Name="/dtk/prod/web/ami/current")
    refused = estate.play()
    assert (refused.rc, refused.changed) == (2, [])
    assert message in refused.message
    for word in ("subnet-00000000, not in eu-west-1", "sg-00000000, not in eu-west-1") if not image else ():
        assert word in refused.message
    assert estate.left() == {}
