# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a list is asked for: filters, order and pages, in the Controller's own query language."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Any

from . import tables
from .relations import Relations
from .schema import Schema
from .store import Row, Store

Query = list[tuple[str, str]]
PAGE, LARGEST_PAGE = 25, 200  # settings: PAGINATE_BY, MAX_PAGE_SIZE
_RESERVED = {"page", "page_size", "format", "order", "order_by", "search", "type", "host_filter", "count_disabled"}
_SEARCHED = ("name", "description", "username", "first_name", "last_name", "email", "hostname", "identifier")
_NOTHING = {"", "none", "null"}


class BadQueryError(Exception):
    """400, with the Controller's own words."""


class NoPageError(Exception):
    """404."""


def _texts(test: Callable[[str, str], bool], *, folded: bool) -> Callable[[Any, str], bool]:
    def applied(value: Any, wanted: str) -> bool:
        have = "" if value is None else str(value)
        return test(have.lower(), wanted.lower()) if folded else test(have, wanted)

    return applied


def _equal(value: Any, wanted: str) -> bool:
    if value is None:
        return wanted.lower() in _NOTHING
    if isinstance(value, bool):
        return value == _truth(wanted)
    if isinstance(value, int | float):
        return wanted.lower() not in _NOTHING and float(value) == _number(wanted)
    return str(value) == wanted


def _truth(wanted: str) -> bool:
    if wanted.lower() in {"true", "1"}:
        return True
    if wanted.lower() in {"false", "0"}:
        return False
    raise BadQueryError(f'Unable to parse "{wanted}" as boolean')


def _number(wanted: str) -> float:
    try:
        return float(wanted)
    except ValueError as error:
        raise BadQueryError(f"Field 'id' expected a number but got '{wanted}'.") from error


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, str], bool]:
    def applied(value: Any, wanted: str) -> bool:
        if value is None:
            return False
        return test(float(value), _number(wanted)) if isinstance(value, int | float) else test(str(value), wanted)

    return applied


_LOOKUPS: dict[str, Callable[[Any, str], bool]] = {
    "exact": _equal,
    "iexact": _texts(lambda have, wanted: have == wanted, folded=True),
    "contains": _texts(lambda have, wanted: wanted in have, folded=False),
    "icontains": _texts(lambda have, wanted: wanted in have, folded=True),
    "startswith": _texts(str.startswith, folded=False),
    "istartswith": _texts(str.startswith, folded=True),
    "endswith": _texts(str.endswith, folded=False),
    "iendswith": _texts(str.endswith, folded=True),
    "regex": _texts(lambda have, wanted: bool(re.search(wanted, have)), folded=False),
    "iregex": _texts(lambda have, wanted: bool(re.search(wanted, have, re.IGNORECASE)), folded=False),
    "gt": _ordered(lambda have, wanted: have > wanted),
    "gte": _ordered(lambda have, wanted: have >= wanted),
    "lt": _ordered(lambda have, wanted: have < wanted),
    "lte": _ordered(lambda have, wanted: have <= wanted),
    "in": lambda value, wanted: any(_equal(value, one) for one in wanted.split(",")),
    "isnull": lambda value, wanted: (value is None) == _truth(wanted),
}


