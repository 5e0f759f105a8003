# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of everything in a region, and when the next one is due."""

from __future__ import annotations

from collections.abc import Iterator

from . import capacity, groups, health, lifecycle, refreshing, schedules, sources
from .cloud import CloudError
from .region import Region
from .state import Group, Time


def tick(region: Region) -> bool:
    """Each instance goes on by one state at most; whether anything changed."""
    before = region.changes
    health.look(region)
    for group in list(region.state.groups.values()):
        for instance in list(group.instances.values()):
            lifecycle.step(region, group, instance)
        sources.step(region, group)
        schedules.step(region, group)
        health.replace(region, group)
        _refresh(region, group)
        capacity.keep(region, group)
        groups.step(region, group)
    return region.changes != before


def _refresh(region: Region, group: Group) -> None:
    try:
        refreshing.step(region, group)
    except CloudError as error:  # its launch template is gone
        if group.refresh:
            refreshing.fail(region, group, group.refresh, error.message)


def next_due(region: Region, after: Time) -> Time | None:
    """The next moment in which something may happen by itself."""
    times = [time for group in region.state.groups.values() for time in _deadlines(region, group)]
    times.append(health.next_look(region) or after)
    return min((time for time in times if time > after), default=None)


def _deadlines(region: Region, group: Group) -> Iterator[Time]:
    for instance in group.instances.values():
        yield from lifecycle.deadlines(region, instance)
    yield from refreshing.deadlines(region, group)
    yield from schedules.deadlines(group)
    yield from (source.drained for source in group.sources.values() if source.drained)
    if group.retry:
        yield group.retry
