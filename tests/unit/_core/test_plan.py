# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.balance import Balance, Group
from ansible_collections.sysops.dtk.plugins.module_utils._core.errors import PlanError
from ansible_collections.sysops.dtk.plugins.module_utils._core.plan import (
    Header,
    Release,
    Request,
    make_plan,
    plan_text,
    rollback_version,
)
from ansible_collections.sysops.dtk.plugins.module_utils._core.waves import Host

HOSTS = (
    Host("web-1", "eu-west-1a"),
    Host("web-2", "eu-west-1b"),
    Host("web-3", "eu-west-1a"),
    Host("web-4", "eu-west-1b"),
)
HEALTH = {"http": {"url": "http://127.0.0.1:8080/health"}, "successes": 3, "interval": 0.2, "deadline": 20}
HEADER = Header(
    id="20260131-120000-3f2a9c", owner="alice@laptop", slot=7, lease_until="2026-01-31T12:15:00Z", claimed=True
)


def request(**changes: object) -> Request:
    values = {
        "app": "hello",
        "env": "demo",
        "action": "deploy",
        "release": Release("1.0.1", size=12_300_000, unpacked_size=40_000_000, files=123),
        "hosts": HOSTS,
        "waves": (1, "50%", "100%"),
        "health": HEALTH,
    }
    return Request(**{**values, **changes})


def test_the_page_of_a_deploy() -> None:
    assert plan_text(make_plan(request(), "1.0.0"), HEADER) == [
        "DEPLOY hello in demo: 1.0.0 -> 1.0.1",
        "  id 20260131-120000-3f2a9c, by alice@laptop, slot 7, lease until 2026-01-31T12:15:00Z",
        "",
        "  wave  hosts  zone                    names",
        "     1      1  eu-west-1a              web-1",
        "     2      2  eu-west-1a, eu-west-1b  web-2, web-3",
        "     3      1  eu-west-1b              web-4",
        "",
        "  fetch    12.3 MB per host, 49.2 MB in all; 123 files, 40.0 MB unpacked",
        "  time     about 14 s: stage 4 s, waves 3 s + 4 s + 3 s",
        "  budget   0: the first host that fails or is unreachable stops the deploy and sends every host back",
        "  serving  at least 2 of 4 hosts are left alone at any moment (no min_healthy)",
        "  health   http://127.0.0.1:8080/health, 3 in a row, every 0.2 s, within 20 s",
    ]


def test_the_page_of_a_rollback() -> None:
    plan = make_plan(request(action="rollback", waves=("100%",), min_healthy=3, bake=60), "1.0.2")
    page = "\n".join(plan_text(plan, HEADER))
    assert plan.sizes == [1, 1, 1, 1]
    assert page.startswith("ROLL BACK hello in demo: 1.0.2 -> 1.0.1\n")
    assert "fetch    nothing where the release is still on disk" in page
    assert "at least 3 of 4 hosts stay in service at any moment: 1 at most at a time" in page
    assert "bake 4 min" in page


def test_the_page_of_a_change_of_settings() -> None:
    plan = make_plan(request(action="config"), "1.0.1")
    page = "\n".join(plan_text(plan, HEADER))
    assert page.startswith("CONFIGURE hello in demo: the settings; 1.0.1 stays\n")
    assert "fetch    nothing, the settings go with the tasks" in page
    assert "already is the stable release" not in page


def test_header_says_job_reason_notes_and_that_nothing_is_claimed() -> None:
    header = Header(
        "i", "o", 1, "t", claimed=False, why="hotfix", job_url="https://jobs/1", notes=("took over from bob",)
    )
    page = "\n".join(plan_text(make_plan(request(), None), header))
    for line in (
        "nothing -> 1.0.1",
        "nothing is claimed",
        "  job https://jobs/1",
        "  why hotfix",
        "WARNING  took over from bob",
    ):
        assert line in page


