# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all benchmarks report alike: verdicts on their targets, and the flat figures of build/bench.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Of the command line. `only`: empty means every contestant."""

    rounds: int
    only: frozenset[str]
    peer_hosts: int

    def takes_part(self, contestant: str) -> bool:
        return not self.only or contestant in self.only


@dataclass(frozen=True)
class Outcome:
    """Of one benchmark; complete when everybody could be measured."""

    table: str
    figures: dict[str, float]
    complete: bool


def verdicts(name: str, figures: Mapping[str, float], targets: Mapping[str, float | None]) -> list[str]:
    """A line for each target (None: a figure without one); smaller is better in all of them."""
    lines = []
    for key, target in targets.items():
        if f"{name}.{key}" not in figures:
            lines.append(f"  {key}: not measured")
            continue
        value = figures[f"{name}.{key}"]
        verdict = "" if target is None else f" (target <= {target}: {'met' if value <= target else 'NOT met'})"
        lines.append(f"  {key}: {value:.4g}{verdict}")
    return lines


def merge(path: Path, figures_now: Mapping[str, float]) -> dict[str, float]:
    """Add to the flat object of all benchmarks, keeping what other ones wrote."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    merged = dict(sorted((known | figures_now).items()))
    path.write_text(json.dumps(merged, indent=1) + "\n", encoding="utf-8")
    return merged
