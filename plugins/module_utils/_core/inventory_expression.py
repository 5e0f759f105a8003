# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plain expressions without Jinja: tags['Name'], placement.region, a.b | default('x'), a ~ '-' ~ b.

To evaluate one takes a microsecond instead of a third of a millisecond. Whatever is not plainly one of these, and
whatever could mean something else to Jinja, is left to Jinja.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Evaluate = Callable[[Mapping[str, Any]], Any]

_TEXT = r"""(?:'[^'"\\{}\n]*'|"[^'"\\{}\n]*")"""
_KEY = rf"(?:\.[A-Za-z_][A-Za-z0-9_]*|\[{_TEXT}\])"
_PATH = rf"[A-Za-z_][A-Za-z0-9_]*{_KEY}*(?:\s*\|\s*default\(\s*{_TEXT}\s*(?:,\s*[tT]rue\s*)?\))?"
_PLAIN = re.compile(
    rf"\s*(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<keys>{_KEY}*)"
    rf"(?:\s*\|\s*default\(\s*(?P<default>{_TEXT})\s*(?P<falsy>,\s*[tT]rue\s*)?\))?\s*"
)
_JOINED = re.compile(rf"\s*(?:{_PATH}|{_TEXT})(?:\s*~\s*(?:{_PATH}|{_TEXT}))+\s*")
_PART = re.compile(rf"{_PATH}|{_TEXT}")
_KEYS = re.compile(_KEY)
# Jinja looks for attributes of a value, too: tags.items is a method of the dictionary.
_ATTRIBUTES = frozenset(name for kind in (dict, str, list, int, float, bool, type(None)) for name in dir(kind))


class UndefinedPathError(LookupError):
    """What the expression names is not there."""


class NotPlainError(Exception):
    """The values are not of a kind that is joined here."""


def compiled(expression: Any, known: frozenset[str]) -> Evaluate | None:
    """A function of the variables, or None for what Jinja has to evaluate.

    known: names that are variables wherever they are defined; any other could be a function of Jinja's.
    """
    if not isinstance(expression, str):
        return None
    if not _JOINED.fullmatch(expression):
        return _compiled_path(expression, known)
    parts = [_constant(text) if text[0] in "'\"" else _compiled_path(text, known) for text in _PART.findall(expression)]
    return _joined([part for part in parts if part]) if all(parts) else None


def _compiled_path(expression: str, known: frozenset[str]) -> Evaluate | None:
    match = _PLAIN.fullmatch(expression)
    if match is None or match["name"] not in known:
        return None
    keys = [part[1:] if part.startswith(".") else part[2:-2] for part in _KEYS.findall(match["keys"])]
    if _ATTRIBUTES.intersection(keys):
        return None
    path = _path(match["name"], keys)
    return path if match["default"] is None else _with_default(path, match["default"][1:-1], bool(match["falsy"]))


def _constant(literal: str) -> Evaluate:
    text = literal[1:-1]
    return lambda _variables: text


def _joined(parts: list[Evaluate]) -> Evaluate:
    def evaluate(variables: Mapping[str, Any]) -> str:
        values = [part(variables) for part in parts]
        if not all(isinstance(value, str) for value in values):
            raise NotPlainError
        return "".join(values)

    return evaluate


def _path(name: str, keys: list[str]) -> Evaluate:
    def evaluate(variables: Mapping[str, Any]) -> Any:
        value = variables.get(name, _MISSING)
        for key in keys:
            value = value.get(key, _MISSING) if isinstance(value, dict) else _MISSING
        if value is _MISSING:
            raise UndefinedPathError(name)
        return value

    return evaluate


def _with_default(path: Evaluate, default: str, falsy: bool) -> Evaluate:
    def evaluate(variables: Mapping[str, Any]) -> Any:
        try:
            value = path(variables)
        except UndefinedPathError:
            return default
        return default if falsy and not value else value

    return evaluate


_MISSING = object()
