# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts while an image is being rolled out, which holds the deploy logs and moves no release."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ansible_collections.sysops.dtk.plugins.module_utils._core import deploy_log
from ansible_collections.sysops.dtk.plugins.module_utils._core.deploy_log import UTC

from tests.unit.converge.world import World


def hold(world: World, kind: str) -> None:
    log = world.log()
    top = log.top(log.read())
    wanted = deploy_log.Claim("r-1", "ami-1" if kind == deploy_log.AMI else "2.0.0", "alice", 600, kind=kind)
    log.append(top, deploy_log.claim(top, wanted, datetime.now(UTC)))


def state(world: World) -> Any:
    return world.converge().end["apps"]["hello"]["state"]


def test_a_new_instance_comes_up_on_what_is_stable_meanwhile(world: World) -> None:
    app = world.app()
    world.publish("1.0.0")
    world.stable("1.0.0")
    hold(world, deploy_log.AMI)
    world.launch()
    assert (world.converge().rc, app.release) == (0, "1.0.0")
    world.wait_for("InService")
    assert world.tags()["dtk:app:hello"] == "1.0.0 slot 3 ok"


def test_a_host_in_service_is_not_left_alone_as_under_a_deploy(world: World) -> None:
    world.app()
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.start_alone()
    hold(world, deploy_log.AMI)
    assert state(world) == "ok"
    log = world.log()
    top = log.top(log.read())
    log.append(top, deploy_log.release(top, "r-1", datetime.now(UTC)))
    hold(world, "deploy")
    assert state(world) == "held"
