# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Between the flat, textual names of Parameter Store and one nested, typed tree of settings.

A parameter's name below the root is the place in the tree, its value is text. A suffix of the last part tells another
type: `port.int`, `ratio.float`, `debug.bool`, `limits.json`. A StringList is a list of strings without any suffix.

nest() gives back every tree that flatten() took. The other way round holds for the settings, not for their names: an
object that is kept as `limits.json` is a folder like any other in the tree, and flatten() makes parameters of it unless
it is told to keep it whole.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ConfigTreeError

# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-parameter-name-constraints.html
MAX_LEVELS = 15
# The ARN in front of a name counts; this is the longest one.
MAX_NAME = 1011 - len("arn:aws-us-gov:ssm:us-gov-west-1:111122223333:parameter")
MAX_DEPTH = 100  # of a JSON value: what is deeper would end a reader with an error of its own
_PART = re.compile(r"[A-Za-z0-9_.-]+")
_SUFFIX = re.compile(r"(?P<key>.+)\.(?P<kind>int|float|bool|json)")
_LONGEST_SUFFIX = ".float"
_INT = re.compile(r"[+-]?[0-9]+")
_BOOLS = {"true": True, "false": False}
# Half of a surrogate pair is no text that could be sent; other control characters do not survive every tool in between.
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")

Place = tuple[str, ...]  # the keys that lead to a setting


@dataclass(frozen=True)
class Parameter:
    """One parameter as the service tells it, or as it should be written."""

    name: str
    value: str = field(repr=False)  # so that no traceback shows it
    type: str = "String"  # or StringList, SecureString
    version: int = 0


def typed(leaf: str, parameter: Parameter) -> tuple[str, Any]:
    """The key and the value of the last part of a name."""
    key, kind = split(leaf, parameter.type)
    if parameter.type == "StringList":
        return key, parameter.value.split(",")
    if not kind:
        return key, parameter.value
    try:
        return key, _READ[kind](parameter.value)
    except (ValueError, KeyError, RecursionError):
        # Without the cause: its text may hold the value.
        raise ConfigTreeError(
            f"The value of {parameter.name} is no {_NOUNS[kind]}, which the suffix .{kind} promises. "
            "Correct the value, or write it under a name without the suffix to have text."
        ) from None


def split(leaf: str, parameter_type: str = "String") -> tuple[str, str]:
    """The key and the kind of value that the last part of a name tells; a StringList needs no suffix and has none."""
    match = None if parameter_type == "StringList" else _SUFFIX.fullmatch(leaf)
    return (match["key"], match["kind"]) if match else (leaf, "")


def nest(
    parameters: Iterable[Parameter], root: str, *, typed: Callable[[str, Parameter], tuple[str, Any]] = typed
) -> dict[str, Any]:
    """The tree of the parameters below `root`, or ConfigTreeError that names the parameter, never its value.

    typed: what else to make of the last part of a name and of a value.
    """
    tree: dict[str, Any] = {}
    values: dict[Place, str] = {}  # each place with a value, and which parameter it came from
    folders: dict[Place, str] = {}
    for parameter in sorted(parameters, key=lambda one: one.name):
        *above, leaf = parts_below(parameter.name, root)
        key, value = typed(leaf, parameter)
        branch = tree
        for depth, folder in enumerate(above, 1):
            at = tuple(above[:depth])
            if at in values:
                raise _clash(values[at], parameter.name)
            folders.setdefault(at, parameter.name)
            branch = branch.setdefault(folder, {})
        at = (*above, key)
        if at in folders:
            raise _clash(parameter.name, folders[at])
        if at in values:
            raise ConfigTreeError(
                f"{values[at]} and {parameter.name} are the same setting. Delete one of the two, or wait for who is "
                "just changing its type."
            )
        values[at] = parameter.name
        branch[key] = value
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


def flatten(tree: Mapping[str, Any], root: str, whole: Collection[Place] = ()) -> list[Parameter]:
    """What to write below `root` so that nest() gives the tree back, by name; or ConfigTreeError.

    A folder becomes one JSON value instead of many parameters if `whole` says so, or if something in it has a key that
    cannot be a part of a name.
    """
    return sorted(_flattened(tree, root.rstrip("/"), (), whole), key=lambda one: one.name)


def parts_below(name: str, root: str) -> list[str]:
    """The parts of a name below the root; a path /a/b does not contain /a/bc."""
    base = root.rstrip("/") + "/"
    if not name.startswith(base) or name == base:
        raise ConfigTreeError(f"{name} does not lie below {root}.")
    return name[len(base) :].split("/")


def place_of(parameter: Parameter, root: str) -> Place:
    """The keys that lead to the setting; two parameters of one place cannot stand beside each other."""
    *above, leaf = parts_below(parameter.name, root)
    return (*above, split(leaf, parameter.type)[0])


