# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a deploy: what will happen to whom, how long it should take, and the page that says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from . import alarms
from .alarms import Alarms
from .balance import UNBALANCED, Balance
from .errors import PlanError
from .text import abbreviated, human_bytes, human_seconds, plural, table
from .waves import Amount, Host, allowed_down, amount, natural, plan_waves

DEFAULT_WAVES: tuple[Amount, ...] = (1, "50%", "100%")
ROLLBACK_WAVES: tuple[Amount, ...] = ("100%",)
# Hosts that leave their load balancers while they change cannot all do so at once.
DRAINED_ROLLBACK_WAVES: tuple[Amount, ...] = ("50%", "100%")

_WORTH_A_WARNING = 60.0  # seconds

_NAMES_WIDTH = 60
_VERBS = {"deploy": "DEPLOY", "rollback": "ROLL BACK", "config": "CONFIGURE"}


@dataclass(frozen=True)
class Pace:
    """How fast things usually go. Rough on purpose: the forecast is for choosing, not for billing."""

    start: float = 3.0
    host_step: float = 0.08
    fetch_bytes_per_second: float = 60e6
    unpack_bytes_per_second: float = 120e6
    files_per_second: float = 4000.0
    switch: float = 1.5


@dataclass(frozen=True)
class Release:
    """What the plan needs to know about a release."""

    version: str
    size: int
    unpacked_size: int
    files: int


@dataclass(frozen=True)
class Request:
    """What was asked for, with every default filled in."""

    app: str
    env: str
    action: str
    release: Release
    hosts: tuple[Host, ...]
    waves: tuple[Amount, ...]
    per_az: bool = False
    min_healthy: Amount | None = None
    budget: Amount = 0
    bake: int = 0
    lease: int = 900
    health: dict[str, Any] | None = None
    balance: Balance = UNBALANCED
    alarms: Alarms = alarms.NONE


@dataclass(frozen=True)
class Forecast:
    """Estimates in bytes and seconds. load_balancers: how much of the waves is waiting for them."""

    bytes_per_host: int
    bytes_total: int
    stage: float
    waves: tuple[float, ...]
    bake: float
    total: float
    load_balancers: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain data with rounded seconds."""
        return {
            "bytes_per_host": self.bytes_per_host,
            "bytes_total": self.bytes_total,
            "seconds": {
                "stage": round(self.stage, 1),
                "waves": [round(seconds, 1) for seconds in self.waves],
                "bake": round(self.bake, 1),
                "load_balancers": round(self.load_balancers, 1),
                "total": round(self.total, 1),
            },
        }


@dataclass(frozen=True)
class Plan:
    """The decided part of a deploy: independent of who claims it and when."""

    request: Request
    waves: tuple[tuple[Host, ...], ...]
    budget: int
    forecast: Forecast
    stable: str | None
    warnings: tuple[str, ...]

    @property
    def hosts(self) -> list[str]:
        """Names in the order of the waves."""
        return [host.name for wave in self.waves for host in wave]

    @property
    def sizes(self) -> list[int]:
        """The sizes of the waves; they add up to the number of hosts."""
        return [len(wave) for wave in self.waves]


@dataclass(frozen=True)
class Header:
    """Who claims the plan, for the printed page."""

    id: str
    owner: str
    slot: int
    lease_until: str
    claimed: bool
    why: str = ""
    job_url: str | None = None
    notes: tuple[str, ...] = field(default=())


def make_plan(request: Request, stable: str | None, pace: Pace = Pace()) -> Plan:
    """Decide waves, budget and forecast, or raise PlanError."""
    for name in ("bake", "lease"):
        if getattr(request, name) < 0:
            raise PlanError(f"{name} is {getattr(request, name)} s; it cannot be negative.")
    waves = plan_waves(request.hosts, request.waves, per_az=request.per_az, min_healthy=request.min_healthy)
    plan = Plan(
        request=request,
        waves=tuple(map(tuple, waves)),
        budget=_budget(request),
        forecast=forecast(request, waves, pace),
        stable=stable,
        warnings=(),
    )
    return Plan(**{**vars(plan), "warnings": tuple(_warnings(plan))})


def rollback_version(previous: Sequence[str], where: str) -> str:
    """The release that a rollback without a version goes to."""
    if not previous:
        raise PlanError(f"{where} has no earlier release in its deploy log to roll back to. Deploy a version by name.")
    return previous[0]


def forecast(request: Request, waves: Sequence[Sequence[Host]], pace: Pace = Pace()) -> Forecast:
    """Estimate bytes and seconds. Hosts that say what they run and already run the release fetch nothing."""
    release = request.release
    fetching = 0 if request.action != "deploy" else sum(h.current != release.version for h in request.hosts)
    per_host = release.size if fetching else 0
    stage = pace.start + pace.host_step * len(request.hosts)
    if fetching:
        stage += release.size / pace.fetch_bytes_per_second
        stage += release.unpacked_size / pace.unpack_bytes_per_second + release.files / pace.files_per_second
    balanced = [_waits(request, wave) for wave in waves]
    probing = 1.0 + pace.switch + _probe_seconds(request.health)
    seconds = tuple(probing + pace.host_step * len(wave) + wait for wave, wait in zip(waves, balanced, strict=True))
    bake = float(request.bake * len(waves))
    return Forecast(
        bytes_per_host=per_host,
        bytes_total=per_host * fetching,
        stage=stage,
        waves=seconds,
        bake=bake,
        total=stage + sum(seconds) + bake,
        load_balancers=float(sum(balanced)),
    )


def _waits(request: Request, wave: Sequence[Host]) -> int:
    """Seconds that a wave waits for load balancers: once for all of its hosts."""
    return sum(request.balance.waiting()) if any(host.balanced for host in wave) else 0


def plan_text(plan: Plan, header: Header) -> list[str]:
    """The page that a developer reads in the job's output."""
    warnings = [*header.notes, *plan.warnings]
    return [
        *_title(plan, header),
        "",
        *_wave_table(plan),
        "",
        *table(_facts(plan), indent="  "),
        *[f"  WARNING  {warning}" for warning in warnings],
    ]


