# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: settings out of Parameter Store, as one merged tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ._aws import ssm_tree
from ._aws.errors import AwsError
from ._aws.outcomes import DeniedError, MissingError
from ._core.config_tree import Parameter
from ._core.errors import ConfigTreeError
from ._core.setting_layers import READERS, Layer, Settings, Term, assemble, parse

__all__ = [
    "FAILURES",
    "READERS",
    "AwsError",
    "ConfigTreeError",
    "DeniedError",
    "Layer",
    "MissingError",
    "Settings",
    "Term",
    "assemble",
    "branch",
    "leaf",
    "leaves",
    "nothing_found",
    "parse",
    "read",
]

FAILURES = (AwsError, ConfigTreeError)


def read(client: Any, paths: Sequence[str], types: str = "suffix", on_missing: str = "error") -> Settings:
    """The settings of all paths, least specific first, merged.

    A path with nothing below it adds nothing. It is an error if that holds for all of them, unless on_missing is not
    "error". A path of `sensitive` covers whatever lies below it, too.
    """
    terms = [parse(path) for path in paths]
    settings = assemble([layer(client, term) for term in terms], types)
    if on_missing == "error" and len(settings.missing) == len(terms):
        raise MissingError(nothing_found(settings.missing))
    return settings


def nothing_found(missing: Iterable[str]) -> str:
    """The sentence for the user."""
    return (
        f"Parameter Store has nothing at or below {' nor '.join(missing)} in this region and account. "
        "Correct the path, or write the settings first."
    )


def layer(client: Any, term: Term, decrypt: bool = True) -> Layer:
    """What is there for a term that is expected to be a path."""
    found = branch(client, term, decrypt)
    return found or leaf(client, term, decrypt)


def branch(client: Any, term: Term, decrypt: bool = True) -> Layer:
    """What lies below the path."""
    if not term.may_be_a_folder:
        return Layer(term)
    return Layer(term, tuple(Parameter(**item) for item in ssm_tree.below(client, term.path, term.selector, decrypt)))


def leaf(client: Any, term: Term, decrypt: bool = True) -> Layer:
    """The one parameter that the term names."""
    if not term.may_be_a_parameter:
        return Layer(term)
    return _single(term, ssm_tree.one(client, term.path, term.selector, decrypt))


def leaves(client: Any, terms: Sequence[Term], decrypt: bool = True) -> dict[Term, Layer | AwsError]:
    """The same for many in few calls; those that pin something are read one by one."""
    found: dict[Term, Layer | AwsError] = {}
    plain = {term.path: term for term in terms if not term.selector and term.may_be_a_parameter}
    for path, item in ssm_tree.some(client, list(plain), decrypt).items():
        found[plain[path]] = item if isinstance(item, AwsError) else _single(plain[path], item)
    for term in terms:
        if term not in found:
            try:
                found[term] = leaf(client, term, decrypt)
            except AwsError as exc:
                found[term] = exc
    return found


def _single(term: Term, item: ssm_tree.Item | None) -> Layer:
    return Layer(term) if item is None else Layer(term, (Parameter(**item),), single=True)
