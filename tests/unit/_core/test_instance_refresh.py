# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a refresh is asked for, as AWS takes it; the rest is tested against the emulated Auto Scaling."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core import instance_refresh

REFRESH = {
    "id": "r-1",
    "status": "RollbackFailed",
    "reason": "No progress for too long.",
    "rollback_reason": "Automatic rollback: an alarm rings",
    "percent": 50,
    "remaining": 1,
    "start": datetime(2026, 1, 31, 12, tzinfo=UTC),
    "end": None,
    "template": {"LaunchTemplateName": "web", "Version": "7"},
    "preferences": {},
}


@pytest.mark.parametrize(
    ("points", "total", "wanted"),
    [
        ([1, "100%"], 3, [33, 100]),
        ([1], 3, [33, 100]),
        ([1, "50%", "100%"], 8, [12, 50, 100]),
        ([1, "100%"], 1, []),
        ([5, "50%"], 4, []),
        ([1, 2, "40%"], 10, [10, 20, 40, 100]),
        (["1", "100%"], 400, [1, 100]),
        ([1, "100%"], 0, []),
    ],
)
def test_checkpoints_in_instances(points: list[Any], total: int, wanted: list[int]) -> None:
    assert instance_refresh.percentages(points, total) == wanted


@pytest.mark.parametrize("total", range(2, 101))
def test_a_first_instance_is_one_instance_whatever_the_group(total: int) -> None:
    first, last = instance_refresh.percentages([1], total)
    assert (math.ceil(total * first / 100), last) == (1, 100)


def test_preferences_as_aws_takes_them() -> None:
    given = {
        "min_healthy_percentage": 90,
        "skip_matching": True,
        "auto_rollback": None,
        "checkpoints": [1],
        "checkpoint_delay": 60,
        "alarm_specification": {"alarms": ["a"]},
        "standby_instances": "Ignore",
    }
    assert instance_refresh.preferences(given, 2) == {
        "MinHealthyPercentage": 90,
        "SkipMatching": True,
        "CheckpointPercentages": [50, 100],
        "CheckpointDelay": 60,
        "AlarmSpecification": {"Alarms": ["a"]},
        "StandbyInstances": "Ignore",
    }
    only = instance_refresh.preferences(given, 1)
    assert "CheckpointDelay" not in only and "CheckpointPercentages" not in only
    assert instance_refresh.preferences(None, 1) == {}


def test_the_newest_version_that_differs_by_its_image_only() -> None:
    def version(number: str, image: str, **data: Any) -> dict[str, Any]:
        return {"version": number, "image_id": image, "data": data}

    versions = [version("4", "ami-1", a=2), version("3", "ami-2", a=2), version("2", "ami-3", a=1)]
    assert instance_refresh.reusable(versions, "ami-1")["version"] == "4"
    assert instance_refresh.reusable(versions, "ami-2")["version"] == "3"
    assert instance_refresh.reusable(versions, "ami-3") is None


def test_a_rollback_that_failed_is_told_with_both_reasons() -> None:
    text = instance_refresh.failure("web", REFRESH, {"i-2": "no disk", "i-1": "no health"}, ["i-9"])
    assert text.splitlines() == [
        "The instance refresh r-1 of web could not be rolled back: instances of both versions are in service. "
        "Reason: an alarm rings.",
        "At its end it said: No progress for too long.",
        "Instances that did not come into service:",
        "  i-1: no health",
        "  i-2: no disk",
        "Not on the version that was asked for: i-9.",
    ]


def test_one_that_is_under_way_in_words() -> None:
    running = {**REFRESH, "status": "InProgress", "reason": ""}
    assert instance_refresh.told(running) == (
        "instance refresh r-1 to version 7 since 2026-01-31T12:00:00Z: InProgress 50 %, 1 instance left"
    )
    wanted = instance_refresh.Wanted("lt-1", "web", "7", "ami-1")
    assert instance_refresh.is_of(running, wanted)
    assert not instance_refresh.is_of(running, None)
    assert not instance_refresh.is_of({**running, "template": None}, wanted)
