# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other variables of a host are going to look up, so that one call can fetch it all.

Templates are read, never evaluated: only calls with constant terms count, and terms put together from constants and
from variables that are constants themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, TemplateError, nodes

try:
    from ansible.template import is_trusted_as_template
except ImportError:
    # Before ansible-core 2.19 what comes from outside is marked, not what may be a template.
    from ansible.utils.unsafe_proxy import AnsibleUnsafe

    def is_trusted_as_template(value: object) -> bool:
        return not isinstance(value, AnsibleUnsafe)


_LOOKUPS = frozenset({"lookup", "query", "q"})
_MARKS = ("{{", "{%", "{#")
_DEPTH = 8  # of variables that refer to variables, and of lists and dictionaries
_MOST = 200
_PARSER = Environment(autoescape=True)


@dataclass(frozen=True)
class Call:
    """One call of a lookup that a template makes."""

    terms: list[str]
    options: dict[str, Any] = field(default_factory=dict)


class _NotConstantError(Exception):
    """Only evaluating the template would tell."""


def calls(plugin: str, variables: Mapping[str, Any]) -> list[Call]:
    """The calls of a lookup, under its full name, in the templates of all variables."""
    found: list[Call] = []
    for text in _templates(list(variables.values()), plugin, _DEPTH):
        for node in _nodes(text, nodes.Call):
            call = _call(node, plugin, variables)
            if call is not None:
                found.append(call)
                if len(found) == _MOST:
                    return found
    return found


def _templates(value: Any, plugin: str, depth: int) -> Iterator[str]:
    """The strings that name the plugin and are templates by the user's will, not by accident or by malice."""
    if isinstance(value, str):
        if plugin in value and is_trusted_as_template(value):
            yield value
    elif depth:
        # By the methods of the base classes, since those of Ansible's own would evaluate the templates inside.
        if isinstance(value, dict):
            inner: Iterator[Any] = iter(dict.values(value))
        elif isinstance(value, list):
            inner = list.__iter__(value)
        else:
            return
        for each in inner:
            yield from _templates(each, plugin, depth - 1)


def _nodes(text: str, kind: type[nodes.Node]) -> Iterator[Any]:
    try:
        yield from _PARSER.parse(text).find_all(kind)
    except TemplateError:
        return  # Ansible tells it when the variable is used


def _call(node: nodes.Call, plugin: str, variables: Mapping[str, Any]) -> Call | None:
    if not isinstance(node.node, nodes.Name) or node.node.name not in _LOOKUPS or node.dyn_args or node.dyn_kwargs:
        return None
    try:
        name, *terms = [_text(argument, variables, _DEPTH) for argument in node.args]
        options = {option.key: option.value.as_const() for option in node.kwargs}
    except (_NotConstantError, nodes.Impossible, ValueError):
        return None
    return Call(terms, options) if name == plugin else None


def _text(node: nodes.Node, variables: Mapping[str, Any], depth: int) -> str:
    """The text that a node stands for, if that is clear without evaluating anything."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        return node.value
    if isinstance(node, nodes.TemplateData):
        return node.data
    if isinstance(node, nodes.Name):
        return _variable(node.name, variables, depth)
    if isinstance(node, nodes.Add):
        return _text(node.left, variables, depth) + _text(node.right, variables, depth)
    if isinstance(node, nodes.Concat | nodes.Output):
        return "".join(_text(part, variables, depth) for part in node.nodes)
    if isinstance(node, nodes.Filter) and node.name in {"default", "d"} and len(node.args) == 1:
        return _or_default(node, variables, depth)
    raise _NotConstantError


def _or_default(node: nodes.Filter, variables: Mapping[str, Any], depth: int) -> str:
    known = isinstance(node.node, nodes.Name) and node.node.name in variables
    return _text(node.node if known else node.args[0], variables, depth)


def _variable(name: str, variables: Mapping[str, Any], depth: int) -> str:
    value = variables.get(name)
    if not isinstance(value, str) or not depth or not is_trusted_as_template(value):
        raise _NotConstantError
    if not any(mark in value for mark in _MARKS):
        return str(value)
    try:
        body = _PARSER.parse(value).body
    except TemplateError:
        raise _NotConstantError from None
    return "".join(_text(part, variables, depth - 1) for part in body)
