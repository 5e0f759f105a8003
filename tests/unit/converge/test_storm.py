# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fifty instances boot at the same moment, and AWS takes fewer calls in a second than they have."""

from __future__ import annotations

import io
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils import converge, converge_acts
from ansible_collections.sysops.dtk.plugins.module_utils._aws import boot_models
from ansible_collections.sysops.dtk.plugins.module_utils.converge_orders import Orders

from tests.emulation import REGION
from tests.unit.converge.world import ENV, HOOK, World

COUNT = 50
SECONDS = 30
# Calls that are taken in a second, and at once.
RATES = {"ssm": (30, 10), "ec2": (20, 5), "autoscaling": (30, 10)}
ONE_CALL_EACH = (
    "ec2:CreateTags",
    "ssm:GetParametersByPath",
    "ssm:GetParameters",
    "autoscaling:CompleteLifecycleAction",
)


def orders(world: World, instance: str) -> Orders:
    """Of an instance with a disk of its own. Who it is it knows without metadata: here all have the same address."""
    host = world.host / instance
    host.mkdir()
    spec = {**world.specs["hello"], "root": str(host / "srv")}
    role = {"dtk_server_role": {"name": "web"}, "dtk_apps": {"hello": spec}}
    (host / "role.json").write_text(json.dumps(role), encoding="utf-8")
    known = {"env": ENV, "prefix": world.prefix, "bucket": world.bucket, "region": REGION}
    mine = {"instance_id": instance, "metadata": False, "server_role": str(host / "role.json"), "deadline": 2 * SECONDS}
    (host / "converge.json").write_text(json.dumps({**known, **mine, "endpoint_url": world.aws.endpoint}))
    return Orders(str(host / "converge.json"), str(host / "var"), str(host / "run"))


def boots(given: Orders) -> tuple[int, str]:
    told = io.StringIO()
    return converge.run(given, converge.Journal(told, marked=False)), told.getvalue()


def test_a_storm_of_boots_is_weathered_with_one_call_each(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converge_acts, "FOLDER", str(tmp_path / "models"))
    boot_models.write(converge_acts.FOLDER)  # as the image has it
    world.app()
    (world.host / "srv" / "hello" / "current").mkdir(parents=True)
    (world.host / "srv" / "hello" / "current" / "VERSION").write_text("1.0.0")
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.fleet.group(
        COUNT,
        settled=False,
        MaxSize=COUNT,
        LifecycleHookSpecificationList=[world.fleet.hook(HOOK, DefaultResult="ABANDON")],
    )
    world.aws.autoscaling.wait_for(lambda: world.fleet.states == {"Pending:Wait": COUNT})
    given = [orders(world, one) for one in world.fleet.ids("Pending:Wait")]
    world.aws.reset()
    for service, (rate, burst) in RATES.items():
        world.aws.limit(service, rate=rate, burst=burst)

    began = time.monotonic()
    environ = {"AWS_ACCESS_KEY_ID": "an-id", "AWS_SECRET_ACCESS_KEY": "a-key", **world.environ()}
    with mock.patch.dict(os.environ, environ), ThreadPoolExecutor(COUNT) as pool:
        ends = list(pool.map(boots, given))
    took = time.monotonic() - began

    assert [told for code, told in ends if code] == []
    calls, throttled = world.aws.calls(), world.aws.throttled()
    assert sum(throttled.values()) > 20, "the limits were not felt"
    taken = {name: calls[f"{name}:{REGION}"] - throttled[f"{name}:{REGION}"] for name in ONE_CALL_EACH}
    assert taken == dict.fromkeys(ONE_CALL_EACH, COUNT)
    world.aws.autoscaling.wait_for(lambda: world.fleet.states == {"InService": COUNT})
    assert len(world.fleet.activities()) == COUNT, "nobody was replaced"
    assert took < SECONDS
