# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real host that boots as instances of Auto Scaling do: by itself it comes to what its deploy log calls stable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.emulation import REGION, Emulation
from tests.lab import Lab
from tests.lab.artifacts import build_release
from tests.lab.cloud import Cloud
from tests.lab.instance import APP, TAGS, UNIT, Instance

from .conftest import HEALTH, HOME

GOOD, NEW, BROKEN = "1.0.0", "1.0.1", "1.0.2-broken"
SPEC = {"unit": "hello.service", "activation": "reload", "unit_timeout": 15, "health": {**HEALTH, "deadline": 1}}
# Heartbeats come after 5 s and then each third of the hook's timeout.
TIMES = {"converge_deadline": 12, "converge_heartbeat": 30}
OFTEN = "[Timer]\nOnUnitInactiveSec=\nOnBootSec=\nOnUnitInactiveSec=1\nRandomizedDelaySec=1\n"
HEARTBEATS, COMPLETIONS = (
    f"autoscaling:{name}:{REGION}" for name in ("RecordLifecycleActionHeartbeat", "CompleteLifecycleAction")
)
PROGRAM = "/opt/dtk/bin/dtk-converge"


@dataclass
class Fleet:
    """A group of one, whose instance is the host."""

    aws: Emulation
    cloud: Cloud
    instance: Instance

    def state(self) -> str:
        return ",".join(one["LifecycleState"] for one in self.cloud.instances())

    def wait_for(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.state(), self.instance.events())
            time.sleep(0.1)

    def launch(self) -> str:
        """Another instance, with nothing but what its image has."""
        self.instance.reset()
        return self.cloud.launch(self.instance.host)

    def restart_machine(self) -> None:
        """Until its start is over, of which the unit is a part."""
        host = self.instance.host
        host.kill()
        host.start()
        host.wait_until_booted(time.monotonic() + 60, threading.Event())

    def on_disk(self) -> list[str]:
        """The releases, and the one that is linked behind an arrow."""
        look = f'ls {HOME}/releases 2>/dev/null; echo "->$(readlink {HOME}/current | xargs -r basename)"'
        return self.instance.host.exec(["sh", "-c", look]).stdout.split("\n")[:-1]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    work = tmp_path_factory.mktemp("converge")
    with Lab.up("converge", hosts=1) as lab, Cloud.within(lab.gateway) as (cloud, aws):
        instance = Instance(lab, cloud, SPEC)
        instance.prepare(work, **TIMES)
        cloud.group(TAGS)
        for version in (GOOD, NEW, BROKEN):
            instance.publish(version, build_release(version, work, broken=version == BROKEN))
        yield Fleet(aws, cloud, instance)


@pytest.fixture
def fleet(prepared: Fleet) -> Iterator[Fleet]:
    """Its log calls 1.0.0 stable, and nothing is broken."""
    prepared.instance.stable(GOOD)
    prepared.aws.reset()
    yield prepared
    prepared.aws.reset()


def test_a_machine_starts_on_the_stable_release_and_starts_again_on_it(fleet: Fleet) -> None:
    new = fleet.launch()
    fleet.restart_machine()
    assert (fleet.state(), fleet.instance.serving()) == ("InService", GOOD)
    tags = fleet.cloud.tags(new)
    assert tags[f"dtk:app:{APP}"].startswith(f"{GOOD} slot ") and tags["dtk:boot"].startswith("ok "), tags
    (end,) = (event for event in fleet.instance.events() if event["event"] == "end")
    assert (end["ok"], end["place"]) == (True, "pending")
    assert fleet.aws.calls()[COMPLETIONS] == 1

    fleet.restart_machine()
    assert fleet.instance.serving() == GOOD
    assert fleet.instance.events()[-1]["place"] == "serving"
    assert fleet.aws.calls()[COMPLETIONS] == 1
    assert "dtk-converge.timer" in fleet.instance.host.exec(["systemctl", "list-timers", "--all"]).stdout


