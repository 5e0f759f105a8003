# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks: python -m tests.benchmarks [NAME…] (all when none is named). README.md says what is compared."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import report
from tests.benchmarks.fleet import ENV, TARGET, Fleet
from tests.benchmarks.lineup import CONTESTANTS, Contestant
from tests.benchmarks.measure import Usage, run
from tests.lab import Lab

BENCHMARKS = {"deploy_20": 20, "deploy_100": 100}
ROUNDS = 3
BUILD = Path("build")


def run_benchmark(name: str, hosts: int, rounds: int, only: list[str]) -> list[report.Result]:
    """Measure every contestant on one fleet, each from the same start; the lab is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as control_paths,
        Lab.up(name.replace("_", "-"), hosts=hosts, env=ENV) as lab,
    ):
        fleet = Fleet(lab, BUILD / "bench" / name, Path(control_paths))
        runs: dict[str, list[report.Result]] = {}
        for contestant in schedule(rounds, only):
            result = measure(contestant, fleet)
            print(report.line(result), flush=True)
            runs.setdefault(contestant.name, []).append(result)
        return [report.median(results) for results in runs.values()]


def schedule(rounds: int, only: list[str]) -> Iterator[Contestant]:
    """All once; the short ones, which noise on the machine distorts most, take turns in further rounds."""
    for number in range(rounds):
        yield from (one for one in CONTESTANTS if one.name in only and (number == 0 or one.repeated))


def measure(contestant: Contestant, fleet: Fleet) -> report.Result:
    fleet.reset()
    tasks_file = fleet.folder / f"{contestant.name}.tasks.json"
    tasks_file.unlink(missing_ok=True)
    environ = os.environ | fleet.lab.environ | contestant.environ(fleet) | {"DTK_BENCH_TASKS": str(tasks_file)}
    usage = run(contestant.argv(fleet), environ, fleet.folder / f"{contestant.name}.log", contestant.timeout_s)
    return report.Result(contestant.name, verified(usage, fleet), report.read_tasks(tasks_file))


def verified(usage: Usage, fleet: Fleet) -> Usage:
    """A run only counts when every single host serves the new release afterwards."""
    wrong = fleet.not_serving(TARGET)
    if wrong and not usage.error:
        return usage.failed(f"{len(wrong)} hosts don't serve {TARGET}: {wrong}")
    return usage


def main() -> int:
    names = [one.name for one in CONTESTANTS]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("benchmark", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="run only these contestants")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of ours and the floor; default {ROUNDS}")
    options = parser.parse_args()
    unknown = set(options.benchmark) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark named {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    complete = True
    for name in options.benchmark or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name]} systemd hosts on this machine", flush=True)
        results = run_benchmark(name, BENCHMARKS[name], options.rounds, options.only)
        print(report.table(name, results), flush=True)
        report.merge(BUILD / "bench.json", report.figures(name, results))
        complete = complete and not any(result.usage.error for result in results)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
