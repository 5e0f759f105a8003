# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One target on its way: registered, checked, healthy or not, draining, gone. Time comes in as a number of seconds.

As AWS's guides tell it: behind an application load balancer a new target needs one good check and an unhealthy one as
many as the threshold; behind a network load balancer both need as many. A target that was deregistered is shown as
draining until the deregistration delay is over, whether or not connections are left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

APPLICATION = frozenset({"HTTP", "HTTPS"})
_DELAY = "deregistration_delay.timeout_seconds"


@dataclass(frozen=True)
class Settings:
    """What a target group says about its targets."""

    arn: str
    name: str
    protocol: str
    port: int
    interval: float
    healthy: int
    unhealthy: int
    delay: float
    path: str
    check_protocol: str
    check_port: str
    kind: str
    monitored: bool
    used: bool

    @classmethod
    def of(cls, group: Mapping[str, Any], attributes: Mapping[str, str]) -> Settings:
        return cls(
            arn=group["TargetGroupArn"],
            name=group["TargetGroupName"],
            protocol=group.get("Protocol", ""),
            port=int(group.get("Port", 0)),
            interval=float(group["HealthCheckIntervalSeconds"]),
            healthy=int(group["HealthyThresholdCount"]),
            unhealthy=int(group["UnhealthyThresholdCount"]),
            delay=float(attributes.get(_DELAY, 300)),
            path=group.get("HealthCheckPath", "/"),
            check_protocol=group.get("HealthCheckProtocol", ""),
            check_port=str(group.get("HealthCheckPort", "traffic-port")),
            kind=group.get("TargetType", "instance"),
            monitored=bool(group.get("HealthCheckEnabled", True)),
            used=bool(group.get("LoadBalancerArns")),
        )


@dataclass(frozen=True)
class Check:
    """One question of a load balancer."""

    group: str
    id: str
    port: int
    protocol: str
    path: str


Probe = Callable[[Check], bool]
"""Whether the answer was good."""


@dataclass
class Target:
    """A place in a target group. due: when it is checked next. leaves: when a draining one is gone."""

    place: dict[str, Any]
    due: float
    state: str = "initial"
    good: int = 0
    bad: int = 0
    checks: int = 0
    leaves: float | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.place["Id"], self.place["Port"]

    def check(self, now: float, settings: Settings, probe: Probe) -> None:
        """Everything that is due by now."""
        while self.leaves is None and settings.monitored and settings.used and self.due <= now:
            self.due += settings.interval
            self.checks += 1
            self._learn(probe(self._question(settings)), settings)

    def shown(self, settings: Settings, instance_state: str) -> dict[str, str]:
        """The TargetHealth of AWS's answer."""
        if self.leaves is not None:
            return _health("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
        if not settings.used:
            why = "Target group is not configured to receive traffic from the load balancer"
            return _health("unused", "Target.NotInUse", why)
        if instance_state not in ("", "running"):
            return _health("unused", "Target.InvalidState", f"Target is in the {instance_state} state")
        if not settings.monitored:
            return _health("unavailable", "Target.HealthCheckDisabled", "Health checks are disabled for this target")
        if self.state == "initial":
            reason = "Elb.InitialHealthChecking" if self.checks else "Elb.RegistrationInProgress"
            return _health("initial", reason, "Target registration is in progress")
        if self.state == "unhealthy":
            return _health("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
        return {"State": "healthy"}

    def _question(self, settings: Settings) -> Check:
        own = settings.check_port == "traffic-port"
        port = self.place["Port"] if own else int(settings.check_port)
        return Check(settings.name, self.place["Id"], port, settings.check_protocol, settings.path)

    def _learn(self, good: bool, settings: Settings) -> None:
        self.good, self.bad = (self.good + 1, 0) if good else (0, self.bad + 1)
        first = self.state == "initial" and settings.protocol in APPLICATION
        if self.good >= (1 if first else settings.healthy):
            self.state = "healthy"
        elif self.bad >= settings.unhealthy:
            self.state = "unhealthy"


def _health(state: str, reason: str, description: str) -> dict[str, str]:
    return {"State": state, "Reason": reason, "Description": description}


def stranger() -> dict[str, str]:
    """What is said of a target that was asked for by name and is not in the group."""
    return _health("unused", "Target.NotRegistered", "Target is not registered to the target group")