def in_json(value: Any, where: str) -> str:
    """A value as compact JSON that Parameter Store takes and that gives the same value back."""
    try:
        if not _is_shallow(value):
            raise ValueError
        _check_keys(value, where)
        options: dict[str, Any] = {"separators": (",", ":"), "sort_keys": True, "allow_nan": False}
        text = json.dumps(value, ensure_ascii=False, **options)
        if _ODD.search(text):
            text = json.dumps(value, ensure_ascii=True, **options)
    except (TypeError, ValueError, RecursionError):
        # Without the cause: its text may hold the value.
        raise ConfigTreeError(
            f"{shown(where)} holds a value of type {type(value).__name__} that no setting can be: "
            f"take text, finite numbers, true, false, null, and lists and objects of these, up to {MAX_DEPTH} deep."
        ) from None
    return text.replace("{{", "{\\u007b")


def shown(name: str) -> str:
    """A name that somebody else chose, for an error: on one line and not endless."""
    text = name if name.isprintable() else ascii(name)[1:-1]
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


_SHOWN = 200


def _whole_number(text: str) -> int:
    if not _INT.fullmatch(text.strip()):
        raise ValueError
    return int(text)


def _number(text: str) -> float:
    if "_" in text or not text.isascii():
        raise ValueError
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _not_json(_constant: str) -> None:
    raise ValueError


def _json(text: str) -> Any:
    value = json.loads(text, parse_float=_number, parse_constant=_not_json)
    if not _is_shallow(value):
        raise ValueError
    return value


_READ = {"int": _whole_number, "float": _number, "bool": lambda text: _BOOLS[text.strip().lower()], "json": _json}
_NOUNS = {"int": "whole number", "float": "number", "bool": "true or false", "json": "JSON"}


def _clash(value: str, below: str) -> ConfigTreeError:
    return ConfigTreeError(
        f"{value} is a value and {below} lies below it, but a setting is either a value or a folder. "
        "Delete one of the two."
    )


def _flattened(tree: Mapping[str, Any], at: str, above: Place, whole: Collection[Place]) -> Iterable[Parameter]:
    for key, value in tree.items():
        where = f"{at}/{key}"
        if fault := _fault(key, where):
            raise ConfigTreeError(fault)
        place = (*above, key)
        if isinstance(value, Mapping) and value and place not in whole and _can_be_a_folder(value, where):
            yield from _flattened(value, where, place, whole)
        else:
            suffix, text, kind = _written(key, value, where)
            yield Parameter(where + suffix, text, kind)


def _can_be_a_folder(tree: Mapping[str, Any], where: str) -> bool:
    return not any(_fault(key, f"{where}/{key}") for key in tree)


def _fault(key: Any, where: str) -> str:
    """Why a key cannot be a part of a name, if it cannot."""
    if not isinstance(key, str):
        return f"The key {shown(where)} is not text but {type(key).__name__}. Quote it."
    if not _PART.fullmatch(key):
        return (
            f"{shown(where)} cannot be the name of a setting: each part takes letters, digits, '_', '-' and '.' only."
        )
    if where.count("/") > MAX_LEVELS or len(where + _LONGEST_SUFFIX) > MAX_NAME:
        return (
            f"The name {shown(where)} is too long: Parameter Store takes {MAX_LEVELS} levels and {MAX_NAME} characters "
            "with the type's suffix."
        )
    return ""


def _written(key: str, value: Any, where: str) -> tuple[str, str, str]:
    """The suffix, the text and the type of parameter that keep a value, whatever it is, as it is."""
    if isinstance(value, bool):
        return ".bool", "true" if value else "false", "String"
    if isinstance(value, int):
        return ".int", in_json(value, where), "String"
    if isinstance(value, float):
        return ".float", in_json(value, where), "String"
    if split(key) == (key, ""):
        if isinstance(value, str) and _storable(value):
            return "", value, "String"
        if isinstance(value, (list, tuple)) and value and all(_listable(item) for item in value):
            return "", ",".join(value), "StringList"
    return ".json", in_json(value, where), "String"


def _check_keys(value: Any, where: str) -> None:
    """JSON would make text of a key that is a number, and nest() would give another tree back."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            if not isinstance(key, str):
                raise ConfigTreeError(_fault(key, f"{where}/{key}"))
            _check_keys(below, where)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_keys(item, where)


def _is_shallow(value: Any, levels: int = MAX_DEPTH) -> bool:
    below = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return levels > 0 and all(_is_shallow(item, levels - 1) for item in below)


def _storable(text: str) -> bool:
    """Parameter Store takes no empty value, and none with {{, which stands for a reference in documents of its own."""
    return bool(text) and "{{" not in text and not _ODD.search(text)


def _listable(item: Any) -> bool:
    return isinstance(item, str) and "," not in item and _storable(item)
