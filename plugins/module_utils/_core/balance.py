# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers as a deploy sees them: who should stand in which target group, who does, and what waiting costs.

What should be is declared, so no run has to remember what an earlier one took out: a host that is in service belongs
into every target group of its app, unless this very run has drained it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import PlanError
from .waves import Host

IN_SERVICE = "InService"
HEALTHY, UNHEALTHY, INITIAL, DRAINING, MISSING = "healthy", "unhealthy", "initial", "draining", "not registered"
# The worst first: a host with several targets is as good as the worst of them.
_WORST = (MISSING, DRAINING, UNHEALTHY, INITIAL, HEALTHY)
# Where nobody checks, or no load balancer asks, a target cannot become healthier than it is.
_AS_GOOD_AS_HEALTHY = frozenset({"Target.HealthCheckDisabled", "Target.NotInUse"})
_STATES = {"healthy": HEALTHY, "initial": INITIAL, "draining": DRAINING}
_KINDS = ("instance", "ip")

# Beyond what the settings say: AWS does neither at once. A network load balancer takes minutes to register.
MARGIN = 60
_NETWORK_MARGIN = 180
_NETWORK = frozenset({"TCP", "TLS", "UDP", "TCP_UDP", "QUIC", "TCP_QUIC"})

Listed = Mapping[str, Any]
"""A target as a load balancer lists it: id, port, zone, server_id, state, reason, description."""


@dataclass(frozen=True)
class Wish:
    """A target group as an estate names it."""

    name: str
    port: int | None = None

    @property
    def is_arn(self) -> bool:
        return self.name.startswith("arn:")


@dataclass(frozen=True)
class Declared:
    """What an app says about its load balancers."""

    wishes: tuple[Wish, ...] = ()
    drain: bool = False
    wait_timeout: float | None = None


@dataclass(frozen=True)
class Group:
    """A target group as it is. target_port: of our hosts, where it is not the group's own."""

    arn: str
    name: str
    kind: str
    protocol: str
    delay: int
    interval: int
    threshold: int
    timeout: int
    used: bool
    port: int | None = None
    target_port: int | None = None

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    @property
    def checking(self) -> int:
        """Seconds until a good target is healthy."""
        return self.interval * self.threshold

    def target_id(self, host: Host) -> str:
        """What the group calls the host; empty if it cannot hold it."""
        if (host.region or self.region, host.account_id or self.account) != (self.region, self.account):
            return ""
        return (host.instance_id if self.kind == "instance" else host.address) or ""

    def drained_within(self) -> float:
        """Seconds in which a target that leaves is gone."""
        return self.delay + MARGIN

    def healthy_within(self, asked: float | None = None) -> float:
        """Seconds in which a target that comes must be healthy."""
        if asked is not None:
            return asked
        return self.checking + self.timeout + (_NETWORK_MARGIN if self.protocol in _NETWORK else MARGIN)


@dataclass(frozen=True)
class View:
    """The target groups at one moment. lifecycle: of instances in Auto Scaling, by id; who is not in it has left."""

    groups: tuple[Group, ...]
    hosts: tuple[Host, ...]
    listed: Mapping[str, Sequence[Listed]]
    lifecycle: Mapping[str, str] = field(default_factory=dict)

    def serves(self, host: Host) -> bool:
        """Whether the host is meant to be in service: not on its way in or out, and not in Standby."""
        return not host.asg or self.lifecycle.get(host.instance_id or "") == IN_SERVICE

    def of(self, group: Group, host: Host) -> list[Listed]:
        """The host's targets in a group, those that are leaving it included."""
        wanted = group.target_id(host)
        return [target for target in self.listed.get(group.arn, ()) if wanted and target["id"] == wanted]

    def state(self, group: Group, host: Host) -> str:
        found = {_state(target) for target in self.of(group, host)} or {MISSING}
        if DRAINING in found and len(found) > 1:
            found.remove(DRAINING)  # of a port that it had before
        return next(state for state in _WORST if state in found)

    def belongs(self, host: Host) -> list[Group]:
        """The groups that the host should stand in."""
        return [group for group in self.groups if group.target_id(host)] if self.serves(host) else []

    def healthy(self, host: Host) -> bool:
        """Whether every group that could hold the host sends requests to it."""
        groups = [group for group in self.groups if group.target_id(host)]
        return self.serves(host) and all(self.state(group, host) == HEALTHY for group in groups)

    def trouble(self, host: Host) -> str:
        """What keeps the host from being in service, in words; empty if nothing does."""
        return "; ".join(filter(None, (self._words(group, host) for group in self.belongs(host))))

    def missing(self, known: Mapping[str, Sequence[Listed]] | None = None) -> dict[str, list[dict[str, Any]]]:
        """ARN to the targets to register. known: as what they were registered before, by ARN."""
        found: dict[str, list[dict[str, Any]]] = {}
        for host in self.hosts:
            for group in self.belongs(host):
                if self.state(group, host) in (MISSING, DRAINING):
                    found.setdefault(group.arn, []).extend(self._as_before(group, host, known or {}))
        return found

    def leaving(self) -> dict[str, list[dict[str, Any]]]:
        """ARN to the targets of the hosts, to deregister."""
        found = {group.arn: self._registered(group) for group in self.groups}
        return {arn: targets for arn, targets in found.items() if targets}

    def present(self, group: Group) -> list[str]:
        """The hosts that have not left the group, or not yet."""
        return [host.name for host in self.hosts if any(_state(one) != MISSING for one in self.of(group, host))]

    def oddities(self) -> list[str]:
        """What a careful reader of a plan should know, in words."""
        found = []
        strangers = [host.name for host in self.hosts if not any(group.target_id(host) for group in self.groups)]
        if strangers:
            where = " and ".join(sorted({f"{group.region} of {group.account}" for group in self.groups}))
            found.append(f"no target group can hold {', '.join(strangers)}: they are not in {where}, or have no id")
        unused = [group.name for group in self.groups if not group.used]
        if unused:
            found.append(f"no load balancer uses the target group {', '.join(unused)}: nobody's health is known there")
        for group in self.groups:
            port = group.target_port or group.port
            others = [host.name for host in self.hosts if {one["port"] for one in self.of(group, host)} - {port, None}]
            if others:
                found.append(
                    f"{', '.join(others)} in {group.name} with another port than {port}, with which the next run would "
                    "register what is missing: give the port in load_balancer.target_groups"
                )
        return found

    def names(self, group: Group, targets: Iterable[Listed]) -> list[str]:
        """The hosts that these targets of a group are."""
        ids = {target["id"] for target in targets}
        return [host.name for host in self.hosts if group.target_id(host) in ids]

    def _registered(self, group: Group) -> list[dict[str, Any]]:
        targets = (target for host in self.hosts for target in self.of(group, host))
        return [_place(target) for target in targets if _state(target) != DRAINING]

    def _as_before(self, group: Group, host: Host, known: Mapping[str, Sequence[Listed]]) -> list[dict[str, Any]]:
        """The target with its port: as it was a moment ago if anybody knows, else as declared."""
        wanted = group.target_id(host)
        earlier = [one for one in (*known.get(group.arn, ()), *self.listed.get(group.arn, ())) if one["id"] == wanted]
        places = [_place(one) for one in earlier or [{"id": wanted, "port": group.target_port}]]
        return [dict(pairs) for pairs in dict.fromkeys(tuple(place.items()) for place in places)]

    def _words(self, group: Group, host: Host) -> str:
        state = self.state(group, host)
        if state == HEALTHY:
            return ""
        worst = next((one for one in self.of(group, host) if _state(one) == state), {})
        why = ": ".join(filter(None, (worst.get("reason"), worst.get("description"))))
        return f"{state} in {group.name}" + (f" ({why})" if why else "")


