# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Instances in an emulated AWS, and the inventory that the plugin makes of them, in this process or in another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible import constants as ansible_constants
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.doc_fragments import constructed, inventory_cache
from ansible_collections.sysops.dtk.plugins.inventory import ec2_fleet
from moto.autoscaling.models import autoscaling_backends

from tests.emulation import REGION, Emulation

ROOT = Path(__file__).resolve().parents[3]
NAME = "sysops.dtk.ec2_fleet"
OWN_ACCOUNT = "123456789012"
# Where time.sleep() between the tries of a call is taken out of processes of their own.
PATIENT = Path(__file__).with_name("without_waiting")


def documented_options() -> dict[str, Any]:
    """As Ansible's loader of plugins reads them, fragments included."""
    texts = (inventory_cache.ModuleDocFragment.DOCUMENTATION, constructed.ModuleDocFragment.DOCUMENTATION)
    fragments = [yaml.safe_load(text)["options"] for text in texts]
    return {**fragments[0], **fragments[1], **yaml.safe_load(ec2_fleet.DOCUMENTATION)["options"]}


@dataclass
class Display:
    """Keeps what the plugin tells."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def error(self, text: str, wrap_text: bool = True) -> None:
        self.errors.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def vvv(self, text: str) -> None:
        """Nobody asked for it."""


@dataclass
class World:
    """Instances of one test, found by a tag that no other test has."""

    aws: Emulation
    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    display: Display = field(default_factory=Display)

    def run(self, count: int = 1, region: str = REGION, client: Any = None, zone: str = "a", **tags: str) -> list[str]:
        """Start instances; tags=... with an underscore for the colon of dtk:env. Returns their ids."""
        named = {key.replace("dtk_", "dtk:"): value for key, value in tags.items()}
        return self.run_tagged(named, count, region, client, zone)

    def run_tagged(
        self, tags: dict[str, str], count: int = 1, region: str = REGION, client: Any = None, zone: str = "a"
    ) -> list[str]:
        pairs = [{"Key": key, "Value": value} for key, value in {**tags, "test": self.mark}.items()]
        answer = (client or self.aws.client("ec2", region)).run_instances(
            ImageId=self.image(region, client),
            InstanceType="t3.micro",
            MinCount=count,
            MaxCount=count,
            Placement={"AvailabilityZone": f"{region}{zone}"},
            TagSpecifications=[{"ResourceType": "instance", "Tags": pairs}],
        )
        return [instance["InstanceId"] for instance in answer["Instances"]]

    def image(self, region: str = REGION, client: Any = None) -> str:
        ec2 = client or self.aws.client("ec2", region)
        return ec2.register_image(Name=uuid.uuid4().hex, Architecture="x86_64", RootDeviceName="/dev/sda1")["ImageId"]

    def scaled(self, count: int, region: str = REGION, **tags: str) -> str:
        """An Auto Scaling group with so many instances; returns its name."""
        group = f"group-{uuid.uuid4().hex[:8]}"
        template = {"ImageId": self.image(region), "InstanceType": "t3.micro"}
        self.aws.client("ec2", region).create_launch_template(LaunchTemplateName=group, LaunchTemplateData=template)
        named = {**{key.replace("dtk_", "dtk:"): value for key, value in tags.items()}, "test": self.mark}
        self.aws.client("autoscaling", region).create_auto_scaling_group(
            AutoScalingGroupName=group,
            MinSize=count,
            MaxSize=count,
            AvailabilityZones=[f"{region}a"],
            LaunchTemplate={"LaunchTemplateName": group, "Version": "1"},
            NewInstancesProtectedFromScaleIn=True,
            Tags=[
                {
                    "ResourceId": group,
                    "ResourceType": "auto-scaling-group",
                    "Key": key,
                    "Value": value,
                    "PropagateAtLaunch": True,
                }
                for key, value in named.items()
            ],
        )
        return group

    def lifecycle(self, group: str, *states: str, region: str = REGION) -> list[str]:
        """Put the members of a group into these states, which no call can bring about; returns their ids."""
        members = autoscaling_backends[OWN_ACCOUNT][region].autoscaling_groups[group].instance_states
        for member, state in zip(members, states, strict=True):
            member.lifecycle_state = state
        return [member.instance.id for member in members]

    def config(self, **options: Any) -> Path:
        """An inventory of this test's instances."""
        path = self.folder / f"{uuid.uuid4().hex[:8]}.dtk.yml"
        chosen = {"regions": [REGION], "filters": {"tag:test": self.mark}, **options}
        path.write_text(yaml.safe_dump({"plugin": NAME, **chosen}), encoding="utf-8")
        return path

    def inventory(self, path: Path | None = None, *, refresh: bool = False, **options: Any) -> InventoryData:
        """What Ansible knows after it has read the inventory, here; SystemExit is what it would end with."""
        path = path or self.config(**options)
        plugin = ec2_fleet.InventoryModule()
        plugin._load_name = NAME
        plugin._redirected_names = [NAME]
        plugin.display = self.display
        data = InventoryData()
        plugin.parse(data, DataLoader(), str(path), cache=not refresh)
        if plugin.get_option("cache"):
            plugin.update_cache_if_changed()
        data.reconcile_inventory()
        return data

    def ansible(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """An Ansible command in a process of its own, with the emulated AWS around it."""
        return subprocess.run(
            [str(Path(sys.executable).with_name(command[0])), *command[1:]],
            cwd=self.folder,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))},
                **self.aws.environ(),
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
                "ANSIBLE_LOCALHOST_WARNING": "false",
                "ANSIBLE_NOCOLOR": "1",
                "PYTHONPATH": str(PATIENT),
                **environ,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def listed(self, path: Path | None = None, **options: Any) -> dict[str, Any]:
        """ansible-inventory --list."""
        run = self.ansible("ansible-inventory", "--list", "-i", str(path or self.config(**options)))
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)


def initialised() -> Iterator[None]:
    """Make the plugin's options known to Ansible, as its loader does."""
    ansible_constants.config.initialize_plugin_configuration_definitions("inventory", NAME, documented_options())
    yield
