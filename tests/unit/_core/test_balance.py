# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.balance import (
    Balance,
    Declared,
    Group,
    View,
    Wish,
    declared,
    group_of,
)
from ansible_collections.sysops.dtk.plugins.module_utils._core.errors import PlanError
from ansible_collections.sysops.dtk.plugins.module_utils._core.waves import Host

ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{}/0123456789abcdef"
WEB = Host("web-1", instance_id="i-1", address="10.0.0.1", region="eu-west-1", account_id="123456789012")
GROUPED = dataclasses.replace(WEB, asg="web")


def group(name: str = "http", **changes: Any) -> Group:
    values = {
        "arn": ARN.format(name),
        "name": name,
        "kind": "instance",
        "protocol": "HTTP",
        "delay": 300,
        "interval": 30,
        "threshold": 5,
        "timeout": 5,
        "used": True,
        "port": 80,
    }
    return Group(**{**values, **changes})


def target(state: str, reason: str = "", *, id: str = "i-1", port: int = 80, description: str = "") -> dict[str, Any]:
    return {"id": id, "port": port, "state": state, "reason": reason, "description": description}


def view(*targets: dict[str, Any], host: Host = WEB, lifecycle: str = "", **changes: Any) -> tuple[View, Group]:
    one = group(**changes)
    return View((one,), (host,), {one.arn: targets}, {"i-1": lifecycle} if lifecycle else {}), one


@pytest.mark.parametrize(
    ("targets", "state"),
    [
        pytest.param([], "not registered", id="nobody"),
        pytest.param([target("healthy", id="i-2")], "not registered", id="somebody else"),
        pytest.param([target("unused", "Target.NotRegistered")], "not registered", id="asked for by name"),
        pytest.param([target("healthy")], "healthy", id="healthy"),
        pytest.param([target("initial", "Elb.RegistrationInProgress")], "initial", id="initial"),
        pytest.param([target("unhealthy", "Target.Timeout")], "unhealthy", id="unhealthy"),
        pytest.param([target("unhealthy.draining", "Target.Timeout")], "unhealthy", id="unhealthy, draining"),
        pytest.param([target("draining", "Target.DeregistrationInProgress")], "draining", id="draining"),
        pytest.param([target("unused", "Target.InvalidState")], "unhealthy", id="stopped"),
        pytest.param([target("unused", "Target.NotInUse")], "healthy", id="no load balancer asks"),
        pytest.param([target("unavailable", "Target.HealthCheckDisabled")], "healthy", id="nobody checks"),
        pytest.param([target("unavailable", "Elb.InternalError")], "unhealthy", id="nobody knows"),
        pytest.param([target("healthy"), target("unhealthy", port=81)], "unhealthy", id="the worst port counts"),
        pytest.param([target("healthy"), target("draining", port=81)], "healthy", id="an old port drains"),
    ],
)
def test_the_state_of_a_host_in_a_group(targets: list[dict[str, Any]], state: str) -> None:
    seen, one = view(*targets)
    assert seen.state(one, WEB) == state


@pytest.mark.parametrize(
    ("lifecycle", "missing"),
    [
        ("InService", True),
        ("Standby", False),
        ("EnteringStandby", False),
        ("Pending", False),
        ("Pending:Wait", False),
        ("Warmed:Running", False),
        ("Terminating:Wait", False),
        ("Detached", False),
        ("", False),
    ],
)
def test_only_who_is_in_service_is_missed(lifecycle: str, missing: bool) -> None:
    seen, one = view(host=GROUPED, lifecycle=lifecycle)
    assert (one.arn in seen.missing()) is missing
    assert seen.healthy(GROUPED) is False
    assert bool(seen.trouble(GROUPED)) is missing


def test_a_host_of_no_auto_scaling_group_is_always_meant_to_serve() -> None:
    seen, one = view()
    assert seen.missing() == {one.arn: [{"id": "i-1"}]}


def test_a_target_comes_back_as_it_was() -> None:
    seen, one = view(target("draining", port=9999))
    assert seen.missing() == {one.arn: [{"id": "i-1", "port": 9999}]}
    gone, one = view(target_port=8080)
    assert gone.missing() == {one.arn: [{"id": "i-1", "port": 8080}]}
    before = {one.arn: [{"id": "i-1", "port": 7777, "zone": "all"}, {"id": "i-2", "port": 1}]}
    assert gone.missing(before) == {one.arn: [{"id": "i-1", "port": 7777, "zone": "all"}]}


def test_who_leaves_is_every_target_of_the_hosts_that_is_not_leaving_already() -> None:
    seen, one = view(
        target("healthy"), target("unhealthy", port=81), target("draining", port=82), target("x", id="i-2")
    )
    assert seen.leaving() == {one.arn: [{"id": "i-1", "port": 80}, {"id": "i-1", "port": 81}]}
    assert seen.present(one) == ["web-1"]
    nobody, one = view(target("healthy", id="i-2"))
    assert (nobody.leaving(), nobody.present(one)) == ({}, [])


