# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: superusers, auditors, and whom a role lets."""

from __future__ import annotations

from typing import Any

from . import tables
from .store import Row, Store

_WORDS = {"adhoc_role": "Ad Hoc", "approval_role": "Approve"}


class Access:
    """The roles of the objects in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def make_roles(self, row: Row) -> None:
        for name in tables.ROLES.get(row.kind, {}):
            words = _WORDS.get(name, name.removesuffix("_role").replace("_", " ").title())
            role = self._store.add("roles", {"name": words, "description": f"{words} of {row.name}"})
            role.hidden = {"object": (row.kind, row.id), "field": name}

    def role(self, row: Row, name: str) -> Row | None:
        return next((role for role in self._store.roles(row) if role.hidden["field"] == name), None)

    def grant(self, row: Row, name: str, user: Row) -> None:
        role = self.role(row, name)
        if role:
            self._store.link(role, "users", [user.id])

    # --- questions ---

    def has(self, user: Row, row: Row, name: str) -> bool:
        """Whether a user has a role in an object, by itself, by a team, or by a role that implies it."""
        if user["is_superuser"] or (row.kind, row.id) == ("users", user.id):
            return True
        if name not in tables.ROLES.get(row.kind, {}):
            return False
        role = self.role(row, name)
        if role and (user in self._store.linked(role, "users") or self._by_team(user, role)):
            return True
        return any(self._implied(user, row, by) for by in tables.ROLES[row.kind][name])

    def _by_team(self, user: Row, role: Row) -> bool:
        return any(self.has(user, team, "member_role") for team in self._store.linked(role, "teams"))

    def _implied(self, user: Row, row: Row, by: str) -> bool:
        where, _, name = by.rpartition(".")
        holder = self._store.referred(row, "organization") if where else row
        return bool(holder) and self.has(user, holder, name)

    def any_of_organization(self, user: Row, row: Row) -> bool:
        organization = self._store.referred(row, "organization")
        return bool(organization) and self.has(user, organization, "read_role")

    def can_read(self, user: Row, row: Row) -> bool:
        if user["is_superuser"] or user["is_system_auditor"] or row.kind in tables.PUBLIC:
            return True
        if row.kind in tables.ROLES:
            return self.has(user, row, "read_role")
        if row.kind in tables.OWN:
            return row[tables.OWN[row.kind]] == user.id
        above = self._above(row)
        if above:
            return self.can_read(user, above)
        return self.any_of_organization(user, row)

    def can_change(self, user: Row, row: Row) -> bool:
        if user["is_superuser"]:
            return True
        if row.kind == "users":
            return user.id == row.id
        above = self._above(row)
        if above:
            return self.can_change(user, above)
        own, of_organization = tables.ADMINS.get(row.kind, (None, None))
        if own:
            return self.has(user, row, own)
        organization = self._store.referred(row, "organization")
        return bool(organization and of_organization) and self.has(user, organization, of_organization)

    def can_create(self, user: Row, kind: str, values: dict[str, Any]) -> bool:
        if user["is_superuser"] or kind == "tokens":
            return True
        above = self._store.foreign[kind].get(tables.BELONGS.get(kind, ""))
        if above:
            row = self._store.get(above, values.get(tables.BELONGS[kind]))
            return bool(row) and self.can_change(user, row) and self._can_use_all(user, kind, values)
        _, of_organization = tables.ADMINS.get(kind, (None, None))
        organization = self._store.get("organizations", self._organization(kind, values))
        if not (of_organization and organization and self.has(user, organization, of_organization)):
            return False
        return self._can_use_all(user, kind, values)

    def _organization(self, kind: str, values: dict[str, Any]) -> int | None:
        if kind == "job_templates":
            project = self._store.get("projects", values.get("project"))
            return project["organization"] if project else None
        return values.get("organization")

    def _can_use_all(self, user: Row, kind: str, values: dict[str, Any]) -> bool:
        fields = self._store.foreign[kind]
        return all(
            self.can_use(user, row) for name in fields if (row := self._store.get(fields[name], values.get(name)))
        )

    def can_use(self, user: Row, row: Row) -> bool:
        role = tables.USE_ROLES.get(row.kind)
        return user["is_superuser"] or not role or self.has(user, row, role)

    def can_act(self, user: Row, row: Row, action: str) -> bool:
        """Whether a user may launch, update, approve … it."""
        if user["is_superuser"]:
            return True
        role = tables.ACTION_ROLES.get(action)
        if not role:
            return self.can_change(user, row)
        if row.kind == "workflow_approvals":
            return any(self.has(user, workflow, role) for workflow in self._workflows(row))
        template = self._above(row) if row.kind in tables.TEMPLATES or row.kind == "inventory_sources" else row
        return bool(template) and self.has(user, template, role)

    def _workflows(self, approval: Row) -> list[Row]:
        nodes = self._store.where("workflow_job_nodes", job=approval.id)
        jobs = [job for node in nodes if (job := self._store.referred(node, "workflow_job"))]
        return [template for job in jobs if (template := self._store.referred(job, "workflow_job_template"))]

    def _above(self, row: Row) -> Row | None:
        if row.kind == "workflow_approvals":
            return next(iter(self._workflows(row)), None)
        name = tables.BELONGS.get(row.kind)
        return self._store.referred(row, name) if name else None
