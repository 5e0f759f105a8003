# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs: what is started, how it runs, and what comes of it.

What a job does is the business of a runner that a test plugs in; without one every job succeeds at once. Jobs of one
template follow each other unless it allows them side by side, as the real task manager has them.
"""

from __future__ import annotations

import datetime
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from . import inventories, surveys, tables
from .prompts import PROMPTS, Prompts, Said
from .schema import Schema
from .store import Row, Store, now

_LISTS = ("credentials", "labels", "instance_groups")


@dataclass
class Result:
    """What came of a job."""

    status: str = "successful"
    artifacts: dict[str, Any] = field(default_factory=dict)
    stdout: str = ""
    explanation: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    """Further fields of the job, such as `scm_revision`."""


@dataclass
class Work:
    """A job as its runner sees it: everything resolved, secrets readable."""

    id: int
    kind: str
    name: str
    fields: dict[str, Any]
    variables: dict[str, Any]
    credentials: list[dict[str, Any]]
    """Each with name, kind (of its type), inputs, and its type's injectors."""
    inventory: dict[str, Any] | None
    """Its fields, and `script`: what an inventory script prints of it."""
    project: dict[str, Any] | None
    emit: Callable[[dict[str, Any]], None]
    """Takes an event as ansible-runner's event handler gets it."""
    cancelled: threading.Event

    @property
    def playbook(self) -> str:
        return self.fields.get("playbook", "")


Runner = Callable[[Work], Result | str | None]


