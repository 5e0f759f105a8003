# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of a Controller, how they refer to each other, and its secrets."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptography.fernet import Fernet

from . import tables
from .schema import Schema

_SEAL = "$encrypted$UTF8$"  # models: encrypted values begin so in the database


class Vault:
    """Secrets are kept as the real one keeps them: so that a copy of the store tells none."""

    def __init__(self) -> None:
        self._cipher = Fernet(Fernet.generate_key())

    def seal(self, value: Any) -> Any:
        """A secret text, sealed; what is no text, empty or sealed already, as it is."""
        if not isinstance(value, str) or not value or value.startswith(tables.ENCRYPTED):
            return value
        return _SEAL + self._cipher.encrypt(value.encode()).decode()

    def open(self, value: Any) -> Any:
        """With every secret in it readable."""
        if isinstance(value, dict):
            return {key: self.open(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.open(item) for item in value]
        if isinstance(value, str) and value.startswith(_SEAL):
            return self._cipher.decrypt(value.removeprefix(_SEAL).encode()).decode()
        return value


def masked(value: Any) -> Any:
    """As answers show it."""
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, str) and value.startswith(_SEAL):
        return tables.ENCRYPTED
    return value


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Row:
    """One object: its fields, and what no answer shows as a field."""

    kind: str
    id: int
    values: dict[str, Any]
    created_by: int | None = None
    created: str = field(default_factory=now)
    modified: str = field(default_factory=now)
    hidden: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return tables.url(self.kind, self.id)

    @property
    def name(self) -> str:
        values = self.values
        return str(values.get("name") or values.get("username") or values.get("identifier") or self.id)

    def __getitem__(self, name: str) -> Any:
        return self.values.get(name)


class Store:
    """All of them. Whoever reads or changes more than one thing holds the lock."""

    def __init__(self, schema: Schema) -> None:
        self.lock = threading.RLock()
        self.vault = Vault()
        self._rows: dict[str, dict[int, Row]] = {kind: {} for kind in schema.kinds}
        self._last: dict[str, int] = {}
        self._links: dict[tuple[str, int, str], list[int]] = {}
        self.foreign = {kind: dict(_foreign(schema, kind)) for kind in schema.kinds}
        """By kind: the fields that point somewhere, and to which kind."""
        self.relations = dict(_relations(schema))
        """By kind and list: of which kind its members are."""

    def add(self, kind: str, values: dict[str, Any], by: int | None = None) -> Row:
        sequence = tables.sequence(kind)
        self._last[sequence] = self._last.get(sequence, 0) + 1
        row = Row(kind, self._last[sequence], values, by)
        self._rows[kind][row.id] = row
        return row

    def get(self, kind: str, id: int | None) -> Row | None:
        """An object by its kind, or by a collection of several kinds."""
        found = (self._rows.get(member, {}).get(id) for member in tables.members(kind))
        return next((row for row in found if row), None) if id is not None else None

    def all(self, kind: str) -> list[Row]:
        rows = [row for member in tables.members(kind) for row in self._rows.get(member, {}).values()]
        return sorted(rows, key=lambda row: row.id)

    def where(self, kind: str, /, **values: Any) -> list[Row]:
        return [row for row in self.all(kind) if all(row[name] == value for name, value in values.items())]

    def referred(self, row: Row, name: str) -> Row | None:
        """What a field of an object points to."""
        target = self.foreign[row.kind].get(name)
        return self.get(target, row[name]) if target else None

    def referring(self, row: Row) -> Iterator[tuple[Row, str]]:
        """Everything that points to an object, and by which field."""
        for kind, fields in self.foreign.items():
            for name, target in fields.items():
                if row.kind in tables.members(target):
                    yield from ((other, name) for other in self.where(kind, **{name: row.id}))

    def remove(self, row: Row) -> None:
        """With everything that goes with it."""
        if self._rows[row.kind].pop(row.id, None) is None:
            return
        for other, name in [*self.referring(row)]:
            if (other.kind, name) in tables.CASCADES:
                self.remove(other)
            else:
                other.values[name] = None
        if row.kind == "workflow_job_template_nodes":
            # models: a node takes its approval with it, which nothing else can use
            approval = self.get("workflow_approval_templates", row["unified_job_template"])
            if approval:
                self.remove(approval)
        for role in self.roles(row):
            self.remove(role)
        self._forget(row)

    def roles(self, row: Row) -> list[Row]:
        """The roles that there are in an object."""
        return [role for role in self.all("roles") if role.hidden["object"] == (row.kind, row.id)]

    def _forget(self, row: Row) -> None:
        for kind, id, relation in [*self._links]:
            held = self._links[kind, id, relation]
            if (kind, id) == (row.kind, row.id):
                del self._links[kind, id, relation]
            elif row.id in held and row.kind in tables.members(self.relations[kind, relation]):
                held.remove(row.id)

    # --- lists that objects hold ---

    def linked(self, row: Row, relation: str) -> list[Row]:
        kind = self.relations[row.kind, relation]
        return [found for id in self._links.get((row.kind, row.id, relation), []) if (found := self.get(kind, id))]

    def link(self, row: Row, relation: str, ids: Iterable[int]) -> None:
        held = self._links.setdefault((row.kind, row.id, relation), [])
        held.extend(id for id in ids if id not in held)

    def unlink(self, row: Row, relation: str, id: int) -> None:
        held = self._links.get((row.kind, row.id, relation), [])
        if id in held:
            held.remove(id)

    def holders(self, kind: str, relation: str, id: int) -> list[Row]:
        """The objects of a kind that hold this one in a list."""
        return [row for row in self.all(kind) if id in self._links.get((kind, row.id, relation), [])]


def _foreign(schema: Schema, kind: str) -> Iterator[tuple[str, str]]:
    for name, spec in schema.fields(schema.kinds[kind]).items():
        target = tables.target(schema.kinds, kind, name, spec.spec)
        if target:
            yield name, target


def _relations(schema: Schema) -> Iterator[tuple[tuple[str, str], str]]:
    kinds = {definition: kind for kind, definition in schema.kinds.items()} | tables.DEFINITIONS
    for kind in schema.kinds:
        for below, operation in schema.below(kind):
            if operation and operation.of_many and operation.definition in kinds:
                yield (kind, below), kinds[operation.definition]
