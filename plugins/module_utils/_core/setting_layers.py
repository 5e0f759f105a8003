# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One tree of settings out of layers, least specific first, and what is known of its values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .config_tree import Parameter, nest, overlay, parts_below, split, typed
from .errors import ConfigTreeError

SECURE = "SecureString"
_TERM = re.compile(r"(?P<path>[A-Za-z0-9_./:-]+)(?:@(?P<selector>[A-Za-z0-9_.-]+))?")


@dataclass(frozen=True)
class Term:
    """What a user asks for: a path or a parameter, perhaps at a label or, if it is a parameter, at a version."""

    path: str
    selector: str = ""
    folder: bool = False  # written with a slash at its end: never a parameter

    def __str__(self) -> str:
        return f"{self.path}{'/' if self.folder else ''}{'@' if self.selector else ''}{self.selector}"

    @property
    def pins_a_version(self) -> bool:
        return self.selector.isdigit()

    @property
    def may_be_a_folder(self) -> bool:
        return self.path.startswith("/") and not self.pins_a_version

    @property
    def may_be_a_parameter(self) -> bool:
        return not self.folder


@dataclass(frozen=True)
class Layer:
    """What was found for a term."""

    term: Term
    parameters: tuple[Parameter, ...] = ()
    single: bool = False  # the term names this one parameter

    def __bool__(self) -> bool:
        return bool(self.parameters)


@dataclass(frozen=True)
class Settings:
    """The merged tree, or the value of a single parameter; never shown in a traceback."""

    tree: Any = field(repr=False)
    sensitive: frozenset[str] = frozenset()  # dotted paths whose value is a SecureString's
    missing: list[str] = field(default_factory=list)
    secure: tuple[str, ...] = ()  # names of all SecureStrings that were read


def parse(text: str) -> Term:
    """A term as the user writes it, or ConfigTreeError."""
    match = _TERM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ConfigTreeError(
            f"{text!r} is no path of Parameter Store. Write for example /dtk/prod/api/config, "
            "and @ with a label or a version after it to pin one."
        )
    path = match["path"].rstrip("/")
    term = Term(path or "/", match["selector"] or "", match["path"].endswith("/"))
    if term.folder and term.pins_a_version:
        raise ConfigTreeError(
            f"{term} pins a version of a path, but only a single parameter has versions. Pin a label, which can be "
            "set on all parameters of a path, or name one parameter."
        )
    return term


def assemble(layers: Sequence[Layer], types: str = "suffix", alone: bool = False) -> Settings:
    """Merge what was found; what comes later wins. Raises ConfigTreeError, which never tells a value.

    alone: a single parameter is its value, of whatever type, if nothing else was asked for.
    """
    missing = [str(layer.term) for layer in layers if not layer]
    secure = tuple(p.name for layer in layers for p in layer.parameters if p.type == SECURE)
    reader = READERS[types]
    if alone and len(layers) == 1 and layers[0].single:
        (parameter,) = layers[0].parameters
        return Settings(reader(parameter.name.rpartition("/")[2], parameter)[1], frozenset(), missing, secure)
    marks: dict[str, bool] = {}
    trees = []
    for layer in layers:
        tree, marked = _read(layer, reader)
        trees.append(tree)
        marks.update(marked)
    return Settings(overlay(*trees), frozenset(path for path, is_secure in marks.items() if is_secure), missing, secure)


def _read(layer: Layer, reader: Reader) -> tuple[Mapping[str, Any], dict[str, bool]]:
    """The tree of one layer, and for each of its values whether it is to be hidden."""
    if layer.single:
        (parameter,) = layer.parameters
        value = reader(parameter.name.rpartition("/")[2], parameter)[1]
        if not isinstance(value, Mapping):
            raise ConfigTreeError(
                f"{parameter.name} is one parameter, not a path with parameters below it, so it cannot be merged. "
                "Look it up alone, or give the path above it."
            )
        return value, dict.fromkeys(value, parameter.type == SECURE)
    marks = {}
    for parameter in layer.parameters:
        *above, leaf = parts_below(parameter.name, layer.term.path)
        key = split(leaf, parameter.type)[0] if reader is typed else leaf
        marks[".".join([*above, key])] = parameter.type == SECURE
    return nest(layer.parameters, layer.term.path, typed=reader), marks


Reader = Callable[[str, Parameter], "tuple[str, Any]"]


def _text(leaf: str, parameter: Parameter) -> tuple[str, Any]:
    return leaf, parameter.value.split(",") if parameter.type == "StringList" else parameter.value


def _json(leaf: str, parameter: Parameter) -> tuple[str, Any]:
    if parameter.type == "StringList":
        return _text(leaf, parameter)
    try:
        return leaf, typed(f"{leaf}.json", parameter)[1]
    except ConfigTreeError:
        return leaf, parameter.value


READERS: dict[str, Reader] = {"suffix": typed, "text": _text, "json": _json}
