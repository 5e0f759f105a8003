# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: hosts in the target groups of their load balancers, many at a time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from . import deploys, instance_refreshes
from ._aws import autoscaling, elbv2
from ._aws.errors import AwsError, code_of
from ._core import balance
from ._core.balance import Balance, Declared, Group, View, Wish
from ._core.errors import CoreError
from ._core.text import abbreviated
from ._core.waves import Host

FAILURES = (*deploys.FAILURES, AwsError, CoreError)
Client = Callable[..., Any]
"""client(service, region): a client of a service, of the own region without one."""
Tell = Callable[[str], Any]
"""Says to the user who is waited for, whenever that changes."""


def _silent(_words: str) -> None:
    """Where nobody listens."""


# Seconds between two looks: some for short waits, few for long ones.
_SHORTEST, _LONGEST = 1.0, 10.0
_LOOKS = 10
_LOOKS_FOR_ABSENT = 4
_NAMES_WIDTH = 60
_CANNOT_TELL = "HealthUnavailable"

# Options of the modules; their documentation is the fragment `targets`.
HOST: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "instance_id": {"type": "str"},
    "address": {"type": "str"},
    "region": {"type": "str"},
    "account_id": {"type": "str"},
    "asg": {"type": "str"},
}
_PLACES: dict[str, Any] = {
    "target_groups": {"type": "list", "elements": "raw", "required": True},
    "hosts": {"type": "list", "elements": "dict", "required": True, "options": HOST},
    "env": {"type": "str"},
}
_CLAIM: dict[str, Any] = {
    "app": {"type": "str", "required": True},
    "env": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": "/dtk"},
    "id": {"type": "str", "required": True},
}
OPTIONS: dict[str, Any] = {
    **_PLACES,
    "claim": {"type": "dict", "options": _CLAIM},
    "state": {"type": "str", "choices": ["drained", "registered"], "required": True},
    "restore": {"type": "dict", "default": {}},
    "wait": {"type": "bool", "default": True},
    "wait_for": {"type": "list", "elements": "str"},
    "wait_timeout": {"type": "float"},
}
INFO_OPTIONS: dict[str, Any] = {**_PLACES, "refreshes": {"type": "bool", "default": False}}


@dataclass(frozen=True)
class Order:
    """What is asked of some hosts. known: as what they were registered before, by ARN."""

    groups: tuple[Group, ...]
    hosts: tuple[Host, ...]
    known: Mapping[str, Sequence[Mapping[str, Any]]]
    wait_for: frozenset[str]
    wait_timeout: float | None = None
    tell: Tell = _silent


def answer(
    options: dict[str, Any],
    client: Client,
    _clock: Callable[[], datetime],
    check: bool = False,
    tell: Tell = _silent,
) -> dict[str, Any]:
    """The result of module targets. If it fails, no host is where it should be, and each is told so."""
    try:
        order = replace(_order(options, client), tell=tell)
        claim = options["claim"]
        if claim and order.hosts and order.groups and not check:
            # Hosts refuse a deploy that was overtaken; a load balancer would not.
            deploys.must_hold(client("ssm"), (claim["prefix"], claim["env"], claim["app"]), claim["id"])
        act = {"drained": drain, "registered": put_back}[options["state"]]
        return act(client, order, wait=options["wait"] and not check, check=check)
    except FAILURES as exc:
        return {"failed": True, "msg": str(exc), "late": {host["name"]: str(exc) for host in options["hosts"]}}


def answer_info(
    options: dict[str, Any], client: Client, _clock: Callable[[], datetime], check: bool = False
) -> dict[str, Any]:
    """The result of module targets_info."""
    try:
        hosts = _hosts(options["hosts"])
        scaling = _scaling(client, hosts)
        view = look(client, _groups(options, hosts, client), hosts, _lifecycle(scaling))
        refreshes = _refreshes(client, hosts) if options["refreshes"] else {}
    except FAILURES as exc:
        return {"failed": True, "msg": str(exc)}
    suspended = {name: group["suspended"] for name, group in scaling.items() if group["suspended"]}
    return {
        "changed": False,
        "hosts": {host.name: _told(view, host) for host in hosts},
        "suspended": suspended,
        "refreshes": refreshes,
        "target_groups": [asdict(group) for group in view.groups],
    }


