# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths below objects that do something: launching, copying, surveys, and so on."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

from . import inventories, surveys, tables
from .fields import InvalidError
from .prompts import ASKED, Said
from .refusals import RefusalError
from .schema import Operation
from .store import Row, masked
from .world import World

Answer = tuple[int, Any]
# (row, request, user, operation)
Action = Callable[[Row, Any, Row, Operation], Answer]
_TEMPLATES = ("job_templates", "workflow_job_templates")
_JOB_KINDS = ("jobs", "project_updates", "inventory_updates", "workflow_jobs", "ad_hoc_commands")
# Not of the copy: models' FIELDS_TO_DISCARD_AT_COPY and what belongs to the one object.
_NOT_COPIED = {"status", "last_job_run", "last_job_failed", "last_updated", "last_update_failed", "next_job_run"}


class Actions:
    """All of them, by kind and last part of the path."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._any: dict[str, Action] = {"copy": self._copy, "variable_data": self._variable_data}
        self._by_kind: dict[tuple[str, str], Action] = {
            ("workflow_job_template_nodes", "create_approval_template"): self._create_approval,
            ("workflow_approvals", "approve"): self._decide,
            ("workflow_approvals", "deny"): self._decide,
            ("projects", "update"): self._update,
            ("projects", "playbooks"): self._playbooks,
            ("projects", "inventories"): lambda *_: (200, []),
            ("inventory_sources", "update"): self._update,
            ("inventories", "update_inventory_sources"): self._update_all,
            ("inventories", "script"): self._script,
        }
        for kind in _TEMPLATES:
            self._by_kind[kind, "survey_spec"] = self._survey
            self._by_kind[kind, "launch"] = self._launch
            self._by_kind[kind, "webhook_key"] = self._webhook_key
        for kind in _JOB_KINDS:
            self._by_kind[kind, "cancel"] = self._cancel
            self._by_kind[kind, "stdout"] = self._stdout
        for kind in ("jobs", "workflow_jobs"):
            self._by_kind[kind, "relaunch"] = self._relaunch

    def find(self, kind: str, name: str) -> Action | None:
        return self._by_kind.get((kind, name)) or self._any.get(name)

    def _readable(self, user: Row, row: Row) -> None:
        if not self._world.access.can_read(user, row):
            raise RefusalError.forbidden()

    def _changeable(self, user: Row, row: Row) -> None:
        if not self._world.access.can_change(user, row):
            raise RefusalError.forbidden()

    def _actable(self, user: Row, row: Row, action: str) -> None:
        if not self._world.access.can_act(user, row, action):
            raise RefusalError.forbidden()

    # --- surveys ---

    def _survey(self, row: Row, request: Any, user: Row, _operation: Operation) -> Answer:
        if request.method == "GET":
            self._readable(user, row)
            return 200, masked(row.hidden.get("survey_spec", {}))
        self._changeable(user, row)
        if request.method == "DELETE":
            row.hidden.pop("survey_spec", None)
            return 200, {}
        try:
            kept = surveys.accepted(request.body, row.hidden.get("survey_spec", {}), self._world.store.vault)
        except surveys.BadSurveyError as error:
            raise RefusalError.invalid(error=str(error)) from error
        row.hidden["survey_spec"] = kept
        return 200, {}

    # --- launching ---

    def _launch(self, row: Row, request: Any, user: Row, operation: Operation) -> Answer:
        if request.method == "GET":
            self._readable(user, row)
            return 200, self._questions(row, operation.definition)
        self._actable(user, row, "launch")
        values = self._world.read(operation.body, row.kind, request.body, partial=True, known_as="launch")
        variables = values.pop("extra_vars", None) or {}
        values.pop("credential_passwords", None)
        self._exist(row, values)
        # Measured: a job template takes no notice of what it does not ask for; a workflow refuses it.
        tolerated = ("prompts",) if row.kind == "job_templates" else ()
        said = self._world.prompts.heard(row, values, variables, tolerated)
        if said.problems:
            raise InvalidError(said.problems)
        self._startable(row, said)
        return 201, self._started(row, said, user)

    def _exist(self, row: Row, values: dict[str, Any]) -> None:
        for name in ("credentials", "labels", "instance_groups"):
            for id in values.get(name, []):
                if self._world.store.get(name, id) is None:
                    raise InvalidError({name: [f'Invalid pk "{id}" - object does not exist.']})
        for name, target in self._world.store.foreign[row.kind].items():
            if values.get(name) is not None and self._world.store.get(target, values[name]) is None:
                raise InvalidError({name: [f'Invalid pk "{values[name]}" - object does not exist.']})

    def _startable(self, row: Row, said: Said) -> None:
        if row.kind != "job_templates":
            missing = [
                node.id
                for node in self._world.store.where("workflow_job_template_nodes", workflow_job_template=row.id)
                if not node["unified_job_template"]
            ]
            if missing:
                raise RefusalError.invalid(errors=[f"Nodes without a template: {missing}"])
            return
        if not row["project"]:
            raise RefusalError.invalid(errors={"project": ["Job Template 'project' is missing or undefined."]})
        if not said.fields.get("inventory", row["inventory"]):
            raise RefusalError.invalid(inventory=["Job Template 'inventory' is missing or undefined."])

    def _started(self, row: Row, said: Said, user: Row, launch_type: str = "manual") -> dict[str, Any]:
        world = self._world
        job = world.jobs.create(row, said, user, launch_type)
        name = tables.type_of(job.kind)
        # As it was before it did anything: the answer comes first.
        shown = world.presenter.show(job, user) | {name: job.id, "ignored_fields": said.ignored}
        (world.workflows if job.kind == "workflow_jobs" else world.jobs).start(job)
        return shown

    def _questions(self, row: Row, definition: str) -> dict[str, Any]:
        needed = [question["variable"] for question in surveys.questions(row) if question["required"]]
        fields = self._world.schema.fields(definition)
        found = {name: row[name] for name in fields if name.startswith("ask_")}
        found["survey_enabled"] = bool(row["survey_enabled"])
        found["variables_needed_to_start"] = needed
        found["can_start_without_user_input"] = not needed and not any(
            row[asks] for asks in [*ASKED[row.kind].values(), "ask_variables_on_launch"]
        )
        found["defaults"] = {name: row[name] for name in ASKED[row.kind] if name in row.values}
        found["defaults"]["extra_vars"] = row["extra_vars"]
        data = {"id": row.id, "name": row.name, "description": row["description"] or ""}
        if row.kind == "job_templates":
            return found | {
                "job_template_data": data,
                "inventory_needed_to_start": not row["inventory"],
                "credential_needed_to_start": False,
                "passwords_needed_to_start": [],
            }
        return found | {"workflow_job_template_data": data, "node_templates_missing": [], "node_prompts_rejected": []}

    def _relaunch(self, row: Row, request: Any, user: Row, _operation: Operation) -> Answer:
        self._actable(user, row, "relaunch")
        if request.method == "GET":
            return 200, {"passwords_needed_to_start": []} if row.kind == "jobs" else {}
        template = self._world.store.get("unified_job_templates", row["unified_job_template"])
        if not template:
            raise RefusalError.invalid(errors=["The template of this job is gone."])
        asked = {name: row[name] for name in ASKED[template.kind] if name in row.values}
        said = Said(asked, dict(row.hidden.get("variables", {})))
        shown = self._started(template, said, user, "relaunch")
        shown.pop("ignored_fields")
        return 201, shown

    def _cancel(self, row: Row, request: Any, user: Row, _operation: Operation) -> Answer:
        world = self._world
        if request.method == "GET":
            self._readable(user, row)
            return 200, {"can_cancel": row["status"] in tables.ACTIVE}
        self._actable(user, row, "cancel")
        done = (world.workflows if row.kind == "workflow_jobs" else world.jobs).cancel(row)
        if not done:
            raise RefusalError(405, {"detail": 'Method "POST" not allowed.'})
        return 202, None

    def _stdout(self, row: Row, request: Any, user: Row, _operation: Operation) -> Answer:
        self._readable(user, row)
        text = row.hidden.get("stdout", "")
        if dict(request.query).get("format") == "json":
            lines = len(text.splitlines())
            return 200, {"range": {"start": 0, "end": lines, "absolute_end": lines}, "content": text}
        return 200, text

    # --- updates ---

    def _update(self, row: Row, request: Any, user: Row, _operation: Operation) -> Answer:
        able = bool(row["scm_type"]) if row.kind == "projects" else row["source"] not in {"", "file", None}
        if request.method == "GET":
            self._readable(user, row)
            return 200, {"can_update": able}
        self._actable(user, row, "update")
        if not able:
            raise RefusalError(405, {"detail": 'Method "POST" not allowed.'})
        shown = self._started(row, Said(), user)
        shown.pop("ignored_fields")
        return 202, shown

    def _update_all(self, row: Row, request: Any, user: Row, _operation: Operation) -> Answer:
        sources = self._world.store.where("inventory_sources", inventory=row.id)
        if request.method == "GET":
            return 200, [{"inventory_source": source.id, "can_update": True} for source in sources]
        self._actable(user, row, "update")
        started = [self._started(source, Said(), user) for source in sources]
        return 202, [{"status": "started", "inventory_update": job["id"]} for job in started]

    def _playbooks(self, row: Row, _request: Any, user: Row, _operation: Operation) -> Answer:
        self._readable(user, row)
        return 200, self._world.playbooks(row) or []

    def _script(self, row: Row, request: Any, user: Row, _operation: Operation) -> Answer:
        self._readable(user, row)
        wanted = dict(request.query).get("hostvars", "0") not in {"0", ""}
        return 200, inventories.script(self._world.store, row, hostvars=wanted)

    # --- workflows ---

    def _create_approval(self, row: Row, request: Any, user: Row, operation: Operation) -> Answer:
        if request.method == "GET":
            return 200, {}
        self._changeable(user, row)
        world = self._world
        kind = "workflow_approval_templates"
        values = world.read(operation.body, kind, request.body, partial=False, known_as="create_approval_template")
        approval = world.store.add(kind, values, user.id)
        row.values["unified_job_template"] = approval.id
        return 201, world.presenter.show(approval, user)

    def _decide(self, row: Row, request: Any, user: Row, _operation: Operation) -> Answer:
        if request.method == "GET":
            self._readable(user, row)
            return 200, {}
        approved = request.path.endswith("/approve/")
        self._actable(user, row, "approve" if approved else "deny")
        if row["status"] != "pending":
            raise RefusalError.invalid(detail="This workflow step has already been approved or denied.")
        row.values["approved_or_denied_by"] = user.id
        self._world.workflows.answer(row, approved=approved)
        return 204, None

    # --- and the rest ---

    def _copy(self, row: Row, request: Any, user: Row, _operation: Operation) -> Answer:
        if request.method == "GET":
            self._readable(user, row)
            found: dict[str, Any] = {"can_copy": self._world.access.can_change(user, row)}
            if row.kind == "workflow_job_templates":
                found |= {"can_copy_without_user_input": True}
                found |= {f"{kind}_unable_to_copy": [] for kind in ("templates", "credentials", "inventories")}
            return 200, found
        self._changeable(user, row)
        name = (request.body or {}).get("name")
        if not name:
            raise InvalidError({"name": ["This field is required."]})
        copied = self._copied(row, user, name=name)
        return 201, self._world.presenter.show(copied, user)

    def _copied(self, row: Row, user: Row, **changed: Any) -> Row:
        world = self._world
        values = {key: value for key, value in row.values.items() if key not in _NOT_COPIED} | changed
        values = json.loads(json.dumps(values))
        copied = world.add(row.kind, values, user)
        copied.hidden |= json.loads(json.dumps({key: row.hidden[key] for key in row.hidden if key == "survey_spec"}))
        for kind, relation in [*world.store.relations]:
            if kind == row.kind and not world.relations.field(row, relation):
                world.store.link(copied, relation, [one.id for one in world.store.linked(row, relation)])
        if row.kind == "workflow_job_templates":
            self._copy_nodes(row, copied, user)
        return copied

    def _copy_nodes(self, row: Row, copied: Row, user: Row) -> None:
        store = self._world.store
        nodes = store.where("workflow_job_template_nodes", workflow_job_template=row.id)
        made = {node.id: self._node(node, copied, user) for node in nodes}
        for node in nodes:
            for path in tables.NODE_LISTS:
                new = made[node.id]
                for child in store.linked(new, path):
                    store.unlink(new, path, child.id)
                store.link(new, path, [made[child.id].id for child in store.linked(node, path)])

    def _node(self, node: Row, workflow: Row, user: Row) -> Row:
        store = self._world.store
        changed: dict[str, Any] = {"workflow_job_template": workflow.id}
        approval = store.get("workflow_approval_templates", node["unified_job_template"])
        if approval:
            changed["unified_job_template"] = store.add(approval.kind, dict(approval.values), user.id).id
        return self._copied(node, user, **changed)

    def _variable_data(self, row: Row, request: Any, user: Row, operation: Operation) -> Answer:
        if request.method == "GET":
            self._readable(user, row)
        else:
            body = {"variables": json.dumps(request.body or {})}
            self._world.update(row, operation.body, body, user, partial=True)
        return 200, json.loads(row["variables"] or "{}")

    def _webhook_key(self, row: Row, request: Any, user: Row, _operation: Operation) -> Answer:
        self._changeable(user, row)
        if request.method == "POST":
            row.hidden["webhook_key"] = self._world.store.vault.seal(secrets.token_urlsafe(32))
            return 201, {"webhook_key": self._world.store.vault.open(row.hidden["webhook_key"])}
        return 200, {"webhook_key": self._world.store.vault.open(row.hidden.get("webhook_key", ""))}
