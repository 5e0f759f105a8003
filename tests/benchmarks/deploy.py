# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""deploy_20, deploy_100: one release goes to a fleet of systemd hosts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import deploy_report
from tests.benchmarks.fleet import ENV, TARGET, Fleet
from tests.benchmarks.lineup import CONTESTANTS, Contestant
from tests.benchmarks.measure import Usage, run
from tests.benchmarks.report import Options, Outcome
from tests.lab import Lab

FOLDER = Path("build/bench")


def benchmark(name: str, hosts: int, options: Options) -> Outcome:
    """Measure every contestant on one fleet, each from the same start; the lab is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as control_paths,
        Lab.up(name.replace("_", "-"), hosts=hosts, env=ENV) as lab,
    ):
        fleet = Fleet(lab, FOLDER / name, Path(control_paths))
        runs: dict[str, list[deploy_report.Result]] = {}
        for contestant in schedule(options):
            result = measure(contestant, fleet)
            print(deploy_report.line(result), flush=True)
            runs.setdefault(contestant.name, []).append(result)
    results = [deploy_report.median(several) for several in runs.values()]
    complete = not any(result.usage.error for result in results)
    return Outcome(deploy_report.table(name, results), deploy_report.figures(name, results), complete)


def schedule(options: Options) -> Iterator[Contestant]:
    """All once; the short ones, which noise on the machine distorts most, take turns in further rounds."""
    for number in range(options.rounds):
        yield from (one for one in CONTESTANTS if options.takes_part(one.name) and (number == 0 or one.repeated))


def measure(contestant: Contestant, fleet: Fleet) -> deploy_report.Result:
    fleet.reset()
    tasks_file = fleet.folder / f"{contestant.name}.tasks.json"
    tasks_file.unlink(missing_ok=True)
    environ = os.environ | fleet.lab.environ | contestant.environ(fleet) | {"DTK_BENCH_TASKS": str(tasks_file)}
    usage = run(contestant.argv(fleet), environ, fleet.folder / f"{contestant.name}.log", contestant.timeout_s)
    return deploy_report.Result(contestant.name, verified(usage, fleet), deploy_report.read_tasks(tasks_file))


def verified(usage: Usage, fleet: Fleet) -> Usage:
    """A run only counts when every single host serves the new release afterwards."""
    wrong = fleet.not_serving(TARGET)
    if wrong and not usage.error:
        return usage.failed(f"{len(wrong)} hosts don't serve {TARGET}: {wrong}")
    return usage