class Jobs:
    """All jobs of a Controller."""

    def __init__(self, schema: Schema, store: Store, prompts: Prompts) -> None:
        self._schema, self._store, self._prompts = schema, store, prompts
        self.runners: dict[str, Runner] = {}
        """By kind of job; what has none succeeds at once."""
        self.changed = threading.Condition(store.lock)
        """Told whenever a job got a further status."""
        self.started: list[Callable[[Row], None]] = []
        self.finished: list[Callable[[Row], None]] = []
        """Called with each job that begins to run, or is over, under the lock."""
        self._threads: list[threading.Thread] = []
        self._cancels: dict[int, threading.Event] = {}

    # --- making them ---

    def create(self, template: Row, said: Said, by: Row, launch_type: str = "manual", **more: Any) -> Row:
        """A job of a template, which waits for `start`."""
        kind, name = tables.JOBS[template.kind]
        fields = self._schema.fields(self._schema.kinds[kind])
        shared = {key: value for key, value in template.values.items() if key in fields and key != "status"}
        values = shared | {key: value for key, value in said.fields.items() if key in PROMPTS}
        values |= {
            "name": template.name,
            "unified_job_template": template.id,
            "launch_type": launch_type,
            "status": "pending",
            "failed": False,
            "launched_by": {"id": by.id, "name": by.name, "type": "user", "url": by.url},
        }
        if name in fields:
            values[name] = template.id
        row = self._store.add(kind, values | more, by.id)
        if "extra_vars" in fields:
            self._set_variables(template, row, said.variables)
        for relation in _LISTS:
            if (template.kind, relation) in self._store.relations:
                held = [one.id for one in self._store.linked(template, relation)]
                self._store.relations.setdefault((kind, relation), self._store.relations[template.kind, relation])
                self._store.link(row, relation, said.fields.get(relation, held))
        self._cancels[row.id] = threading.Event()
        template.hidden["current_job"] = row.id
        template.values["status"] = "pending"
        return row

    def create_bulk(self, name: str, by: Row) -> Row:
        """A workflow job that has no template."""
        launched_by = {"id": by.id, "name": by.name, "type": "user", "url": by.url}
        values = {"name": name, "launch_type": "manual", "status": "pending", "failed": False, "extra_vars": "{}"}
        row = self._store.add("workflow_jobs", values | {"launched_by": launched_by, "is_bulk_job": True}, by.id)
        self._cancels[row.id] = threading.Event()
        return row

    def _set_variables(self, template: Row, row: Row, said: dict[str, Any]) -> None:
        own = yaml.safe_load(template["extra_vars"] or "{}") or {}
        variables = own | surveys.defaults(template) | said
        secret = self._prompts.secret_variables(template)
        sealed = {key: self._store.vault.seal(value) if key in secret else value for key, value in variables.items()}
        row.hidden["variables"] = sealed
        shown = {key: tables.ENCRYPTED if key in secret and value else value for key, value in variables.items()}
        row.values["extra_vars"] = json.dumps(shown)

    # --- running them ---

    def start(self, row: Row) -> None:
        """Under the lock: lets a job run, in a thread of its own if there is a runner."""
        if row.kind not in self.runners and not self._before(row):
            self.begin(row)
            self._over(row, Result())
            return
        thread = threading.Thread(target=self._run, args=(row,), name=f"{row.kind}-{row.id}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def begin(self, row: Row) -> None:
        """Under the lock."""
        row.values |= {"status": "running", "started": now()}
        for told in self.started:
            told(row)

    def _before(self, row: Row) -> list[Row]:
        """The jobs that this one waits for."""
        if row["allow_simultaneous"] or not row["unified_job_template"]:
            return []
        same = self._store.where(row.kind, unified_job_template=row["unified_job_template"])
        return [other for other in same if other.id < row.id and other["status"] in tables.ACTIVE]

    def _run(self, row: Row) -> None:
        with self.changed:
            self.changed.wait_for(lambda: row["status"] == "canceled" or not self._before(row))
            if row["status"] == "canceled":
                return
            self.begin(row)
            work = self._work(row)
            self.changed.notify_all()
        runner = self.runners.get(row.kind)
        try:
            outcome = runner(work) if runner else None
        except Exception as error:
            outcome = Result("error", explanation=f"{type(error).__name__}: {error}")
        result = Result(outcome) if isinstance(outcome, str) else outcome or Result()
        with self.changed:
            if work.cancelled.is_set():
                result.status = "canceled"
            self._over(row, result)

    def _work(self, row: Row) -> Work:
        def emit(event: dict[str, Any]) -> None:
            with self._store.lock:
                self._event(row, event)

        store = self._store
        inventory, project = store.referred(row, "inventory"), store.referred(row, "project")
        credentials = store.linked(row, "credentials") if (row.kind, "credentials") in store.relations else []
        variables = store.vault.open(row.hidden.get("variables", {}))
        return Work(
            id=row.id,
            kind=row.kind,
            name=row.name,
            fields=dict(row.values),
            variables=variables | self._own_variables(row),
            credentials=[self._credential(one) for one in credentials],
            inventory=self._inventory(inventory) if inventory else None,
            project={"id": project.id, **project.values} if project else None,
            emit=emit,
            cancelled=self._cancels[row.id],
        )

    def _inventory(self, row: Row) -> dict[str, Any]:
        return {"id": row.id, **row.values, "script": inventories.script(self._store, row, hostvars=True)}

    def _credential(self, row: Row) -> dict[str, Any]:
        kind = self._store.get("credential_types", row["credential_type"])
        return {
            "name": row.name,
            "kind": kind["namespace"] or kind.name,
            "inputs": self._store.vault.open(row["inputs"]),
            "injectors": kind["injectors"],
        }

    @staticmethod
    def _own_variables(row: Row) -> dict[str, Any]:
        """models: `awx_meta_vars`; each under both prefixes."""
        launched_by = row["launched_by"]
        own = {
            "job_id": row.id,
            "job_launch_type": row["launch_type"],
            "job_template_id": row["unified_job_template"],
            "job_template_name": row.name,
            "user_id": launched_by["id"],
            "user_name": launched_by["name"],
        }
        return {f"{prefix}_{name}": value for prefix in ("awx", "tower") for name, value in own.items()}

    def _event(self, row: Row, event: dict[str, Any]) -> None:
        data = event.get("event_data", {})
        counter = event.get("counter", len(self._store.where("job_events", job=row.id)) + 1)
        values = {
            "job": row.id,
            "event": event.get("event", "verbose"),
            "event_data": data,
            "counter": counter,
            "stdout": event.get("stdout", ""),
            "uuid": event.get("uuid", ""),
            "parent_uuid": event.get("parent_uuid", ""),
            "start_line": event.get("start_line", 0),
            "end_line": event.get("end_line", 0),
            "host_name": data.get("host", ""),
            "play": data.get("play", ""),
            "task": data.get("task", ""),
            "playbook": data.get("playbook", ""),
        }
        if row.kind == "jobs":
            self._store.add("job_events", values)
        row.hidden["stdout"] = row.hidden.get("stdout", "") + "".join(
            f"{line}\n" for line in [event.get("stdout", "")] if line
        )

    def _over(self, row: Row, result: Result) -> None:
        started = row["started"] or now()
        elapsed = _seconds(now()) - _seconds(started)
        failed = result.status != "successful"
        row.values |= {
            "status": result.status,
            "failed": failed,
            "started": started,
            "finished": now(),
            "elapsed": round(elapsed, 3),
            "artifacts": result.artifacts,
            "event_processing_finished": True,
            "job_explanation": result.explanation,
        }
        if row.kind in {"project_updates", "inventory_updates"} or result.fields:
            row.values |= {"scm_revision": "0" * 40} | result.fields if row.kind == "project_updates" else result.fields
        row.hidden["stdout"] = row.hidden.get("stdout", "") + result.stdout
        template = self._store.get("unified_job_templates", row["unified_job_template"])
        if template:
            self._tell(template, row)
        for told in self.finished:
            told(row)
        self.changed.notify_all()

    @staticmethod
    def _tell(template: Row, row: Row) -> None:
        template.hidden["last_job"] = row.id
        if template.hidden.get("current_job") == row.id:
            del template.hidden["current_job"]
        template.values |= {
            "status": row["status"],
            "last_job_run": row["finished"],
            "last_job_failed": row["failed"],
        }
        if template.kind in {"projects", "inventory_sources"}:
            template.values |= {"last_updated": row["finished"], "last_update_failed": row["failed"]}
        if row.kind == "project_updates" and not row["failed"]:
            template.values["scm_revision"] = row["scm_revision"]

    def cancel(self, row: Row) -> bool:
        """Under the lock: whether there was something to cancel."""
        if row["status"] not in tables.ACTIVE:
            return False
        self._cancels[row.id].set()
        row.values["canceled_on"] = now()
        if row["status"] != "running":
            self._over(row, Result("canceled"))
        return True

    def finish(self, row: Row, result: Result) -> None:
        """Under the lock: for jobs that nobody runs, such as approvals."""
        self._over(row, result)

    def wait(self, seconds: float, rows: Iterable[Row] | None = None) -> bool:
        """Until no job is active, or those that are named."""

        def quiet() -> bool:
            chosen = self._store.all("unified_jobs") if rows is None else rows
            return all(row["status"] not in tables.ACTIVE for row in chosen)

        with self.changed:
            return self.changed.wait_for(quiet, timeout=seconds)


def _seconds(time: str) -> float:
    return datetime.datetime.fromisoformat(time).timestamp()
