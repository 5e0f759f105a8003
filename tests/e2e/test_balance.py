# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys behind a load balancer: hosts leave it while they change, and nobody notices; whatever dies is put right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from .balancer import Balancer, Clients
from .conftest import Fleet

DELAY = 3
# Really out of order while it changes: the socket is closed, too, so whoever is sent there meanwhile is refused.
OUT = {"command": ["systemctl", "stop", "hello.socket", "hello.service"]}
SPEC = {
    "unit": "hello.service",
    "activation": "restart",
    "owner": "hello",
    "group": "hello",
    "hooks": {"pre": [OUT]},
    "health": {"tcp": {"port": 8080}, "successes": 1, "interval": 0.1, "deadline": 8},
    "load_balancer": {"port": 8080, "health_path": "/health", "target_groups": ["hello"], "wait_timeout": 4},
    "deploy": {"waves": [1, "100%"]},
}


@dataclass
class Balanced(Fleet):
    """A fleet whose plays find our load balancer where AWS has its own."""

    balancer: Balancer | None = None

    def environ(self, **changes: str | None) -> dict[str, str]:
        assert self.balancer
        return super().environ(AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2=self.balancer.endpoint, **changes)

    def command(self, playbook: str, *flags: str, **extra: Any) -> list[str]:
        return super().command(playbook, *flags, **{"dtk_apps": {"hello": SPEC}, **extra})


@pytest.fixture(scope="module")
def balancer(whole_fleet: Fleet) -> Iterator[Balancer]:
    with Balancer.up(whole_fleet.lab, delay=DELAY) as found:
        yield found


@pytest.fixture
def balanced(fleet: Fleet, balancer: Balancer) -> Iterator[Balanced]:
    """Every host on 1.0.0, registered and healthy."""
    balancer.register_all()
    balancer.wait_until_healthy()
    yield Balanced(fleet.lab, fleet.work, balancer=balancer)
    assert balancer.health.violations == []


def test_a_deploy_that_drains_loses_no_request_and_one_that_does_not_loses_some(balanced: Balanced) -> None:
    balancer = balanced.balancer
    with Clients(balancer.front) as clients:
        run = balanced.play("deploy", version="1.0.1", waves=["50%", "100%"])
    assert run.rc == 0, run.out
    assert clients.failures == [] and clients.requests > 200
    assert "targets hello: 4 of 4 hosts healthy; drained in 3 s" in run.text
    assert set(balanced.serving().values()) == {"1.0.1"}
    assert set(balancer.states().values()) == {"healthy"}
    for host in (balanced.lab.hosts[1], balanced.lab.hosts[3]):  # the second ones of their waves
        assert "ok=2 " in run.tasks(host.name) and "skipped=0" in run.tasks(host.name), run.out

    undrained = {**SPEC, "load_balancer": {**SPEC["load_balancer"], "drain": False}}
    with Clients(balancer.front) as careless:
        run = balanced.play("rollback", dtk_apps={"hello": undrained}, waves=["50%", "100%"])
    assert run.rc == 0, run.out
    assert careless.failures, "the test would not see a lost request"
    balancer.wait_until_healthy()


def test_a_run_that_died_with_a_host_drained_is_repaired_by_the_next(balanced: Balanced) -> None:
    balancer = balanced.balancer
    balanced.play_killed_at("TASK [sysops.dtk.release : Run | Switch", "deploy", version="1.0.1")
    (out,) = [name for name, state in balancer.states().items() if state != "healthy"]
    balanced.wait_until_whole({"1.0.0", "1.0.1"})

    told = balanced.play("status")
    assert told.rc == 0, told.out
    assert f"not in every target group: {out}; the next deploy puts them back" in told.text, told.out
    assert "(its process is gone)" in told.text

    with Clients(balancer.front, slow=0) as clients:
        again = balanced.play("deploy", version="1.0.1")
    assert again.rc == 0, again.out
    assert f"put back into the load balancers: {out}" in again.text
    assert clients.failures == []
    assert set(balanced.wait_until_whole({"1.0.1"}).values()) == {"1.0.1"}
    assert set(balancer.states().values()) == {"healthy"}


def test_a_release_that_the_load_balancer_does_not_want_goes_back(balanced: Balanced) -> None:
    balancer = balanced.balancer
    with Clients(balancer.front, slow=0) as clients:
        run = balanced.play("deploy", version="1.0.2-broken")
    assert run.rc != 0
    assert "1.0.2-broken was halted in demo" in run.text, run.out
    assert "unhealthy in hello (Target.FailedHealthChecks" in run.text or "initial in hello" in run.text, run.out
    assert "(returned to what it had before)" in run.text, run.out
    assert clients.failures == []
    assert set(balanced.serving().values()) == {"1.0.0"}
    balancer.wait_until_healthy()
    assert balanced.slots()[-1]["stable"] == "1.0.0"


def test_within_the_budget_one_host_that_is_not_wanted_goes_back_alone(balanced: Balanced) -> None:
    last = balanced.lab.hosts[-1]
    last.exec(["sh", "-c", "mkdir -p /etc/hello; echo 1.0.3-poisoned > /etc/hello/poison"])
    try:
        run = balanced.play("deploy", version="1.0.3-poisoned", waves=["50%", "100%"], budget=1)
    finally:
        last.exec(["rm", "-f", "/etc/hello/poison"])
    assert run.rc == 0, run.out
    serving = balanced.serving()
    assert serving.pop(last.name) == "1.0.0"
    assert set(serving.values()) == {"1.0.3-poisoned"}
    balanced.balancer.wait_until_healthy()
    assert f"{last.name}: failed" in run.text, run.out
