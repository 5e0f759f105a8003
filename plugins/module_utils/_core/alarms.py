# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What alarms mean for those who ask them: a ringing one stops, one without data is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import PlanError
from .text import abbreviated, plural

RINGING, SILENT = "ALARM", "INSUFFICIENT_DATA"
_REASON_WIDTH = 200
_NAMES_WIDTH = 60


@dataclass(frozen=True)
class Alarms:
    """Alarms at one moment. states: name to state and reason, without those that are not there."""

    names: tuple[str, ...]
    states: Mapping[str, Mapping[str, str]]

    @property
    def missing(self) -> list[str]:
        return [name for name in self.names if name not in self.states]

    @property
    def ringing(self) -> list[str]:
        return [name for name in self.names if self._is(name, RINGING)]

    @property
    def silent(self) -> list[str]:
        return [name for name in self.names if self._is(name, SILENT)]

    @property
    def stops(self) -> bool:
        """Whether one rings, or cannot be heard any more since it was deleted."""
        return bool(self.ringing or self.missing)

    def lines(self) -> list[str]:
        """One for each alarm that is not well."""
        rings = [f"alarm {name} rings{_because(self.states[name])}" for name in self.ringing]
        gone = [f"alarm {name} is not there any more" for name in self.missing]
        return [*rings, *gone, *(f"alarm {name} has no data, which stops nothing" for name in self.silent)]

    def result(self) -> dict[str, Any]:
        """For a module."""
        return {
            "alarms": {name: dict(self.states[name]) for name in self.names if name in self.states},
            "ringing": self.ringing,
            "silent": self.silent,
            "missing": self.missing,
            "stops": self.stops,
            "text": self.lines(),
        }

    def _is(self, name: str, state: str) -> bool:
        return self.states.get(name, {}).get("state") == state


NONE = Alarms((), {})


def names_of(wanted: Sequence[str] | None, env: str) -> tuple[str, ...]:
    """The names that are meant: each once, {env} replaced."""
    return tuple(dict.fromkeys(str(name).replace("{env}", env) for name in wanted or ()))


def unknown(missing: Sequence[str], region: str, where: str) -> str:
    """What is said of alarms that nobody made."""
    return f"There is no alarm {', '.join(missing)} in {region}. Correct {where}, or create it there."


def heard(alarms: Alarms, region: str, ignore: bool) -> tuple[Alarms, tuple[str, ...]]:
    """The alarms that a deploy will ask, and notes for its plan; PlanError if it must not begin."""
    if alarms.missing:
        raise PlanError(unknown(alarms.missing, region, "deploy.alarms of the app"))
    if alarms.ringing and not ignore:
        rings = "; ".join(f"{name}{_because(alarms.states[name])}" for name in alarms.ringing)
        raise PlanError(
            f"Already in ALARM before anything changed: {rings}. Wait until that is over; or, if the deploy is the "
            "remedy, run it again with ignore_alarms=true, and what rings now is not asked."
        )
    notes = [f"{name} rings already, and is not asked" for name in alarms.ringing]
    notes += [f"{name} has no data: it stops nothing unless it rings" for name in alarms.silent]
    left = tuple(name for name in alarms.names if name not in alarms.ringing)
    return Alarms(left, {name: alarms.states[name] for name in left}), tuple(notes)


def words(alarms: Alarms, bake: int) -> str:
    """The line of a plan."""
    when = f"asked after each wave and during its {bake} s of baking" if bake else "asked after each wave"
    silent = f", {len(alarms.silent)} without data" if alarms.silent else ""
    return (
        f"{abbreviated(alarms.names, _NAMES_WIDTH)}: {plural(len(alarms.names), 'alarm')}{silent}, {when}; "
        "one that rings stops the deploy and sends every host back"
    )


def _because(alarm: Mapping[str, str]) -> str:
    reason = alarm.get("reason", "")[:_REASON_WIDTH]
    return f" ({reason})" if reason else ""
