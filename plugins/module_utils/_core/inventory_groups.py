# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The standard groups, without a template engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .inventory import scaling_group

# Every kind of group: its name is the prefix.
KINDS = ("env", "role", "app", "az", "asg", "lifecycle")


@dataclass(frozen=True)
class Tags:
    """Which tags say what an instance is for."""

    env: str
    role: str
    app: str


def grouped(
    rows: Sequence[Mapping[str, Any]], kinds: Iterable[str], tags: Tags, safe: Callable[[str], str]
) -> tuple[dict[str, list[int]], list[str]]:
    """(name of a group to the positions of its members, warnings). safe: makes a text a valid name of a group."""
    readers = [(kind, _readers(tags)[kind]) for kind in kinds]
    members: dict[tuple[str, str], list[int]] = {}
    for position, row in enumerate(rows):
        for kind, read in readers:
            for value in read(row):
                members.setdefault((kind, value), []).append(position)
    groups: dict[str, list[int]] = {}
    raw: dict[str, list[str]] = {}
    for (kind, value), positions in members.items():
        name = safe(f"{kind}_{value}")
        groups.setdefault(name, []).extend(positions)
        raw.setdefault(name, []).append(value)
    return groups, [_collision(name, values) for name, values in raw.items() if len(values) > 1]


def _collision(name: str, values: Iterable[str]) -> str:
    listed = ", ".join(repr(value) for value in sorted(values))
    return (
        f"{listed} become one group: {name}. Names of groups have letters, digits and underscores only; "
        "correct the tags if these are different things."
    )


def _readers(tags: Tags) -> dict[str, Callable[[Mapping[str, Any]], Iterable[str]]]:
    def tag(key: str) -> Callable[[Mapping[str, Any]], Iterable[str]]:
        return lambda row: filter(None, (row["tags"].get(key),))

    def member(key: str) -> Callable[[Mapping[str, Any]], Iterable[str]]:
        return lambda row: filter(None, ((row.get("member") or {}).get(key),))

    def apps(row: Mapping[str, Any]) -> Iterable[str]:
        listed = (app.strip() for app in row["tags"].get(tags.app, "").split(","))
        return dict.fromkeys(filter(None, listed))

    return {
        "env": tag(tags.env),
        "role": tag(tags.role),
        "app": apps,
        "az": lambda row: filter(None, (row["availability_zone"],)),
        "asg": lambda row: filter(None, (scaling_group(row),)),
        "lifecycle": member("lifecycle_state"),
    }
