# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Auto Scaling holds: plain data, so that all of it can be copied."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Parameters = dict[str, Any]
Time = datetime.datetime

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
PROCESSES = (
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
)
# What counts towards the desired capacity.
COUNTED = frozenset({"Pending", "Pending:Wait", "Pending:Proceed", "InService"})
WARM = "Warmed:"
# Where a warm instance rests.
POOLED = frozenset({"Warmed:Stopped", "Warmed:Running", "Warmed:Hibernated"})
ENDING = frozenset({"Terminating", "Terminating:Wait", "Terminating:Proceed", "Terminated"})
LONGEST_WAIT = 172_800


def seconds(number: float) -> datetime.timedelta:
    return datetime.timedelta(seconds=number)


@dataclass
class Hook:
    name: str
    transition: str
    heartbeat: int = 3600
    default: str = "ABANDON"
    target: str = ""
    role: str = ""
    metadata: str = ""

    @property
    def limit(self) -> int:
        return min(LONGEST_WAIT, 100 * self.heartbeat)


@dataclass
class Action:
    """One hook holding one instance."""

    hook: str
    token: str
    heartbeat: int
    default: str
    deadline: Time
    limit: Time
    result: str = ""
    because: str = ""

    @property
    def until(self) -> Time:
        return min(self.deadline, self.limit)


@dataclass
class Instance:
    id: str
    zone: str
    zone_id: str
    subnet: str
    type: str
    template: dict[str, str] | None  # as Auto Scaling describes it, with the number of its version
    launched: Time
    state: str
    since: Time  # it has been in this state
    health: str = "Healthy"
    sick: str = ""  # the words for what is wrong with it
    protected: bool = False
    in_service: Time | None = None
    transition: str = LAUNCHING  # the hooks that hold it on its way
    hooked: bool = True  # whether hooks hold it at all
    origin: str = "EC2"
    actions: list[Action] = field(default_factory=list)
    activity: str = ""  # the one that is about it
    drained: Time | None = None  # when connections will be gone
    sources: set[str] = field(default_factory=set)  # target groups that it is registered with
    refresh: str = ""  # that launched it

    @property
    def warm(self) -> bool:
        return self.state.startswith(WARM)

    @property
    def ending(self) -> bool:
        return self.state.removeprefix(WARM) in ENDING

    @property
    def retained(self) -> bool:
        return self.state.endswith(":Retained")

    @property
    def held(self) -> bool:
        return self.state.endswith(":Wait")


@dataclass
class Source:
    """A target group of a group."""

    arn: str
    by: str  # the list that it was attached by
    state: str
    drained: Time | None = None


@dataclass
class Pool:
    minimum: int = 0
    prepared: int | None = None
    state: str = "Stopped"
    reuse: bool = False
    status: str = ""


@dataclass
class Refresh:
    id: str
    preferences: dict[str, Any]
    previous: dict[str, Any]  # the configuration to return to
    start: Time
    progressed: Time
    desired: dict[str, Any] | None = None
    status: str = "Pending"
    reason: str = ""
    end: Time | None = None
    old: list[str] = field(default_factory=list)  # what is still to be replaced
    old_warm: list[str] = field(default_factory=list)
    total: int = 0  # so many were to be replaced
    warm_total: int = 0
    surge: int = 0  # so many more than desired may be there
    checkpoint: int = 0  # the next one
    resume: Time | None = None
    baked: Time | None = None
    failures: int = 0
    patient: bool = True  # a cancellation waits for what is under way
    percent: int = 0
    remaining: int = 0
    rollback: dict[str, Any] | None = None

    @property
    def active(self) -> bool:
        return self.end is None

    @property
    def rolling_back(self) -> bool:
        return self.status == "RollbackInProgress"

    @property
    def config(self) -> dict[str, Any] | None:
        """What it launches, if that differs from what the group says."""
        return self.previous if self.rollback is not None else self.desired


@dataclass
class Group:
    name: str
    arn: str
    created: Time
    settings: dict[str, Any]  # as they are described
    config: dict[str, Any]  # LaunchTemplate or MixedInstancesPolicy
    subnets: dict[str, tuple[str, str]]  # id, zone and id of the zone
    instances: dict[str, Instance] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    suspended: dict[str, str] = field(default_factory=dict)
    tags: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)
    refreshes: list[Refresh] = field(default_factory=list)  # the newest first
    pool: Pool | None = None
    causes: list[str] = field(default_factory=list)  # why the desired capacity changed, until it is reached
    owed: list[str] = field(default_factory=list)  # why instances are missing
    retry: Time | None = None  # no launch before
    stuck: bool = False  # it was said that nothing may be terminated
    rebalancing: bool = False
    deleting: bool = False
    scaled: Time | None = None  # the end of the last activity

    @property
    def desired(self) -> int:
        return int(self.settings["DesiredCapacity"])

    @desired.setter
    def desired(self, value: int) -> None:
        self.settings["DesiredCapacity"] = value

    @property
    def counted(self) -> list[Instance]:
        return [one for one in self.instances.values() if one.state in COUNTED]

    @property
    def warm(self) -> list[Instance]:
        return [one for one in self.instances.values() if one.warm]

    @property
    def refresh(self) -> Refresh | None:
        """The one that is under way."""
        return next((one for one in self.refreshes if one.active), None)

    def runs(self, process: str) -> bool:
        return process not in self.suspended

    def checks(self, kind: str) -> bool:
        return kind in self.settings["HealthCheckType"].split(",")

    def holding(self, transition: str) -> list[Hook]:
        return [hook for hook in self.hooks.values() if hook.transition == transition]


@dataclass
class Activity:
    id: str
    group: str
    arn: str
    description: str
    cause: str
    start: Time
    details: dict[str, str]
    status: str = "InProgress"
    message: str = ""
    progress: int = 0
    end: Time | None = None
    deleted: bool = False  # its group is


@dataclass
class State:
    groups: dict[str, Group] = field(default_factory=dict)
    activities: dict[str, Activity] = field(default_factory=dict)

    def find(self, instance_id: str) -> tuple[Group, Instance] | None:
        return next(
            ((group, group.instances[instance_id]) for group in self.groups.values() if instance_id in group.instances),
            None,
        )

    def everyone(self) -> Iterator[tuple[Group, Instance]]:
        for group in self.groups.values():
            for instance in group.instances.values():
                yield group, instance