def _title(plan: Plan, header: Header) -> list[str]:
    request = plan.request
    claim = f"slot {header.slot}, lease until {header.lease_until}" if header.claimed else "nothing is claimed"
    lines = [
        f"{_VERBS[request.action]} {request.app} in {request.env}: {_change(plan)}",
        f"  id {header.id}, by {header.owner}, {claim}",
    ]
    lines += [f"  job {header.job_url}"] if header.job_url else []
    return lines + ([f"  why {header.why}"] if header.why else [])


def _change(plan: Plan) -> str:
    if plan.request.action == "config":
        return f"the settings; {_now(plan)} stays" if plan.stable else "the settings, before its first release"
    return f"{_now(plan)} -> {plan.request.release.version}"


def _now(plan: Plan) -> str:
    """What runs now: what the hosts say if they said anything, else what the log says."""
    found = Counter(host.current for host in plan.request.hosts if host.current)
    if not found:
        return plan.stable or "nothing"
    silent = len(plan.request.hosts) - sum(found.values())
    if len(found) == 1 and not silent:
        return next(iter(found))
    parts = [f"{release} on {count}" for release, count in sorted(found.items(), key=lambda item: natural(item[0]))]
    return "(" + ", ".join(parts + ([f"unknown on {silent}"] if silent else [])) + ")"


def _wave_table(plan: Plan) -> list[str]:
    rows = [("wave", "hosts", "zone", "names")]
    for number, wave in enumerate(plan.waves, 1):
        zones = sorted({host.az for host in wave})
        names = [host.name for host in wave]
        rows.append((str(number), str(len(wave)), abbreviated(zones, 40), abbreviated(names, _NAMES_WIDTH)))
    return table(rows, indent="  ", right=frozenset({0, 1}))


def _facts(plan: Plan) -> list[tuple[str, str]]:
    return [
        ("fetch", _fetch_words(plan)),
        ("time", _time_words(plan)),
        ("budget", _budget_words(plan)),
        ("serving", _serving_words(plan)),
        ("health", _health_words(plan.request.health)),
        *_balance_facts(plan.request.balance),
        *_alarm_facts(plan.request),
    ]


def _alarm_facts(request: Request) -> list[tuple[str, str]]:
    return [("alarms", alarms.words(request.alarms, request.bake))] if request.alarms.names else []


def _balance_facts(balance: Balance) -> list[tuple[str, str]]:
    if not balance.groups:
        return []
    names = abbreviated([group.name for group in balance.groups], _NAMES_WIDTH)
    delay, checks = balance.waiting()
    what = f"drained in {delay} s, healthy again in {checks} s" if balance.drain else "nobody leaves while it changes"
    return [("targets", f"{names}: {balance.healthy} of {plural(balance.total, 'host')} healthy; {what}")]


def _fetch_words(plan: Plan) -> str:
    release, estimate = plan.request.release, plan.forecast
    if plan.request.action == "config":
        return "nothing, the settings go with the tasks"
    if plan.request.action == "rollback":
        return "nothing where the release is still on disk, which is where it was live before"
    if not estimate.bytes_total:
        return "nothing, every host already has it"
    return (
        f"{human_bytes(estimate.bytes_per_host)} per host, {human_bytes(estimate.bytes_total)} in all; "
        f"{plural(release.files, 'file')}, {human_bytes(release.unpacked_size)} unpacked"
    )


def _time_words(plan: Plan) -> str:
    estimate = plan.forecast
    waves = " + ".join(human_seconds(seconds) for seconds in estimate.waves[:6])
    more = " + …" if len(estimate.waves) > 6 else ""
    bake = f", bake {human_seconds(estimate.bake)}" if estimate.bake else ""
    waiting = estimate.load_balancers
    balancers = f"; {human_seconds(waiting)} of that for load balancers" if waiting else ""
    return (
        f"about {human_seconds(estimate.total)}: stage {human_seconds(estimate.stage)}, "
        f"waves {waves}{more}{bake}{balancers}"
    )


