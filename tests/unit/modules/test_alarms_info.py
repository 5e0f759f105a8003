# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterator
from unittest import mock

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils import alarms

from tests.emulation import Emulation
from tests.unit.run_module import run_module


@pytest.fixture(scope="module")
def aws() -> Iterator[Emulation]:
    with Emulation.start() as found:
        yield found


def put(aws: Emulation, name: str, state: str) -> None:
    watch = aws.client("cloudwatch")
    watch.put_metric_alarm(
        AlarmName=name,
        MetricName="m",
        Namespace="n",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    watch.set_alarm_state(AlarmName=name, StateValue=state, StateReason=f"it is {state}")


class Time:
    """Passes when it is slept, and something happens meanwhile."""

    def __init__(self, happens: Callable[[], None]) -> None:
        self.passed, self.happens = 0.0, happens

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        self.happens()


def test_one_call_for_all_of_them_and_a_while_of_looking_on(aws: Emulation) -> None:
    for state in ("OK", "ALARM", "INSUFFICIENT_DATA"):
        put(aws, f"prod-{state}", state)
    aws.reset()
    names = ["{env}-OK", "{env}-ALARM", "{env}-INSUFFICIENT_DATA", "gone"]
    found = run_module("alarms_info", {"names": names, "env": "prod"}, aws.environ())
    assert (found["ringing"], found["silent"], found["missing"], found["stops"]) == (
        ["prod-ALARM"],
        ["prod-INSUFFICIENT_DATA"],
        ["gone"],
        True,
    )
    assert set(found["alarms"]) == {"prod-OK", "prod-ALARM", "prod-INSUFFICIENT_DATA"}
    assert found["text"][0] == "alarm prod-ALARM rings (it is ALARM)"
    assert sum(aws.calls().values()) == 1

    options = {"names": ["prod-OK"], "env": None, "watch": 60.0, "delay": 15.0}
    calm = Time(lambda: None)
    with mock.patch.object(alarms, "time", calm):
        quiet = alarms.answer(options, aws.client, mock.Mock())
    assert (quiet["stops"], calm.passed, aws.calls()["cloudwatch:DescribeAlarms:eu-west-1"]) == (False, 60, 6)
    noisy = Time(lambda: put(aws, "prod-OK", "ALARM") if noisy.passed >= 30 else None)
    with mock.patch.object(alarms, "time", noisy):
        rang = alarms.answer(options, aws.client, mock.Mock())
    assert (rang["ringing"], noisy.passed) == (["prod-OK"], 30)


def test_who_cannot_ask_has_to_stop(aws: Emulation) -> None:
    aws.reset()
    aws.fault("cloudwatch:DescribeAlarms", "AccessDenied", message="no")
    failed = run_module("alarms_info", {"names": ["a"]}, aws.environ())
    aws.reset()
    assert (failed["failed"], failed["stops"]) == (True, True)
    assert failed["text"] == [failed["msg"]] and "access denied" in failed["msg"]
    assert "delay is 0.0" in run_module("alarms_info", {"names": ["a"], "delay": 0}, aws.environ())["msg"]
