# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.errors import PlanError
from ansible_collections.sysops.dtk.plugins.module_utils._core.waves import Host, amount, natural, plan_waves
from hypothesis import given
from hypothesis import strategies as st


def fleet(**zones: int) -> list[Host]:
    return [Host(f"{zone}-{number}", zone) for zone, count in zones.items() for number in range(1, count + 1)]


def sizes(waves: list[list[Host]]) -> list[int]:
    return [len(wave) for wave in waves]


@pytest.mark.parametrize(
    ("hosts", "waves", "expected"),
    [
        pytest.param(4, [1, "50%", "100%"], [1, 2, 1], id="canary, half, rest"),
        pytest.param(1, [1, "50%", "100%"], [1], id="one host is one wave"),
        pytest.param(10, [1, "25%"], [1, 3, 3, 3], id="the last size repeats"),
        pytest.param(5, ["100%"], [5], id="everybody"),
        pytest.param(5, [2, "rest"], [2, 3], id="rest takes what is left"),
        pytest.param(3, ["1%"], [1, 1, 1], id="a percentage is rounded up"),
        pytest.param(3, ["2", "2"], [2, 1], id="numbers may be strings"),
        pytest.param(2, [7], [2], id="a size above the fleet"),
        pytest.param(8, ["12.5%", "rest"], [1, 7], id="part of a percent"),
    ],
)
def test_sizes(hosts: int, waves: list[int | str], expected: list[int]) -> None:
    assert sizes(plan_waves(fleet(a=hosts), waves)) == expected


def test_zones_take_turns_and_numbers_sort_as_numbers() -> None:
    hosts = [Host("web-10", "a"), Host("web-9", "a"), Host("web-1", "b")]
    assert [host.name for wave in plan_waves(hosts, ["100%"]) for host in wave] == ["web-9", "web-1", "web-10"]


def test_per_az_ends_a_wave_at_the_border_of_its_zone() -> None:
    waves = plan_waves(fleet(a=3, b=2), [1, "50%", "100%"], per_az=True)
    assert [[host.name for host in wave] for wave in waves] == [["a-1"], ["a-2", "a-3"], ["b-1", "b-2"]]


def test_min_healthy_splits_waves() -> None:
    assert sizes(plan_waves(fleet(a=6), [1, "100%"], min_healthy=4)) == [1, 2, 2, 1]


def test_hosts_that_are_down_already_do_not_count_as_taken_away() -> None:
    hosts = [Host("a-1", healthy=False), Host("a-2", healthy=False), Host("a-3"), Host("a-4"), Host("a-5")]
    assert sizes(plan_waves(hosts, ["100%"], min_healthy=2)) == [3, 1, 1]


def test_a_fleet_that_is_down_entirely_may_be_repaired() -> None:
    hosts = [Host("a-1", healthy=False), Host("a-2", healthy=False)]
    assert sizes(plan_waves(hosts, [1, "100%"], min_healthy="50%")) == [1, 1]


@pytest.mark.parametrize(
    ("hosts", "waves", "min_healthy", "message"),
    [
        pytest.param([], [1], None, "There is no host", id="no hosts"),
        pytest.param(fleet(a=2), [], None, "waves is empty", id="no waves"),
        pytest.param(fleet(a=2), [0], None, "waves contains 0", id="an empty wave"),
        pytest.param(fleet(a=2), ["0%"], None, "waves contains '0%'", id="an empty percentage"),
        pytest.param(fleet(a=2), ["lots"], None, "'lots', which is neither", id="words"),
        pytest.param(fleet(a=2), ["101%"], None, "'101%', which is neither", id="more than all"),
        pytest.param(fleet(a=2), [-1], None, "-1, which is neither", id="negative"),
        pytest.param(fleet(a=2), [True], None, "True, which is neither", id="yes is no size"),
        pytest.param(fleet(a=2), ["²"], None, "'²', which is neither", id="a digit that is no number"),
        pytest.param(fleet(a=1) * 2, [1], None, "a-1 is listed twice", id="twice the same host"),
        pytest.param(fleet(a=3), [1], 3, "3 healthy hosts, but only 3 of 3", id="nobody may leave"),
        pytest.param(fleet(a=3), [1], "many", "min_healthy is 'many'", id="minimum in words"),
    ],
)
def test_impossible_plans_say_why(hosts: list[Host], waves: list, min_healthy: int | str | None, message: str) -> None:
    with pytest.raises(PlanError, match=message.replace("(", r"\(")):
        plan_waves(hosts, waves, min_healthy=min_healthy)


def test_amount_rounds_as_told() -> None:
    assert (amount("50%", 5, "x"), amount("50%", 5, "x", round_up=False), amount(3, 5, "x")) == (3, 2, 3)


def test_natural_order() -> None:
    assert sorted(["web-10", "web-2", "db"], key=natural) == ["db", "web-2", "web-10"]


SIZES = st.one_of(st.integers(1, 12), st.integers(1, 100).map(lambda percent: f"{percent}%"), st.just("rest"))
HOSTS = st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=30).map(
    lambda items: [Host(f"h{index}", zone, healthy=healthy) for index, (zone, healthy) in enumerate(items)]
)


@given(HOSTS, st.lists(SIZES, min_size=1, max_size=5), st.booleans(), st.one_of(st.none(), st.integers(0, 12)))
def test_any_plan(hosts: list[Host], spec: list[int | str], per_az: bool, min_healthy: int | None) -> None:
    healthy = sum(host.healthy for host in hosts)
    if min_healthy is not None and healthy and healthy - min_healthy < 1:
        with pytest.raises(PlanError, match="min_healthy"):
            plan_waves(hosts, spec, per_az=per_az, min_healthy=min_healthy)
        return
    waves = plan_waves(hosts, spec, per_az=per_az, min_healthy=min_healthy)
    everybody = [host for wave in waves for host in wave]
    assert all(waves)
    assert sorted(host.name for host in everybody) == sorted(host.name for host in hosts)
    assert waves == plan_waves(list(reversed(hosts)), spec, per_az=per_az, min_healthy=min_healthy)
    for wave in waves:
        taken = sum(host.healthy for host in wave)
        assert not taken or healthy - taken >= (min_healthy or 0)
        assert not per_az or len({host.az for host in wave}) == 1


@given(st.integers(1, 40), st.integers(1, 40))
def test_the_canary_has_the_requested_size(count: int, canary: int) -> None:
    assert len(plan_waves(fleet(a=count), [canary, "50%", "100%"])[0]) == min(canary, count)
