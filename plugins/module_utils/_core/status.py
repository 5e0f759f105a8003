# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fleet as one table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .text import plural, table
from .waves import natural

_HEAD = ("HOST", "AZ", "RELEASE", "SINCE", "HEALTH", "DRIFT")
_BALANCED = "TARGETS"
_WELL = ("ok", "active")  # an app without a health check is as well as its unit
_NONE = "-"


def status_lines(
    rows: Sequence[Mapping[str, Any]],
    log: Mapping[str, Any] | None = None,
    balance: Mapping[str, Any] | None = None,
) -> list[str]:
    """Aligned lines: one per host, then a summary and what the deploy log says.

    A row has `name` and `az`, and either the fields of a release_info result or that result under `info`. balance: the
    result of targets_info, for a further column.
    """
    known = log or {}
    views = [_view(row, known) for row in sorted(rows, key=lambda row: natural(_host(row)))]
    lines = table([_HEAD, *views])
    if balance is not None and balance.get("target_groups") != []:
        standing = [_standing(view[0], balance) for view in views]
        lines = table([(*_HEAD, _BALANCED), *[(*view, words) for view, words in zip(views, standing, strict=True)]])
    return [*lines, "", _summary(views), *_balance_lines(balance or {}, known), *_log_lines(known)]


def status_reasons(rows: Sequence[Mapping[str, Any]], log: Mapping[str, Any], expected: str = "") -> list[str]:
    """Why the fleet is not well: nothing if every host is healthy and serves what is stable, which is the expected."""
    found = []
    if expected and log.get("stable") != expected:
        found.append(f"stable is {log.get('stable') or 'no release'}, and not {expected}")
    if log.get("held") and not (log.get("expired") or log.get("dead")):
        found.append(f"a deploy is at work: {log.get('holder')}")
    for row in sorted(rows, key=lambda row: natural(_host(row))):
        host, _zone, release, _since, health, drift = _view(row, log)
        if health not in _WELL:
            found.append(f"{host} is {health}" if health != _NONE else f"{host} tells no health")
        if drift != _NONE:
            found.append(f"{host} serves {release}: {drift}")
    return found if rows else [*found, "no hosts"]


def _host(row: Mapping[str, Any]) -> str:
    return str(row.get("name") or row.get("host") or _NONE)


def _view(row: Mapping[str, Any], log: Mapping[str, Any]) -> tuple[str, ...]:
    seen = _seen(row)
    release = _release(seen)
    return (
        _host(row),
        str(row.get("az") or "unknown"),
        release,
        str(seen.get("since") or seen.get("activated_at") or _NONE),
        _health(seen),
        _drift(seen, release, log),
    )


def _seen(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its info. An info without an answer is one of a host or module that failed."""
    if "info" not in row:
        return dict(row)
    info = row["info"]
    if not isinstance(info, Mapping):
        return {**row, "failed": True}
    return {**row, **info, "failed": "current" not in info}


def _release(seen: Mapping[str, Any]) -> str:
    if _lost(seen):
        return "?"
    return str(seen.get("release") or seen.get("current") or "none")


def _health(seen: Mapping[str, Any]) -> str:
    if seen.get("unreachable"):
        return "unreachable"
    if seen.get("failed"):
        return "error"
    health = seen.get("health")
    if isinstance(health, Mapping):
        return "ok" if health.get("ok") else "FAILING"
    return str(health or seen.get("unit_state") or _NONE)


def _drift(seen: Mapping[str, Any], release: str, log: Mapping[str, Any]) -> str:
    if _lost(seen):
        return "?"
    if seen.get("transaction"):
        return "activation unfinished"
    stable, target = log.get("stable"), log.get("target") or {}
    if not stable or release == stable:
        return _NONE
    return "next release" if release == target.get("release") else f"not {stable}"


def _lost(seen: Mapping[str, Any]) -> bool:
    return bool(seen.get("unreachable") or seen.get("failed"))


def _standing(host: str, balance: Mapping[str, Any]) -> str:
    """How a host stands behind its load balancers."""
    if "hosts" not in balance:
        return "?"
    found = balance["hosts"].get(host) or {}
    if not found.get("serves", True):
        return str(found.get("lifecycle_state") or "has left its Auto Scaling group")
    return str(found.get("trouble") or ", ".join(sorted(set((found.get("states") or {}).values()))) or _NONE)


def _balance_lines(balance: Mapping[str, Any], log: Mapping[str, Any]) -> list[str]:
    """What is wrong with the load balancers, and who puts it right."""
    if balance and "hosts" not in balance:
        return [f"load balancers: {balance.get('msg')}"]
    out = {"draining", "not registered"}
    hosts = balance.get("hosts") or {}
    missing = [
        name
        for name in sorted(hosts, key=natural)
        if hosts[name].get("serves") and out & set((hosts[name].get("states") or {}).values())
    ]
    lines = []
    if missing:
        abandoned = log.get("expired") or log.get("dead") or not log.get("held")
        who = "the next deploy puts them back" if abandoned else "a deploy is at work on them, or has died"
        lines.append(f"not in every target group: {', '.join(missing)}; {who}")
    refreshes = balance.get("refreshes") or {}
    lines += [f"{name} has an {refreshes[name]}; the playbook roll sees it through" for name in sorted(refreshes)]
    suspended = balance.get("suspended") or {}
    lines += [f"suspended in Auto Scaling group {name}: {', '.join(suspended[name])}" for name in sorted(suspended)]
    return lines


def _summary(views: Sequence[tuple[str, ...]]) -> str:
    if not views:
        return "no hosts"
    releases = Counter(view[2] for view in views)
    parts = [f"{count} on {name}" for name, count in sorted(releases.items(), key=lambda item: natural(item[0]))]
    well = sum(view[4] == "ok" for view in views)
    drifting = sum(view[5] != _NONE for view in views)
    return f"{plural(len(views), 'host')}: {', '.join(parts)}; {well} healthy; {drifting} drifting"


def _log_lines(log: Mapping[str, Any]) -> list[str]:
    if not log.get("n"):
        return ["deploy log: empty"] if log else []
    lines = [f"stable: {log.get('stable') or 'none'} (slot {log['n']}, {log.get('at', '')}, by {log.get('by', '')})"]
    if log.get("previous"):
        lines.append(f"can be rolled back to: {', '.join(log['previous'])}")
    if log.get("holder"):
        lines.append(f"held by {log['holder']}")
    return lines
