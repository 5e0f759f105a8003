# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How an Automation Controller differs from what it should hold.

`found` is what the API says, by kind: objects as they come, completed by keys that begin with an underscore:
`_lists` (related list to names), `_survey`, and `_nodes` of a workflow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import controller_kinds as kinds
from .controller_kinds import GRANTED, KINDS, Kind, parent

ENCRYPTED = "$encrypted$"
_APART = ("name", "state", "survey_spec", "workflow_nodes")
LINKS = ("success_nodes", "failure_nodes", "always_nodes")

Item = Mapping[str, Any]
Grant = tuple[str, str, str, str]  # team, role, kind, name of the object


@dataclass(frozen=True)
class Change:
    """One call of a module. fields: what differs; empty if the object is not there."""

    kind: str
    name: str
    item: dict[str, Any]
    fields: tuple[str, ...] = ()

    @property
    def what(self) -> Kind:
        return KINDS.get(self.kind, kinds.GRANTS)

    def text(self) -> str:
        how = f" ({', '.join(self.fields)})" if self.fields else ""
        return f"{self.what.word} {self.name}{how}"


@dataclass
class Found:
    """What the Controller holds, as far as it was read."""

    objects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    names: dict[str, dict[int, str]] = field(default_factory=dict)
    grants: dict[Grant, bool] = field(default_factory=dict)
    version: str = ""


@dataclass
class Drift:
    """missing, other: what to apply; extra: ours by its mark, and not wanted any more; foreign: taken by others."""

    missing: list[Change] = field(default_factory=list)
    other: list[Change] = field(default_factory=list)
    extra: list[Change] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    same: int = 0

    def stages(self) -> list[list[Change]]:
        """What to apply, in the order in which objects need each other; what is in one stage does not."""
        todo = [*self.missing, *self.other]
        numbers = sorted({change.what.stage for change in todo})
        return [[change for change in todo if change.what.stage == number] for number in numbers]


def compare(wanted: Mapping[str, Sequence[Item]], found: Found, label: str, rotate: bool = False) -> Drift:
    """rotate: secrets are written again, though nobody can see whether they differ."""
    drift = Drift()
    for variable, items in wanted.items():
        if variable in KINDS:
            _compare_kind(variable, items, found, label, rotate, drift)
    _compare_grants(wanted.get(kinds.ROLES, ()), found, drift)
    return drift


def extras(wanted: Mapping[str, Sequence[Item]], found: Found, label: str) -> list[Change]:
    """What carries our mark and is not wanted any more, in the order in which it can go."""
    gone: list[Change] = []
    for variable, what in KINDS.items():
        names = {_key(variable, item) for item in wanted.get(variable, ())}
        for actual in found.objects.get(variable, ()):
            item = _identity(variable, actual, found)
            if what.mark != "none" and is_ours(what, actual, label) and _key(variable, item) not in names:
                gone.append(Change(variable, actual["name"], {**item, "state": "absent"}))
    asked = set(_grants(wanted.get(kinds.ROLES, ())))
    teams = {item["name"] for item in wanted.get(kinds.TEAMS, ())}
    for team, role, kind, name in sorted(found.grants):
        if team in teams and (team, role, kind, name) not in asked:
            gone.append(_grant_change((team, role, kind, name), absent=True))
    return sorted(gone, key=lambda change: -change.what.stage)


def is_ours(what: Kind, actual: Item, label: str) -> bool:
    """A template is made with its description and gets its label in a second step, which a run may not have come to."""
    if what.mark == "label" and label in actual.get("_lists", {}).get("labels", ()):
        return True
    return what.mark == "none" or f"[{label}]" in (actual.get("description") or "")


def could_be_same(actual: Any, wanted: Any) -> bool:
    """Whether the API's value may be what is wanted: a secret is hidden, and it fills in keys that we did not give."""
    if actual == ENCRYPTED:
        return True
    if isinstance(actual, Mapping) and isinstance(wanted, Mapping):
        return all(key in actual and could_be_same(actual[key], value) for key, value in wanted.items())
    return actual == wanted


# --- objects --------------------------------------------------------------------------------------------------------


def _compare_kind(variable: str, items: Sequence[Item], found: Found, label: str, rotate: bool, drift: Drift) -> None:
    what = KINDS[variable]
    there = {_key(variable, _identity(variable, actual, found)): actual for actual in found.objects.get(variable, ())}
    for item in items:
        actual = there.get(_key(variable, item))
        if actual is None:
            drift.missing.append(Change(variable, item["name"], dict(item)))
            continue
        if not is_ours(what, actual, label):
            drift.foreign.append(f"{what.word} {item['name']}")
        fields = tuple(_different(what, item, actual, found, rotate, drift))
        if fields:
            drift.other.append(Change(variable, item["name"], dict(item), fields))
        else:
            drift.same += 1


def _key(variable: str, item: Item) -> tuple[str, str, str]:
    """What makes an object the same one."""
    own = item.get("credential_type", "") if variable == kinds.CREDENTIALS else parent(variable, item)
    return variable, str(item["name"]), str(own)