@pytest.mark.parametrize(
    ("changes", "held"),
    [
        ({}, "i-1"),
        ({"region": "eu-central-1"}, ""),
        ({"account_id": "999999999999"}, ""),
        ({"region": None, "account_id": None}, "i-1"),
        ({"instance_id": None}, ""),
    ],
)
def test_a_group_holds_hosts_of_its_own_region_and_account(changes: dict[str, Any], held: str) -> None:
    assert group().target_id(dataclasses.replace(WEB, **changes)) == held


def test_a_group_of_addresses_knows_hosts_by_them() -> None:
    assert group(kind="ip").target_id(WEB) == "10.0.0.1"
    assert group(kind="ip").target_id(dataclasses.replace(WEB, address=None)) == ""


def test_trouble_is_told_with_the_load_balancers_words() -> None:
    seen, _ = view(target("unhealthy", "Target.Timeout", description="Request timed out"))
    assert seen.trouble(WEB) == "unhealthy in http (Target.Timeout: Request timed out)"
    assert view(target("healthy"))[0].trouble(WEB) == ""
    assert view()[0].trouble(WEB) == "not registered in http"


def test_a_host_that_no_group_holds_is_as_healthy_as_it_was() -> None:
    stranger = dataclasses.replace(WEB, region="eu-central-1")
    seen, _ = view(host=stranger)
    assert seen.healthy(stranger) and seen.trouble(stranger) == "" and seen.missing() == {}


@pytest.mark.parametrize(
    ("groups", "drain", "waiting", "longest"),
    [
        pytest.param([], True, (0, 0), 0, id="none"),
        pytest.param([group()], True, (300, 150), 360 + 215, id="AWS's defaults"),
        pytest.param([group()], False, (0, 0), 215, id="nobody leaves"),
        pytest.param(
            [group(), group("quick", delay=5, interval=5, threshold=2)], True, (300, 150), 575, id="the worst"
        ),
        pytest.param([group(used=False)], True, (0, 0), 575, id="no load balancer"),
        pytest.param([group(protocol="TCP", delay=0)], True, (0, 150), 60 + 335, id="network"),
    ],
)
def test_what_waiting_costs(groups: list[Group], drain: bool, waiting: tuple[int, int], longest: int) -> None:
    found = Balance(tuple(groups), drain)
    assert (found.waiting(), found.longest_wave()) == (waiting, longest)


def test_a_time_that_was_asked_for_replaces_the_usual_one() -> None:
    assert group().healthy_within(7) == 7
    assert Balance((group(),), False, 7).longest_wave() == 7


@pytest.mark.parametrize(
    ("spec", "activation", "wanted"),
    [
        (None, "restart", Declared()),
        ({}, "restart", Declared()),
        ({"port": 80}, "restart", Declared()),
        ({"port": 80, "target_groups": ["{env}-web"]}, "restart", Declared((Wish("prod-web"),), True)),
        ({"port": 80, "target_groups": ["web"]}, "reload", Declared((Wish("web"),), False)),
        ({"port": 80, "target_groups": ["web"]}, "none", Declared((Wish("web"),), False)),
        ({"port": 80, "target_groups": ["web"], "drain": True}, "reload", Declared((Wish("web"),), True)),
        ({"port": 80, "target_groups": ["web"], "drain": False}, "restart", Declared((Wish("web"),), False)),
        (
            {"port": 80, "target_groups": [{"name": "web", "port": 8080}, ARN.format("tcp")], "wait_timeout": 90},
            "restart",
            Declared((Wish("web", 8080), Wish(ARN.format("tcp"))), True, 90),
        ),
    ],
)
def test_what_an_app_declares(spec: dict[str, Any] | None, activation: str, wanted: Declared) -> None:
    assert declared(spec, activation, "prod") == wanted


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(PlanError) as caught:
        declared({"prot": "http", "target_groups": ["web_1"], "drain": "maybe"}, "restart", "prod")
    for words in ("load_balancer.prot is no key", "load_balancer.port is missing", "'web_1'", "'maybe'"):
        assert words in str(caught.value)


def test_a_port_is_of_interest_only_if_it_differs() -> None:
    found = {key: value for key, value in vars(group()).items() if key != "target_port"}
    assert group_of(Wish("http", 80), found).target_port is None
    assert group_of(Wish("http", 81), found).target_port == 81
    with pytest.raises(PlanError, match="http holds targets of type alb, which are no hosts"):
        group_of(Wish("http"), {**found, "kind": "alb"})
