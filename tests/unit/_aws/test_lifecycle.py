# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance asks and tells about itself, with the emulated Auto Scaling."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._aws import lifecycle
from ansible_collections.sysops.dtk.plugins.module_utils._aws.errors import AwsError

from tests.emulation import Emulation
from tests.unit.fakes.fleet import WEB, Fleet

HOOK = "boot"


@pytest.fixture(scope="module")
def running() -> Iterator[Emulation]:
    with Emulation.start(autoscaling=True) as aws:
        yield aws


@pytest.fixture
def fleet(running: Emulation) -> Iterator[Fleet]:
    fleet = Fleet(running)
    fleet.group(1, settled=False, LifecycleHookSpecificationList=[fleet.hook(HOOK)])
    running.autoscaling.wait_for(lambda: fleet.states == {"Pending:Wait": 1})
    yield fleet
    running.reset()
    running.reset_data()


def test_membership(fleet: Fleet) -> None:
    assert lifecycle.membership(fleet.client, fleet.instances[0].id) == (WEB, "Pending:Wait")
    assert lifecycle.membership(fleet.client, "i-00000000000000000") is None


def test_a_heartbeat_is_heard_while_somebody_waits(fleet: Fleet) -> None:
    instance = fleet.instances[0].id
    assert lifecycle.heartbeat(fleet.client, WEB, HOOK, instance)
    assert not lifecycle.heartbeat(fleet.client, WEB, "other", instance)


@pytest.mark.parametrize(("result", "state"), [("CONTINUE", "InService"), ("ABANDON", "Terminated")])
def test_an_action_is_completed_once(fleet: Fleet, result: str, state: str) -> None:
    instance = fleet.instances[0].id
    assert lifecycle.complete(fleet.client, WEB, HOOK, instance, result)
    fleet.fake.wait_for(
        lambda: (
            instance in fleet.ids("InService") if state == "InService" else instance not in fleet.ids("Pending:Wait")
        )
    )
    assert not lifecycle.complete(fleet.client, WEB, HOOK, instance, result)


def test_tags_are_written_and_others_stay(fleet: Fleet) -> None:
    instance = fleet.instances[0].id
    fleet.ec2.create_tags(Resources=[instance], Tags=[{"Key": "Name", "Value": "web-1"}])
    lifecycle.tag(fleet.ec2, instance, {"dtk:boot": "ok", "dtk:app:api": "1.0.0 slot 1 ok"})
    (found,) = fleet.ec2.describe_tags(
        Filters=[{"Name": "resource-id", "Values": [instance]}, {"Name": "key", "Values": ["Name"]}]
    )["Tags"]
    assert found["Value"] == "web-1"
    tags = fleet.ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [instance]}])["Tags"]
    assert {"dtk:boot", "dtk:app:api"} <= {tag["Key"] for tag in tags}


@pytest.mark.parametrize("code", ["AccessDenied", "Throttling"])
def test_other_trouble_is_told(fleet: Fleet, code: str) -> None:
    instance = fleet.instances[0].id
    fleet.aws.fault("autoscaling", code)
    with pytest.raises(AwsError, match="complete the lifecycle action boot of web with CONTINUE"):
        lifecycle.complete(fleet.client, WEB, HOOK, instance, "CONTINUE")
    with pytest.raises(AwsError, match="record a heartbeat of"):
        lifecycle.heartbeat(fleet.client, WEB, HOOK, instance)
    with pytest.raises(AwsError, match="ask Auto Scaling about the instance"):
        lifecycle.membership(fleet.client, instance)
