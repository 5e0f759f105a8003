# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a document may hold, said once: by this it is checked, completed with defaults, described and made a schema of.

A shape is told as data: `Record({"port": Key(Integer(1, 65535), "Where it listens.", required=True)})`. Each kind has
`fits` (is it of this type at all), `problems` (what is wrong, one sentence each, with the path and the remedy),
`resolved` (the value with defaults filled in, in a fixed order), `schema` (JSON Schema) and `word` (for people).
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

NONE = object()  # no default

_SHOWN = 60
# A value may be a template, which nothing but Ansible can judge.
TEMPLATE = {"type": "string", "pattern": r"\{[{%]"}
_TEMPLATE_REF = {"$ref": "#/$defs/template"}


def shown(value: Any) -> str:
    """A value for a message: short, and on one line."""
    text = repr(value) if isinstance(value, (str, int, float, bool, type(None))) else _kind(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def near(name: Any, known: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    """The remedy for a name that there is not: the nearest one, or all there are."""
    names = list(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}."


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list) else repr(value)


class Shape:
    """Base of all kinds."""

    word = "anything"

    def fits(self, value: Any) -> bool:
        """Whether the value has the type; `problems` says whether it is good."""
        return True

    def problems(self, value: Any, path: str) -> Iterator[str]:
        """What is wrong with the value at this path, with all below it."""
        if not self.fits(value):
            yield f"{path} is {shown(value)}; it must be {self.word}."

    def resolved(self, value: Any) -> Any:
        """The value as plain data, completed."""
        return value

    def schema(self) -> dict[str, Any]:
        """As JSON Schema, without descriptions: those belong to keys."""
        return {}

    def children(self) -> Iterator[tuple[str, Key | None, Shape]]:
        """What lies below, for a reader: (how it is called, its key if it has one, its shape)."""
        return iter(())


@dataclass(frozen=True)
class Key:
    """One key of a record. reader: who makes use of it, if not the one who reads the record."""

    shape: Shape
    about: str
    default: Any = NONE
    required: bool = False
    reader: str = ""


@dataclass(frozen=True)
class Text(Shape):
    """Text that matches a pattern as a whole."""

    pattern: str = r"[^\x00-\x1f\x7f]+"
    word: str = "text on one line"

    def fits(self, value: Any) -> bool:
        return isinstance(value, str)

    def problems(self, value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            quote = " (quote it in YAML)" if isinstance(value, (bool, int, float)) else ""
            yield f"{path} is {shown(value)}; it must be {self.word}{quote}."

    def resolved(self, value: Any) -> Any:
        """A text of Ansible that carries tags becomes a plain one."""
        return str(value)

    def schema(self) -> dict[str, Any]:
        return _or_template({"type": "string", "pattern": f"^(?:{self.pattern})$"})


@dataclass(frozen=True)
class Choice(Shape):
    """One of a few words."""

    values: tuple[str, ...]

    @property
    def word(self) -> str:
        return f"one of {', '.join(self.values)}"

    def fits(self, value: Any) -> bool:
        return isinstance(value, str)

    def problems(self, value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, str) or value not in self.values:
            quote = ' (in YAML a word such as no needs quotes: "no")' if isinstance(value, bool) else ""
            yield f"{path} is {shown(value)}; it must be {self.word}{quote}."

    def resolved(self, value: Any) -> Any:
        return str(value)

    def schema(self) -> dict[str, Any]:
        return _or_template({"enum": list(self.values)})


@dataclass(frozen=True)
class Flag(Shape):
    """true or false."""

    word: str = "true or false"

    def fits(self, value: Any) -> bool:
        return isinstance(value, bool)

    def schema(self) -> dict[str, Any]:
        return _or_template({"type": "boolean"})


@dataclass(frozen=True)
class Number(Shape):
    """A number within limits, a whole one unless `whole` says else."""

    low: float | None = 0
    high: float | None = None
    whole: bool = True

    @property
    def word(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.high is not None:
            return f"{kind} from {self.low or 0:g} to {self.high:g}"
        return kind if self.low is None else f"{kind} of {self.low:g} or more"

    def fits(self, value: Any) -> bool:
        """A bool is an int to Python, and not to a person."""
        return isinstance(value, int if self.whole else (int, float)) and not isinstance(value, bool)

    def problems(self, value: Any, path: str) -> Iterator[str]:
        low = float("-inf") if self.low is None else self.low
        high = float("inf") if self.high is None else self.high
        if not self.fits(value) or not low <= value <= high:
            quote = ", without quotes" if isinstance(value, str) else ""
            yield f"{path} is {shown(value)}; it must be {self.word}{quote}."

    def schema(self) -> dict[str, Any]:
        limits = {"minimum": self.low, "maximum": self.high}
        given = {name: value for name, value in limits.items() if value is not None}
        return _or_template({"type": "integer" if self.whole else "number", **given})


@dataclass(frozen=True)
class Null(Shape):
    """Nothing, on purpose."""

    word: str = "null"

    def fits(self, value: Any) -> bool:
        return value is None

    def schema(self) -> dict[str, Any]:
        return {"type": "null"}


@dataclass(frozen=True)
class ListOf(Shape):
    """A list of one kind of thing."""

    item: Shape
    least: int = 0

    @property
    def word(self) -> str:
        return (
            f"a list, each item {self.item.word}" if not self.least else f"a list that is not empty: {self.item.word}"
        )

    def fits(self, value: Any) -> bool:
        return isinstance(value, list)

    def problems(self, value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, list) or len(value) < self.least:
            yield f"{path} is {shown(value) if value else 'empty'}; it must be {self.word}."
            return
        for index, item in enumerate(value):
            yield from self.item.problems(item, f"{path}[{index}]")

    def resolved(self, value: Any) -> Any:
        return [self.item.resolved(item) for item in value]

    def schema(self) -> dict[str, Any]:
        found = {"type": "array", "items": self.item.schema()}
        return _or_template({**found, "minItems": self.least} if self.least else found)

    def children(self) -> Iterator[tuple[str, Key | None, Shape]]:
        yield "[]", None, self.item


@dataclass(frozen=True)
class MapOf(Shape):
    """Names that the user chooses, each with one kind of value. `name` is their pattern, `naming` says it in words."""

    value: Shape
    name: str
    naming: str
    placeholder: str = "<name>"
    free: bool = True  # whether the whole of it may be a template

    @property
    def word(self) -> str:
        return f"a mapping whose values are {self.value.word}"

    def fits(self, value: Any) -> bool:
        return isinstance(value, Mapping)

    def problems(self, value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, Mapping):
            yield f"{path} is {shown(value)}; it must be {self.word}."
            return
        for name, item in value.items():
            if not isinstance(name, str) or not re.fullmatch(self.name, name):
                yield f"{path} has the name {shown(name)}; a name must be {self.naming}."
            else:
                yield from self.value.problems(item, f"{path}.{name}")

    def resolved(self, value: Any) -> Any:
        """Sorted: the order in which a user wrote them means nothing."""
        return {str(name): self.value.resolved(value[name]) for name in sorted(value)}

    def schema(self) -> dict[str, Any]:
        found = {
            "type": "object",
            "propertyNames": {"pattern": f"^(?:{self.name})$"},
            "additionalProperties": self.value.schema(),
        }
        return _or_template(found) if self.free else found

    def children(self) -> Iterator[tuple[str, Key | None, Shape]]:
        yield f".{self.placeholder}", None, self.value


@dataclass(frozen=True)
class Record(Shape):
    """Keys that we have chosen. `what` names it in messages: "an app". elsewhere: what to do instead of a name that
    many would expect here.
    """

    keys: Mapping[str, Key]
    what: str
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @property
    def word(self) -> str:
        return f"a mapping with the keys of {self.what}"

    def fits(self, value: Any) -> bool:
        return isinstance(value, Mapping)

    def problems(self, value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, Mapping):
            yield f"{path} is {shown(value)}; it must be {self.word}."
            return
        for name in value:
            if name not in self.keys:
                remedy = self.elsewhere.get(name) or near(name, list(self.keys))
                yield f"{path}.{name} is no key of {self.what}; {remedy}"
        for name, key in self.keys.items():
            if name in value:
                yield from key.shape.problems(value[name], f"{path}.{name}")
            elif key.required:
                yield f"{path}.{name} is missing; it must be {key.shape.word}."

    def resolved(self, value: Any) -> Any:
        """In the order of the keys; a key without a default that was not given stays away."""
        found = {}
        for name, key in self.keys.items():
            if name in value:
                found[name] = key.shape.resolved(value[name])
            elif key.default is not NONE:
                found[name] = key.shape.resolved(copy.deepcopy(key.default))
        return found

    def schema(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "type": "object",
            "properties": {name: _described(key) for name, key in self.keys.items()},
            "additionalProperties": False,
        }
        required = [name for name, key in self.keys.items() if key.required]
        return {**found, "required": required} if required else found

    def children(self) -> Iterator[tuple[str, Key | None, Shape]]:
        for name, key in self.keys.items():
            yield f".{name}", key, key.shape


@dataclass(frozen=True)
class Either(Shape):
    """The first of several kinds whose type the value has."""

    kinds: tuple[Shape, ...]

    @property
    def word(self) -> str:
        return " or ".join(kind.word for kind in self.kinds)

    def fits(self, value: Any) -> bool:
        return any(kind.fits(value) for kind in self.kinds)

    def problems(self, value: Any, path: str) -> Iterator[str]:
        kinds = [kind for kind in self.kinds if kind.fits(value)]
        if any(not any(kind.problems(value, path)) for kind in kinds):
            return
        if len(kinds) == 1 and isinstance(value, (Mapping, list)):
            yield from kinds[0].problems(value, path)  # what it should be is clear, so tell where it is not
        else:
            yield f"{path} is {shown(value)}; it must be {self.word}."

    def resolved(self, value: Any) -> Any:
        for kind in self.kinds:
            if kind.fits(value):
                return kind.resolved(value)
        return value

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [kind.schema() for kind in self.kinds]}

    def children(self) -> Iterator[tuple[str, Key | None, Shape]]:
        for kind in self.kinds:
            yield from kind.children()


def rows(shape: Shape, path: str) -> Iterator[tuple[str, Key]]:
    """Every key below, with its path: `dtk_apps.<app>.service.command`."""
    for name, key, below in shape.children():
        here = path + name
        if key:
            yield here, key
        yield from rows(below, here)


def _described(key: Key) -> dict[str, Any]:
    found = {"description": key.about, **key.shape.schema()}
    return found if key.default is NONE else {**found, "default": key.default}


def _or_template(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, _TEMPLATE_REF]}