def _identity(variable: str, actual: Item, found: Found) -> dict[str, Any]:
    """By which options the module finds an object again."""
    keys = ["organization"] if KINDS[variable].owned or variable in (kinds.SOURCES, kinds.SCHEDULES) else []
    keys += {
        kinds.CREDENTIALS: ["credential_type"],
        kinds.SOURCES: ["inventory"],
        kinds.SCHEDULES: ["unified_job_template"],
    }.get(variable, [])
    named = {key: _referred(KINDS[variable], key, actual, found) for key in keys}
    return {"name": actual["name"], **{key: value for key, value in named.items() if value}}


def _referred(what: Kind, name: str, actual: Item, found: Found) -> str:
    """The name behind a foreign key; the API tells it, too, where the object belongs to somebody else."""
    told = (actual.get("summary_fields") or {}).get(name) or {}
    id = actual.get(name)
    target = what.refs.get(name, "")
    known = found.names.get(target, {}).get(id) if isinstance(id, int) else None
    return known or str(told.get("name", ""))


def _different(what: Kind, item: Item, actual: Item, found: Found, rotate: bool, drift: Drift) -> Iterator[str]:
    for name, wanted in item.items():
        if name in _APART or name in what.foreign:
            continue
        if name in what.lists:
            same = sorted(actual["_lists"].get(name, ())) == sorted(wanted)
        elif name in what.refs:
            same = _referred(what, name, actual, found) == (wanted or "")
        elif name not in actual:
            drift.unknown.append(f"{what.word} {item['name']}: {name}")
            continue
        else:
            same = _same_value(what, name, wanted, actual[name], rotate)
        if not same:
            yield name
    if "survey_spec" in item and not could_be_same(_survey(actual.get("_survey")), _survey(item["survey_spec"])):
        yield "survey"
    if "workflow_nodes" in item and actual.get("_nodes") != nodes(item["workflow_nodes"]):
        yield "nodes"


def _same_value(what: Kind, name: str, wanted: Any, actual: Any, rotate: bool) -> bool:
    if name in what.encoded:
        return _decoded(actual) == dict(wanted or {})
    if name in what.secrets:
        return could_be_same(actual, wanted) and not (rotate and _hidden(actual))
    if isinstance(wanted, Mapping):
        return could_be_same(actual, wanted)
    return actual == wanted or (not actual and not wanted and not isinstance(wanted, bool))


def _hidden(actual: Any) -> bool:
    return isinstance(actual, Mapping) and any(value == ENCRYPTED for value in actual.values())


def _decoded(text: Any) -> Any:
    if not text or isinstance(text, Mapping):
        return dict(text or {})
    try:
        return json.loads(text)
    except ValueError:
        return {} if text.strip() == "---" else text


def _survey(spec: Any) -> dict[str, Any]:
    """A survey without what the API adds."""
    spec = spec or {}
    return {
        "name": spec.get("name", ""),
        "description": spec.get("description", ""),
        "spec": {question["variable"]: dict(question) for question in spec.get("spec", ())},
        "order": [question["variable"] for question in spec.get("spec", ())],
    }


def nodes(items: Iterable[Item]) -> dict[str, dict[str, Any]]:
    """Nodes of a workflow as they are declared, in a form in which those of the API can be put, too."""
    found = {}
    for item in items:
        runs, related = item["unified_job_template"], item.get("related", {})
        links = {key: sorted(other["identifier"] for other in related.get(key, ())) for key in LINKS}
        found[item["identifier"]] = node(runs, links)
    return found


def node(runs: Item, links: Mapping[str, list[str]]) -> dict[str, Any]:
    asks = {key: runs.get(key) for key in ("description", "timeout")} if runs["type"] == "workflow_approval" else {}
    return {"type": runs["type"], "name": runs["name"], **asks, **links}


# --- grants ---------------------------------------------------------------------------------------------------------


def _grants(items: Sequence[Item]) -> Iterator[Grant]:
    for item in items:
        teams = [*item.get("teams", ()), *([item["team"]] if item.get("team") else [])]
        for key, kind in GRANTED.items():
            for name in item.get(key, ()):
                yield from ((team, item["role"], kind, name) for team in teams)


def _compare_grants(items: Sequence[Item], found: Found, drift: Drift) -> None:
    """One call of the module for each team and role."""
    lacking: dict[tuple[str, str], list[Grant]] = {}
    for grant in dict.fromkeys(_grants(items)):
        if grant in found.grants:
            drift.same += 1
        else:
            lacking.setdefault(grant[:2], []).append(grant)
    places = {item["lookup_organization"] for item in items if item.get("lookup_organization")}
    for grants in lacking.values():
        change = _grant_change(*grants)
        owner = {"lookup_organization": next(iter(places))} if len(places) == 1 else {}
        drift.missing.append(Change(change.kind, change.name, {**change.item, **owner}))


def _grant_change(*grants: Grant, absent: bool = False) -> Change:
    team, role = grants[0][:2]
    item: dict[str, Any] = {"teams": [team], "role": role}
    words = {kind: key for key, kind in GRANTED.items()}
    for _team, _role, kind, name in grants:
        item.setdefault(words[kind], []).append(name)
    named = ", ".join(name for *_rest, name in grants) if len(grants) < 3 else f"{len(grants)} objects"
    name = f"{role} of {named} to {team}"
    return Change(kinds.ROLES, name, {**item, "state": "absent"} if absent else item)
