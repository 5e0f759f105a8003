# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instance refreshes under way: roll, wait at checkpoints, bake, fail, roll back.

Choices where AWS's guide gives no number: a refresh fails after `refresh_failures` instances that never were in
service, and after `refresh_patience` seconds, an hour in AWS for Standby and protection, without progress. An alarm
that is in ALARM when a refresh starts fails it before anything is replaced.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from . import words
from .cloud import Cloud, wanted_types
from .lifecycle import take_out
from .region import Region
from .state import COUNTED, POOLED, Group, Instance, Refresh, Time, seconds

ONGOING = frozenset({"InProgress", "RollbackInProgress"})
# What can be rolled back.
UNDER_WAY = frozenset({"Pending", "InProgress", "Baking"})


def step(region: Region, group: Group) -> None:
    refresh = group.refresh
    if refresh is None:
        return
    if refresh.status == "Cancelling":
        _cancel(region, group, refresh)
    elif not group.runs("InstanceRefresh"):
        return
    elif refresh.status == "Pending":
        _begin(region, group, refresh)
    elif refresh.status in ONGOING:
        _Roll(region, group, refresh).step()
    elif refresh.baked and region.now >= refresh.baked:
        _succeed(region, group, refresh)


def deadlines(region: Region, group: Group) -> Iterator[Time]:
    refresh = group.refresh
    if refresh is None:
        return
    yield from (time for time in (refresh.resume, refresh.baked) if time)
    if refresh.status in ONGOING:
        warmup = seconds(refresh.preferences["InstanceWarmup"])
        yield from (one.in_service + warmup for one in group.instances.values() if one.in_service)
        yield refresh.progressed + _patience(region, refresh)


def _patience(region: Region, refresh: Refresh) -> Any:
    return seconds(region.dials.refresh_patience + refresh.preferences["InstanceWarmup"])


def matches(cloud: Cloud, config: dict[str, Any], instance: Instance) -> bool:
    """Whether an instance is what a launch with this configuration would make."""
    template = cloud.template(config)
    types = wanted_types(config) or [template.data.get("InstanceType", instance.type)]
    return instance.template == template.described and instance.type in types


# --- beginnings -------------------------------------------------------------------------------------------------------


def _begin(region: Region, group: Group, refresh: Refresh) -> None:
    ringing = _ringing(region, refresh)
    if ringing:
        _finish(region, refresh, "Failed", ringing)
        return
    config = refresh.desired or group.config
    staying = [one for one in group.instances.values() if not one.ending and not one.retained]
    if refresh.preferences["SkipMatching"]:
        staying = [one for one in staying if not matches(region.cloud, config, one)]
    _replace_all(refresh, staying)
    refresh.remaining = refresh.total
    refresh.status, refresh.progressed = "InProgress", region.now
    region.touch()


def _replace_all(refresh: Refresh, instances: list[Instance]) -> None:
    refresh.old = [one.id for one in instances if not one.warm]
    refresh.old_warm = [one.id for one in instances if one.warm]
    refresh.total, refresh.warm_total = len(refresh.old), len(refresh.old_warm)


def look_at_alarms(region: Region, group: Group) -> None:
    refresh = group.refresh
    if refresh and refresh.status in {"InProgress", "Baking"}:
        ringing = _ringing(region, refresh)
        if ringing:
            fail(region, group, refresh, ringing)


def _ringing(region: Region, refresh: Refresh) -> str:
    names = refresh.preferences.get("AlarmSpecification", {}).get("Alarms", [])
    found = [name for name, state in sorted(region.cloud.alarm_states(names).items()) if state == "ALARM"]
    return f"The following alarms are in the ALARM state: {', '.join(found)}." if found else ""


# --- ends -------------------------------------------------------------------------------------------------------------


def _finish(region: Region, refresh: Refresh, status: str, reason: str = "") -> None:
    refresh.status, refresh.reason, refresh.end = status, reason, region.now
    refresh.surge, refresh.resume, refresh.baked = 0, None, None
    region.touch()


def _succeed(region: Region, group: Group, refresh: Refresh) -> None:
    if refresh.desired:
        group.config = refresh.desired
    _finish(region, refresh, "Successful")


def _cancel(region: Region, group: Group, refresh: Refresh) -> None:
    moving = [one for one in group.instances.values() if one.state in COUNTED and one.state != "InService"]
    moving += [one for one in group.instances.values() if one.ending]
    if not (refresh.patient and moving):
        _finish(region, refresh, "Cancelled", "Cancelled due to user request.")


def lost(region: Region, group: Group, instance: Instance) -> None:
    """An instance turned out sick: a refresh that launched it counts that while it is not yet warmed up."""
    refresh = group.refresh
    if refresh and instance.refresh == refresh.id and not _ready(region, refresh, instance):
        refresh.failures += 1


