# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is deployed to when: hosts in, ordered waves out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import ceil, floor
from typing import Union

from .errors import PlanError

Amount = Union[int, str]

REST = "rest"
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


@dataclass(frozen=True)
class Host:
    """One host as the planner sees it. asg: the Auto Scaling group that it belongs to."""

    name: str
    az: str = "unknown"
    instance_id: str | None = None
    address: str | None = None
    healthy: bool = True
    current: str | None = None
    region: str | None = None
    account_id: str | None = None
    asg: str | None = None
    balanced: bool = False  # stands behind a load balancer, and leaves it while it changes


def amount(value: Amount, total: int, what: str, *, round_up: bool = True) -> int:
    """A count or a percentage of `total` as a number of hosts."""
    text = str(value).strip()
    percent = _PERCENT.fullmatch(text)
    if percent and float(percent[1]) <= 100:
        exact = total * float(percent[1]) / 100
        return ceil(exact) if round_up else floor(exact)
    if text.isascii() and text.isdigit():
        return int(text)
    raise PlanError(f"{what} is {value!r}, which is neither a number of hosts nor a percentage up to '100%'.")


def plan_waves(
    hosts: Iterable[Host],
    waves: Sequence[Amount],
    *,
    per_az: bool = False,
    min_healthy: Amount | None = None,
) -> list[list[Host]]:
    """Split the hosts into waves.

    Each item of `waves` is the size of one wave, the last item repeats until no host is left, as with Ansible's
    `serial`. A wave that would take away more healthy hosts than `min_healthy` allows is split.
    """
    pool = list(hosts)
    _check_hosts(pool)
    sizes = _sizes(waves, len(pool))
    allowed = allowed_down(pool, min_healthy)
    lanes = _by_zone(pool)
    queues = list(lanes.values()) if per_az else [_round_robin(lanes.values())]
    return list(_cut(queues, sizes, allowed))


def allowed_down(hosts: Sequence[Host], min_healthy: Amount | None) -> int:
    """How many healthy hosts may be in a wave at the same time."""
    healthy = sum(host.healthy for host in hosts)
    if min_healthy is None:
        return len(hosts)
    needed = amount(min_healthy, len(hosts), "min_healthy")
    if healthy and healthy - needed < 1:
        raise PlanError(
            f"min_healthy asks for {needed} healthy hosts, but only {healthy} of {len(hosts)} are healthy now, "
            "so no wave may begin. Add hosts, heal the unhealthy ones or lower min_healthy."
        )
    return healthy - needed


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key that puts web-2 before web-10."""
    parts = re.split(r"(\d+)", text)
    return [(0, int(part), part) if part.isascii() and part.isdigit() else (1, 0, part) for part in parts]


def _check_hosts(hosts: Sequence[Host]) -> None:
    if not hosts:
        raise PlanError("There is no host to deploy to. Check the env, the app and the inventory.")
    seen: set[str] = set()
    for host in hosts:
        if host.name in seen:
            raise PlanError(f"Host {host.name} is listed twice. Each host may stand in the plan once.")
        seen.add(host.name)


def _sizes(waves: Sequence[Amount], total: int) -> list[int]:
    if not waves:
        raise PlanError("waves is empty, which would mean everybody at once. Say ['100%'] if that is what you want.")
    sizes = []
    for item in waves:
        size = total if str(item).strip() == REST else amount(item, total, "An item of waves")
        if size < 1:
            raise PlanError(f"waves contains {item!r}, a wave without hosts. Use 1 or more, or a percentage above 0.")
        sizes.append(size)
    return sizes


def _by_zone(hosts: Sequence[Host]) -> dict[str, list[Host]]:
    zones: dict[str, list[Host]] = {zone: [] for zone in sorted({host.az for host in hosts})}
    for host in sorted(hosts, key=lambda host: natural(host.name)):
        zones[host.az].append(host)
    return zones


def _round_robin(lanes: Iterable[list[Host]]) -> list[Host]:
    return [host for row in zip_longest(*lanes) for host in row if host is not None]


def _cut(queues: list[list[Host]], sizes: list[int], allowed: int) -> Iterator[list[Host]]:
    """Cut waves from the queues in turn. A wave ends with its queue, so zones never mix when each has its own queue."""
    index = 0
    for queue in queues:
        rest = list(queue)
        while rest:
            wanted = rest[: sizes[min(index, len(sizes) - 1)]]
            rest = rest[len(wanted) :]
            index += 1
            yield from _split(wanted, allowed)


def _split(wave: list[Host], allowed: int) -> Iterator[list[Host]]:
    part: list[Host] = []
    for host in wave:
        if host.healthy and sum(other.healthy for other in part) == allowed:
            yield part
            part = []
        part.append(host)
    yield part
