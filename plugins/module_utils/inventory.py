# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: from instances, as plain data, to hosts, groups and variables. Makes no call and needs no botocore."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ._core import inventory as _core
from ._core import inventory_expression, inventory_groups, inventory_names, inventory_options
from ._core.errors import CoreError

__all__ = [
    "CoreError",
    "Host",
    "Inventory",
    "build",
    "check_names",
    "compiled",
    "expression_variables",
    "identity",
    "legacy",
]

check_names = inventory_options.check_names
identity = inventory_options.identity
legacy = inventory_options.legacy_group_name
expression_variables = _core.expression_variables
UndefinedPathError = inventory_expression.UndefinedPathError
NotPlainError = inventory_expression.NotPlainError


@dataclass(frozen=True)
class Host:
    """A host as Ansible is to have it, and the instance that it is."""

    name: str
    variables: dict[str, Any]
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Inventory:
    """Hosts, groups as positions in the list of hosts, and what a user should know."""

    hosts: list[Host]
    groups: dict[str, list[int]]
    warnings: list[str]


def build(
    rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any], taken: frozenset[str], safe: Callable[[str], str]
) -> Inventory:
    """settings: the plugin's options. taken: names of groups that are there. safe: makes a text the name of a group."""
    tags = inventory_groups.Tags(env=settings["tag_env"], role=settings["tag_role"], app=settings["tag_app"])
    groups, told = inventory_groups.grouped(rows, settings["standard_groups"], tags, safe)
    taken |= {*groups, *map(safe, settings["groups"])}
    naming = inventory_names.naming(settings["hostnames"])
    names, more = inventory_names.names_of(rows, naming, taken, settings["on_duplicate"])
    now = datetime.now(timezone.utc)
    hosts = [Host(name, _variables(row, settings, tags, now), row) for name, row in zip(names, rows)]
    return Inventory(hosts, groups, [*told, *more])


def compiled(expression: Any) -> Callable[[Mapping[str, Any]], Any] | None:
    """A quick way to evaluate a plain expression, or None if there is none."""
    return inventory_expression.compiled(expression, _core.EXPRESSION_NAMES)


def _variables(
    row: Mapping[str, Any], settings: Mapping[str, Any], tags: inventory_groups.Tags, now: datetime
) -> dict[str, Any]:
    variables = _core.host_variables(row, tags.env, tags.role, now)
    variables.update(_core.connection_variables(row, settings["connection"], settings["ssm_plugin"]))
    return variables
