# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks: python -m tests.benchmarks [NAME…] (all when none is named). README.md says what is compared."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import boot, deploy, inventory, lineup, lookups
from tests.benchmarks.report import Options, Outcome, merge

FIGURES = Path("build/bench.json")
ROUNDS = 3
PEER_HOSTS = 10


@dataclass(frozen=True)
class Benchmark:
    about: str
    contestants: tuple[str, ...]
    run: Callable[[Options], Outcome]


def _deploy(hosts: int) -> Benchmark:
    names = tuple(contestant.name for contestant in lineup.CONTESTANTS)
    run = functools.partial(deploy.benchmark, f"deploy_{hosts}", hosts)
    return Benchmark(f"{hosts} systemd hosts on this machine", names, run)


def _inventory(instances: int) -> Benchmark:
    run = functools.partial(inventory.benchmark, f"inventory_{instances}", instances)
    return Benchmark(f"{instances} instances in two regions of an emulated AWS", inventory.CONTESTANTS, run)


def _lookups(hosts: int) -> Benchmark:
    run = functools.partial(lookups.benchmark, f"lookups_{hosts}", hosts)
    return Benchmark(f"settings and secrets of {hosts} hosts in an emulated AWS", lookups.CONTESTANTS, run)


def _boot() -> Benchmark:
    run = functools.partial(boot.benchmark, "boot")
    return Benchmark("a new instance of Auto Scaling on one systemd host of this machine", boot.CONTESTANTS, run)


BENCHMARKS = {
    "inventory_200": _inventory(200),
    "inventory_1000": _inventory(1000),
    "inventory_5000": _inventory(5000),
    "lookups_100": _lookups(100),
    "boot": _boot(),
    "deploy_20": _deploy(20),
    "deploy_100": _deploy(100),
}


def main() -> int:
    known = sorted({name for benchmark in BENCHMARKS.values() for name in benchmark.contestants})
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("benchmark", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--only", nargs="+", choices=known, default=[], help="run only these contestants")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of those that take turns; default {ROUNDS}")
    parser.add_argument(
        "--peer-hosts",
        type=int,
        default=PEER_HOSTS,
        help=f"of how many hosts amazon.aws looks settings up, to be scaled; default {PEER_HOSTS}",
    )
    given = parser.parse_args()
    unknown = set(given.benchmark) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark named {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    options = Options(given.rounds, frozenset(given.only), given.peer_hosts)
    complete = [run(name, options) for name in given.benchmark or BENCHMARKS]
    return 0 if all(complete) else 1


def run(name: str, options: Options) -> bool:
    """Whether everything could be measured; a target that was missed is no failure."""
    print(f"{name}: {BENCHMARKS[name].about}", flush=True)
    outcome = BENCHMARKS[name].run(options)
    print(outcome.table, flush=True)
    figures = merge(FIGURES, outcome.figures)
    merge(FIGURES, inventory.growth(figures))
    return outcome.complete


if __name__ == "__main__":
    sys.exit(main())
