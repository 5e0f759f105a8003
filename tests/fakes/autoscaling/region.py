# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One region of Auto Scaling: its state, and what everything that changes it has in common."""

from __future__ import annotations

import copy
import itertools
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.contract import Contract, RefusalError

from . import words
from .clock import Clock
from .cloud import Cloud
from .launcher import Errands, Launcher
from .state import Activity, Group, Instance, Parameters, State, Time, seconds


@dataclass
class Dials:
    """What AWS does in a time of its own, or in a number that it does not say."""

    dwell: dict[str, float] = field(default_factory=dict)
    """State to the seconds that an instance is in it at least, `Pending` before its hooks for one; 0 without."""
    health_interval: float = 10
    """Seconds between looks at EC2, at targets and at alarms."""
    retry: float = 15
    """Seconds after a launch that EC2 refused."""
    drain_at_most: float | None = None
    """Seconds for connections to end, where a target group would give them more."""
    refresh_failures: int = 3
    """An instance refresh fails after so many of its instances that never were in service."""
    refresh_patience: float = 3600
    """It fails after so many seconds without any progress."""


class Region:
    def __init__(
        self,
        name: str,
        account: str,
        contract: Contract,
        clock: Clock,
        dials: Dials,
        cloud: Cloud,
        launcher: Launcher,
        errands: Errands,
    ) -> None:
        self.name, self.account = name, account
        self.contract, self.clock, self.dials = contract, clock, dials
        self.cloud, self.launcher, self.errands = cloud, launcher, errands
        self.state = State()
        self.before: State | None = None  # the last change
        self.changes = 0
        self.looked: Time | None = None  # at the health of instances
        self.failed_boots: dict[str, str] = {}
        self.pages: dict[str, tuple[str, list[Any]]] = {}
        self._serials = itertools.count(1)

    @property
    def now(self) -> Time:
        return self.clock.now()

    def as_before(self) -> Region:
        """For reads only: this region as it was before the last change."""
        other = copy.copy(self)
        other.state = self.before or self.state
        return other

    def arn(self, kind: str, group: str) -> str:
        return f"arn:aws:autoscaling:{self.name}:{self.account}:{kind}:{uuid.uuid4()}:autoScalingGroupName/{group}"

    # --- finding ---

    def group(self, name: str) -> Group:
        if name not in self.state.groups:
            raise RefusalError(
                "ValidationError", f"AutoScalingGroup name not found - AutoScalingGroup {name} not found"
            )
        return self.state.groups[name]

    def managed(self, instance_id: str) -> tuple[Group, Instance]:
        found = self.state.find(instance_id)
        if found is None:
            raise RefusalError(
                "ValidationError", f"Instance Id not found - No managed instance found for instance ID: {instance_id}"
            )
        return found

    def members(self, group: Group, instance_ids: Sequence[str]) -> list[Instance]:
        for one in instance_ids:
            if one not in group.instances:
                raise RefusalError(
                    "ValidationError", f"The instance {one} is not part of Auto Scaling group {group.name}."
                )
        return [group.instances[one] for one in instance_ids]

    # --- changing ---

    def touch(self) -> None:
        self.changes += 1

    def move(self, instance: Instance, state: str) -> None:
        instance.state, instance.since = state, self.now
        self.touch()

    def dwelt(self, instance: Instance) -> bool:
        return self.now >= instance.since + seconds(self.dials.dwell.get(instance.state, 0))

    def errand(self, instance_id: str, call: Callable[[], None]) -> None:
        """Have the launcher do this as soon as nothing is locked; what it raises ends the instance."""

        def attempt() -> None:
            try:
                call()
            except Exception as error:
                self.failed_boots[instance_id] = f"{type(error).__name__}: {error}"
                self.cloud.terminate(instance_id)
                self.looked = None  # so that it is noticed soon

        self.errands.add(instance_id, attempt)

    # --- activities ---

    def begin(
        self, group: Group, description: str, cause: str, instance: Instance | None = None, status: str = "InProgress"
    ) -> Activity:
        details = (
            {"Subnet ID": instance.subnet, "Availability Zone": instance.zone}
            if instance and instance.subnet
            else ({"Availability Zone": instance.zone} if instance else {})
        )
        activity = Activity(
            id=str(uuid.uuid4()),
            group=group.name,
            arn=group.arn,
            description=description,
            cause=cause[: words.LONGEST_CAUSE],
            start=self.now,
            details=details,
            status=status,
            progress=50 if status == "InProgress" else 30,
        )
        self.state.activities[activity.id] = activity
        if instance:
            instance.activity = activity.id
        self.touch()
        return activity

    def report(self, instance: Instance, status: str, progress: int, message: str = "") -> None:
        """How far the activity about an instance is."""
        activity = self.state.activities.get(instance.activity)
        if activity and activity.end is None:
            activity.status, activity.progress = status, progress
            activity.message = message[: words.LONGEST_MESSAGE]
            self.touch()

    def end(self, activity_id: str, status: str = "Successful", message: str = "") -> None:
        activity = self.state.activities.get(activity_id)
        if activity is None or activity.end is not None:
            return
        activity.status, activity.progress, activity.end = status, 100, self.now
        activity.message = message[: words.LONGEST_MESSAGE]
        activity.description = activity.description.removesuffix(words.DRAINING)
        if message:
            activity.description += f".  Status Reason: {message}"
        if activity.group in self.state.groups:
            self.state.groups[activity.group].scaled = self.now
        self.touch()

    # --- pages ---

    def page(
        self, operation: str, member: str, items: Sequence[Any], parameters: Parameters, size: int, most: int
    ) -> Parameters:
        """One page of a list; the rest of it waits for whoever has its token."""
        wanted = parameters.get("MaxRecords", size)
        if not 1 <= wanted <= most:
            raise RefusalError(
                "ValidationError",
                f"1 validation error detected: Value '{wanted}' at 'maxRecords' failed to satisfy constraint: Member "
                f"must have value between 1 and {most}",
            )
        token = parameters.get("NextToken")
        if token is None:
            rest = copy.deepcopy(list(items))
        else:
            made_by, rest = self.pages.get(token, ("", []))
            if made_by != operation:
                raise RefusalError("InvalidNextToken", f"The token '{token}' is invalid.")
        answer: Parameters = {member: rest[:wanted]}
        if rest[wanted:]:
            answer["NextToken"] = f"{operation}-{next(self._serials)}"
            self.pages[answer["NextToken"]] = operation, rest[wanted:]
        return answer


def invalid(message: str) -> RefusalError:
    return RefusalError("ValidationError", message)


def not_emulated(what: str) -> RefusalError:
    """The fake's own word for what it lacks: nothing is accepted and then not done."""
    return RefusalError("NotImplemented", f"The emulated Auto Scaling has no {what}.")