def _budget_words(plan: Plan) -> str:
    if plan.budget == 0:
        return "0: the first host that fails or is unreachable stops the deploy and sends every host back"
    after = plural(plan.budget, "host")
    return f"{after} may fail or be unreachable; one more stops the deploy and sends every host back"


def _serving_words(plan: Plan) -> str:
    total, biggest = len(plan.request.hosts), max(plan.sizes)
    if plan.request.min_healthy is None:
        return f"at least {total - biggest} of {plural(total, 'host')} are left alone at any moment (no min_healthy)"
    kept = amount(plan.request.min_healthy, total, "min_healthy")
    down = allowed_down(plan.request.hosts, plan.request.min_healthy)
    return f"at least {kept} of {plural(total, 'host')} stay in service at any moment: {max(down, 0)} at most at a time"


def _health_words(health: dict[str, Any] | None) -> str:
    if not health:
        return "no check: a host counts as healthy when its unit runs"
    if health.get("http"):
        what = str(health["http"].get("url"))
    elif health.get("tcp"):
        what = f"tcp port {health['tcp'].get('port')}"
    else:
        what = "command " + " ".join(map(str, (health.get("command") or {}).get("argv", [])))
    return (
        f"{what}, {health.get('successes', 3)} in a row, every {health.get('interval', 0.5)} s, "
        f"within {health.get('deadline', 30)} s"
    )


def _probe_seconds(health: dict[str, Any] | None) -> float:
    if not health:
        return 0.0
    return max(0, int(health.get("successes", 3)) - 1) * float(health.get("interval", 0.5)) + 0.5


def _budget(request: Request) -> int:
    return amount(request.budget, len(request.hosts), "budget", round_up=False)


def _warnings(plan: Plan) -> list[str]:
    request, total = plan.request, len(plan.request.hosts)
    found = []
    if plan.stable == request.release.version and request.action != "config":
        found.append(f"{plan.stable} already is the stable release: hosts that run it and are healthy stay untouched")
    if total > 1 and plan.sizes[0] == total and request.action != "rollback":
        found.append(f"one wave takes all {total} hosts: there is no canary")
    if plan.budget >= total:
        found.append(f"the budget of {plan.budget} covers all {plural(total, 'host')}: no failure can stop this deploy")
    if request.health is None:
        found.append("there is no health check: an app that starts but does not answer counts as good")
    unhealthy = [host.name for host in request.hosts if not host.healthy]
    if unhealthy:
        found.append(f"{plural(len(unhealthy), 'host')} unhealthy already: {abbreviated(unhealthy, _NAMES_WIDTH)}")
    if request.per_az and any(host.az == "unknown" for host in request.hosts):
        found.append("per_az is set, but some hosts have no known zone and are treated as one zone of their own")
    found += _balance_warnings(plan)
    longest = max(plan.forecast.stage, request.bake + max(plan.forecast.waves))
    if request.lease < longest:
        found.append(f"the lease of {request.lease} s ends within one phase of {human_seconds(longest)}: raise lease")
    return found


def _balance_warnings(plan: Plan) -> list[str]:
    balance, estimate = plan.request.balance, plan.forecast
    found = list(balance.notes)
    balanced = [[host for host in wave if host.balanced] for wave in plan.waves]
    serving = sum(host.healthy for wave in balanced for host in wave)
    for number, wave in enumerate(balanced, 1):
        if balance.drain and serving and sum(host.healthy for host in wave) == serving:
            found.append(
                f"wave {number} takes every healthy host out of the load balancers: nobody answers meanwhile. "
                "Give more and smaller waves, or min_healthy"
            )
    times = sum(1 for wave in balanced if wave)
    if estimate.load_balancers >= _WORTH_A_WARNING and estimate.load_balancers > estimate.total / 2:
        found.append(_dominating(balance, times, estimate))
    return found


def _dominating(balance: Balance, times: int, estimate: Forecast) -> str:
    """Which setting costs most of the time, and where it is changed."""
    delay, checks = balance.waiting()
    total, waves = human_seconds(estimate.total), plural(times, "wave")
    used = [group for group in balance.groups if group.used]
    if delay >= checks:
        slow = abbreviated([group.name for group in used if group.delay == delay], _NAMES_WIDTH)
        cost = human_seconds(delay * times)
        return (
            f"{delay} s deregistration delay x {waves} = {cost} of {total}: "
            f"lower deregistration_delay.timeout_seconds of target group {slow} to what its requests need"
        )
    worst = next(group for group in used if group.checking == checks)
    return (
        f"{worst.interval} s health check interval x {worst.threshold} checks x {waves} = "
        f"{human_seconds(checks * times)} of {total}: lower both in target group {worst.name}"
    )
