# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure views of the results of a deploy: table, ratios, flat figures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from tests.benchmarks.measure import Usage
from tests.benchmarks.report import verdicts

TARGETS = {"wall_vs_peer": 0.25, "wall_vs_floor": 2.5, "cpu_vs_peer": None}
NOTE = "The hosts run on this machine: their load and the file server's count on the same cores (column machine)."


@dataclass(frozen=True)
class Tasks:
    """Executed tasks per host: all of them, and those that ran a module on the host."""

    all: float
    remote: float


@dataclass(frozen=True)
class Result:
    name: str
    usage: Usage
    tasks: Tasks | None


def read_tasks(path: Path) -> Tasks | None:
    """The means over the hosts, from the file of the callback count_tasks; None when there is none."""
    if not path.exists():
        return None
    counts = [count for host, count in json.loads(path.read_text(encoding="utf-8")).items() if host != "localhost"]
    return Tasks(mean(one["all"] for one in counts), mean(one["remote"] for one in counts)) if counts else None


def median(runs: list[Result]) -> Result:
    """The run with the median wall time, of all rounds; an error in any of them counts."""
    broken = [run for run in runs if run.usage.error]
    return broken[0] if broken else sorted(runs, key=lambda run: run.usage.wall_s)[(len(runs) - 1) // 2]


def line(result: Result) -> str:
    usage = result.usage
    if usage.error:
        return f"  {result.name:10} ERROR: {usage.error}"
    tasks = f"{result.tasks.all:6.1f} {result.tasks.remote:8.1f}" if result.tasks else f"{'-':>6} {'-':>8}"
    return f"  {result.name:10} {usage.wall_s:8.1f} {usage.cpu_s:12.1f} {usage.machine_cpu_s:10.1f} {tasks}"


def table(name: str, results: list[Result]) -> str:
    head = f"  {'':10} {'wall s':>8} {'controller s':>12} {'machine s':>10} {'tasks':>6} {'on host':>8}"
    ratios = figures(name, results)
    return "\n".join([name, head, *map(line, results), *verdicts(name, ratios, TARGETS), f"  {NOTE}"])


def figures(name: str, results: list[Result]) -> dict[str, float]:
    """The flat figures; what failed has none."""
    good = {result.name: result for result in results if not result.usage.error}
    flat: dict[str, float] = {}
    for result in good.values():
        flat[f"{name}.{result.name}_wall_s"] = result.usage.wall_s
        flat[f"{name}.{result.name}_cpu_s"] = result.usage.cpu_s
        flat[f"{name}.{result.name}_machine_cpu_s"] = result.usage.machine_cpu_s
        if result.tasks:
            flat[f"{name}.{result.name}_tasks_per_host"] = result.tasks.all
            flat[f"{name}.{result.name}_remote_tasks_per_host"] = result.tasks.remote
    if "ours" in good:
        flat |= _ratios(name, good)
    return {key: round(value, 3) for key, value in flat.items()}


def _ratios(name: str, good: dict[str, Result]) -> dict[str, float]:
    ours, flat = good["ours"], {}
    for other in ("peer", "floor", "pyinfra"):
        if other in good:
            flat[f"{name}.wall_vs_{other}"] = ours.usage.wall_s / good[other].usage.wall_s
    if "peer" in good:
        flat[f"{name}.cpu_vs_peer"] = ours.usage.cpu_s / good["peer"].usage.cpu_s
    if ours.tasks:
        flat[f"{name}.tasks_per_host"] = ours.tasks.all
    return flat