def find(client: Client, wishes: Iterable[Wish], hosts: Sequence[Host]) -> tuple[Group, ...]:
    """The target groups that are meant: an ARN where it says, a name in every region that has hosts."""
    wished = list(wishes)
    named = [wish for wish in wished if not wish.is_arn]
    by_region = {host.region or "": named for host in hosts} if named else {}
    for wish in wished:
        if wish.is_arn:
            region = wish.name.split(":")[3]
            by_region[region] = [*by_region.get(region, []), wish]
    found: dict[str, Group] = {}
    for region, several in by_region.items():
        found.update((group.arn, group) for group in _found(client("elbv2", region), several))
    return tuple(found.values())


def look(
    client: Client, groups: Sequence[Group], hosts: Sequence[Host], lifecycle: Mapping[str, str] | None = None
) -> View:
    """The target groups now: one call for each, and one for the hosts' Auto Scaling groups if that is not known."""
    known = _lifecycle(_scaling(client, hosts)) if lifecycle is None else lifecycle
    listed = {group.arn: elbv2.targets(client("elbv2", group.region), group.arn) for group in groups}
    return View(tuple(groups), tuple(hosts), listed, known)


def drain(client: Client, order: Order, *, wait: bool = True, check: bool = False) -> dict[str, Any]:
    """Take the hosts out of their target groups; they are drained when no connection is left."""
    if not (order.hosts and order.groups):
        return _result(0.0)
    began = time.monotonic()
    before = look(client, order.groups, order.hosts, {})
    leaving = before.leaving()
    if not check:
        for arn, unwanted in leaving.items():
            elbv2.deregister(_of(client, arn), arn, unwanted)
    late = _still_draining(client, before, order.tell) if wait else {}
    return {
        **_result(time.monotonic() - began, changed=bool(leaving), late=late),
        "deregistered": leaving,
        "diff": _diff(before, leaving, leaves=True),
    }


def put_back(client: Client, order: Order, *, wait: bool = True, check: bool = False) -> dict[str, Any]:
    """See to it that the hosts which are in service stand in their target groups, and are healthy there."""
    if not (order.hosts and order.groups):
        return _result(0.0)
    began = time.monotonic()
    before = look(client, order.groups, order.hosts)
    missing = before.missing(order.known)
    late: dict[str, str] = {}
    if not check:
        for arn, wanted in missing.items():
            refused = elbv2.register(_of(client, arn), arn, wanted)
            late.update(_refusals(before, arn, refused))
    if wait:
        late = {**_unhealthy(client, before, order), **late}
    return {
        **_result(time.monotonic() - began, changed=bool(missing), late=late),
        "registered": missing,
        "diff": _diff(before, missing, leaves=False),
    }


@dataclass(frozen=True)
class Standing:
    """How the hosts of an app stand behind its load balancers when a deploy is planned."""

    declared: Declared
    view: View

    def missing(self) -> list[str]:
        """The hosts that should be in a target group and are not: a run that died has left them so."""
        lacking = self.view.missing()
        return [host.name for host in self.view.hosts if any(_is_in(self.view, host, lacking))]

    def hosts(self, hosts: Iterable[Host], *, repaired: bool) -> tuple[Host, ...]:
        """The hosts with their health. repaired: as if those that are missing were in service again."""
        if not self.view.groups:
            return tuple(hosts)  # nobody was asked about them
        lacking = set(self.missing()) if repaired else set()
        return tuple(
            replace(
                host,
                healthy=host.healthy and (host.name in lacking or self.view.healthy(host)),
                balanced=bool(self.view.belongs(host)),
            )
            for host in hosts
        )

    def balance(self, hosts: Sequence[Host]) -> Balance:
        """What the plan says about it."""
        balanced = [host for host in hosts if host.balanced]
        notes = list(self.view.oddities())
        missing = self.missing()
        if missing:
            notes.append(f"not in every target group although in service, and put back first: {', '.join(missing)}")
        return Balance(
            groups=self.view.groups,
            drain=self.declared.drain,
            wait_timeout=self.declared.wait_timeout,
            healthy=sum(self.view.healthy(host) for host in balanced),
            total=len(balanced),
            notes=tuple(notes),
        )

    def repaired(self, client: Client) -> Standing:
        """Put back who is missing, wait for them, and look again."""
        names = frozenset(self.missing())
        hosts = tuple(host for host in self.view.hosts if host.name in names)
        put_back(client, Order(self.view.groups, hosts, {}, names, self.declared.wait_timeout))
        return replace(self, view=look(client, self.view.groups, self.view.hosts))


NOWHERE = Standing(Declared(), View((), (), {}))


