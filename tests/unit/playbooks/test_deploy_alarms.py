# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy asks its alarms. Both hosts are folders of this machine, and whoever is activated may set the alarm off."""

from __future__ import annotations

import getpass
import grp
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulation import REGION, Emulation
from tests.unit.emulated_aws import build_archive
from tests.unit.run_module import run_module

from .estate import LOCAL, Estate, alarm

BUCKET, ALARM = "releases", "dtk-prod-web-errors"
RING = f"""
import boto3
boto3.client("cloudwatch").set_alarm_state(AlarmName="{ALARM}", StateValue="ALARM", StateReason="9 errors in a minute")
"""


@pytest.fixture(scope="module")
def aws() -> Iterator[Emulation]:
    with Emulation.start() as found:
        where = {"LocationConstraint": REGION}
        found.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        yield found


class World:
    def __init__(self, aws: Emulation, folder: Path) -> None:
        self.aws, self.folder = aws, folder
        for version in ("1.0.0", "1.0.1"):
            archive = build_archive(folder / f"hello-{version}.tar.gz", version)
            source = {"app": "hello", "version": version, "src": str(archive), "bucket": BUCKET}
            assert run_module("artifact", source, aws.environ())["changed"]
        alarm(aws, ALARM, "OK")
        self.spec = {
            "root": "{{ dtk_root }}",
            "owner": getpass.getuser(),
            "group": grp.getgrgid(os.getgid()).gr_name,
            "activation": "none",
            "dead_man": False,
            "health": {"command": {"argv": ["true"]}, "successes": 1, "deadline": 5},
            "deploy": {"waves": [1], "alarms": ["dtk-{env}-web-errors"]},
        }
        self.estate = Estate(
            aws,
            folder / "estate",
            hosts={name: {**LOCAL, "dtk_root": str(folder / name)} for name in ("web-1", "web-2")},
            groups={"role_web": ["web-1", "web-2"], "env_prod": ["web-1", "web-2"]},
            variables={"all": {"dtk_bucket": BUCKET}, "role_web": {"dtk_apps": {"hello": self.spec}}},
        )

    def rings_when_activated(self) -> None:
        program = self.folder / "ring.py"
        program.write_text(RING, encoding="utf-8")
        environ = [f"{name}={value}" for name, value in self.aws.environ().items()]
        self.spec["hooks"] = {"post": [{"command": ["env", *environ, sys.executable, str(program)]}]}

    def deploy(self, version: str, **extra: Any) -> Any:
        return self.estate.play("deploy", app="hello", env="prod", version=version, **extra)

    def live(self) -> dict[str, str]:
        links = {name: self.folder / name / "hello" / "current" for name in ("web-1", "web-2")}
        return {name: os.readlink(link).rpartition("/")[2] for name, link in links.items() if link.is_symlink()}


def test_an_alarm_that_rings_after_a_wave_sends_every_host_back(aws: Emulation, tmp_path: Path) -> None:
    world = World(aws, tmp_path)
    first = world.deploy("1.0.0", bake=1)
    assert first.rc == 0, first.out
    assert f"alarms {ALARM}: 1 alarm, asked after each wave and during its 1 s of baking" in first.text, first.out
    assert world.live() == {"web-1": "1.0.0", "web-2": "1.0.0"}
    asked = aws.calls()["cloudwatch:DescribeAlarms:eu-west-1"]

    world.rings_when_activated()
    run = world.deploy("1.0.1")
    assert run.rc == 2, run.out
    assert "hello 1.0.1 was halted in prod; stable stays 1.0.0" in run.text, run.out
    assert f"alarm {ALARM} rings (9 errors in a minute)" in run.text
    assert "returned to what they had before: web-1" in run.text
    assert world.live() == {"web-1": "1.0.0", "web-2": "1.0.0"}
    assert aws.calls()["cloudwatch:DescribeAlarms:eu-west-1"] - asked == 2, (
        "one for the plan, and one after the first wave"
    )
