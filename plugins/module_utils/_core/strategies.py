# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strategies by name: how many hosts at once, how many may fail, how long each wave is watched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import PlanError
from .shape import near

DECLARED = "as declared"
# An estate may change these, and add to them, by its variable dtk_strategies.
PRESETS: dict[str, dict[str, Any]] = {
    DECLARED: {},
    "careful": {"waves": [1, "25%", "50%", "100%"], "budget": 0, "bake": 120},
    "halves": {"waves": ["50%", "100%"], "budget": 0, "bake": 0},
    "all at once": {"waves": ["100%"], "budget": 0, "bake": 0},
}
_KEYS = ("waves", "budget", "bake", "per_az", "min_healthy")


def names(own: Mapping[str, Any]) -> list[str]:
    """All there are, those of the toolkit first."""
    return [*PRESETS, *(name for name in own if name not in PRESETS)]


def strategy(declared: Mapping[str, Any], name: str, own: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What an app declares for its deploys, with what the strategy says instead; PlanError if there is none such."""
    if not name:
        return dict(declared)
    known = {**PRESETS, **own}
    if name not in known:
        raise PlanError(f"preset is {name!r}, which is no strategy; {near(name, list(known))}")
    for key in known[name]:
        if key not in _KEYS:
            raise PlanError(f"dtk_strategies.{name}.{key} is no key of a strategy; {near(key, _KEYS)}")
    return {**declared, **known[name]}
