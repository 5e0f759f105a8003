# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheduled actions, and the clockwork that runs them."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Callable, Iterator
from typing import Any

from . import words
from .region import Region, invalid
from .state import Group, Parameters, Time

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "weekday": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
# The 29th of February comes back within eight years.
_DAYS_AHEAD = 3000
_SIZES = ("MinSize", "MaxSize", "DesiredCapacity")


class Cron:
    """Five fields: minute, hour, day of month, month, day of week."""

    def __init__(self, text: str) -> None:
        parts = text.split()
        if len(parts) != len(_FIELDS):
            raise ValueError(text)
        self._sets = [
            _field(part.lower(), name, least, most) for part, (name, least, most) in zip(parts, _FIELDS, strict=True)
        ]
        self._any_day, self._any_weekday = parts[2] == "*", parts[4] == "*"

    def after(self, moment: Time) -> Time | None:
        """The first time after this one."""
        start = moment.replace(second=0, microsecond=0) + datetime.timedelta(minutes=1)
        for ahead in range(_DAYS_AHEAD):
            day = start + datetime.timedelta(days=ahead)
            if not self._is_day(day):
                continue
            for hour in sorted(self._sets[1]):
                for minute in sorted(self._sets[0]):
                    found = day.replace(hour=hour, minute=minute)
                    if found >= start:
                        return found
        return None

    def _is_day(self, day: Time) -> bool:
        if day.month not in self._sets[3]:
            return False
        by_date = day.day in self._sets[2]
        by_weekday = day.isoweekday() % 7 in {number % 7 for number in self._sets[4]}
        # As cron has it: two days that are both given are alternatives.
        if self._any_day or self._any_weekday:
            return by_date and by_weekday
        return by_date or by_weekday


def _field(text: str, name: str, least: int, most: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, stride = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            low, high = least, most
        else:
            low = _number(first, name)
            high = _number(last, name) if dash else (most if stride else low)
        if not (least <= low <= high <= most):
            raise ValueError(text)
        found.update(range(low, high + 1, int(stride or 1)))
    return found


def _number(text: str, name: str) -> int:
    names = _NAMES.get(name, [])
    return names.index(text) + (name == "month") if text in names else int(text)


# --- under way --------------------------------------------------------------------------------------------------------


def step(region: Region, group: Group) -> None:
    if not group.runs("ScheduledActions"):
        return
    for name, action in list(group.schedules.items()):
        due = action["next"]
        if due and region.now >= due:
            _run(region, group, name, action)
            action["next"] = _next(action, region.now)
            if action["next"] is None:
                del group.schedules[name]
            region.touch()


def deadlines(group: Group) -> Iterator[Time]:
    yield from (action["next"] for action in group.schedules.values() if action["next"])


def _run(region: Region, group: Group, name: str, action: dict[str, Any]) -> None:
    sizes = group.settings
    was = group.desired
    sizes |= {key: action[key] for key in _SIZES[:2] if key in action}
    wanted = action.get("DesiredCapacity", was)
    group.desired = min(max(wanted, sizes["MinSize"]), sizes["MaxSize"])
    if group.desired != was:
        group.causes.append(words.at(region.now, words.scheduled(name, was, group.desired)))


def _next(action: dict[str, Any], now: Time) -> Time | None:
    start = action.get("StartTime")
    if "Recurrence" not in action:
        return start if start and start > now else None
    zone = zoneinfo.ZoneInfo(action.get("TimeZone", "UTC"))
    earliest = max(now, start - datetime.timedelta(minutes=1)) if start else now
    found = Cron(action["Recurrence"]).after(earliest.astimezone(zone))
    end = action.get("EndTime")
    return None if found is None or (end and found > end) else found.astimezone(datetime.UTC)


# --- operations -------------------------------------------------------------------------------------------------------


def _put(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    name = parameters["ScheduledActionName"]
    before = group.schedules.get(name, {})
    action = {"ScheduledActionARN": region.arn("scheduledUpdateGroupAction", group.name), **before, **parameters}
    action.pop("Time", None)
    if not any(key in action for key in _SIZES):
        raise invalid("At least one of min, max and desired must be specified.")
    _check_times(region, action)
    action["next"] = _next(action, region.now)
    group.schedules[name] = action
    region.touch()
    return {}


def _check_times(region: Region, action: dict[str, Any]) -> None:
    if "Recurrence" in action:
        try:
            Cron(action["Recurrence"])
        except ValueError as error:
            raise invalid(f"Given recurrence string:{action['Recurrence']} is invalid") from error
    elif "StartTime" not in action:
        raise invalid("Either the recurrence or the start time must be specified.")
    elif action["StartTime"] <= region.now:
        raise invalid("The start time must be in the future.")
    if "TimeZone" in action and action["TimeZone"] not in zoneinfo.available_timezones():
        raise invalid(f"The time zone {action['TimeZone']} is not valid.")


def _delete(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    if group.schedules.pop(parameters["ScheduledActionName"], None) is None:
        raise invalid(f"Scheduled action name not found - {parameters['ScheduledActionName']}")
    region.touch()
    return {}


def _describe(region: Region, parameters: Parameters) -> Parameters:
    name = parameters.get("AutoScalingGroupName")
    groups = [region.group(name)] if name else list(region.state.groups.values())
    wanted = parameters.get("ScheduledActionNames")
    found = [
        {key: value for key, value in action.items() if key != "next"} | _shown_start(action)
        for group in groups
        for key, action in sorted(group.schedules.items())
        if not wanted or key in wanted
    ]
    return region.page("DescribeScheduledActions", "ScheduledUpdateGroupActions", found, parameters, size=50, most=100)


def _shown_start(action: dict[str, Any]) -> dict[str, Any]:
    start = action["next"] or action.get("StartTime")
    return {"StartTime": start, "Time": start} if start else {}


OPERATIONS: dict[str, Callable[[Region, Parameters], Parameters]] = {
    "PutScheduledUpdateGroupAction": _put,
    "DeleteScheduledAction": _delete,
    "DescribeScheduledActions": _describe,
}