@pytest.mark.parametrize(
    ("current", "words"),
    [
        pytest.param((None, None), "1.0.0 -> 1.0.1", id="only the log knows"),
        pytest.param(("0.9", "0.9"), "0.9 -> 1.0.1", id="hosts agree"),
        pytest.param(("0.9", "0.10"), "(0.9 on 1, 0.10 on 1) -> 1.0.1", id="hosts differ"),
        pytest.param(("0.9", None), "(0.9 on 1, unknown on 1) -> 1.0.1", id="one is silent"),
    ],
)
def test_now(current: tuple[str | None, ...], words: str) -> None:
    hosts = tuple(Host(f"w{index}", current=release) for index, release in enumerate(current))
    assert plan_text(make_plan(request(hosts=hosts), "1.0.0"), HEADER)[0].endswith(words)


def test_hosts_that_have_the_release_fetch_nothing() -> None:
    some = (Host("w1", current="1.0.1"), Host("w2", current="1.0.0"))
    assert make_plan(request(hosts=some), "1.0.0").forecast.bytes_total == 12_300_000
    every = (Host("w1", current="1.0.1"),)
    assert make_plan(request(hosts=every), "1.0.0").forecast.as_dict()["bytes_per_host"] == 0


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        pytest.param({"waves": ("100%",)}, "one wave takes all 4 hosts: there is no canary", id="no canary"),
        pytest.param({"budget": "100%"}, "the budget of 4 covers all 4 hosts", id="no limit"),
        pytest.param({"health": None}, "there is no health check", id="no health check"),
        pytest.param({"hosts": (*HOSTS, Host("x", healthy=False))}, "1 host unhealthy already: x", id="unhealthy"),
        pytest.param({"hosts": (Host("x"),), "per_az": True}, "no known zone", id="unknown zone"),
        pytest.param({"lease": 30, "bake": 300}, "the lease of 30 s ends within one phase of 5 min", id="short lease"),
        pytest.param({"release": Release("1.0.0", 1, 1, 1)}, "1.0.0 already is the stable release", id="same"),
    ],
)
def test_warnings(changes: dict[str, object], warning: str) -> None:
    assert any(warning in line for line in make_plan(request(**changes), "1.0.0").warnings)


def test_a_careful_plan_has_no_warnings() -> None:
    assert make_plan(request(), "1.0.0").warnings == ()


@pytest.mark.parametrize(("budget", "hosts"), [(0, 0), (2, 2), ("50%", 2), ("49%", 1), ("1", 1)])
def test_budget_is_rounded_down(budget: int | str, hosts: int) -> None:
    assert make_plan(request(budget=budget), None).budget == hosts


@pytest.mark.parametrize("changes", [{"budget": "some"}, {"bake": -1}, {"lease": -1}, {"budget": -1}])
def test_bad_numbers_are_named(changes: dict[str, object]) -> None:
    with pytest.raises(PlanError, match=next(iter(changes))):
        make_plan(request(**changes), None)


@pytest.mark.parametrize(
    ("health", "words"),
    [
        ({"tcp": {"port": 80}}, "tcp port 80, 3 in a row, every 0.5 s, within 30 s"),
        ({"command": {"argv": ["/bin/check", "-q"]}}, "command /bin/check -q, 3 in a row"),
    ],
)
def test_other_health_checks(health: dict[str, object], words: str) -> None:
    assert any(words in line for line in plan_text(make_plan(request(health=health), None), HEADER))


def test_many_hosts_are_abbreviated() -> None:
    hosts = tuple(Host(f"web-{number}", "a") for number in range(100))
    page = plan_text(make_plan(request(hosts=hosts), None), HEADER)
    assert max(map(len, page)) < 120
    assert "web-1, web-2, web-3" in "\n".join(page)
    assert "… +" in "\n".join(page)


# --- behind load balancers ----------------------------------------------------------------------------------------

ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef"


def balance(delay: int = 300, interval: int = 30, threshold: int = 5, **changes: object) -> Balance:
    group = Group(ARN, "web", "instance", "HTTP", delay, interval, threshold, 5, used=True)
    return Balance(**{"groups": (group,), "drain": True, "healthy": 4, "total": 4, **changes})


def balanced(count: int = 4, sick: int = 0) -> tuple[Host, ...]:
    return tuple(Host(f"web-{n}", "a", balanced=True, healthy=n > sick) for n in range(1, count + 1))


