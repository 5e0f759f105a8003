# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three operations about targets, in front of moto, whose targets are healthy or not there and have no ports.

Load balancers, listeners and target groups with their attributes stay moto's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tests.fakes.contract import Contract, RefusalError
from tests.fakes.query import Query
from tests.fakes.rest_json import Response

from .state import Check, Probe, Settings, Target, stranger

SERVICE = "elbv2"
OPERATIONS = ("RegisterTargets", "DeregisterTargets", "DescribeTargetHealth")
Parameters = dict[str, Any]
_TICK_SECONDS = 0.1


@dataclass(frozen=True)
class Options:
    """probe: asks a target; by default all are well but those in `sick`. clock: seconds.

    With `thread` checks are made in their time, without it whenever somebody asks.
    """

    probe: Probe | None = None
    clock: Callable[[], float] = time.monotonic
    thread: bool = False


class TargetHealth:
    """Who is in which target group, and how well. `client` makes clients of moto's services."""

    def __init__(self, account: str, client: Callable[[str, str, str], Any], options: Options) -> None:
        self.sick: set[str] = set()
        """Ids of targets whose checks fail."""
        self.registering = 0.0
        """Seconds until a new target is checked for the first time."""
        self.contract = Contract(SERVICE)
        self._wire = Query(self.contract.model)
        self._account, self._client = account, client
        self._probe, self._clock = options.probe or self._is_well, options.clock
        self._lock = threading.RLock()
        self._targets: dict[str, dict[tuple[str, int], Target]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="target health", daemon=True) if options.thread else None
        if self._thread:
            self._thread.start()

    @property
    def violations(self) -> list[str]:
        """Answers that the model forbids, and that were not sent."""
        return self.contract.violations

    # --- requests ---

    @staticmethod
    def takes(action: str) -> bool:
        """Whether an operation is ours."""
        return action in OPERATIONS

    def answer(self, region: str, body: bytes) -> Response:
        action, parameters = self._wire.read(body)
        acts = {
            "RegisterTargets": self._register,
            "DeregisterTargets": self._deregister,
            "DescribeTargetHealth": self._describe,
        }
        outcome = self.contract.answer(action, parameters, lambda given: acts[action](region, given))
        return self._wire.write(self.contract.operation(action), outcome)

    def _register(self, region: str, parameters: Parameters) -> Parameters:
        settings = self._settings(region, parameters["TargetGroupArn"])
        places = [self._place(settings, one) for one in parameters["Targets"]]
        if settings.kind == "instance":
            states = self._instances(region, [place["Id"] for place in places])
            lost = [place["Id"] for place in places if states.get(place["Id"]) != "running"]
            if lost:
                raise RefusalError(
                    "InvalidTarget",
                    "The following targets are not in a running state and cannot be registered: "
                    + ", ".join(f"'{one}'" for one in lost),
                )
        with self._lock:
            group = self._targets.setdefault(settings.arn, {})
            for place in places:
                target = Target(place, self._clock() + self.registering)
                known = group.get(target.key)
                if known is None or known.leaves is not None:
                    group[target.key] = target
        return {}

    def _deregister(self, region: str, parameters: Parameters) -> Parameters:
        settings = self._settings(region, parameters["TargetGroupArn"])
        with self._lock:
            group = self._targets.get(settings.arn, {})
            for one in parameters["Targets"]:
                place = self._place(settings, one)
                target = group.get((place["Id"], place["Port"]))
                if target and target.leaves is None:
                    target.leaves = self._clock() + settings.delay
        return {}

    def _describe(self, region: str, parameters: Parameters) -> Parameters:
        settings = self._settings(region, parameters["TargetGroupArn"])
        self._tick(region, settings)
        with self._lock:
            group = self._targets.get(settings.arn, {})
            asked = [self._place(settings, one) for one in parameters.get("Targets", [])]
            places = asked or [target.place for target in group.values()]
            found = [(place, group.get((place["Id"], place["Port"]))) for place in places]
        states = self._instances(region, [place["Id"] for place, _ in found]) if settings.kind == "instance" else {}
        return {
            "TargetHealthDescriptions": [
                {
                    "Target": place,
                    "HealthCheckPort": settings.check_port.replace("traffic-port", str(place["Port"])),
                    "TargetHealth": target.shown(settings, states.get(place["Id"], "")) if target else stranger(),
                }
                for place, target in found
            ]
        }

    @staticmethod
    def _place(settings: Settings, given: Parameters) -> Parameters:
        return {"Port": settings.port, **given}

    # --- what a test, or a balancer of a test, may ask ---

    def state(self, arn: str, target: str) -> str:
        """The state of a target by its id; empty if it is not there."""
        with self._lock:
            found = [one for one in self._targets.get(arn, {}).values() if one.place["Id"] == target]
            return next(("draining" if one.leaves is not None else one.state for one in found), "")

    def healthy(self, arn: str) -> list[dict[str, Any]]:
        """The places that requests are sent to."""
        with self._lock:
            targets = self._targets.get(arn, {}).values()
            return [dict(one.place) for one in targets if one.state == "healthy" and one.leaves is None]

    def forget(self) -> None:
        with self._lock:
            self._targets.clear()
            self.sick.clear()

    # --- time ---

    def tick(self, region: str) -> None:
        """All checks that are due; a deregistered target goes when its time is over."""
        with self._lock:
            arns = list(self._targets)
        for arn in arns:
            try:
                self._tick(region, self._settings(region, arn))
            except RefusalError:
                with self._lock:
                    del self._targets[arn]

    def stop(self) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_TICK_SECONDS):
            with self._lock:
                regions = {arn.split(":")[3] for arn in self._targets}
            for region in regions:
                self.tick(region)

    def _tick(self, region: str, settings: Settings) -> None:
        now = self._clock()
        with self._lock:
            group = self._targets.get(settings.arn, {})
            targets = list(group.values())
        if settings.kind == "instance" and targets:
            self._dismiss(settings, targets, self._instances(region, [one.place["Id"] for one in targets]))
        for target in targets:
            # Without the lock: a real question takes its time.
            target.check(now, settings, self._probe)
        with self._lock:
            for target in targets:
                if target.leaves is not None and target.leaves <= now and group.get(target.key) is target:
                    del group[target.key]

    def _dismiss(self, settings: Settings, targets: list[Target], states: dict[str, str]) -> None:
        """A terminated instance is deregistered by AWS."""
        for target in targets:
            gone = states.get(target.place["Id"], "terminated") in ("shutting-down", "terminated")
            if gone and target.leaves is None:
                target.leaves = self._clock() + settings.delay

    def _is_well(self, check: Check) -> bool:
        return check.id not in self.sick

    # --- what moto knows ---

    def _settings(self, region: str, arn: str) -> Settings:
        client = self._client("elbv2", region, self._account)
        try:
            (group,) = client.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
            attributes = client.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        except ClientError as error:
            raise RefusalError(error.response["Error"]["Code"], error.response["Error"]["Message"]) from error
        return Settings.of(group, {one["Key"]: str(one["Value"]) for one in attributes})

    def _instances(self, region: str, ids: list[str]) -> dict[str, str]:
        """Instance id to state, of those that there are."""
        client = self._client("ec2", region, self._account)
        answer = client.describe_instances(Filters=[{"Name": "instance-id", "Values": ids or ["i-none"]}])
        return {
            instance["InstanceId"]: instance["State"]["Name"]
            for reservation in answer["Reservations"]
            for instance in reservation["Instances"]
        }
