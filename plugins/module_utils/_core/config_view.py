# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings for people: what differs between two trees, without what nobody should see."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .config_change import HIDDEN, Current, equal, leaves
from .config_tree import Place
from .text import plural, table

SENSITIVE = ("*password*", "*secret*", "*token*", "*key*")
MASK = "********"
OTHER = "******** (another value)"
_WIDTH = 60


@dataclass(frozen=True)
class Leaf:
    """One value of a tree, and whether it may be shown."""

    value: Any = field(repr=False)
    secure: bool = False


@dataclass(frozen=True)
class Difference:
    """What is other in the second of two trees. Places lead to leaves."""

    added: dict[Place, Leaf]
    removed: dict[Place, Leaf]
    changed: dict[Place, tuple[Leaf, Leaf]]
    unknown: tuple[Place, ...] = ()  # on both sides, but no value is known, as of a SecureString
    same: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class Curtain:
    """Hides the values of settings with a sensitive name, of SecureStrings, and what is not known."""

    def __init__(self, patterns: Iterable[str] = SENSITIVE) -> None:
        self._patterns = [pattern.casefold() for pattern in patterns]

    def hides(self, place: Iterable[str]) -> bool:
        """Whether a part of the name matches a pattern, in upper or lower case."""
        return any(fnmatch.fnmatchcase(part.casefold(), pattern) for part in place for pattern in self._patterns)

    def shown(self, place: Place, leaf: Leaf) -> Any:
        """The value, or the mask."""
        return MASK if leaf.secure or self.hides(place) else self._shown_value(leaf.value)

    def pair(self, place: Place, before: Leaf, after: Leaf) -> tuple[Any, Any]:
        """Both values of a changed setting, so that a change is seen even if neither may be."""
        shown = self.shown(place, before), self.shown(place, after)
        return (MASK, OTHER) if shown[0] == shown[1] else shown

    def _shown_value(self, value: Any) -> Any:
        if value is HIDDEN:
            return MASK
        if isinstance(value, Mapping):
            return {key: MASK if self.hides([key]) else self._shown_value(below) for key, below in value.items()}
        if isinstance(value, list):
            return [self._shown_value(item) for item in value]
        return value


def leaves_of(current: Current) -> dict[Place, Leaf]:
    """Every value and where it stands, also out of parameters that contradict each other."""
    found: dict[Place, Leaf] = {}
    for one in current.all:
        if isinstance(one.value, Mapping) and one.value:
            for below, value in leaves(one.value):
                found[(*one.place, *below)] = Leaf(value, one.secure)
        else:
            found[one.place] = Leaf(one.value, one.secure)
    return found


def compare(before: Mapping[Place, Leaf], after: Mapping[Place, Leaf]) -> Difference:
    """What the second has other than the first."""
    both = [place for place in sorted(before) if place in after]
    unknown = {place for place in both if before[place] == after[place] == Leaf(HIDDEN, before[place].secure)}
    differ = [place for place in both if place not in unknown and not _same(before[place], after[place])]
    return Difference(
        added={place: after[place] for place in sorted(after) if place not in before},
        removed={place: before[place] for place in sorted(before) if place not in after},
        changed={place: (before[place], after[place]) for place in differ},
        unknown=tuple(sorted(unknown)),
        same=len(both) - len(unknown) - len(differ),
    )


def as_dicts(difference: Difference, curtain: Curtain) -> dict[str, Any]:
    """The difference for playbooks: typed values by the path of the setting, nothing that must be hidden."""
    changed = {}
    for place, (before, after) in difference.changed.items():
        shown = curtain.pair(place, before, after)
        changed[path(place)] = {"before": shown[0], "after": shown[1]}
    return {
        "added": {path(place): curtain.shown(place, leaf) for place, leaf in difference.added.items()},
        "removed": {path(place): curtain.shown(place, leaf) for place, leaf in difference.removed.items()},
        "changed": changed,
        "unknown": [path(place) for place in difference.unknown],
        "same": difference.same,
    }


def as_diff(difference: Difference, curtain: Curtain, header: str) -> dict[str, Any]:
    """The difference for Ansible's diff mode."""
    plain = as_dicts(difference, curtain)
    changed = plain["changed"]
    return {
        "before": {**plain["removed"], **{name: both["before"] for name, both in changed.items()}},
        "after": {**plain["added"], **{name: both["after"] for name, both in changed.items()}},
        "before_header": header,
        "after_header": header,
    }


def as_text(difference: Difference, curtain: Curtain) -> list[str]:
    """The difference as a table: + added, - removed, ~ changed; the last line counts."""
    plain = as_dicts(difference, curtain)
    rows = [(name, "+", in_short(value)) for name, value in plain["added"].items()]
    rows += [(name, "-", in_short(value)) for name, value in plain["removed"].items()]
    rows += [
        (name, "~", f"{in_short(both['before'])} -> {in_short(both['after'])}")
        for name, both in plain["changed"].items()
    ]
    rows += [(name, "?", "not compared") for name in plain["unknown"]]
    lines = table([(sign, name, value) for name, sign, value in sorted(rows)]) if rows else []
    counts = [f"{len(plain['added'])} added, {len(plain['changed'])} changed, {len(plain['removed'])} removed"]
    counts.append(f"{plural(difference.same, 'setting')} the same")
    if difference.unknown:
        counts.append(f"{len(difference.unknown)} not compared")
    return [*lines, ", ".join(counts)]


def in_short(value: Any) -> str:
    """A value on one line: text bare if it cannot be mistaken, everything else as JSON."""
    bare = isinstance(value, str) and value.isprintable() and value == value.strip() and value not in ("", *_WORDS)
    text = value if bare and not _is_number(value) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def credentials(difference: Difference, curtain: Curtain) -> list[str]:
    """The settings that are new or changed, in plain text, and have the name of a secret."""
    written = {**difference.added, **{place: after for place, (_before, after) in difference.changed.items()}}
    return [
        path(place)
        for place, leaf in sorted(written.items())
        if isinstance(leaf.value, str) and leaf.value and not leaf.secure and curtain.hides(place)
    ]


def path(place: Sequence[str]) -> str:
    """How a setting is called by people."""
    return "/".join(place)


_WORDS = ("true", "false", "null")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _same(one: Leaf, other: Leaf) -> bool:
    return one.secure == other.secure and equal(one.value, other.value)