def fail(region: Region, group: Group, refresh: Refresh, reason: str) -> None:
    if refresh.rolling_back:
        _finish(region, refresh, "RollbackFailed", reason)
    elif refresh.preferences["AutoRollback"]:
        roll_back(region, group, refresh, f"Automatic rollback: {reason}")
    else:
        _finish(region, refresh, "Failed", reason)


def roll_back(region: Region, group: Group, refresh: Refresh, reason: str) -> None:
    """Replace what the refresh launched by what there was before."""
    refresh.rollback = {
        "RollbackReason": reason,
        "RollbackStartTime": region.now,
        "PercentageCompleteOnRollback": refresh.percent,
        "InstancesToUpdateOnRollback": refresh.remaining,
    }
    _replace_all(refresh, [one for one in group.instances.values() if one.refresh == refresh.id and not one.ending])
    refresh.status, refresh.reason, refresh.progressed = "RollbackInProgress", reason, region.now
    refresh.failures, refresh.surge, refresh.resume, refresh.baked = 0, 0, None, None
    region.touch()


# --- rolling ----------------------------------------------------------------------------------------------------------


def _ready(region: Region, refresh: Refresh, instance: Instance) -> bool:
    """In service and healthy; warmed up, where the refresh launched it."""
    if instance.state != "InService" or instance.health != "Healthy" or instance.in_service is None:
        return False
    warmup = seconds(refresh.preferences["InstanceWarmup"] if instance.refresh == refresh.id else 0)
    return region.now >= instance.in_service + warmup