def stand(client: Client, declared: Declared, hosts: Sequence[Host]) -> Standing:
    """Read the target groups of an app; nothing is asked if it names none."""
    if not declared.wishes:
        return NOWHERE
    return Standing(declared, look(client, find(client, declared.wishes, hosts), hosts))


# --- waiting --------------------------------------------------------------------------------------------------------


@dataclass
class _Watch:
    """Looks again until nobody is waited for any more, or the time of each group is up.

    botocore has waiters for this. Theirs take a terminated instance among the targets for success of all of them, and
    wait to the end for one that nobody checks, or that somebody else has taken away.
    """

    client: Client
    awaited: Callable[[View, Group], list[str]]
    limits: Mapping[str, float]
    pause: float
    tell: Tell
    what: str
    told: str = ""

    def look(self, view: View) -> View:
        """The view in the end."""
        pause = min(max(self.pause, _SHORTEST), _LONGEST)
        began = time.monotonic()
        waiting = self._waiting(view, view.groups, 0.0)
        while waiting:
            left = max(self.limits[group.arn] for group in waiting) - (time.monotonic() - began)
            time.sleep(max(0.0, min(pause, left)))
            passed = time.monotonic() - began
            listed = {group: _now(self.client, group) for group in waiting}
            known = {group.arn: now for group, now in listed.items() if now is not None}
            view = replace(view, listed={**view.listed, **known})
            unknown = [group for group in waiting if group.arn not in known and passed < self.limits[group.arn]]
            waiting = self._waiting(view, [group for group in waiting if group.arn in known], passed) + unknown
        return view

    def _waiting(self, view: View, groups: Sequence[Group], passed: float) -> list[Group]:
        found = {group: self.awaited(view, group) for group in groups if passed < self.limits[group.arn]}
        waiting = [group for group, names in found.items() if names]
        words = "; ".join(f"{abbreviated(found[group], _NAMES_WIDTH)} {self.what} {group.name}" for group in waiting)
        if words and words != self.told:
            self.told = words
            self.tell(f"  after {passed:.0f} s: waiting for {words}")
        return waiting


def _now(client: Client, group: Group) -> list[dict[str, Any]] | None:
    """Who is in the group; None if the load balancer cannot tell at the moment."""
    try:
        return elbv2.targets(client("elbv2", group.region), group.arn)
    except AwsError as exc:
        if exc.__cause__ is not None and code_of(exc.__cause__) == _CANNOT_TELL:
            return None
        raise


def _still_draining(client: Client, before: View, tell: Tell) -> dict[str, str]:
    """Wait until the hosts have left; those that have not, and where they are."""
    limits = {group.arn: group.drained_within() for group in before.groups}
    delay = max(group.delay for group in before.groups)
    after = _Watch(client, View.present, limits, delay / _LOOKS, tell, "to leave").look(before)
    return {
        name: f"still in the target group {group.name} after {limits[group.arn]:.0f} s"
        for group in after.groups
        for name in after.present(group)
    }


def _unhealthy(client: Client, before: View, order: Order) -> dict[str, str]:
    """Wait for the hosts that are waited for; those that are not healthy in the end, and why."""
    asked = [host for host in before.hosts if host.name in order.wait_for]
    absent: Counter[tuple[str, str]] = Counter()

    def awaited(view: View, group: Group) -> list[str]:
        found = (host for host in asked if group in view.belongs(host) and _is_awaited(view, group, host, absent))
        return [host.name for host in found]

    limits = {group.arn: group.healthy_within(order.wait_timeout) for group in before.groups}
    began = time.monotonic()
    often = min(group.interval for group in before.groups) / 2
    after = _Watch(client, awaited, limits, often, order.tell, "to be healthy in").look(before)
    waited = time.monotonic() - began
    troubles = {host.name: after.trouble(host) for host in asked}
    return {name: f"{words} after {waited:.0f} s" for name, words in troubles.items() if words}


def _is_awaited(view: View, group: Group, host: Host, absent: Counter[tuple[str, str]]) -> bool:
    """One that is not there although it was registered is looked for a few times: then somebody has taken it away."""
    state = view.state(group, host)
    if state not in (balance.MISSING, balance.DRAINING):
        return state != balance.HEALTHY
    absent[group.arn, host.name] += 1
    return absent[group.arn, host.name] <= _LOOKS_FOR_ABSENT


