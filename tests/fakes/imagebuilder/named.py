# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has a name and no version, and can be replaced as a whole: configurations, pipelines and lifecycle policies."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.contract import RefusalError

from .region import Parameters, Region, filtered, without_nothing

Operation = Callable[[Region, Parameters], Parameters]
# No part of what a request replaces.
_ABOUT_THE_REQUEST = frozenset({"clientToken", "dryRun"})


@dataclass(frozen=True)
class Kind:
    kind: str  # in ARNs
    noun: str  # in names of operations
    plural: str
    key: str  # the member that has the ARN
    member: str  # the answer of Get
    items: str  # the answer of List
    complete: Callable[[Region, Parameters], Parameters]  # checks a request, and fills in what it leaves out
    users: Callable[[Region, str], Iterable[str]] = lambda region, arn: ()
    filters: dict[str, Callable[[dict[str, Any]], Any]] = field(default_factory=lambda: {"name": _name})
    shown: Callable[[Region, dict[str, Any]], dict[str, Any]] = lambda region, thing: thing
    summary: Callable[[dict[str, Any]], dict[str, Any]] = lambda thing: thing
    text_dates: bool = True

    def operations(self) -> dict[str, Operation]:
        return {
            f"Create{self.noun}": functools.partial(_create, self),
            f"Get{self.noun}": functools.partial(_get, self),
            f"Update{self.noun}": functools.partial(_update, self),
            f"Delete{self.noun}": functools.partial(_delete, self),
            f"List{self.plural}": functools.partial(_list, self),
        }

    def date(self, region: Region) -> Any:
        return region.clock.text() if self.text_dates else region.clock.now()


def _name(thing: dict[str, Any]) -> str:
    return str(thing["name"])


def _create(kind: Kind, region: Region, parameters: Parameters) -> Parameters:
    arn = region.arn(kind.kind, parameters["name"])
    if arn in region.state.of(kind.kind):
        raise RefusalError(
            "ResourceAlreadyExistsException", f"The following resource '{kind.noun}' already exists: '{arn}'."
        )
    date = kind.date(region)
    thing = _body(kind, region, parameters) | {"dateCreated": date, "dateUpdated": date}
    region.create(parameters, kind.kind, arn, without_nothing(thing))
    return {kind.key: arn}


def _body(kind: Kind, region: Region, parameters: Parameters) -> dict[str, Any]:
    body = {key: value for key, value in parameters.items() if key not in _ABOUT_THE_REQUEST}
    return body | kind.complete(region, parameters)


def _get(kind: Kind, region: Region, parameters: Parameters) -> Parameters:
    return {kind.member: kind.shown(region, region.get(parameters[kind.key]))}


def _update(kind: Kind, region: Region, parameters: Parameters) -> Parameters:
    """A full replacement: what the request leaves out is gone, but for the name, the tags and the dates."""
    arn = parameters[kind.key]
    old = region.referred(arn)
    kept = {key: old.get(key) for key in ("arn", "name", "tags", "dateCreated", "dateLastRun")}
    new = _body(kind, region, parameters | ({"name": old["name"]}))
    new.pop(kind.key)
    region.state.of(kind.kind)[arn] = without_nothing(new | kept | {"dateUpdated": kind.date(region)})
    return {kind.key: arn}


def _delete(kind: Kind, region: Region, parameters: Parameters) -> Parameters:
    arn = parameters[kind.key]
    region.exact(arn)
    region.unused(arn, kind.users(region, arn))
    del region.state.of(kind.kind)[arn]
    return {kind.key: arn}


def _list(kind: Kind, region: Region, parameters: Parameters) -> Parameters:
    things = [kind.summary(kind.shown(region, thing)) for thing in region.state.of(kind.kind).values()]
    found = filtered(things, parameters, kind.filters)
    return region.page(f"List{kind.plural}", kind.items, found, parameters)


def pipelines_with(member: str) -> Callable[[Region, str], Iterable[str]]:
    """The pipelines that refer to an ARN in this member."""

    def users(region: Region, arn: str) -> Iterable[str]:
        return (one["arn"] for one in region.state.of("image-pipeline").values() if one.get(member) == arn)

    return users


def refuse(message: str) -> None:
    raise RefusalError("InvalidRequestException", message)