class _Roll:
    """One look at a refresh or rollback that is under way, and what follows from it."""

    def __init__(self, region: Region, group: Group, refresh: Refresh) -> None:
        self.region, self.group, self.refresh = region, group, refresh
        self.want: dict[str, Any] = refresh.preferences
        self.size = group.desired
        there = [group.instances[one] for one in refresh.old if one in group.instances]
        self.old = [one for one in there if not one.ending and not self._ignored(one)]
        self.live = group.counted
        self.ready = [one for one in self.live if _ready(region, refresh, one)]

    def step(self) -> None:
        self._replace_warm()
        self._note_progress()
        if self._is_done():
            self._done()
        elif self.refresh.failures >= self.region.dials.refresh_failures:
            self._give_up(f"{self.refresh.failures} instances that it launched failed to come into service.")
        elif not self._at_checkpoint():
            self._go_on()

    def _ignored(self, instance: Instance) -> bool:
        return (instance.state == "Standby" and self.want["StandbyInstances"] == "Ignore") or (
            instance.protected and self.want["ScaleInProtectedInstances"] == "Ignore"
        )

    def _blocked(self, instance: Instance) -> bool:
        return (instance.state == "Standby" and self.want["StandbyInstances"] == "Wait") or (
            instance.protected and self.want["ScaleInProtectedInstances"] == "Wait"
        )

    # --- progress ---

    def _note_progress(self) -> None:
        refresh = self.refresh
        new = [one for one in self.ready if one not in self.old]
        left = max(len(self.old), min(refresh.total, self.size - len(new)))
        share = 100 * (refresh.total - left) // refresh.total if refresh.total else 100
        if refresh.rollback is not None:
            share = refresh.rollback["PercentageCompleteOnRollback"] * (100 - share) // 100
            left = refresh.rollback["InstancesToUpdateOnRollback"]
        still = [one.id for one in self.old]
        if (share, left, still) != (refresh.percent, refresh.remaining, refresh.old):
            refresh.percent, refresh.remaining, refresh.old = share, left, still
            refresh.progressed = self.region.now
            self.region.touch()

    def _is_done(self) -> bool:
        return (
            (not self.old or self._stops_here())
            and len(self.live) >= self.size
            and all(one in self.ready for one in self.live)
            and all(one.state in POOLED for one in self.group.warm)
        )

    def _stops_here(self) -> bool:
        """Whether the last checkpoint, which may be below 100, is reached."""
        points = self.want.get("CheckpointPercentages", [])
        return bool(
            points
            and self.refresh.rollback is None
            and self.refresh.checkpoint >= len(points) - 1
            and self.refresh.percent >= points[-1]
        )

    def _done(self) -> None:
        region, group, refresh = self.region, self.group, self.refresh
        if refresh.rollback is not None:
            _finish(region, refresh, "RollbackSuccessful", refresh.rollback["RollbackReason"])
        elif self.want.get("BakeTime"):
            refresh.status, refresh.baked = "Baking", region.now + seconds(self.want["BakeTime"])
            refresh.surge = 0
            region.touch()
        else:
            _succeed(region, group, refresh)

    def _give_up(self, reason: str) -> None:
        fail(self.region, self.group, self.refresh, reason)

    # --- checkpoints ---

    def _goal(self) -> int:
        """So many instances may be replaced before the next checkpoint."""
        points = self.want.get("CheckpointPercentages", [])
        if self.refresh.rollback is not None or self.refresh.checkpoint >= len(points):
            return self.refresh.total
        return math.ceil(self.refresh.total * points[self.refresh.checkpoint] / 100)

    def _at_checkpoint(self) -> bool:
        refresh, now = self.refresh, self.region.now
        points = self.want.get("CheckpointPercentages", [])
        if refresh.rollback is not None or refresh.checkpoint >= len(points):
            return False
        if refresh.percent < points[refresh.checkpoint]:
            return False
        if refresh.resume is None:
            refresh.resume = now + seconds(self.want["CheckpointDelay"])
            refresh.reason = f"Waiting at the checkpoint of {points[refresh.checkpoint]} percent."
            self.region.touch()
        if now < refresh.resume:
            refresh.progressed = now
            return True
        refresh.checkpoint, refresh.resume, refresh.reason, refresh.progressed = refresh.checkpoint + 1, None, "", now
        self.region.touch()
        return False

    # --- replacing ---

    def _go_on(self) -> None:
        broken = [one for one in self.old if one.state in COUNTED and one not in self.ready and not self._blocked(one)]
        for one in broken:
            self._take(one)
        self._clear_standby()
        able = [one for one in self.old if one in self.ready and not self._blocked(one)]
        self._set_surge(len(able))
        for one in self._oldest(able)[: max(0, self._may_take(len(able)))]:
            self._take(one)
        self._watch(able, broken)

    def _clear_standby(self) -> None:
        for one in self.old:
            if one.state == "Standby" and self.want["StandbyInstances"] == "Terminate":
                self._take(one)

    def _least(self) -> int:
        return math.ceil(self.size * self.want["MinHealthyPercentage"] / 100)

    def _set_surge(self, able: int) -> None:
        """Launch before terminating, as far as the maximum lets, or by one where nothing else would be possible."""
        surge = 0
        if "MaxHealthyPercentage" in self.want:
            most = self.size * self.want["MaxHealthyPercentage"] // 100
            if self._least() >= self.size:
                most = max(most, self.size + 1)
            surge = max(0, min(most - self.size, able, self._left_to_goal()))
        if surge != self.refresh.surge:
            self.group.owed += [words.REFRESHED] * (surge - self.refresh.surge)
            self.refresh.surge = surge
            self.region.touch()

    def _left_to_goal(self) -> int:
        return self._goal() - (self.refresh.total - len(self.old))

    def _may_take(self, able: int) -> int:
        if not able:
            return 0
        free = len(self.ready) - self._least()
        calm = len(self.ready) == len(self.live) == self.size
        if free <= 0 and calm and "MaxHealthyPercentage" not in self.want:
            free = 1
        return min(free, self._left_to_goal())

    def _oldest(self, able: list[Instance]) -> list[Instance]:
        return sorted(able, key=lambda one: (one.launched, one.id))

    def _take(self, instance: Instance) -> None:
        counts = instance.state in COUNTED
        sentences = words.TAKEN_BY_REFRESH, words.selected(instance.id)
        take_out(self.region, self.group, instance, words.at(self.region.now, *sentences))
        if counts and self.refresh.surge:
            self.refresh.surge -= 1  # it has its replacement
        elif counts:
            self.group.owed.append(words.REFRESHED)

    def _replace_warm(self) -> None:
        """The warm pool serves nobody, so all of it at once; what fills it again is new."""
        for one in self.refresh.old_warm:
            instance = self.group.instances.get(one)
            if instance and instance.warm and not instance.ending:
                sentences = words.TAKEN_BY_REFRESH, words.selected(one)
                take_out(self.region, self.group, instance, words.at(self.region.now, *sentences))
        if self.refresh.old_warm:
            self.refresh.old_warm = []
            self.region.touch()

    def _watch(self, able: list[Instance], broken: list[Instance]) -> None:
        """Say what it waits for, and for how long it did."""
        blocked = [one for one in self.old if self._blocked(one)]
        reason = self.refresh.rollback["RollbackReason"] if self.refresh.rollback is not None else ""
        if not able and not broken:
            reason = self._waiting_for(blocked) or reason
        if reason != self.refresh.reason:
            self.refresh.reason = reason
            self.region.touch()
        if self.region.now >= self.refresh.progressed + _patience(self.region, self.refresh):
            self._give_up(f"No progress for too long. {reason}".strip())

    def _waiting_for(self, blocked: list[Instance]) -> str:
        waiting = "Waiting for remaining instances to be available. For example: "
        if blocked:
            one = blocked[0]
            if one.state == "Standby":
                return f"{waiting}{one.id} is in Standby."
            return f"{waiting}{one.id} is protected. Remove instance scale-in protection to continue."
        unready = [one for one in self.live if one not in self.ready]
        return f"{waiting}{unready[0].id} is warming up." if unready else ""
