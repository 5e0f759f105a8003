# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies against definitions, as Django REST framework and the Controller's own field classes read them.

The texts are those of Django REST framework; which class a field has is what the Controller's `build_standard_field`
makes of the model, and tells from the schema: a text, a choice or a truth that is null becomes the empty one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import yaml

from . import tables
from .schema import Field, Schema

Problems = dict[str, list[str]]
_WHOLE = re.compile(r"\s*-?\d+\s*")
_TRUE, _FALSE = {"true", "1", "t", "yes", "on", "y"}, {"false", "0", "f", "no", "off", "n", "", "null"}


class InvalidError(Exception):
    """400: what is wrong, by field."""

    def __init__(self, problems: dict[str, Any]) -> None:
        super().__init__(str(problems))
        self.problems = problems


class _WrongError(Exception):
    """What is wrong with one value."""


Lookup = Callable[[str, int], bool]


class Reader:
    """Reads bodies; `exists` says whether there is an object of a kind and id."""

    def __init__(self, schema: Schema, exists: Lookup) -> None:
        self._schema = schema
        self._exists = exists

    def read(self, definition: str, kind: str, body: Any, *, partial: bool) -> tuple[dict[str, Any], list[str]]:
        """The values that a body gives, with defaults if it makes something new, and the names nobody knows."""
        if not isinstance(body, dict):
            raise InvalidError({"non_field_errors": [f"Invalid data. Expected a dictionary, but got {_name(body)}."]})
        fields = self._schema.fields(definition)
        values: dict[str, Any] = {}
        problems: Problems = {}
        for name, field in fields.items():
            if name in body and not field.read_only:
                try:
                    values[name] = self._value(kind, field, body[name])
                except _WrongError as wrong:
                    problems[name] = [str(wrong)]
            elif not partial:
                self._absent(definition, kind, field, values, problems)
        if problems:
            raise InvalidError(problems)
        return values, sorted(set(body) - set(fields))

    def _absent(self, definition: str, kind: str, field: Field, values: dict[str, Any], problems: Problems) -> None:
        if field.read_only:
            return
        if field.name in self._schema.required(definition):
            problems[field.name] = ["This field is required."]
        elif (kind, field.name) not in tables.RANDOM_DEFAULTS and "default" in field.spec:
            default = field.spec["default"]
            values[field.name] = json.loads(json.dumps(default))

    def _value(self, kind: str, field: Field, value: Any) -> Any:
        target = tables.target(self._schema.kinds, kind, field.name, field.spec)
        if target:
            return self._reference(field, target, value)
        special = tables.FIELD_TYPES.get((kind, field.name)) or tables.FIELD_TYPES.get(("", field.name))
        if special:
            return _SPECIAL[special](field, value)
        if value is None and (kind, field.name) in tables.NOTHING:
            return None
        if value is None and field.type in {"string", "boolean"} and "format" not in field.spec:
            value = "" if field.type == "string" else False
        if value is None:
            if not field.nullable:
                raise _WrongError("This field may not be null.")
            return None
        if "enum" in field.spec:
            return _choice(field, value)
        return _BY_TYPE[field.type](field, value)

    def _reference(self, field: Field, target: str, value: Any) -> int | None:
        if value is None or value == "":
            if not (field.nullable or field.type == "string"):
                raise _WrongError("This field may not be null.")
            return None
        if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdigit():
            raise _WrongError(f"Incorrect type. Expected pk value, received {_name(value)}.")
        if not self._exists(target, int(value)):
            raise _WrongError(f'Invalid pk "{value}" - object does not exist.')
        return int(value)


def _name(value: Any) -> str:
    return type(value).__name__


def _choice(field: Field, value: Any) -> Any:
    choices = field.spec["enum"]
    by_text = {str(choice): choice for choice in choices}
    if value == "" and (field.nullable or "" in by_text):
        # Choices that are numbers are null where none is made.
        return "" if all(isinstance(choice, str) for choice in choices) else None
    if isinstance(value, bool | list | dict) or str(value) not in by_text:
        raise _WrongError(f'"{value}" is not a valid choice.')
    return by_text[str(value)]


def _text(field: Field, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _WrongError("Not a valid string.")
    text = str(value).strip() if field.name in tables.TRIMMED else str(value)
    if not text and not field.blank:
        raise _WrongError("This field may not be blank.")
    longest = field.spec.get("maxLength")
    if longest is not None and len(text) > longest:
        raise _WrongError(f"Ensure this field has no more than {longest} characters.")
    if "pattern" in field.spec and not re.fullmatch(field.spec["pattern"], text):
        raise _WrongError(tables.PATTERNS.get(field.name, f"{text} does not match {field.spec['pattern']}"))
    return text


def _integer(field: Field, value: Any) -> int:
    if isinstance(value, bool | float) or not _WHOLE.fullmatch(str(value)):
        raise _WrongError("A valid integer is required.")
    number = int(value)
    least, most = field.spec.get("minimum"), field.spec.get("maximum")
    if least is not None and number < least:
        raise _WrongError(f"Ensure this value is greater than or equal to {least}.")
    if most is not None and number > most:
        raise _WrongError(f"Ensure this value is less than or equal to {most}.")
    return number


def _boolean(_field: Field, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int) and str(value).lower() in _TRUE | _FALSE:
        return str(value).lower() in _TRUE
    raise _WrongError("Must be a valid boolean.")


def _object(_field: Field, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return parsed(value)
    if not isinstance(value, dict):
        raise _WrongError(f'Expected a dictionary of items but got type "{_name(value)}".')
    return value


def _array(field: Field, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _WrongError(f'Expected a list of items but got type "{_name(value)}".')
    if field.spec.get("items", {}).get("type") == "integer" and not all(
        isinstance(item, int) and not isinstance(item, bool) for item in value
    ):
        raise _WrongError("A valid integer is required.")
    return value


def _variables(field: Field, value: Any) -> str:
    """A text of JSON or YAML whose top is a mapping."""
    if isinstance(value, dict):
        return json.dumps(value)
    text = _text(field, value)
    parsed(text)
    return text


def _mapping(field: Field, value: Any) -> dict[str, Any]:
    return {} if value is None else _object(field, value)


def parsed(text: str) -> dict[str, Any]:
    """The mapping that is written in a text of JSON or YAML."""
    try:
        value = yaml.safe_load(text or "{}")
    except yaml.YAMLError as error:
        raise _WrongError(
            f"Cannot parse as JSON (error: Expecting value: line 1 column 1 (char 0)) or YAML (error: {error})."
        ) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _WrongError(f"Cannot parse as JSON (error: Input type `{_name(value)}` is not a dictionary) or YAML.")
    return value


_BY_TYPE: dict[str, Callable[[Field, Any], Any]] = {
    "string": _text,
    "integer": _integer,
    "boolean": _boolean,
    "object": _object,
    "array": _array,
    "any": lambda _field, value: value,
}
_SPECIAL: dict[str, Callable[[Field, Any], Any]] = {
    "variables": _variables,
    "mapping": _mapping,
}
