# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of two regions as a grown estate has them: three environments, five server roles, most in Auto Scaling."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from tests.emulation import Emulation

REGIONS = ("eu-west-1", "eu-central-1")
ENVS = ("prod", "beta", "stg")
ROLES = {"api": "orders", "web": "shop", "worker": "orders", "search": "finder", "batch": "reports"}
IN_AUTO_SCALING = 0.6
IMAGE, INSTANCE_TYPE = "ami-12c6146b", "t3.micro"
GROUP_TAG = "aws:autoscaling:groupName"


@dataclass(frozen=True)
class Cell:
    """The instances of one server role in one env and region."""

    region: str
    env: str
    role: str

    @property
    def name(self) -> str:
        return f"{self.env}-{self.role}"

    def tags(self, name: str) -> dict[str, str]:
        return {
            "Name": name,
            "env": self.env,
            "role": self.role,
            "app": ROLES[self.role],
            "team": f"team-{ROLES[self.role]}",
            "cost-center": f"cc-{len(self.role) * 1000 + len(self.env)}",
            "managed-by": "terraform",
            "repository": f"https://git.example.com/infrastructure/{ROLES[self.role]}",
            "backup": "daily" if self.env == "prod" else "never",
            "data-classification": "internal",
        }


CELLS = {region: [Cell(region, *pair) for pair in itertools.product(ENVS, ROLES)] for region in REGIONS}


def make(aws: Emulation, instances: int) -> None:
    """So many running instances, as evenly spread as they can be."""
    for region in REGIONS:
        ours = instances // len(REGIONS)
        scaled = round(ours * IN_AUTO_SCALING)
        _make_groups(aws.client("autoscaling", region), region, scaled)
        _make_others(aws.client("ec2", region), region, ours - scaled)


def _make_groups(autoscaling: Any, region: str, instances: int) -> None:
    autoscaling.create_launch_configuration(LaunchConfigurationName="any", ImageId=IMAGE, InstanceType=INSTANCE_TYPE)
    for number, cell in enumerate(CELLS[region]):
        size = _share(instances, number, len(CELLS[region]))
        if size:
            autoscaling.create_auto_scaling_group(
                AutoScalingGroupName=cell.name,
                LaunchConfigurationName="any",
                MinSize=size,
                MaxSize=size,
                AvailabilityZones=[f"{region}{letter}" for letter in "abc"],
                Tags=[{**tag, "PropagateAtLaunch": True} for tag in _as_list(cell.tags(cell.name))],
            )


def _make_others(ec2: Any, region: str, instances: int) -> None:
    for number in range(instances):
        cell = CELLS[region][number % len(CELLS[region])]
        tags = _as_list(cell.tags(f"{cell.name}-{number:04}"))
        ec2.run_instances(
            ImageId=IMAGE,
            InstanceType=INSTANCE_TYPE,
            MinCount=1,
            MaxCount=1,
            Placement={"AvailabilityZone": f"{region}{'abc'[number % 3]}"},
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )


def _share(whole: int, number: int, parts: int) -> int:
    return whole // parts + (number < whole % parts)


def _as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def described(aws: Emulation) -> list[dict[str, Any]]:
    """Every instance, as EC2 describes it."""
    found = []
    for region in REGIONS:
        for page in aws.client("ec2", region).get_paginator("describe_instances").paginate():
            found += [instance for reservation in page["Reservations"] for instance in reservation["Instances"]]
    return found
