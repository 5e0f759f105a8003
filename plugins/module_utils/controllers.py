# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: an Automation Controller as it is, and what it should be. What asks the API is passed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ._core import controller_kinds as kinds
from ._core.controller_content import OWN, ContentError, content, make_files
from ._core.controller_drift import LINKS, Change, Drift, Found, compare, extras, node
from ._core.controller_kinds import GRANTED, KINDS
from ._core.controller_text import to_yaml
from ._core.errors import CoreError
from ._core.strategies import strategy

__all__ = [
    "OPTIONS",
    "OWN",
    "Change",
    "ContentError",
    "ControllerError",
    "CoreError",
    "Drift",
    "Found",
    "compare",
    "confirm",
    "content",
    "extras",
    "make_files",
    "read",
    "refuse",
    "secrets_of",
    "strategy",
    "to_yaml",
]

OPTIONS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["compared", "present", "pruned"], "default": "present"},
    "content": {"type": "dict", "required": True},
    "label": {"type": "str", "default": "dtk"},
    "adopt": {"type": "bool", "default": False},
    "rotate": {"type": "bool", "default": False},
    "parallel": {"type": "int", "default": 8},
    "collection": {"type": "str", "default": "awx.awx"},
    "controller_host": {"type": "str", "default": ""},
    "controller_token": {"type": "str", "default": "", "no_log": True},
    "controller_username": {"type": "str", "default": ""},
    "controller_password": {"type": "str", "default": "", "no_log": True},
    "validate_certs": {"type": "bool", "default": True},
    "request_timeout": {"type": "float", "default": 30},
}

Ask = Callable[[str, Mapping[str, Any]], Any]
"""ask(path below /api/v2/, query): the answer; raises what its maker likes."""


class ControllerError(CoreError):
    """A Controller that cannot be read, or brought to what it should hold."""


_PAGE = 200
_AT_ONCE = 8
_NOTIFIED = tuple(KINDS[kinds.WORKFLOWS].lists)
_APPROVAL = "workflow_approval"


def read(ask: Ask, wanted: Mapping[str, Sequence[Mapping[str, Any]]], whole: bool = False) -> Found:
    """What the API says of all that is wanted; whole: of every kind, to find what is ours beyond it."""
    found = Found(version=str(ask("ping/", {}).get("version", "")))
    _keep(found, kinds.ORGANIZATIONS, _all(ask, "organizations/", {}))
    needed = set(KINDS) if whole else _needed(wanted)
    owners = _owners(found, wanted)
    for kind in KINDS:
        if kind in needed and kind != kinds.ORGANIZATIONS:
            _keep(found, kind, _of_kind(ask, kind, owners, found))
    found.objects[kinds.ORGANIZATIONS] = [one for one in found.objects[kinds.ORGANIZATIONS] if one["id"] in owners]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for kind in found.objects:
            list(pool.map(lambda one, kind=kind: _complete(ask, kind, one, found), found.objects[kind]))
    for kind in (kinds.ORGANIZATIONS, kinds.PROJECTS, kinds.SOURCES, kinds.TEMPLATES, kinds.WORKFLOWS):
        _add_notified(ask, kind, found)
    _read_grants(ask, wanted, found)
    return found


def refuse(drift: Drift, label: str, adopt: bool, version: str) -> None:
    """ControllerError where others own a name that we need, or the API lacks a field, before anything is changed."""
    if drift.unknown:
        raise ControllerError(
            f"The Controller, version {version}, does not know {', '.join(drift.unknown)}. Nothing has been changed. "
            "Leave that out, or upgrade the Controller."
        )
    if drift.foreign and not adopt:
        raise ControllerError(
            f"{', '.join(drift.foreign)}: there already, and not marked as ours "
            f"({label}). Nothing has been changed. Take it over with controller_adopt=true, or choose another name."
        )


def confirm(drift: Drift, version: str) -> None:
    """ControllerError where the API took a change and did not keep it."""
    left = [change.text() for change in (*drift.missing, *drift.other)]
    if left or drift.unknown:
        raise ControllerError(
            f"{', '.join([*left, *drift.unknown])}: the Controller, version {version}, took it and did not keep it. "
            "Everything else is done. Leave out what it does not know, or upgrade it, and run it again."
        )


def secrets_of(item: Mapping[str, Any], names: Iterable[str]) -> set[str]:
    """Every text below these keys: what must not be told."""
    return {text for name in names for text in _texts(item.get(name)) if len(text) > 3}


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [text for below in value for text in _texts(below)]
    return [str(value)] if isinstance(value, str) else []


def _needed(wanted: Mapping[str, Sequence[Any]]) -> set[str]:
    """The kinds of what is wanted and of what it refers to."""
    listed = {kind for kind in wanted if kind in KINDS}
    if wanted.get(kinds.ROLES):
        listed |= {kinds.TEAMS, *(GRANTED[key] for item in wanted[kinds.ROLES] for key in GRANTED if item.get(key))}
    return listed | {target for kind in listed for target in (*KINDS[kind].refs.values(), *KINDS[kind].lists.values())}


