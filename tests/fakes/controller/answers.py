# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs into an answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import tables
from .schema import Field, Schema

_TYPES = {"boolean": bool, "integer": int, "string": str, "object": dict, "array": list}


def problems(schema: Schema, definition: str, value: Any, beyond: tuple[str, ...] = ()) -> Iterator[str]:
    """Everything about an object in an answer that its definition forbids."""
    if not isinstance(value, dict):
        yield f"{definition} is no object but {value!r}"
        return
    fields = schema.fields(definition)
    for name, item in value.items():
        if name in fields:
            yield from _wrong(schema, definition, fields[name], item)
        elif name not in beyond:
            yield f"{definition} has no field {name}"


def _wrong(schema: Schema, definition: str, field: Field, value: Any) -> Iterator[str]:
    if value is None or field.type == "any" or field.name in tables.LOOSE:
        return
    kind = next((kind for kind, own in schema.kinds.items() if own == definition), "")
    if tables.target(schema.kinds, kind, field.name, field.spec):
        if not isinstance(value, int):
            yield f"{definition}.{field.name} is {value!r}, and no id"
    elif "enum" in field.spec and value not in field.spec["enum"] and value != "":
        yield f"{definition}.{field.name} is {value!r}, which is none of its choices"
    elif "enum" not in field.spec and not isinstance(value, _TYPES[field.type]):
        yield f"{definition}.{field.name} is {value!r}, and not of type {field.type}"


def page_problems(schema: Schema, definition: str, value: Any) -> Iterator[str]:
    if not isinstance(value, dict) or set(value) != {"count", "next", "previous", "results"}:
        yield f"a page of {definition} is no page"
        return
    for item in value["results"]:
        yield from problems(schema, _of_member(schema, definition, item), item)


def _of_member(schema: Schema, definition: str, item: dict[str, Any]) -> str:
    """In a list of several kinds each member is described by its own definition."""
    if tables.DEFINITIONS.get(definition) not in tables.UNIONS:
        return definition
    return next(own for kind, own in schema.kinds.items() if tables.type_of(kind) == item["type"])