class Lister:
    """Answers lists."""

    def __init__(self, schema: Schema, store: Store, relations: Relations) -> None:
        self._schema, self._store, self._relations = schema, store, relations

    def chosen(self, kind: str, rows: Sequence[Row], query: Query) -> list[Row]:
        """The rows of a kind that a query is for, in its order."""
        all_of, any_of = [], []
        for name, wanted in query:
            if name in _RESERVED:
                continue
            alternative, test = self._test(kind, name, wanted)
            (any_of if alternative else all_of).append(test)
        found = [
            row
            for row in rows
            if all(test(row) for test in all_of) and (not any_of or any(test(row) for test in any_of))
        ]
        found = self._searched(found, query)
        return self._in_order(kind, found, query)

    def _test(self, kind: str, name: str, wanted: str) -> tuple[bool, Callable[[Row], bool]]:
        parts = name.split("__")
        prefixes = set()
        while parts and parts[0] in {"or", "not", "chain"}:
            prefixes.add(parts.pop(0))
        lookup = parts.pop() if len(parts) > 1 and parts[-1] in _LOOKUPS else "exact"
        if parts == ["pk"]:
            parts = ["id"]
        self._known(kind, parts)
        compare = _LOOKUPS[lookup]
        positive = "not" not in prefixes

        def test(row: Row) -> bool:
            return any(compare(value, wanted) for value in self._values(row, parts)) == positive

        return "or" in prefixes, test

    def _known(self, kind: str, parts: list[str]) -> None:
        """Says so if a path through fields and lists does not exist."""
        first, *rest = parts
        definition = self._schema.kinds.get(tables.members(kind)[0])
        secret = tables.ENCRYPTED_FIELDS.get(kind, ()) + (("inputs",) if kind == "credentials" else ())
        if first in secret:
            raise BadQueryError(f"Filtering on password fields is not allowed. ({first})")
        for member in tables.members(kind):
            if first in self._store.foreign[member] and rest:
                return self._known(self._store.foreign[member][first], rest)
            if (member, first) in self._store.relations:
                return self._known(self._store.relations[member, first], rest) if rest else None
        known = {name for member in tables.members(kind) for name in self._schema.fields(self._schema.kinds[member])}
        if rest or first not in known - {"related", "summary_fields", "url"}:
            raise BadQueryError(f"{definition} has no field named '{'__'.join(parts)}'")
        return None

    def _values(self, row: Row, parts: list[str]) -> list[Any]:
        first, *rest = parts
        if (row.kind, first) in self._store.relations and first not in row.values:
            members = self._relations.members(row, first)
            return [value for member in members for value in (self._values(member, rest) if rest else [member.id])]
        if rest:
            other = self._store.referred(row, first)
            return self._values(other, rest) if other else [None]
        own = {"id": row.id, "created": row.created, "modified": row.modified, "type": tables.type_of(row.kind)}
        return [own.get(first, row[first])]

    def _searched(self, rows: list[Row], query: Query) -> list[Row]:
        words = [word.lower() for name, text in query if name == "search" for word in text.replace(",", " ").split()]
        types = [kind for name, text in query if name == "type" for kind in text.split(",")]

        def fits(row: Row) -> bool:
            texts = [str(row[name]).lower() for name in _SEARCHED if row[name]]
            return all(any(word in text for text in texts) for word in words)

        return [row for row in rows if fits(row) and (not types or tables.type_of(row.kind) in types)]

    def _in_order(self, kind: str, rows: list[Row], query: Query) -> list[Row]:
        wanted = [name for key, text in query if key in {"order", "order_by"} for name in text.split(",")]
        for name in reversed(wanted):
            parts = name.removeprefix("-").split("__")
            self._known(kind, parts)

            def key(row: Row, parts: list[str] = parts) -> tuple[bool, Any]:
                value = next(iter(self._values(row, parts)), None)
                return (value is not None, value if isinstance(value, int | float) else str(value))

            rows = sorted(rows, key=key, reverse=name.startswith("-"))
        return rows

    @staticmethod
    def page(path: str, rows: Sequence[Any], query: Query) -> tuple[dict[str, Any], Sequence[Any]]:
        """The frame of a page, and what is on it; `next` is a path, as the real one sends it."""
        given = dict(query)
        size = min(int(given["page_size"]) if given.get("page_size", "").isdigit() else PAGE, LARGEST_PAGE) or PAGE
        wanted = given.get("page", "1")
        number = int(wanted) if wanted.isdigit() else 0
        last = max(1, -(-len(rows) // size))
        if not 1 <= number <= last:
            raise NoPageError

        def link(other: int) -> str | None:
            if not 1 <= other <= last:
                return None
            rest = [(name, value) for name, value in query if name != "page"]
            return f"{path}?{urllib.parse.urlencode([*rest, ('page', other)])}"

        frame = {"count": len(rows), "next": link(number + 1), "previous": link(number - 1)}
        return frame, rows[(number - 1) * size : number * size]
