# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._aws.rate import Pace

THROTTLED = {"Error": {"Code": "ThrottlingException"}}


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def pace(clock: Clock, **settings: Any) -> Pace:
    return Pace(**settings, clock=clock, sleep=clock.sleep)


def test_after_a_burst_calls_come_at_the_rate(clock: Clock) -> None:
    ours = pace(clock, rate=20, burst=10)
    for _call in range(10):
        ours.take()
    assert clock.now == 1000
    for _call in range(40):
        ours.take()
    assert clock.now == pytest.approx(1002)


def test_by_default_it_stays_well_below_the_forty_a_second_of_an_account(clock: Clock) -> None:
    ours = pace(clock)
    for _call in range(1000):
        ours.take()
    assert 1000 / (clock.now - 1000) < 25


def test_it_gets_slower_when_throttled_and_recovers(clock: Clock) -> None:
    ours = pace(clock, rate=20, burst=1)
    clock.now += 10
    ours.note(THROTTLED)
    ours.note(THROTTLED)  # of a call that was under way at the same time
    assert ours.rate == 10
    for _second in range(20):
        clock.now += 10
        ours.note(THROTTLED)
    assert 0.1 < ours.rate < 1
    for _answer in range(200):
        ours.note({})
    assert ours.rate == 20


def test_four_runs_share_a_tight_limit_with_few_refusals(clock: Clock) -> None:
    """A server with 2 calls a second, as a model: its bucket, and four that call as soon as they may."""
    rng = random.Random(7)
    runs = [pace(clock, rate=20, burst=10) for _run in range(4)]
    tokens, at = 2.0, clock.now
    answered = refused = 0
    while answered < 400:
        ours = rng.choice(runs)
        ours.take()
        tokens, at = min(2.0, tokens + (clock.now - at) * 2), clock.now
        if tokens >= 1:
            tokens -= 1
            answered += 1
            ours.note({})
        else:
            refused += 1
            ours.note(THROTTLED)
    assert refused < answered * 3
