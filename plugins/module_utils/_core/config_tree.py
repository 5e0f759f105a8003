# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Between the flat, textual names of Parameter Store and one nested, typed tree of settings.

A parameter's name below the root is the place in the tree, its value is text. A suffix of the last part tells another
type: `port.int`, `ratio.float`, `debug.bool`, `limits.json`. A StringList is a list of strings without any suffix.
flatten() and nest() are each other's inverse.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ConfigTreeError

# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-parameter-name-constraints.html
MAX_LEVELS = 15
MAX_NAME = 1011
_PART = re.compile(r"[A-Za-z0-9_.-]+")
_SUFFIX = re.compile(r"(?P<key>.+)\.(?P<kind>int|float|bool|json)")
_BOOLS = {"true": True, "false": False}


@dataclass(frozen=True)
class Parameter:
    """One parameter as the service tells it, or as it should be written."""

    name: str
    value: str = field(repr=False)  # so that no traceback shows it
    type: str = "String"  # or StringList, SecureString
    version: int = 0


def nest(parameters: Iterable[Parameter], root: str) -> dict[str, Any]:
    """The tree of the parameters below `root`, or ConfigTreeError that names the parameter, never its value."""
    tree: dict[str, Any] = {}
    values: dict[tuple[str, ...], str] = {}  # each place with a value, and which parameter it came from
    folders: dict[tuple[str, ...], str] = {}
    for parameter in sorted(parameters, key=lambda one: one.name):
        *above, leaf = parts_below(parameter.name, root)
        key, value = typed(leaf, parameter)
        place = tree
        for depth, folder in enumerate(above, 1):
            at = tuple(above[:depth])
            if at in values:
                raise _clash(values[at], parameter.name)
            folders.setdefault(at, parameter.name)
            place = place.setdefault(folder, {})
        at = (*above, key)
        if at in folders:
            raise _clash(parameter.name, folders[at])
        if at in values:
            raise ConfigTreeError(f"{values[at]} and {parameter.name} are the same setting. Delete one of the two.")
        values[at] = parameter.name
        place[key] = value
    return tree


def overlay(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """One tree of all layers; what comes later wins. Only folders are merged: a list replaces a list."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping):
                below = merged.get(key)
                merged[key] = overlay(below if isinstance(below, Mapping) else {}, value)
            else:
                merged[key] = value
    return merged


def flatten(tree: Mapping[str, Any], root: str) -> list[Parameter]:
    """What to write below `root` so that nest() gives the tree back, by name; or ConfigTreeError."""
    return sorted(_flattened(tree, root.rstrip("/")), key=lambda one: one.name)


def setting(name: str) -> str:
    """The name without its type: two parameters of one setting cannot stand beside each other."""
    folder, slash, leaf = name.rpartition("/")
    match = _SUFFIX.fullmatch(leaf)
    return f"{folder}{slash}{match['key'] if match else leaf}"


def parts_below(name: str, root: str) -> list[str]:
    """The parts of a name below the root; a path /a/b does not contain /a/bc."""
    base = root.rstrip("/") + "/"
    if not name.startswith(base) or name == base:
        raise ConfigTreeError(f"{name} does not lie below {root}.")
    return name[len(base) :].split("/")


def typed(leaf: str, parameter: Parameter) -> tuple[str, Any]:
    """The key and the value of the last part of a name."""
    if parameter.type == "StringList":
        return leaf, parameter.value.split(",")
    match = _SUFFIX.fullmatch(leaf)
    if match is None:
        return leaf, parameter.value
    kind = match["kind"]
    try:
        return match["key"], _READ[kind](parameter.value)
    except (ValueError, KeyError, RecursionError):
        # Without the cause: its text may hold the value.
        raise ConfigTreeError(
            f"The value of {parameter.name} is no {_NOUNS[kind]}, which the suffix .{kind} promises. "
            "Correct the value, or write it under a name without the suffix to have text."
        ) from None


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


_READ = {"int": int, "float": _number, "bool": lambda text: _BOOLS[text.strip().lower()], "json": json.loads}
_NOUNS = {"int": "whole number", "float": "number", "bool": "true or false", "json": "JSON"}


def _clash(value: str, below: str) -> ConfigTreeError:
    return ConfigTreeError(
        f"{value} is a value and {below} lies below it, but a setting is either a value or a folder. "
        "Delete one of the two."
    )


def _flattened(tree: Mapping[str, Any], at: str) -> Iterable[Parameter]:
    for key, value in tree.items():
        where = f"{at}/{key}"
        _check(key, where)
        if isinstance(value, Mapping) and value:
            yield from _flattened(value, where)
        else:
            suffix, text, kind = _written(key, value, where)
            yield Parameter(where + suffix, text, kind)


def _check(key: Any, where: str) -> None:
    if not isinstance(key, str) or not _PART.fullmatch(key):
        raise ConfigTreeError(
            f"{where} cannot be the name of a setting: each part takes letters, digits, '_', '-' and '.' only."
        )
    if where.count("/") > MAX_LEVELS or len(where) > MAX_NAME:
        raise ConfigTreeError(
            f"The name {where} is too long: Parameter Store takes {MAX_LEVELS} levels and {MAX_NAME} characters."
        )


def _written(key: str, value: Any, where: str) -> tuple[str, str, str]:
    """The suffix, the text and the type of parameter that keep a value, whatever it is, as it is."""
    if isinstance(value, bool):
        return ".bool", "true" if value else "false", "String"
    if isinstance(value, int):
        return ".int", str(value), "String"
    if isinstance(value, float) and math.isfinite(value):
        return ".float", repr(value), "String"
    if _SUFFIX.fullmatch(key) is None:
        if isinstance(value, str) and _storable(value):
            return "", value, "String"
        if isinstance(value, (list, tuple)) and value and all(_listable(item) for item in value):
            return "", ",".join(value), "StringList"
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        raise ConfigTreeError(f"{where} holds a {type(value).__name__} that no setting can be.") from None
    return ".json", text.replace("{{", "{\\u007b"), "String"


def _storable(text: str) -> bool:
    """Parameter Store takes no empty value, and none with {{, which stands for a reference in documents of its own."""
    return bool(text) and "{{" not in text


def _listable(item: Any) -> bool:
    return isinstance(item, str) and "," not in item and _storable(item)
