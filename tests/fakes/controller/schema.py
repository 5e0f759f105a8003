# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Controller's own schema: which request a path is, and what belongs into bodies and answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

VERSION = "v2"
_PREFIXES = ("/api/{version}/", f"/api/{VERSION}/")
_PARAMETER = re.compile(r"\\\{(\w+)\\\}")


@dataclass(frozen=True)
class Field:
    """A field of a definition; what the schema says about it."""

    name: str
    spec: dict[str, Any]

    @property
    def read_only(self) -> bool:
        return bool(self.spec.get("readOnly"))

    @property
    def type(self) -> str:
        """With "any" for what the schema cannot tell: it describes computed fields as bare texts."""
        bare = set(self.spec) <= {"type", "readOnly"} and self.spec["type"] == "string" and self.read_only
        return "any" if bare else self.spec["type"]

    @property
    def nullable(self) -> bool:
        return bool(self.spec.get("x-nullable"))

    @property
    def blank(self) -> bool:
        """Whether an empty text is a value of it; for what may not be empty the schema has a least length."""
        return not self.spec.get("minLength")


class Operation(NamedTuple):
    """What the schema says of a method on a path."""

    body: str | None
    status: int
    answer: str | None

    @property
    def of_many(self) -> bool:
        return bool(self.answer) and self.answer.startswith("[")

    @property
    def definition(self) -> str | None:
        return self.answer.strip("[]") if self.answer else None


class Route(NamedTuple):
    """A path of the schema that a request has, with the values of its parameters."""

    template: str
    parameters: dict[str, str]

    @property
    def parts(self) -> list[str]:
        """Of `/api/{version}/x/{id}/y/`: x, {id}, y."""
        below = next((self.template[len(prefix) :] for prefix in _PREFIXES if self.template.startswith(prefix)), "")
        return [part for part in below.split("/") if part]


class Schema:
    """The whole of it; a test may take fields away to have an older API."""

    def __init__(self, document: dict[str, Any] | None = None) -> None:
        document = document or json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
        self.paths: dict[str, dict[str, list[Any]]] = document["paths"]
        self._required: dict[str, list[str]] = {}
        self._fields: dict[str, dict[str, Field]] = {}
        for name, body in document["definitions"].items():
            self._required[name] = body["required"]
            self._fields[name] = {key: Field(key, spec) for key, spec in body["properties"].items()}

    def fields(self, definition: str) -> dict[str, Field]:
        return self._fields[definition]

    def required(self, definition: str) -> list[str]:
        return [name for name in self._required[definition] if name in self._fields[definition]]

    def remove(self, definition: str, field: str) -> Field:
        return self._fields[definition].pop(field)

    def operation(self, template: str, method: str) -> Operation | None:
        found = self.paths[template].get(method.lower())
        if found is None:
            return None
        body, answers = found
        [(status, answer)] = answers.items()
        return Operation(body, int(status), answer)

    def methods(self, template: str) -> list[str]:
        return [method.upper() for method in self.paths[template]]

    def route(self, path: str) -> Route | None:
        for pattern, template in self._patterns:
            found = pattern.fullmatch(path)
            if found:
                return Route(template, found.groupdict())
        return None

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        """The most particular ones first."""
        ordered = sorted(self.paths, key=lambda template: (template.count("{"), template))
        return [(_pattern(template), template) for template in ordered]

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Collections whose members have paths of their own, and the definition of a member."""
        found = {}
        for template in self.paths:
            match = re.fullmatch(r"/api/(?:\{version\}|v2)/(\w+)/\{id\}/", template)
            if match:
                found[match[1]] = self.operation(template, "get").definition
        return found

    def below(self, kind: str) -> list[tuple[str, Operation | None]]:
        """What comes after `/kind/{id}/` in paths, and what reading it gives."""
        return self._below.get(kind, [])

    @cached_property
    def _below(self) -> dict[str, list[tuple[str, Operation | None]]]:
        found: dict[str, list[tuple[str, Operation | None]]] = {}
        for template in self.paths:
            match = re.fullmatch(r"/api/(?:\{version\}|v2)/(\w+)/\{id\}/(\w+)/", template)
            if match:
                found.setdefault(match[1], []).append((match[2], self.operation(template, "get")))
        return found


def _pattern(template: str) -> re.Pattern[str]:
    escaped = re.escape(template).replace(r"\{version\}", VERSION)
    return re.compile(_PARAMETER.sub(lambda name: f"(?P<{name[1]}>[^/]+)", escaped))
