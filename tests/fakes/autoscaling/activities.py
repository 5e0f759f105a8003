# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scaling activities."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

from .region import Region, invalid
from .state import Activity, Parameters

_MOST_IDS = 50
_BOUNDS = ("StartTimeLowerBound", "StartTimeUpperBound")


def described(activity: Activity) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "ActivityId": activity.id,
        "AutoScalingGroupName": activity.group,
        "AutoScalingGroupARN": activity.arn,
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": activity.start,
        "StatusCode": activity.status,
        "Progress": activity.progress,
        "Details": json.dumps(activity.details),
    }
    if activity.deleted:
        shown["AutoScalingGroupState"] = "Deleted"
    more = {"EndTime": activity.end, "StatusMessage": activity.message}
    return shown | {key: value for key, value in more.items() if value}


def _describe(region: Region, parameters: Parameters) -> Parameters:
    name, wanted = parameters.get("AutoScalingGroupName"), parameters.get("ActivityIds", [])
    with_deleted = parameters.get("IncludeDeletedGroups", False)
    if name and not with_deleted:
        region.group(name)
    if len(wanted) > _MOST_IDS:
        raise invalid(f"You can specify up to {_MOST_IDS} activity IDs.")
    passes = _filter(parameters)
    found = [
        one
        for one in region.state.activities.values()
        if (not name or one.group == name)
        and (not wanted or one.id in wanted)
        and (with_deleted or not one.deleted)
        and passes(one)
    ]
    # The newest first, and those in progress before all others; of the same moment, the later one first.
    found.reverse()
    found.sort(key=lambda one: one.start, reverse=True)
    found.sort(key=lambda one: one.end is not None)
    return region.page(
        "DescribeScalingActivities", "Activities", [described(one) for one in found], parameters, size=100, most=100
    )


def _filter(parameters: Parameters) -> Callable[[Activity], bool]:
    filters = {one.get("Name", ""): one.get("Values", []) for one in parameters.get("Filters", [])}
    unknown = set(filters) - {"Status", *_BOUNDS}
    if unknown:
        raise invalid(f"Invalid filter names: {', '.join(sorted(unknown))}")
    if "Status" in filters and "AutoScalingGroupName" not in parameters:
        raise invalid("The Status filter requires AutoScalingGroupName.")
    bounds = {name: _time(name, filters[name]) for name in _BOUNDS if name in filters}

    def passes(activity: Activity) -> bool:
        return (
            ("Status" not in filters or activity.status in filters["Status"])
            and activity.start >= bounds.get("StartTimeLowerBound", activity.start)
            and activity.start <= bounds.get("StartTimeUpperBound", activity.start)
        )

    return passes


def _time(name: str, values: list[str]) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(values[0])
    except (IndexError, ValueError) as error:
        raise invalid(f"{name} must be one ISO 8601 timestamp.") from error
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


OPERATIONS: dict[str, Callable[[Region, Parameters], Parameters]] = {"DescribeScalingActivities": _describe}
