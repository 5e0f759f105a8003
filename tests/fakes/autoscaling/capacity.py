# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a group and its warm pool at their sizes, over its zones."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any

from . import words
from .cloud import Born, CloudError, specification
from .lifecycle import return_to_pool, take_out
from .region import Region
from .state import LAUNCHING, POOLED, WARM, Group, Instance, seconds


def keep(region: Region, group: Group) -> None:
    """Launch what is missing, and take out what is too much."""
    counted = group.counted
    target = group.desired + _extra(group)
    if len(counted) < target:
        _grow(region, group, target)
    elif len(counted) > target:
        _shrink(region, group, counted, target)
    else:
        _settled(region, group, counted)
    _keep_pool(region, group)


def _extra(group: Group) -> int:
    if group.refresh:
        return group.refresh.surge
    return 1 if group.rebalancing else 0


def _settled(region: Region, group: Group, counted: list[Instance]) -> None:
    if group.causes or group.owed or group.stuck:
        group.causes, group.owed, group.stuck = [], [], False
        region.touch()
    if all(one.state == "InService" for one in counted):
        _rebalance(region, group, counted)


# --- more -------------------------------------------------------------------------------------------------------------


def _may_launch(region: Region, group: Group) -> bool:
    return group.runs("Launch") and not group.deleting and (group.retry is None or region.now >= group.retry)


def _grow(region: Region, group: Group, target: int) -> None:
    if not _may_launch(region, group):
        return
    was = len(group.counted)
    group.stuck = False
    for _ in range(target - was):
        cause = words.join(*group.causes, words.at(region.now, _why(group, was, target)))
        warmed = _warmed(group)
        if warmed:
            _wake(region, group, warmed, cause)
        elif launch(region, group, cause) is None:
            return


def _why(group: Group, was: int, target: int) -> str:
    return group.owed.pop(0) if group.owed else words.started(was, target)


def _warmed(group: Group) -> Instance | None:
    """One of the warm pool, the longest there."""
    ready = [one for one in group.warm if one.state in POOLED and one.health == "Healthy"]
    if group.refresh:
        ready = [one for one in ready if one.id not in group.refresh.old_warm]
    return min(ready, key=lambda one: one.since, default=None)


def _wake(region: Region, group: Group, instance: Instance, cause: str) -> None:
    if instance.state != f"{WARM}Running":
        region.cloud.start(instance.id)
        region.errand(instance.id, functools.partial(region.launcher.start, instance.id))
    region.begin(group, f"Launching a new EC2 instance from warm pool: {instance.id}", cause, instance, "PreInService")
    instance.transition, instance.hooked, instance.origin = LAUNCHING, True, "WarmPool"
    region.move(instance, "Pending")


def launch(region: Region, group: Group, cause: str, *, warm: bool = False) -> Instance | None:
    """A new instance in the emptiest zone, or an activity that says why there is none."""
    refresh = group.refresh
    config = (refresh.config if refresh else None) or group.config
    try:
        born = region.cloud.run(config, _emptiest(group), _tags(group))
    except CloudError as error:
        activity = region.begin(group, "Launching a new EC2 instance", cause, status="PreInService")
        region.end(activity.id, "Failed", f"{error.message}. Launching EC2 instance failed.".replace("..", "."))
        group.retry = region.now + seconds(region.dials.retry)
        if refresh:
            refresh.failures += 1
        return None
    return _adopt(region, group, born, cause, warm)


def _adopt(region: Region, group: Group, born: Born, cause: str, warm: bool) -> Instance:
    zone, zone_id = group.subnets[born.subnet]
    instance = Instance(
        id=born.id,
        zone=zone,
        zone_id=zone_id,
        subnet=born.subnet,
        type=born.type,
        template=born.template.described,
        launched=region.now,
        state=f"{WARM}Pending" if warm else "Pending",
        since=region.now,
        protected=bool(group.settings.get("NewInstancesProtectedFromScaleIn")) and not warm,
        refresh=group.refresh.id if group.refresh else "",
    )
    group.instances[instance.id] = instance
    group.retry = None
    where = " into warm pool" if warm else ""
    region.begin(group, f"Launching a new EC2 instance{where}: {instance.id}", cause, instance, "PreInService")
    region.errand(
        instance.id, functools.partial(region.launcher.launch, instance.id, born.image, dict(born.tags), born.zone)
    )
    return instance


def _tags(group: Group) -> dict[str, str]:
    own = {tag["Key"]: tag.get("Value", "") for tag in group.tags.values() if tag["PropagateAtLaunch"]}
    return own | {"aws:autoscaling:groupName": group.name}


def _emptiest(group: Group) -> str:
    """A subnet of the zone with the fewest instances; the emptiest of them."""
    there = [one for one in group.instances.values() if not one.ending]
    zones, subnets = Counter(one.zone for one in there), Counter(one.subnet for one in there)
    return min(group.subnets, key=lambda subnet: (zones[group.subnets[subnet][0]], subnets[subnet]))


# --- fewer ------------------------------------------------------------------------------------------------------------


def _shrink(region: Region, group: Group, counted: list[Instance], target: int) -> None:
    if not group.runs("Terminate"):
        return
    was = len(counted)
    for _ in range(was - target):
        victim = _victim(region, group)
        if victim is None:
            _say_stuck(region, group, was, target)
            return
        sentences = words.shrunk(was, target), words.selected(victim.id)
        cause = words.join(*group.causes, words.at(region.now, *sentences))
        if group.pool and group.pool.reuse and not group.pool.status and victim.state == "InService":
            return_to_pool(region, group, victim, cause)
        else:
            take_out(region, group, victim, cause)
    group.rebalancing = False


