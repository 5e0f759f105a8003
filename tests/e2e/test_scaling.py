# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances come and go while a deploy is at work."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.lab import LabHost, aws, containers

from .conftest import Fleet


@pytest.fixture
def doomed(fleet: Fleet) -> Iterator[LabHost]:
    """A fifth host; afterwards the fleet is as it was."""
    kept = list(fleet.lab.hosts)
    (host,) = fleet.lab.launch(1)
    yield host
    new = fleet.lab.hosts[len(kept) :]
    fleet.lab.hosts = kept
    containers.remove(*(one.container for one in new))
    aws.terminate_instances(fleet.lab.boto("ec2"), new)


def test_one_that_is_terminated_is_no_failure_and_one_that_starts_is_brought_along(
    fleet: Fleet, doomed: LabHost
) -> None:
    def scale(_process: subprocess.Popen[str]) -> None:
        doomed.kill()
        aws.terminate_instances(fleet.lab.boto("ec2"), [doomed])
        fleet.lab.launch(1)

    run = fleet.play_until("TASK [Activate | Bake", "deploy", scale, version="1.0.1", waves=[1, "100%"], bake=12)
    assert run.rc == 0, run.out
    assert f"gone, not counted as failed: {doomed.name}" in run.text, run.out
    late = fleet.lab.hosts[-1]
    assert f"{late.name}: pending" in run.text, run.out
    serving = fleet.serving()
    assert serving.pop(doomed.name) is None
    assert set(serving.values()) == {"1.0.1"} and late.name in serving
    assert fleet.slots()[-1]["stable"] == "1.0.1"
    # It acts for the slot that made the release stable: a host that boots meanwhile knows no older one any more.
    assert fleet.state(late)["fence"] > fleet.state(fleet.lab.hosts[0])["fence"]