@pytest.mark.parametrize(
    ("changes", "seconds", "total"),
    [
        pytest.param({"balance": balance()}, 3 * 450, 1364, id="AWS's defaults"),
        pytest.param({"balance": balance(30, 5, 2)}, 3 * 40, 134, id="tuned"),
        pytest.param({"balance": balance(drain=False)}, 0, 14, id="nobody leaves"),
        pytest.param({"balance": balance(), "waves": ("100%",)}, 450, 458, id="one wave"),
        pytest.param({"balance": balance(), "hosts": HOSTS}, 0, 14, id="no host of ours is behind it"),
    ],
)
def test_what_load_balancers_cost(changes: dict[str, object], seconds: int, total: int) -> None:
    estimate = make_plan(request(**{"hosts": balanced(), **changes}), "1.0.0").forecast
    assert estimate.load_balancers == seconds
    assert round(estimate.total) == total


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        pytest.param(
            balance(),
            "300 s deregistration delay x 3 waves = 15 min of 22 min 44 s: lower "
            "deregistration_delay.timeout_seconds of target group web to what its requests need",
            id="the delay",
        ),
        pytest.param(
            balance(10),
            "30 s health check interval x 5 checks x 3 waves = 7 min 30 s of 8 min 14 s: "
            "lower both in target group web",
            id="the checks",
        ),
        pytest.param(balance(5, 5, 2), "", id="less than a minute is no matter"),
        pytest.param(balance(drain=False), "", id="nobody leaves"),
    ],
)
def test_what_dominates_is_told_with_its_remedy(settings: Balance, warning: str) -> None:
    plan = make_plan(request(hosts=balanced(), balance=settings, lease=3000), "1.0.0")
    assert list(plan.warnings) == ([warning] if warning else [])


def test_a_long_bake_makes_load_balancers_matter_less() -> None:
    plan = make_plan(request(hosts=balanced(), balance=balance(60, 5, 2), bake=600, lease=3000), "1.0.0")
    assert plan.warnings == ()


def test_the_page_says_how_hosts_stand_and_what_of_the_time_it_takes() -> None:
    page = "\n".join(plan_text(make_plan(request(hosts=balanced(), balance=balance(healthy=3)), "1.0.0"), HEADER))
    assert "targets  web: 3 of 4 hosts healthy; drained in 300 s, healthy again in 150 s" in page
    assert "22 min 30 s of that for load balancers" in page
    page = "\n".join(plan_text(make_plan(request(hosts=balanced(), balance=balance(drain=False)), "1.0.0"), HEADER))
    assert "targets  web: 4 of 4 hosts healthy; nobody leaves while it changes" in page


def test_a_wave_with_everybody_is_an_outage() -> None:
    plan = make_plan(request(hosts=balanced(), balance=balance(5, 5, 2), waves=("100%",)), "1.0.0")
    assert any("wave 1 takes every healthy host out of the load balancers" in line for line in plan.warnings)
    last = make_plan(request(hosts=balanced(4, sick=3), balance=balance(5, 5, 2), waves=(3, 1)), "1.0.0")
    assert any("wave 2 takes every healthy host" in line for line in last.warnings)
    kept = make_plan(request(hosts=balanced(), balance=balance(5, 5, 2), waves=("100%",), min_healthy=1), "1.0.0")
    assert kept.sizes == [3, 1] and kept.warnings == ()


def test_hosts_that_are_not_healthy_there_count_as_lost() -> None:
    plan = make_plan(request(hosts=balanced(4, sick=1), balance=balance(), min_healthy=2, waves=("100%",)), "1.0.0")
    assert plan.sizes == [2, 1, 1]
    with pytest.raises(PlanError, match="only 3 of 4 are healthy now"):
        make_plan(request(hosts=balanced(4, sick=1), balance=balance(), min_healthy=3), "1.0.0")


def test_a_lease_that_ends_while_a_wave_waits_is_told() -> None:
    plan = make_plan(request(hosts=balanced(), balance=balance(), lease=300), "1.0.0")
    assert any("the lease of 300 s ends within one phase of 7 min 34 s" in line for line in plan.warnings)


def test_rollback_version() -> None:
    assert rollback_version(["2", "1"], "x") == "2"
    with pytest.raises(PlanError, match="hello in prod has no earlier release"):
        rollback_version([], "hello in prod")
