# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check settings against the JSON Schema of their app. A message names the key and the rule, never the value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import ConfigError

_SHOWN = 5
_LONGEST_RULE = 120


def validate(tree: Mapping[str, Any], schema: Any) -> None:
    """Raise ConfigError that tells what breaks the schema, or why the schema cannot be used."""
    library = _library()
    if not isinstance(schema, (Mapping, bool)):
        raise ConfigError(f"schema is a {type(schema).__name__}; give a JSON Schema, which is a dictionary, or a file")
    validator = library.validators.validator_for(schema, default=library.Draft202012Validator)
    try:
        validator.check_schema(schema)
    except library.exceptions.SchemaError as exc:
        where = _dotted(exc.absolute_path) or "its top"
        raise ConfigError(f"the schema is no valid JSON Schema: at {where}, {_rule(exc)}; correct it") from None
    for reference in _references(schema):
        _check_reference(schema, reference)
    found = sorted(validator(schema).iter_errors(tree), key=lambda one: [str(part) for part in one.absolute_path])
    if found:
        shown = "; ".join(_sentence(error) for error in found[:_SHOWN])
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise ConfigError(f"the config breaks its schema: {shown}{more}. Correct the settings or the schema")


def _library() -> Any:
    try:
        import jsonschema
    except ImportError:
        import sys

        raise ConfigError(
            f"the Python library jsonschema is missing for {sys.executable}, so the schema cannot be checked; "
            f"install it ({sys.executable} -m pip install jsonschema) or leave out the option schema"
        ) from None
    return jsonschema


def _sentence(error: Any) -> str:
    where = _dotted(error.absolute_path)
    return f"{where or 'the config'}: {_problem(error)}"


def _problem(error: Any) -> str:
    rule, wanted, instance = error.validator, error.validator_value, error.instance
    if rule == "required" and isinstance(instance, Mapping):
        missing = [name for name in wanted if name not in instance]
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} required"
    if rule == "additionalProperties" and isinstance(error.schema, Mapping) and wanted is False:
        known = set(error.schema.get("properties", {}))
        unknown = sorted(str(name) for name in instance if name not in known)
        return f"{', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not allowed"
    return _rule(error)


def _rule(error: Any) -> str:
    text = json.dumps(error.validator_value, sort_keys=True, default=str)
    if len(text) > _LONGEST_RULE:
        text = f"{text[:_LONGEST_RULE]}…"
    return f"the rule {error.validator} {text} does not hold" if error.validator else "nothing is allowed here"


def _dotted(path: Any) -> str:
    return ".".join(str(part) for part in path)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        found = schema.get("$ref")
        if isinstance(found, str):
            yield found
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _check_reference(schema: Any, reference: str) -> None:
    """What lies elsewhere would be fetched, from a network that a deploy must not hang on."""
    if not reference.startswith("#"):
        raise ConfigError(
            f"the schema refers to {reference!r}, which lies outside of it; copy that part into its $defs"
        )
    place = schema
    for part in reference[1:].split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(place, Mapping) or name not in place:
            raise ConfigError(f"the schema refers to {reference!r}, which it does not have; add it or correct the name")
        place = place[name]
