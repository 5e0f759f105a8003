# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller dies at every phase boundary. Each host is whole, and the same command again finishes the deploy."""

from __future__ import annotations

import pytest

from .conftest import Fleet

BOUNDARIES = [
    pytest.param("TASK [Plan | Decide", id="while it plans"),
    pytest.param("TASK [Plan | Show it", id="with the claim written"),
    pytest.param("TASK [sysops.dtk.release : Install | Stage", id="while it stages"),
    pytest.param("TASK [Stage | Halt when", id="with everything staged"),
    pytest.param("TASK [sysops.dtk.release : Run | Switch", id="while the canary activates"),
    pytest.param("TASK [Activate | Halt when", id="between the waves"),
    pytest.param("TASK [Commit | Write it to the deploy log", id="before the commit"),
    pytest.param("TASK [Record | Say how it went", id="after the commit"),
    pytest.param("TASK [Sweep | Find the hosts", id="while it sweeps"),
]


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_killed_deploy_leaves_whole_hosts_and_a_plain_run_finishes_it(fleet: Fleet, boundary: str) -> None:
    fleet.play_killed_at(boundary, "deploy", version="1.0.1")
    fleet.wait_until_whole({"1.0.0", "1.0.1"})
    again = fleet.play("deploy", version="1.0.1")
    assert again.rc == 0, again.out
    assert set(fleet.wait_until_whole({"1.0.1"}).values()) == {"1.0.1"}
    newest = fleet.slots()[-1]
    assert newest["stable"] == "1.0.1" and newest["target"] is None


def test_a_controller_killed_while_it_rolls_back_leaves_a_fleet_that_a_plain_run_returns(fleet: Fleet) -> None:
    for host in fleet.lab.hosts[1:]:
        host.exec(["sh", "-c", "mkdir -p /etc/hello; echo 1.0.3-poisoned > /etc/hello/poison"])
    try:
        fleet.play_killed_at("TASK [sysops.dtk.release : Revert", "deploy", version="1.0.3-poisoned", waves=[1, "100%"])
        fleet.wait_until_whole({"1.0.0", "1.0.3-poisoned"})
    finally:
        for host in fleet.lab.hosts[1:]:
            host.exec(["rm", "-f", "/etc/hello/poison"])
    again = fleet.play("deploy", version="1.0.0")
    assert again.rc == 0, again.out
    assert set(fleet.wait_until_whole({"1.0.0"}).values()) == {"1.0.0"}