def _is_in(view: View, host: Host, moved: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[bool]:
    for group in view.groups:
        yield host.name in view.names(group, moved.get(group.arn, ()))


def _refusals(view: View, arn: str, refused: Mapping[str, str]) -> dict[str, str]:
    group = next(group for group in view.groups if group.arn == arn)
    return {
        name: f"the target group {group.name} refuses it: {words}"
        for target, words in refused.items()
        for name in view.names(group, [{"id": target}])
    }


# --- options and results --------------------------------------------------------------------------------------------


def _order(options: Mapping[str, Any], client: Client) -> Order:
    hosts = _hosts(options["hosts"])
    names = options["wait_for"]
    return Order(
        groups=_groups(options, hosts, client) if hosts else (),
        hosts=hosts,
        known=options["restore"] or {},
        wait_for=frozenset(host.name for host in hosts) if names is None else frozenset(names),
        wait_timeout=options["wait_timeout"],
    )


def _hosts(rows: Iterable[Mapping[str, Any]]) -> tuple[Host, ...]:
    return tuple(Host(**{name: row.get(name) or None for name in HOST}) for row in rows)


def _groups(options: Mapping[str, Any], hosts: Sequence[Host], client: Client) -> tuple[Group, ...]:
    """From a plan they come with all that is known about them; from a user, as names."""
    given = options["target_groups"]
    known = {one.name for one in fields(Group)}
    complete = [one for one in given if isinstance(one, Mapping) and set(one) == known]
    if complete and len(complete) == len(given):
        return tuple(Group(**one) for one in complete)
    spec = {"port": 1, "target_groups": list(given)}
    return find(client, balance.declared(spec, "none", options["env"] or "{env}").wishes, hosts)


def _found(client: Any, wishes: Sequence[Wish]) -> list[Group]:
    found: list[Group] = []
    for is_arn, option in ((False, "names"), (True, "arns")):
        several = {wish.name: wish for wish in wishes if wish.is_arn == is_arn}
        if several:
            described = elbv2.groups(client, **{option: list(several)})
            found += [balance.group_of(several[one["arn" if is_arn else "name"]], one) for one in described]
    return found


def _scaling(client: Client, hosts: Iterable[Host]) -> dict[str, dict[str, Any]]:
    """What Auto Scaling says of the hosts' groups; nothing is asked if they are in none."""
    found: dict[str, dict[str, Any]] = {}
    for region, names in _scaling_groups(hosts).items():
        found.update(autoscaling.groups(client("autoscaling", region), names))
    return found


def _refreshes(client: Client, hosts: Iterable[Host]) -> dict[str, str]:
    """Which of the hosts' groups have an instance refresh under way, in words."""
    found: dict[str, str] = {}
    for region, names in _scaling_groups(hosts).items():
        found.update(instance_refreshes.under_way(client("autoscaling", region), names))
    return found


def _scaling_groups(hosts: Iterable[Host]) -> dict[str, list[str]]:
    """Region to the names of the groups there, each once."""
    by_region: dict[str, dict[str, None]] = {}
    for host in hosts:
        if host.asg:
            by_region.setdefault(host.region or "", {})[host.asg] = None
    return {region: list(names) for region, names in by_region.items()}


def _lifecycle(scaling: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: state for group in scaling.values() for name, state in group["lifecycle"].items()}


def _of(client: Client, arn: str) -> Any:
    return client("elbv2", arn.split(":")[3])


def _told(view: View, host: Host) -> dict[str, Any]:
    lifecycle = view.lifecycle.get(host.instance_id or "", "") if host.asg else ""
    states = {group.name: view.state(group, host) for group in view.groups if group.target_id(host)}
    return {
        "lifecycle_state": lifecycle,
        "serves": view.serves(host),
        "healthy": view.healthy(host),
        "states": states,
        "trouble": view.trouble(host),
    }


def _result(seconds: float, *, changed: bool = False, late: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {"changed": changed, "late": dict(late or {}), "seconds": round(seconds, 1)}


def _diff(view: View, moved: Mapping[str, Sequence[Mapping[str, Any]]], *, leaves: bool) -> dict[str, Any]:
    """Who stands in each group before and after."""
    before = {
        group.name: [
            host.name for host in view.hosts if view.state(group, host) not in (balance.MISSING, balance.DRAINING)
        ]
        for group in view.groups
    }
    after = dict(before)
    for group in view.groups:
        names = view.names(group, moved.get(group.arn, ()))
        kept = [name for name in before[group.name] if name not in names]
        after[group.name] = kept if leaves else [*kept, *names]
    return {"before": before, "after": after}
