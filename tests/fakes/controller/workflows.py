# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflows that run: which node is next, what it is told, and what comes of the whole."""

from __future__ import annotations

from typing import Any

from . import tables
from .jobs import Jobs, Result
from .notify import Notifications
from .prompts import PROMPTS, Prompts, Said
from .store import Row, Store

_COPIED = ("identifier", "extra_data", "all_parents_must_converge", "unified_job_template", "inventory", *PROMPTS)
_PATHS = tables.NODE_LISTS


class Workflows:
    """Runs workflow jobs on top of jobs, as the task manager's graph does."""

    def __init__(self, store: Store, jobs: Jobs, prompts: Prompts, notifications: Notifications) -> None:
        self._store, self._jobs, self._prompts, self._notifications = store, jobs, prompts, notifications
        jobs.finished.append(self._finished)

    def start(self, job: Row) -> None:
        """Under the lock: copies the template's nodes and starts those that nothing comes before."""
        template = self._store.get("workflow_job_templates", job["unified_job_template"])
        nodes: dict[int, Row] = {}
        for node in self._store.where("workflow_job_template_nodes", workflow_job_template=template.id):
            values = {name: node[name] for name in _COPIED if name in node.values}
            nodes[node.id] = self._store.add("workflow_job_nodes", values | {"workflow_job": job.id, "job": None})
            nodes[node.id].hidden["original"] = node.id
        for id, copied in nodes.items():
            original = self._store.get("workflow_job_template_nodes", id)
            for path in _PATHS:
                self._store.link(copied, path, [nodes[child.id].id for child in self._store.linked(original, path)])
        self.begin(job)

    def begin(self, job: Row) -> None:
        """Under the lock: starts the nodes that a job has."""
        self._jobs.begin(job)
        self._go_on(job)

    def _nodes(self, job: Row) -> list[Row]:
        return self._store.where("workflow_job_nodes", workflow_job=job.id)

    def _go_on(self, job: Row) -> None:
        if job["status"] != "running":
            return
        for node in self._nodes(job):
            if not node["job"] and not node.hidden.get("skipped"):
                self._decide(job, node)
        if job["status"] == "running" and all(self._settled(node) for node in self._nodes(job)):
            self._end(job)

    def _decide(self, job: Row, node: Row) -> None:
        """Starts a node, lets it wait, or knows that it never will run."""
        before = self._before(node)
        if not all(self._settled(parent) for parent, _ in before):
            return
        ways = [self._leads(parent, path) for parent, path in before]
        goes = all(ways) if node["all_parents_must_converge"] else any(ways)
        if before and not goes:
            node.hidden["skipped"] = True
            node.values["do_not_run"] = True
            self._go_on(job)
            return
        self._run(job, node)

    def _before(self, node: Row) -> list[tuple[Row, str]]:
        return [
            (parent, path) for path in _PATHS for parent in self._store.holders("workflow_job_nodes", path, node.id)
        ]

    def _settled(self, node: Row) -> bool:
        ran = self._store.get("unified_jobs", node["job"])
        return bool(node.hidden.get("skipped")) or bool(ran and ran["status"] not in tables.ACTIVE)

    def _leads(self, parent: Row, path: str) -> bool:
        ran = self._store.get("unified_jobs", parent["job"])
        if not ran:
            return False
        return path == "always_nodes" or (path == "failure_nodes") == bool(ran["failed"])

    def _run(self, job: Row, node: Row) -> None:
        template = self._store.get("unified_job_templates", node["unified_job_template"])
        by = self._store.get("users", job.created_by)
        if not template:
            node.hidden["skipped"] = True
            job.values["job_explanation"] = "Job spawned from workflow could not start because its template is gone"
            job.hidden["broken"] = True
            return
        variables = self._store.vault.open(job.hidden.get("variables", {})) | self._artifacts(node)
        fields = {name: node[name] for name in PROMPTS if node[name] not in (None, "")}
        answers = self._store.vault.open(node["extra_data"] or {})
        said = self._prompts.heard(template, fields, answers, ("prompts", "required"))
        # models: what a workflow was told goes to its jobs whether they ask for it or not
        heard = Said(said.fields, said.variables | variables)
        ran = self._jobs.create(template, heard, by, "workflow")
        node.values["job"] = ran.id
        if template.kind == "workflow_approval_templates":
            ran.values |= {"timeout": template["timeout"], "can_approve_or_deny": True}
            self._notifications.of_approval(ran, job, "running")
        elif template.kind == "workflow_job_templates":
            self.start(ran)
        else:
            self._jobs.start(ran)
        self._jobs.changed.notify_all()

    def _artifacts(self, node: Row) -> dict[str, Any]:
        """What was set by those before it, all the way up."""
        found: dict[str, Any] = {}
        for parent, _ in self._before(node):
            ran = self._store.get("unified_jobs", parent["job"])
            found |= self._artifacts(parent) | (ran["artifacts"] or {} if ran else {})
        return found

    def _finished(self, ran: Row) -> None:
        for node in self._store.where("workflow_job_nodes", job=ran.id):
            job = self._store.get("workflow_jobs", node["workflow_job"])
            if job:
                self._go_on(job)

    def _end(self, job: Row) -> None:
        """A workflow fails where a job failed and nothing was meant to come after that (models: `dag_workflow`)."""
        failed = bool(job.hidden.get("broken"))
        for node in self._nodes(job):
            ran = self._store.get("unified_jobs", node["job"])
            after = self._store.linked(node, "failure_nodes") + self._store.linked(node, "always_nodes")
            failed |= bool(ran and ran["failed"] and not after)
        self._jobs.finish(job, Result("failed" if failed else "successful", explanation=job["job_explanation"] or ""))

    def answer(self, approval: Row, *, approved: bool) -> None:
        """Under the lock."""
        for node in self._store.where("workflow_job_nodes", job=approval.id):
            workflow = self._store.get("workflow_jobs", node["workflow_job"])
            self._notifications.of_approval(approval, workflow, "approved" if approved else "denied")
        self._jobs.finish(approval, Result("successful" if approved else "failed"))

    def cancel(self, job: Row) -> bool:
        if job["status"] not in tables.ACTIVE:
            return False
        job.values["status"] = "canceled"
        for node in self._nodes(job):
            ran = self._store.get("unified_jobs", node["job"])
            if ran:
                self._jobs.cancel(ran)
        self._jobs.finish(job, Result("canceled"))
        return True
