# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as answers show them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import tables
from .access import Access
from .relations import Relations
from .schema import Field, Schema
from .store import Row, Store, masked

_EMPTY: dict[str, Any] = {"boolean": False, "integer": 0, "array": [], "object": {}, "string": "", "any": ""}


class Presenter:
    """Shows rows by the definitions of the schema."""

    def __init__(self, schema: Schema, store: Store, access: Access, relations: Relations) -> None:
        self._schema, self._store, self._access, self._relations = schema, store, access, relations

    def show(self, row: Row, user: Row, definition: str | None = None) -> dict[str, Any]:
        """A member of a union is shown as what it is, whatever the list's definition."""
        wanted = definition if definition and self._fits(row, definition) else self._schema.kinds[row.kind]
        hidden = tables.WRITE_ONLY.get(row.kind, ())
        return {
            name: self._value(row, field, user)
            for name, field in self._schema.fields(wanted).items()
            if name not in hidden
        }

    def _fits(self, row: Row, definition: str) -> bool:
        return tables.DEFINITIONS.get(definition, row.kind) == row.kind

    def _value(self, row: Row, field: Field, user: Row) -> Any:
        made = _MADE.get(field.name)
        if made:
            return made(self, row, user)
        if field.name in tables.ENCRYPTED_FIELDS.get(row.kind, ()):
            return tables.ENCRYPTED
        if field.name in tables.NODE_LISTS:
            return [node.id for node in self._store.linked(row, field.name)]
        counted = tables.COUNTED.get((row.kind, field.name))
        if counted:
            return len(self._relations.members(row, counted))
        if field.name in self._store.foreign[row.kind]:
            return row[field.name]
        if field.name in row.values:
            return masked(row.values[field.name])
        return _initial(row.kind, field)

    # --- fields of all objects ---

    def related(self, row: Row, _user: Row | None = None) -> dict[str, str]:
        found = {}
        if row.created_by:
            found["created_by"] = tables.url("users", row.created_by)
        for name in self._store.foreign[row.kind]:
            other = self._store.referred(row, name)
            if other:
                found[name] = other.url
        for below, _ in self._schema.below(row.kind):
            if below not in tables.UNRELATED:
                found[below] = tables.url(row.kind, row.id, below)
        if row["webhook_service"] and row.kind in {"job_templates", "workflow_job_templates"}:
            found["webhook_receiver"] = tables.url(row.kind, row.id, row["webhook_service"])
        return found | {name: other.url for name, other in self._last(row)}

    def summary_fields(self, row: Row, user: Row) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in self._store.foreign[row.kind]:
            other = self._store.referred(row, name)
            if other:
                found[name] = self.summary(other)
        if row.created_by and (author := self._store.get("users", row.created_by)):
            found["created_by"] = self.summary(author)
        found |= {name: self.summary(other) for name, other in self._last(row)}
        roles = self._store.roles(row)
        if roles:
            found["object_roles"] = {role.hidden["field"]: {**role.values, "id": role.id} for role in roles}
        if row.kind == "roles":
            found |= self._of_role(row)
        for name, counted in tables.LISTED.get(row.kind, {}).items():
            results = [self.summary(other) for other in self._relations.members(row, name)]
            found[name] = {"count": len(results), "results": results} if counted else results
        if row.hidden.get("survey_spec"):
            survey = row.hidden["survey_spec"]
            found["survey"] = {"title": survey["name"], "description": survey["description"]}
        if row.kind not in tables.UNCHANGEABLE:
            found["user_capabilities"] = self._capabilities(row, user)
        return found

    def _last(self, row: Row) -> Iterator[tuple[str, Row]]:
        """The job of a template that runs, and the one that ran."""
        if row.kind not in tables.JOBS:
            return
        word = "update" if row.kind in {"projects", "inventory_sources"} else "job"
        for age, key in (("current", "current_job"), ("last", "last_job")):
            job = self._store.get("unified_jobs", row.hidden.get(key))
            if job:
                yield f"{age}_{word}", job
                if word == "update":
                    yield f"{age}_job", job

    def _of_role(self, role: Row) -> dict[str, Any]:
        kind, id = role.hidden["object"]
        holder = self._store.get(kind, id)
        type_name = tables.type_of(kind)
        words = type_name.replace("_", " ").title()
        return {
            "resource_name": holder.name if holder else "",
            "resource_type": type_name,
            "resource_type_display_name": words,
            "resource_id": id,
        }

    def summary(self, row: Row) -> dict[str, Any]:
        names = ("name", "description", *tables.SUMMARIES.get(row.kind, ()))
        found = {"id": row.id} | {name: masked(row.values[name]) for name in names if name in row.values}
        if row.kind in tables.JOB_TYPES:
            found["unified_job_type"] = tables.JOB_TYPES[row.kind]
        if row.kind in tables.TEMPLATES:
            found["type"] = tables.type_of(row.kind)
        return found

    def _capabilities(self, row: Row, user: Row) -> dict[str, bool]:
        changeable = self._access.can_change(user, row)
        found = {"edit": changeable, "delete": changeable}
        for below, _ in self._schema.below(row.kind):
            if below == "copy":
                found["copy"] = changeable
            elif below in {"launch", "update"}:
                found["start"] = self._access.can_act(user, row, below)
        return found


def _initial(kind: str, field: Field) -> Any:
    if (kind, field.name) in tables.NOTHING:
        return None
    for key in ((kind, field.name), ("", field.name)):
        if key in tables.INITIAL:
            return tables.INITIAL[key]
    if "default" in field.spec and (kind, field.name) not in tables.RANDOM_DEFAULTS:
        return field.spec["default"]
    if field.nullable or "format" in field.spec:
        return None if field.type != "string" or "format" in field.spec else ""
    if "enum" in field.spec:
        return field.spec["enum"][0]
    return _EMPTY[field.type]


_MADE: dict[str, Any] = {
    "id": lambda _presenter, row, _user: row.id,
    "type": lambda _presenter, row, _user: tables.type_of(row.kind),
    "url": lambda _presenter, row, _user: row.url,
    "created": lambda _presenter, row, _user: row.created,
    "modified": lambda _presenter, row, _user: row.modified,
    "related": Presenter.related,
    "summary_fields": Presenter.summary_fields,
}
