# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Auto Scaling sees of its instances, targets and alarms now and then, and the replacing of what is sick."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import lifecycle, refreshing, words
from .region import Region
from .state import POOLED, Group, Instance, Source, Time, seconds

_RUNNING = frozenset({"pending", "running"})


def next_look(region: Region) -> Time | None:
    """When to look again; never where there is nothing to see."""
    refreshes = (group.refresh for group in region.state.groups.values())
    if next(_watched(region), None) is None and not any(refreshes):
        return None
    return region.looked + seconds(region.dials.health_interval) if region.looked else region.now


def look(region: Region) -> None:
    due = next_look(region)
    if due is None or region.now < due:
        return
    region.looked = region.now
    watched = list(_watched(region))
    described = region.cloud.described(instance.id for _, instance in watched)
    for group, instance in watched:
        _look_at(region, group, instance, described.get(instance.id))
    for group in region.state.groups.values():
        for source in group.sources.values():
            _look_at_targets(region, group, source)
        refreshing.look_at_alarms(region, group)


def _watched(region: Region) -> Iterator[tuple[Group, Instance]]:
    for group, instance in region.state.everyone():
        if not instance.ending and not instance.retained and group.runs("HealthCheck"):
            yield group, instance


def _look_at(region: Region, group: Group, instance: Instance, described: dict[str, Any] | None) -> None:
    state = described["State"]["Name"] if described else "terminated"
    if state in _RUNNING or (state in {"stopping", "stopped"} and instance.state in POOLED):
        return
    if instance.state.removeprefix("Warmed:").startswith("Pending"):
        reason = region.failed_boots.get(instance.id) or _reason(described)
        instance.health = "Unhealthy"
        lifecycle.abandon(region, group, instance, words.died(reason))
    else:
        mark(region, instance, words.SICK_EC2)


def _reason(described: dict[str, Any] | None) -> str:
    found = (described or {}).get("StateReason", {})
    return f"{found.get('Code', 'Client.UserInitiatedShutdown')}: {found.get('Message', 'User initiated shutdown')}"


def mark(region: Region, instance: Instance, sick: str) -> None:
    if instance.health != "Unhealthy":
        instance.health, instance.sick = "Unhealthy", sick
        region.touch()


def in_grace(region: Region, group: Group, instance: Instance) -> bool:
    grace = seconds(group.settings["HealthCheckGracePeriod"])
    return instance.in_service is None or region.now < instance.in_service + grace


def _look_at_targets(region: Region, group: Group, source: Source) -> None:
    """What load balancers say counts once a target of theirs was healthy, or from the beginning."""
    if not group.checks("ELB") or source.state not in {"Added", "InService"}:
        return
    states = region.cloud.target_states(source.arn)
    if source.state == "Added" and "healthy" in {states.get(one) for one in group.instances}:
        source.state = "InService"
        region.touch()
    if source.state != "InService" or not group.runs("HealthCheck"):
        return
    for instance in group.instances.values():
        sick = instance.state == "InService" and states.get(instance.id) == "unhealthy"
        if sick and not in_grace(region, group, instance):
            mark(region, instance, words.SICK_ELB)


def replace(region: Region, group: Group) -> None:
    """Terminate what is sick; that something is missing then is seen to by the size of the group."""
    if not group.runs("ReplaceUnhealthy") or not group.runs("Terminate") or group.deleting:
        return
    sick = [one for one in group.instances.values() if one.health == "Unhealthy" and not one.ending]
    for instance in sick:
        if instance.state in POOLED:
            lifecycle.take_out(region, group, instance, words.at(region.now, instance.sick))
        elif instance.state == "InService":
            refreshing.lost(region, group, instance)
            group.owed.append(words.REPLACED)
            lifecycle.take_out(region, group, instance, words.at(region.now, instance.sick))