def _owners(found: Found, wanted: Mapping[str, Sequence[Mapping[str, Any]]]) -> set[int]:
    """Ids of the organizations that own what is wanted."""
    names = {item["name"] for item in wanted.get(kinds.ORGANIZATIONS, ())}
    names |= {item["organization"] for items in wanted.values() for item in items if item.get("organization")}
    return {id for id, name in found.names[kinds.ORGANIZATIONS].items() if name in names}


def _all(ask: Ask, path: str, query: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    number = 1
    while True:
        page = ask(path, {"page_size": _PAGE, **query, **({"page": number} if number > 1 else {})})
        found += page["results"]
        if not page["next"]:
            return found
        number += 1


def _of_kind(ask: Ask, kind: str, owners: set[int], found: Found) -> list[dict[str, Any]]:
    path = f"{KINDS[kind].path}/"
    if KINDS[kind].owned:
        return [one for id in sorted(owners) for one in _all(ask, path, {"organization": id})]
    listed = _all(ask, path, {})
    if kind == kinds.SOURCES:
        return [one for one in listed if one["inventory"] in found.names.get(kinds.INVENTORIES, {})]
    if kind == kinds.SCHEDULES:
        templates = {
            id: name
            for target in (kinds.TEMPLATES, kinds.WORKFLOWS, kinds.PROJECTS, kinds.SOURCES)
            for id, name in found.names.get(target, {}).items()
        }
        return [one for one in listed if one["unified_job_template"] in templates]
    return listed


def _keep(found: Found, kind: str, listed: list[dict[str, Any]]) -> None:
    found.objects[kind] = listed
    found.names[kind] = {one["id"]: one["name"] for one in listed}


def _complete(ask: Ask, kind: str, one: dict[str, Any], found: Found) -> None:
    """What the list of objects does not tell of each."""
    one["_lists"] = {}
    path = f"{KINDS[kind].path}/{one['id']}/"
    for name in KINDS[kind].lists:
        if name not in _NOTIFIED or name == "labels":
            one["_lists"][name] = _names(ask, path, name, one)
    if kind in (kinds.TEMPLATES, kinds.WORKFLOWS):
        one["_survey"] = ask(f"{path}survey_spec/", {}) if one.get("survey_enabled") else {}
    if kind == kinds.WORKFLOWS:
        one["_nodes"] = _nodes(ask, path, found)


def _names(ask: Ask, path: str, name: str, one: Mapping[str, Any]) -> list[str]:
    """Names in a related list. Most are told with the object, but of labels only the first ones."""
    told = one["summary_fields"].get(name)
    if isinstance(told, Mapping) and told["count"] == len(told["results"]):
        told = told["results"]
    listed = told if isinstance(told, list) else _all(ask, f"{path}{name}/", {})
    return [each["name"] for each in listed]


def _nodes(ask: Ask, path: str, found: Found) -> dict[str, Any]:
    listed = _all(ask, f"{path}workflow_nodes/", {})
    names = {each["id"]: each["identifier"] for each in listed}
    made = {}
    for each in listed:
        links = {key: sorted(names.get(id, "?") for id in each[key]) for key in LINKS}
        made[each["identifier"]] = node(_runs(ask, each, found), links)
    return made


def _runs(ask: Ask, each: Mapping[str, Any], found: Found) -> dict[str, Any]:
    id = each["unified_job_template"]
    name = found.names.get(kinds.TEMPLATES, {}).get(id)
    if name:
        return {"type": "job_template", "name": name}
    told = each["summary_fields"].get("unified_job_template") or {}
    if told.get("unified_job_type") != _APPROVAL:
        return {"type": str(told.get("unified_job_type", "nothing")), "name": str(told.get("name", ""))}
    approval = ask(f"workflow_approval_templates/{id}/", {})
    return {"type": _APPROVAL, **{key: approval[key] for key in ("name", "description", "timeout")}}


def _add_notified(ask: Ask, kind: str, found: Found) -> None:
    """Who is told, by one question for each notification template and occasion instead of several for each object."""
    by_id = {one["id"]: one for one in found.objects.get(kind, ())}
    for name in KINDS[kind].lists if by_id else ():
        if KINDS[kind].lists[name] != kinds.NOTIFICATIONS:
            continue
        for one in by_id.values():
            one["_lists"][name] = []
        for id, told in found.names.get(kinds.NOTIFICATIONS, {}).items():
            for each in _all(ask, f"{KINDS[kind].path}/", {name: id}):
                if each["id"] in by_id:
                    by_id[each["id"]]["_lists"][name].append(told)


def _read_grants(ask: Ask, wanted: Mapping[str, Sequence[Mapping[str, Any]]], found: Found) -> None:
    """Which roles the teams have in the objects that were read."""
    held = {}
    for kind in GRANTED.values():
        for one in found.objects.get(kind, ()):
            for role, told in (one["summary_fields"].get("object_roles") or {}).items():
                held[told["id"]] = (role.removesuffix("_role"), kind, one["name"])
    for team in found.objects.get(kinds.TEAMS, ()) if wanted.get(kinds.ROLES) else ():
        for role in _all(ask, f"teams/{team['id']}/roles/", {}):
            if role["id"] in held:
                found.grants[(team["name"], *held[role["id"]])] = True
