# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told of jobs and approvals, and in which words. Nothing leaves the Controller: it is kept as sent."""

from __future__ import annotations

from typing import Any

import jinja2
import jinja2.sandbox

from .store import Row, Store

# models: what is said where a notification template has no words of its own
_OF_JOBS = "{{ job_friendly_name }} #{{ job.id }} '{{ job.name }}' {{ job.status }}: {{ url }}"
_OF_APPROVALS = {
    "running": (
        'The approval node "{{ approval_node_name }}" needs review. This node can be viewed at: {{ workflow_url }}'
    ),
    "approved": 'The approval node "{{ approval_node_name }}" was approved. {{ workflow_url }}',
    "denied": 'The approval node "{{ approval_node_name }}" was denied. {{ workflow_url }}',
}
# Where the user interface shows a job, and what it calls one
_PAGES = {
    "jobs": ("playbook", "Job"),
    "project_updates": ("project", "Project Update"),
    "inventory_updates": ("inventory", "Inventory Update"),
    "workflow_jobs": ("workflow", "Workflow Job"),
}


class Notifications:
    """Tells those whom a template, its project or its organization names."""

    def __init__(self, store: Store, settings: dict[str, Any]) -> None:
        self._store, self._settings = store, settings
        self._words = jinja2.sandbox.SandboxedEnvironment(autoescape=jinja2.select_autoescape())

    def of_job(self, job: Row, moment: str) -> None:
        """`moment`: started, success or error."""
        if job.kind not in _PAGES:
            return
        _, friendly = _PAGES[job.kind]
        context = {
            "job": {"id": job.id, **job.values},
            "job_friendly_name": friendly,
            "url": self._page(job),
        }
        for told in self._named(job, f"notification_templates_{moment}"):
            own = ((told["messages"] or {}).get(moment) or {}).get("message")
            self._tell(told, job, own or _OF_JOBS, context)

    def of_approval(self, approval: Row, workflow: Row, moment: str) -> None:
        """`moment`: running, approved or denied."""
        context = {
            "approval_node_name": approval.name,
            "approval_status": moment,
            "workflow_url": self._page(workflow),
            "job": {"id": workflow.id, **workflow.values},
        }
        for told in self._named(workflow, "notification_templates_approvals"):
            of_approvals = (told["messages"] or {}).get("workflow_approval") or {}
            own = (of_approvals.get(moment) or {}).get("message")
            self._tell(told, workflow, own or _OF_APPROVALS[moment], context)

    def _page(self, job: Row) -> str:
        return f"{self._settings.get('TOWER_URL_BASE') or ''}/#/jobs/{_PAGES[job.kind][0]}/{job.id}"

    def _named(self, job: Row, relation: str) -> list[Row]:
        """models: `notification_templates` of a template are its own and those above it."""
        store = self._store
        template = store.get("unified_job_templates", job["unified_job_template"])
        above = [store.referred(template, name) for name in ("project", "organization")] if template else []
        found: dict[int, Row] = {}
        for row in filter(None, [template, *above]):
            if (row.kind, relation) in store.relations:
                found |= {told.id: told for told in store.linked(row, relation)}
        return list(found.values())

    def _tell(self, told: Row, job: Row, words: str, context: dict[str, Any]) -> None:
        subject = self._words.from_string(words).render(context)
        values = {
            "notification_template": told.id,
            "notification_type": told["notification_type"],
            "status": "successful",
            "notifications_sent": 1,
            "subject": subject,
            "body": {"id": job.id, "name": job.name, "url": self._page(job), "status": job["status"]},
            "recipients": str(told["notification_configuration"].get("url", "")),
        }
        row = self._store.add("notifications", values)
        self._store.link(job, "notifications", [row.id])


MOMENTS = {"successful": "success", "failed": "error", "error": "error", "canceled": "error"}
"""Of a job that is over, by its status."""
