# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Controller's parts together, and what is done to its objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from . import seeds, tables
from .access import Access
from .fields import InvalidError, Reader
from .filters import Lister, Query
from .jobs import Jobs
from .notify import MOMENTS, Notifications
from .present import Presenter
from .prompts import PROMPTS, Prompts, Said
from .refusals import RefusalError
from .relations import Relations
from .rules import Rules
from .schema import Operation, Schema
from .store import Row, Store, now
from .workflows import Workflows


class World:
    """Everything that requests are about."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.store = Store(schema)
        self.access = Access(self.store)
        self.relations = Relations(self.store, self.access)
        self.presenter = Presenter(schema, self.store, self.access, self.relations)
        self.lister = Lister(schema, self.store, self.relations)
        self.prompts = Prompts(self.store)
        self.settings: dict[str, Any] = seeds.settings(schema)
        notifications = Notifications(self.store, self.settings)
        self.jobs = Jobs(schema, self.store, self.prompts)
        self.jobs.started.append(lambda job: notifications.of_job(job, "started"))
        self.jobs.finished.append(lambda job: notifications.of_job(job, MOMENTS[job["status"]]))
        self.workflows = Workflows(self.store, self.jobs, self.prompts, notifications)
        self.rules = Rules(self.store, self.prompts, self.playbooks)
        self.reader = Reader(schema, lambda kind, id: self.store.get(kind, id) is not None)
        self.known_playbooks: list[str] | None = None
        """Those of every project; None where any will do."""
        self.lenient = False
        """Whether fields that nobody knows are dropped without a word, as the real one does."""
        self.removed: set[tuple[str, str]] = set()
        """Fields that this version of the API does not have yet, by definition."""
        self.admin = seeds.plant(self)

    def playbooks(self, _project: Row) -> list[str] | None:
        return self.known_playbooks

    def model(self, kind: str) -> str:
        return "".join(word.title() for word in tables.type_of(kind).split("_"))

    def by_named_url(self, kind: str, text: str) -> Row | None:
        """An object by its name and its organization's: `name++organization`."""
        name, _, organization = text.partition("++")
        for row in self.store.all(kind):
            holder = self.store.referred(row, "organization")
            if row.name == name and (not organization or (holder and holder.name == organization)):
                return row
        return None

    # --- making, changing, deleting ---

    def read(self, definition: str, kind: str, body: Any, *, partial: bool, known_as: str = "") -> dict[str, Any]:
        values, unknown = self.reader.read(definition, known_as or kind, {} if body is None else body, partial=partial)
        unheeded = tables.UNHEEDED.get(known_as or kind, set()) | {
            name for where, name in self.removed if where == self.schema.kinds.get(kind)
        }
        unknown = [name for name in unknown if name not in unheeded]
        if unknown and not self.lenient:
            raise InvalidError({name: [f"{self.model(kind)} has no field named '{name}'."] for name in unknown})
        return values

    def create(self, kind: str, definition: str, body: Any, user: Row) -> Row:
        values = self.read(definition, kind, body, partial=False)
        if not self.access.can_create(user, kind, values):
            raise RefusalError.forbidden()
        return self.add(kind, values, user)

    def add(self, kind: str, values: dict[str, Any], user: Row) -> Row:
        """An object of values that are read already."""
        self.rules.apply(kind, None, values)
        owners = {name: values.pop(name, None) for name in tables.WRITE_ONLY.get(kind, ())}
        row = self.store.add(kind, values, user.id)
        self.access.make_roles(row)
        for name, id in owners.items():
            owner = self.store.get(f"{name}s", id)
            if owner:
                self.store.link(self.access.role(row, "admin_role"), owner.kind, [owner.id])
        if not user["is_superuser"]:
            self.access.grant(row, "admin_role", user)
        if kind == "tokens":
            self._token(row, user)
        if kind == "projects":
            self.update_project(row, user)
        return row

    def _token(self, row: Row, user: Row) -> None:
        row.values["user"] = row["user"] or user.id
        secret = row["token"]
        row.hidden["once"] = {"token": secret}
        row.values["token"] = tables.TOKEN_CENSOR
        row.hidden["token"] = self.store.vault.seal(secret)

    def update_project(self, row: Row, user: Row) -> None:
        """models: a project with a source is updated when it is made, and when its source changed."""
        if row["scm_type"]:
            job = self.jobs.create(row, Said(), user)
            self.jobs.start(job)

    def update(self, row: Row, definition: str, body: Any, user: Row, *, partial: bool) -> None:
        if not self.access.can_change(user, row):
            raise RefusalError.forbidden()
        values = self.read(definition, row.kind, body, partial=partial)
        self.rules.apply(row.kind, row, values)
        source = [row[name] for name in ("scm_type", "scm_url", "scm_branch", "scm_refspec")]
        before = json.dumps(row.values, sort_keys=True, default=str)
        row.values |= values
        if json.dumps(row.values, sort_keys=True, default=str) != before:
            row.modified = now()
        if row.kind == "projects":
            for template in self.store.where("job_templates", project=row.id):
                template.values["organization"] = row["organization"]
            if source != [row[name] for name in ("scm_type", "scm_url", "scm_branch", "scm_refspec")]:
                self.update_project(row, user)

    def delete(self, row: Row, user: Row) -> int:
        if not self.access.can_change(user, row):
            raise RefusalError.forbidden()
        if row.kind in tables.MANAGED and row["managed"]:
            raise RefusalError.forbidden(tables.MANAGED[row.kind])
        if row.kind in tables.IN_USE and any(self.store.referring(row)):
            raise RefusalError.forbidden(tables.IN_USE[row.kind])
        if row.kind == "instance_groups" and row.name in {"controlplane", "default"}:
            raise RefusalError.forbidden(tables.MANAGED[row.kind])
        busy = [job for job in self._jobs_of(row) if job["status"] in tables.ACTIVE]
        if busy:
            active = [{"type": tables.type_of(job.kind), "id": job.id} for job in busy]
            raise RefusalError(409, {"error": "Resource is being used by running jobs.", "active_jobs": active})
        self.store.remove(row)
        return 202 if row.kind in tables.DELETED_LATER else 204

    def _jobs_of(self, row: Row) -> list[Row]:
        if row.kind not in tables.BUSY:
            return [row] if row.kind in tables.TEMPLATES else []
        jobs = self.store.all("unified_jobs")
        return [job for job in jobs if row.id in self._above(job, row.kind)]

    def _above(self, job: Row, kind: str) -> set[int]:
        """The ids of the objects of a kind that a job has to do with."""
        template = self.store.get("unified_job_templates", job["unified_job_template"])
        names = [name for name, target in self.store.foreign[job.kind].items() if kind in tables.members(target)]
        found = {job[name] for name in names}
        if template and template.kind == kind:
            found.add(template.id)
        if template and kind == "organizations":
            found.add(template["organization"])
        return {id for id in found if id}

    def fire(self, schedule: Row) -> Row:
        """What a schedule does when its time has come."""
        template = self.store.get("unified_job_templates", schedule["unified_job_template"])
        fields = {name: schedule[name] for name in PROMPTS if schedule[name] not in (None, "")}
        said = self.prompts.heard(template, fields, self.store.vault.open(schedule["extra_data"] or {}))
        by = self.store.get("users", schedule.created_by)
        job = self.jobs.create(template, said, by, "scheduled", schedule=schedule.id)
        (self.workflows if job.kind == "workflow_jobs" else self.jobs).start(job)
        return job

    # --- lists below objects ---

    def create_below(self, parent: Row, name: str, definition: str, body: dict[str, Any], user: Row) -> Row:
        """Something new, in a list of another object."""
        kind = self.relations.kind(parent, name)
        field = self.relations.field(parent, name)
        whole = body | ({field: parent.id} if field and field in self.schema.fields(definition) else {})
        values = self.read(definition, kind, whole, partial=False)
        if field:
            values[field] = parent.id
        if not self.access.can_change(user, parent):
            raise RefusalError.forbidden()
        if not self.access.can_create(user, kind, values) and kind != "users":
            raise RefusalError.forbidden()
        row = self.add(kind, values, user)
        if not field:
            self.relations.attach(parent, name, row)
        return row

    def associate(self, parent: Row, name: str, body: dict[str, Any], user: Row) -> None:
        kind = self.relations.kind(parent, name)
        id = body.get("id")
        if not isinstance(id, int) or isinstance(id, bool):
            raise RefusalError.invalid(msg='"id" field must be an integer.')
        member = self.store.get(kind, id)
        if member is None:
            raise RefusalError.invalid(msg=f"Object {self.model(kind)} with id {id} does not exist.")
        self._may_associate(parent, name, member, user)
        if body.get("disassociate"):
            self.relations.detach(parent, name, member)
            if kind == "labels" and not self._label_used(member):
                self.store.remove(member)  # views: DeleteLastUnattachLabelMixin
            return
        self._check_member(parent, name, member)
        self.relations.attach(parent, name, member)

    def _may_associate(self, parent: Row, name: str, member: Row, user: Row) -> None:
        changed = parent
        if parent.kind == "roles":
            changed = self.store.get(*parent.hidden["object"])
        elif name == "roles":
            changed = self.store.get(*member.hidden["object"])
        if not self.access.can_change(user, changed) or not self.access.can_use(user, member):
            raise RefusalError.forbidden()

    def _label_used(self, label: Row) -> bool:
        return any(
            self.store.holders(kind, relation, label.id)
            for (kind, relation), held in self.store.relations.items()
            if held == "labels"
        )

    def _check_member(self, parent: Row, name: str, member: Row) -> None:
        if name == "credentials" and parent.kind in {"job_templates", "schedules", "workflow_job_template_nodes"}:
            self._check_credential(parent, member)
        if name in tables.NODE_LISTS:
            self._check_node(parent, member)
        if parent.kind == "roles" and member.kind == "teams":
            kind, _ = parent.hidden["object"]
            if kind == "organizations" and parent.hidden["field"] in {"member_role", "admin_role"}:
                raise RefusalError.invalid(
                    msg="You cannot assign an Organization participation role as a child role for a Team."
                )

    def _check_credential(self, parent: Row, member: Row) -> None:
        """views: one credential of a type, and many only of vaults."""
        kind = member["credential_type"]
        same = [one for one in self.store.linked(parent, "credentials") if one["credential_type"] == kind]
        type_row = self.store.get("credential_types", kind)
        if same and member not in same and type_row["kind"] != "vault":
            raise RefusalError.invalid(error=f"Cannot assign multiple {type_row.name} credentials.")
        if parent.kind != "job_templates":
            template = self.store.get("unified_job_templates", parent["unified_job_template"])
            if not (template and template["ask_credential_on_launch"]):
                raise RefusalError.invalid(msg="Related template is not configured to accept credentials on launch.")

    def _check_node(self, parent: Row, member: Row) -> None:
        if parent["workflow_job_template"] != member["workflow_job_template"]:
            raise RefusalError.invalid(msg="Cannot associate nodes of different workflows.")
        seen, todo = set(), [member]
        while todo:
            node = todo.pop()
            if node.id == parent.id:
                raise RefusalError.invalid(Error="Cycle detected.")
            if node.id not in seen:
                seen.add(node.id)
                todo += [child for path in tables.NODE_LISTS for child in self.store.linked(node, path)]

    # --- answers ---

    def page(
        self, path: str, kind: str, rows: Sequence[Row], query: Query, user: Row, operation: Operation
    ) -> dict[str, Any]:
        chosen = self.lister.chosen(kind, rows, query)
        frame, shown = self.lister.page(path, chosen, query)
        return frame | {"results": [self.presenter.show(row, user, operation.definition) for row in shown]}

    def form(self, definition: str) -> dict[str, Any]:
        required = self.schema.required(definition)
        return {
            name: {"type": field.type, "required": name in required, "read_only": False}
            | {key: field.spec[key] for key in ("default", "enum") if key in field.spec}
            for name, field in self.schema.fields(definition).items()
            if not field.read_only
        }