@pytest.mark.parametrize(
    ("service", "reason"),
    [("ssm", "Cannot read the parameters below"), ("s3", "Cannot read s3://"), ("health", "/health was not healthy")],
)
def test_without_what_it_needs_it_tries_until_its_deadline_and_then_gives_itself_up(
    fleet: Fleet, service: str, reason: str
) -> None:
    new = fleet.launch()
    if service == "health":
        fleet.instance.stable(BROKEN)
    else:
        fleet.aws.fault(service, 503)
    began = time.monotonic()
    assert not fleet.instance.start()
    assert time.monotonic() - began > TIMES["converge_deadline"] / 2
    events = fleet.instance.events()
    assert (events[-1]["event"], events[-1]["ok"]) == ("end", False)
    assert reason in events[-1]["reason"], events[-1]
    assert fleet.aws.calls()[HEARTBEATS] >= 1
    assert fleet.aws.calls()[COMPLETIONS] == 1
    assert fleet.cloud.tags(new)["dtk:boot"].startswith("failed: ")
    fleet.wait_for(lambda: new not in [one["InstanceId"] for one in fleet.cloud.instances()])


def test_what_comes_back_in_time_costs_no_instance(fleet: Fleet) -> None:
    new = fleet.launch()
    fleet.aws.fault("ssm", 503)
    repair = threading.Timer(4, fleet.aws.reset)
    repair.start()
    assert fleet.instance.start(), fleet.instance.events()
    repair.join()
    fleet.wait_for(lambda: fleet.state() == "InService")
    assert (fleet.instance.serving(), fleet.cloud.tags(new)["dtk:boot"][:3]) == (GOOD, "ok ")


def test_on_its_way_into_a_warm_pool_it_only_stages(fleet: Fleet) -> None:
    fleet.instance.reset()
    warm = fleet.cloud.into_warm_pool(fleet.instance.host)
    assert fleet.instance.start(), fleet.instance.events()
    assert fleet.on_disk() == [GOOD, "->"]
    assert fleet.instance.events()[-1]["place"] == "warming"
    fleet.wait_for(lambda: fleet.cloud.pool() == {warm: "Warmed:Stopped"})
    fleet.cloud.resize(1)
    assert [one["InstanceId"] for one in fleet.cloud.instances()] == [warm]
    fleet.restart_machine()
    fleet.wait_for(lambda: fleet.state() == "InService")
    assert fleet.instance.serving() == GOOD
    fleet.cloud.without_warm_pool()


def test_the_timer_brings_it_to_a_release_that_is_stable_now(fleet: Fleet) -> None:
    fleet.launch()
    assert fleet.instance.start()
    fleet.instance.stable(NEW)
    before = fleet.on_disk()
    told = fleet.instance.host.exec([PROGRAM, "--now", "--check"]).stdout
    assert f'"release": "{NEW}"' in told.splitlines()[-1]
    assert (fleet.on_disk(), fleet.instance.serving()) == (before, GOOD)

    fleet.instance.host.write("/etc/systemd/system/dtk-converge.timer.d/often.conf", OFTEN)
    fleet.instance.host.exec(["sh", "-ec", "systemctl daemon-reload; systemctl start dtk-converge.timer"])
    fleet.wait_for(lambda: fleet.instance.serving() == NEW)
    fleet.wait_for(lambda: look(fleet, "ActiveState")["ActiveState"] == "inactive")
    assert fleet.cloud.tags(str(fleet.cloud.instances()[0]["InstanceId"]))[f"dtk:app:{APP}"].startswith(f"{NEW} slot ")
    assert fleet.aws.calls()[COMPLETIONS] == 1
    fleet.instance.host.exec(["systemctl", "stop", "dtk-converge.timer"])


def test_while_an_image_is_built_it_does_not_run(fleet: Fleet) -> None:
    fleet.launch()
    fleet.instance.host.exec(["mkdir", "-p", "/var/lib/dtk-image"])
    try:
        fleet.restart_machine()
        seen = look(fleet, "ConditionResult", "ExecMainPID")
        assert seen == {"ConditionResult": "no", "ExecMainPID": "0"}
        assert fleet.state() == "Pending:Wait"
    finally:
        fleet.instance.host.exec(["rm", "-r", "/var/lib/dtk-image"])


def look(fleet: Fleet, *properties: str) -> dict[str, Any]:
    return fleet.instance.look(UNIT, *properties)