@dataclass(frozen=True)
class Balance:
    """What a plan has to know about load balancers."""

    groups: tuple[Group, ...] = ()
    drain: bool = False
    wait_timeout: float | None = None
    healthy: int = 0
    total: int = 0
    notes: tuple[str, ...] = ()

    def waiting(self) -> tuple[int, int]:
        """Seconds that a wave waits for connections to end, and for health checks."""
        used = [group for group in self.groups if group.used]
        if not (self.drain and used):
            return 0, 0
        return max(group.delay for group in used), max(group.checking for group in used)

    def longest_wave(self) -> int:
        """Seconds after which a wave stops waiting for load balancers, whatever they do."""
        if not self.groups:
            return 0
        back = max(group.healthy_within(self.wait_timeout) for group in self.groups)
        return int(back + (max(group.drained_within() for group in self.groups) if self.drain else 0))


UNBALANCED = Balance()


def declared(load_balancer: Mapping[str, Any] | None, activation: str, env: str) -> Declared:
    """What an app's `load_balancer` means for a deploy, or PlanError with everything that is wrong with it."""
    if not load_balancer:
        return Declared()
    # Here, since most runs have no use for it.
    from .server_role_keys import APP

    shape = APP.keys["load_balancer"].shape
    problems = list(shape.problems(load_balancer, "load_balancer"))
    if problems:
        raise PlanError(" ".join(f"dtk_apps: {problem}" for problem in problems))
    spec = shape.resolved(load_balancer)
    wishes = tuple(_wish(item, env) for item in spec["target_groups"])
    twice = next((wish.name for index, wish in enumerate(wishes) if wish in wishes[:index]), None)
    if twice:
        raise PlanError(f"load_balancer.target_groups names {twice} twice. Name each target group once.")
    return Declared(wishes, bool(wishes) and spec.get("drain", activation == "restart"), spec.get("wait_timeout"))


def group_of(wish: Wish, found: Mapping[str, Any]) -> Group:
    """A target group as the load balancer describes it, with what was wished for."""
    if found["kind"] not in _KINDS:
        raise PlanError(
            f"The target group {found['name']} holds targets of type {found['kind']}, which are no hosts. "
            "Name one of type instance or ip in load_balancer.target_groups."
        )
    port = wish.port if wish.port != found["port"] else None
    return Group(**found, target_port=port)


def _wish(item: Any, env: str) -> Wish:
    name, port = (item["name"], item.get("port")) if isinstance(item, Mapping) else (item, None)
    return Wish(name.replace("{env}", env), port)


def _state(target: Listed) -> str:
    if target.get("reason") in _AS_GOOD_AS_HEALTHY:
        return HEALTHY
    # What is stopped or reserved is `unused`, too, but stands in the group.
    if target["state"] == "unused" and target.get("reason") == "Target.NotRegistered":
        return MISSING
    return _STATES.get(target["state"], UNHEALTHY)


def _place(target: Listed) -> dict[str, Any]:
    """What names a target, and all that it has to be registered with."""
    return {key: target[key] for key in ("id", "port", "zone", "server_id") if target.get(key) is not None}
