# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What settings were, out of the versions that Parameter Store keeps of each parameter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from .config_change import Current, Found
from .config_tree import Parameter, shown
from .config_view import Curtain, Leaf, in_short, path
from .errors import ConfigTreeError
from .text import table

UTC = timezone.utc
_AGO = re.compile(r"(?P<count>[0-9]{1,6})\s*(?P<unit>[smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Version:
    """One version of one parameter."""

    name: str
    value: str = field(repr=False)
    type: str
    version: int
    at: datetime
    by: str = ""  # the ARN of who wrote it
    why: str = ""  # the description that was written with it
    labels: tuple[str, ...] = ()

    @property
    def parameter(self) -> Parameter:
        return Parameter(self.name, self.value, self.type, self.version)


def moment(text: str, now: datetime) -> datetime:
    """'2026-01-31T12:00:00Z', '2026-01-31' or '2h' ago; without a zone it is UTC."""
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            return now - timedelta(**{_UNITS[ago["unit"]]: int(ago["count"])})
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except (ValueError, OverflowError):
        raise ConfigTreeError(
            f"{text!r} is no time. Write one like 2026-01-31T12:00:00Z, or like 30m, 2h or 7d for so long ago."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def as_of(versions: Iterable[Version], when: datetime) -> tuple[list[Parameter], list[str]]:
    """The parameters at that time, and the names of those whose version of then is no longer kept."""
    found, lost = [], []
    for name, kept in _by_name(versions).items():
        then = [one for one in kept if one.at <= when]
        if then:
            found.append(then[-1].parameter)
        elif kept[0].version > 1:
            lost.append(name)
    return found, lost


def entries(
    versions: Sequence[Version], root: str, curtain: Curtain, *, since: datetime | None, limit: int
) -> list[dict[str, Any]]:
    """Who wrote what when, newest first."""
    found = [
        _entry(root, curtain, before, one)
        for kept in _by_name(versions).values()
        for before, one in zip([None, *kept], kept)
        if since is None or one.at >= since
    ]
    return sorted(found, key=lambda one: (one["at"], one["name"], one["version"]), reverse=True)[:limit]


def as_text(told: Sequence[Mapping[str, Any]]) -> list[str]:
    """The entries as a table."""
    rows = []
    for one in told:
        values = in_short(one["value"])
        if one["version"] > 1:
            values = f"{in_short(one['before'])} -> {values}" if one["before_known"] else f"… -> {values}"
        remark = " ".join(part for part in (shown(one["why"]), *(f"[{label}]" for label in one["labels"])) if part)
        rows.append((one["at"], one["setting"], f"v{one['version']}", values, shown(who(one["by"])), remark))
    return table(rows) if rows else []


def who(arn: str) -> str:
    """The part of an ARN that names a person: the user, or the role and its session."""
    return arn.rpartition(":")[2].partition("/")[2] or arn if arn.startswith("arn:") else arn


def stamp(when: datetime) -> str:
    """2026-01-31T12:00:00Z"""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _entry(root: str, curtain: Curtain, before: Version | None, one: Version) -> dict[str, Any]:
    now = _found(one, root)
    was = _found(before, root) if before else None
    pair = (None, curtain.shown(now.place, _leaf(now)))
    if was:
        pair = curtain.pair(now.place, _leaf(was), _leaf(now))
    return {
        "setting": path(now.place),
        "name": one.name,
        "type": one.type,
        "version": one.version,
        "at": stamp(one.at),
        "by": one.by,
        "why": one.why,
        "labels": list(one.labels),
        "value": pair[1],
        "before": pair[0],
        "before_known": was is not None,
    }


def _found(one: Version, root: str) -> Found:
    return Current([one.parameter], root).all[0]


def _leaf(found: Found) -> Leaf:
    return Leaf(found.value, found.secure)


def _by_name(versions: Iterable[Version]) -> dict[str, list[Version]]:
    """Oldest version first."""
    by_name: dict[str, list[Version]] = {}
    for one in sorted(versions, key=lambda one: (one.name, one.version)):
        by_name.setdefault(one.name, []).append(one)
    return by_name
