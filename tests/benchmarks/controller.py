# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contestants that need no hosts, only a controller and an emulated AWS: they take turns, and medians count."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from tests.benchmarks.measure import TreeUsage, run_tree
from tests.emulation import Emulation

BIN = Path(sys.executable).parent
HEAD = f"  {'':14} {'wall s':>8} {'user s':>8} {'sys s':>7} {'peak MB':>8} {'calls':>6}"
# Settings that tests or a developer's shell have made must not reach a contestant.
FOREIGN = ("ANSIBLE_", "AWS_", "DTK_")


@dataclass(frozen=True)
class Contestant:
    """`check` looks at what a run left and says what is wrong with it, or nothing."""

    name: str
    argv: list[str]
    environ: dict[str, str]
    timeout_s: float
    check: Callable[[], str]
    rounds: int | None = None  # fewer than the others, since it takes long


@dataclass(frozen=True)
class Cost:
    name: str
    usage: TreeUsage
    calls: int


def take_turns(
    contestants: Sequence[Contestant], aws: Emulation, folder: Path, rounds: int, *, warm_up: bool
) -> list[Cost]:
    """The median costs of each; the first round of a warm-up compiles and fills memories, and does not count."""
    costs: dict[str, list[Cost]] = {one.name: [] for one in contestants}
    if warm_up:
        for contestant in contestants:
            _measure(contestant, aws, folder)
    for number in range(rounds):
        for contestant in contestants:
            if contestant.rounds is None or number < contestant.rounds:
                cost = _measure(contestant, aws, folder)
                print(line(cost), flush=True)
                costs[contestant.name].append(cost)
    return [_median(several) for several in costs.values() if several]


def _measure(contestant: Contestant, aws: Emulation, folder: Path) -> Cost:
    before = aws.calls()
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environ = own | aws.environ() | contestant.environ
    usage = run_tree(contestant.argv, environ, folder / f"{contestant.name}.log", contestant.timeout_s)
    wrong = "" if usage.error else contestant.check()
    return Cost(contestant.name, usage.failed(wrong) if wrong else usage, (aws.calls() - before).total())


def _median(several: list[Cost]) -> Cost:
    """Each figure's own median; an error in any round is the result, and so is the largest number of calls."""
    broken = next((cost for cost in several if cost.usage.error), None)
    if broken:
        return broken
    names = ("wall_s", "user_s", "system_s", "peak_mb")
    middle = {name: median(getattr(cost.usage, name) for cost in several) for name in names}
    return replace(several[0], usage=TreeUsage(**middle), calls=max(cost.calls for cost in several))


def line(cost: Cost) -> str:
    usage = cost.usage
    if usage.error:
        return f"  {cost.name:14} ERROR: {usage.error}"
    cpu = f"{usage.user_s:8.2f} {usage.system_s:7.2f}"
    return f"  {cost.name:14} {usage.wall_s:8.2f} {cpu} {usage.peak_mb:8.0f} {cost.calls:6}"


def table(name: str, costs: Sequence[Cost], verdicts: Sequence[str]) -> str:
    return "\n".join([f"{name}, medians", HEAD, *map(line, costs), *verdicts])


def figures(name: str, costs: Sequence[Cost]) -> dict[str, float]:
    """What each contestant cost; one with an error has no figures."""
    flat = {}
    for cost in costs:
        if not cost.usage.error:
            flat[f"{name}.{cost.name}_cpu_s"] = cost.usage.user_s
            flat[f"{name}.{cost.name}_user_and_system_s"] = cost.usage.user_s + cost.usage.system_s
            flat[f"{name}.{cost.name}_wall_s"] = cost.usage.wall_s
            flat[f"{name}.{cost.name}_rss_mb"] = cost.usage.peak_mb
            flat[f"{name}.{cost.name}_calls"] = cost.calls
    return flat


def good(costs: Sequence[Cost]) -> dict[str, Cost]:
    return {cost.name: cost for cost in costs if not cost.usage.error}


def rounded(flat: dict[str, float]) -> dict[str, float]:
    """Four digits that count: three decimals would make a ratio of thousandths none at all."""
    return {key: float(f"{value:.4g}") for key, value in flat.items()}


def files(folder: Path) -> Iterator[Path]:
    """All there are now; one that vanishes meanwhile is none."""
    for parent, _folders, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)
