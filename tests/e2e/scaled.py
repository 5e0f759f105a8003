# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of Auto Scaling's own: instances that come and go, and somebody who looks at each of them all the time."""

from __future__ import annotations

import functools
import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.lab import LabHost, aws

from .balancer import Front
from .conftest import Fleet

GROUP, TARGETS = "dtk-demo-web", "dtk-demo-hello"
PORT = 8080
SETTLE_SECONDS = 90
LOOK_SECONDS, BALANCE_SECONDS = 0.5, 0.1
ASK_SECONDS = 2


@dataclass
class Scaled(Fleet):
    """The hosts are those that the group has at the moment."""

    addresses: dict[str, str] = field(default_factory=dict)

    # --- what Auto Scaling and the load balancer say ---

    def group(self) -> dict[str, Any]:
        asked = self.lab.boto("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])
        return dict(asked["AutoScalingGroups"][0])

    def in_service(self) -> list[LabHost]:
        """The oldest first."""
        members = {one["InstanceId"] for one in self.group()["Instances"] if one["LifecycleState"] == "InService"}
        return [host for host in self.lab.scaled() if host.instance_id in members]

    @functools.cached_property
    def targets(self) -> str:
        (found,) = self.lab.boto("elbv2").describe_target_groups(Names=[TARGETS])["TargetGroups"]
        return str(found["TargetGroupArn"])

    def address(self, instance_id: str) -> str:
        if instance_id not in self.addresses:
            found = aws.instance(self.lab.boto("ec2"), instance_id)
            self.addresses[instance_id] = self.lab.host_of(found).address
        return self.addresses[instance_id]

    def health(self) -> dict[str, str]:
        """{instance: what its load balancer says of it}."""
        told = self.lab.boto("elbv2").describe_target_health(TargetGroupArn=self.targets)["TargetHealthDescriptions"]
        return {one["Target"]["Id"]: one["TargetHealth"]["State"] for one in told}

    def tags(self, instance_id: str) -> dict[str, str]:
        (found,) = self.lab.boto("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"]
        return {tag["Key"]: tag["Value"] for tag in found["Instances"][0]["Tags"]}

    def activities(self) -> list[dict[str, Any]]:
        """What Auto Scaling did, the newest first."""
        found = self.lab.boto("autoscaling").describe_scaling_activities(AutoScalingGroupName=GROUP)
        return list(found["Activities"])

    def launched(self) -> set[str]:
        """Every instance that there ever was."""
        started = "Launching a new EC2 instance: "
        said = (one["Description"] for one in self.activities())
        return {text.removeprefix(started).partition(".")[0] for text in said if text.startswith(started)}

    # --- what is done to it ---

    def resize(self, size: int) -> None:
        self.lab.boto("autoscaling").set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=size)

    def retire(self, host: LabHost, *, replace: bool) -> None:
        """Out of service in good order."""
        self.lab.boto("autoscaling").terminate_instance_in_auto_scaling_group(
            InstanceId=host.instance_id, ShouldDecrementDesiredCapacity=not replace
        )

    def lose(self, host: LabHost) -> None:
        """The machine below it breaks."""
        self.lab.boto("ec2").terminate_instances(InstanceIds=[host.instance_id])
        host.kill()

    # --- how it is in the end ---

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = SETTLE_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s; {self.story()}"
            time.sleep(0.2)

    def wait_until_settled(self, size: int, release: str, seconds: float = SETTLE_SECONDS) -> None:
        """So many instances are there and no others, in service, healthy, and on this release."""
        self.wait_for(lambda: self._is_settled(size, release), f"{size} instances on {release}", seconds)

    def _is_settled(self, size: int, release: str) -> bool:
        group, health = self.group(), self.health()
        hosts = self.in_service()
        calm = len(hosts) == len(group["Instances"]) == group["DesiredCapacity"] == size
        if not calm or health != dict.fromkeys([host.instance_id for host in hosts], "healthy"):
            return False
        return {served(host) for host in hosts} == {release}

    def story(self) -> str:
        """For whoever reads why a test failed."""
        members = {one["InstanceId"]: one["LifecycleState"] for one in self.group()["Instances"]}
        serving = {host.instance_id: served(host) for host in self.lab.scaled()}
        reports = {one: {k: v for k, v in self.tags(one).items() if k.startswith("dtk:")} for one in members}
        done = [f"{one['StatusCode']}: {one['Description']}" for one in self.activities()[:8]]
        return f"group {members}, targets {self.health()}, serving {serving}, tags {reports}, activities {done}"


def served(host: LabHost) -> str | None:
    """The release that a host says it is, asked from outside."""
    connection = http.client.HTTPConnection(host.address, PORT, timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        return str(json.loads(connection.getresponse().read())["release"])
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return None
    finally:
        connection.close()


class Watch:
    """As long as its `with` block: nobody in service serves what the deploy log does not know; and a front for clients.

    While a deploy is at work its hosts are on the old release or on the new one, and those that came up meanwhile are
    on the old one until its last phase has found them.
    """

    def __init__(self, fleet: Scaled) -> None:
        self.fleet = fleet
        self.violations: list[str] = []
        self.looks = 0
        self._also: frozenset[str] = frozenset()
        self._healthy: list[str] = []
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(self._look, LOOK_SECONDS)),
            threading.Thread(target=self._run, args=(self._balance, BALANCE_SECONDS)),
        ]
        self._front = Front(lambda: self._healthy)

    @property
    def url(self) -> str:
        return self._front.url

    def __enter__(self) -> Watch:
        self._balance()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._front.stop()

    def deploying(self, release: str) -> None:
        """This one is expected, too, from now on; none if empty."""
        self._also = frozenset({release} - {""})

    def _run(self, look: Callable[[], None], pause: float) -> None:
        while not self._ended.wait(pause):
            try:
                look()
            except Exception as error:  # one who no longer looks must not stay unnoticed
                self.violations.append(repr(error))

    def _balance(self) -> None:
        well = [one for one, state in self.fleet.health().items() if state == "healthy"]
        self._healthy = [self.fleet.address(one) for one in well]

    def _look(self) -> None:
        allowed = self._allowed()
        answers = {host.instance_id: served(host) for host in self.fleet.in_service()}
        allowed |= self._allowed()
        self.looks += 1
        self.violations += [
            f"{one} serves {release}, not one of {sorted(allowed)}"
            for one, release in answers.items()
            if release is not None and release not in allowed
        ]

    def _allowed(self) -> set[str]:
        top = self.fleet.slots()[-1]
        target = (top["target"] or {}).get("release")
        return {release for release in (top["stable"], target, *self._also) if release}
