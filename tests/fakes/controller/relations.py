# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists below objects: `/x/{id}/y/`. Which objects are in one, and how one gets in or out."""

from __future__ import annotations

from . import tables
from .access import Access
from .store import Row, Store


class Relations:
    """Follows from foreign keys where there is one, and is a list of its own otherwise."""

    def __init__(self, store: Store, access: Access) -> None:
        self._store, self._access = store, access

    def kind(self, parent: Row, name: str) -> str:
        return self._store.relations[parent.kind, name]

    def members(self, parent: Row, name: str) -> list[Row]:
        special = self._by_role(parent, name)
        if special is not None:
            return special
        kind = self.kind(parent, name)
        if (parent.kind, name) in tables.MIRRORED:
            return self._store.holders(*tables.MIRRORED[parent.kind, name], parent.id)
        field = self.field(parent, name)
        if field:
            return self._store.where(kind, **{field: parent.id})
        return self._store.linked(parent, name)

    def field(self, parent: Row, name: str) -> str | None:
        """The foreign key of the members by which they are in the list, if they are by one."""
        if (parent.kind, name) in tables.MANY:
            return None
        named = tables.REVERSE.get((parent.kind, name), tables.type_of(parent.kind))
        kinds = tables.members(self.kind(parent, name))
        fields = self._store.foreign[kinds[0]]
        return named if named in fields and parent.kind in tables.members(fields[named]) else None

    def _by_role(self, parent: Row, name: str) -> list[Row] | None:
        """Lists that tell of roles; None of others."""
        store = self._store
        if name == "object_roles":
            return store.roles(parent)
        if name == tables.ACCESS_LIST:
            return [user for user in store.all("users") if self._access.has(user, parent, "read_role")]
        if name == "roles":
            return [role for role in store.all("roles") if parent in store.linked(role, parent.kind)]
        if (parent.kind, name) in tables.ROLE_LISTS:
            role = self._access.role(parent, tables.ROLE_LISTS[parent.kind, name])
            return store.linked(role, self.kind(parent, name)) if role else []
        if (parent.kind, name) in tables.HELD_LISTS:
            kind, role_name = tables.HELD_LISTS[parent.kind, name]
            return [row for row in store.all(kind) if self._holds(parent, row, role_name)]
        return None

    def _holds(self, holder: Row, row: Row, role_name: str) -> bool:
        role = self._access.role(row, role_name)
        return bool(role) and holder in self._store.linked(role, holder.kind)

    def attach(self, parent: Row, name: str, member: Row) -> None:
        if name == "roles":
            self._store.link(member, parent.kind, [parent.id])
        elif (parent.kind, name) in tables.ROLE_LISTS:
            role = self._access.role(parent, tables.ROLE_LISTS[parent.kind, name])
            self._store.link(role, member.kind, [member.id])
        elif (parent.kind, name) in tables.MIRRORED:
            _, relation = tables.MIRRORED[parent.kind, name]
            self._store.link(member, relation, [parent.id])
        elif field := self.field(parent, name):
            member.values[field] = parent.id
        else:
            self._store.link(parent, name, [member.id])

    def detach(self, parent: Row, name: str, member: Row) -> None:
        if name == "roles":
            self._store.unlink(member, parent.kind, parent.id)
        elif (parent.kind, name) in tables.ROLE_LISTS:
            role = self._access.role(parent, tables.ROLE_LISTS[parent.kind, name])
            self._store.unlink(role, member.kind, member.id)
        elif (parent.kind, name) in tables.MIRRORED:
            _, relation = tables.MIRRORED[parent.kind, name]
            self._store.unlink(member, relation, parent.id)
        elif self.field(parent, name):
            # views: what cannot be without its parent goes when it is taken out of the list
            self._store.remove(member)
        else:
            self._store.unlink(parent, name, member.id)