def _say_stuck(region: Region, group: Group, was: int, target: int) -> None:
    if group.stuck:
        return
    group.stuck = True
    cause = words.join(*group.causes, words.at(region.now, words.shrunk(was, target)))
    activity = region.begin(group, "Terminating EC2 instance", cause)
    region.end(activity.id, "Failed", words.ALL_PROTECTED)


def _victim(region: Region, group: Group) -> Instance | None:
    """By the termination policies, within the fullest zone; one that waits for its hooks before one that serves."""
    free = [one for one in group.counted if not one.protected and one.state in {"InService", "Pending:Wait"}]
    if not free:
        return None
    zones = Counter(one.zone for one in group.counted)
    fullest = max(zones[one.zone] for one in free)
    among = [one for one in free if zones[one.zone] == fullest]
    among = [one for one in among if one.state == "Pending:Wait"] or among
    for policy in group.settings["TerminationPolicies"]:
        among = _POLICIES[policy](region, group, among)
    return among[0]


def _oldest(_region: Region, _group: Group, among: list[Instance]) -> list[Instance]:
    first = min(one.launched for one in among)
    return [one for one in among if one.launched == first]


def _newest(_region: Region, _group: Group, among: list[Instance]) -> list[Instance]:
    last = max(one.launched for one in among)
    return [one for one in among if one.launched == last]


def _oldest_template(_region: Region, group: Group, among: list[Instance]) -> list[Instance]:
    """Those of another template than the group's, or of its lowest version."""
    current = specification(group.config)["LaunchTemplateId"]
    others = [one for one in among if (one.template or {}).get("LaunchTemplateId") != current]
    if others:
        return others
    lowest = min(int((one.template or {})["Version"]) for one in among)
    return [one for one in among if int((one.template or {})["Version"]) == lowest]


def _next_hour(region: Region, _group: Group, among: list[Instance]) -> list[Instance]:
    now = region.now
    into_hour = {one.id: (now - one.launched).total_seconds() % 3600 for one in among}
    return [one for one in among if into_hour[one.id] == max(into_hour.values())]


def _default(region: Region, group: Group, among: list[Instance]) -> list[Instance]:
    return _next_hour(region, group, _oldest_template(region, group, among))


def _any(_region: Region, _group: Group, among: list[Instance]) -> list[Instance]:
    return among


_POLICIES: dict[str, Callable[[Region, Group, list[Instance]], list[Instance]]] = {
    "Default": _default,
    "AllocationStrategy": _any,  # all are on demand
    "ClosestToNextInstanceHour": _next_hour,
    "NewestInstance": _newest,
    "OldestInstance": _oldest,
    "OldestLaunchTemplate": _oldest_template,
    "OldestLaunchConfiguration": _any,  # there are none
}
TERMINATION_POLICIES = frozenset(_POLICIES)


# --- over zones -------------------------------------------------------------------------------------------------------


def _rebalance(region: Region, group: Group, counted: list[Instance]) -> None:
    """One more in an empty zone, and then one less in a full one, which the choice of a victim sees to."""
    zones = Counter({zone: 0 for zone, _ in group.subnets.values()})
    zones.update(one.zone for one in counted)
    lean = min(zones, key=lambda zone: zones[zone])
    if group.rebalancing:
        group.rebalancing = False
    elif max(zones.values()) - zones[lean] > 1 and _may_rebalance(group):
        group.rebalancing = True
        group.owed = [words.rebalanced(lean)]
    else:
        return
    region.touch()


def _may_rebalance(group: Group) -> bool:
    processes = ("AZRebalance", "Launch", "Terminate")
    return group.refresh is None and not group.deleting and all(group.runs(one) for one in processes)


# --- the warm pool ----------------------------------------------------------------------------------------------------


def pool_size(group: Group) -> int:
    pool = group.pool
    if pool is None or pool.status or group.deleting:
        return 0
    prepared = group.settings["MaxSize"] if pool.prepared is None else pool.prepared
    return max(pool.minimum, prepared - group.desired, 0)


def _keep_pool(region: Region, group: Group) -> None:
    warm = [one for one in group.warm if not one.ending]
    size = pool_size(group)
    if len(warm) < size and _may_launch(region, group):
        sentence = words.started(len(warm), size).replace("actual capacity", "actual capacity of the warm pool")
        for _ in range(size - len(warm)):
            if launch(region, group, words.at(region.now, sentence), warm=True) is None:
                return
    elif len(warm) > size and group.runs("Terminate"):
        sentence = words.shrunk(len(warm), size).replace("actual capacity", "actual capacity of the warm pool")
        for one in sorted(warm, key=lambda one: one.launched)[: len(warm) - size]:
            take_out(region, group, one, words.at(region.now, sentence))
    elif group.pool and group.pool.status and not group.warm:
        group.pool = None
        region.touch()


def described_pool(group: Group) -> dict[str, Any] | None:
    if group.pool is None:
        return None
    pool = group.pool
    found: dict[str, Any] = {"MinSize": pool.minimum, "PoolState": pool.state}
    if pool.prepared is not None:
        found["MaxGroupPreparedCapacity"] = pool.prepared
    if pool.reuse:
        found["InstanceReusePolicy"] = {"ReuseOnScaleIn": True}
    return found | ({"Status": pool.status} if pool.status else {})
