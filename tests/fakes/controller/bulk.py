# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many at once: hosts that are made or deleted, and jobs that run beside each other."""

from __future__ import annotations

from typing import Any

from .fields import InvalidError
from .refusals import RefusalError
from .schema import Route
from .store import Row
from .world import World

Answer = tuple[int, Any, str | None]


class Bulk:
    """Below /bulk/."""

    def __init__(self, world: World) -> None:
        self._world = world

    def create_hosts(self, request: Any, user: Row, route: Route) -> Answer:
        body = self._read(request, route)
        inventory = self._world.store.get("inventories", body["inventory"])
        if not self._world.access.can_change(user, inventory):
            raise RefusalError.forbidden()
        read = [
            self._world.read("BulkHost", "hosts", host, partial=False) | {"inventory": inventory.id}
            for host in body["hosts"]
        ]
        names = [host["name"] for host in read]
        taken = {host.name for host in self._world.store.where("hosts", inventory=inventory.id)}
        twice = sorted({name for name in names if names.count(name) > 1} | taken & set(names))
        if twice:
            raise InvalidError({"__all__": [f"Hostnames must be unique in an inventory. Duplicates found: {twice}"]})
        made = [self._world.add("hosts", host, user) for host in read]
        shown = [{"id": host.id, "name": host.name, "url": host.url, **host.values} for host in made]
        return 201, {"url": inventory.url, "hosts": shown}, None

    def delete_hosts(self, request: Any, user: Row, route: Route) -> Answer:
        body = self._read(request, route)
        found = {id: self._world.store.get("hosts", int(id)) for id in body["hosts"] if str(id).isdigit()}
        missing = [id for id in body["hosts"] if not found.get(id)]
        if missing:
            raise InvalidError({"hosts": [f"Hosts do not exist: {missing}"]})
        for host in found.values():
            self._world.delete(host, user)
        return 201, {"hosts": {str(id): f"The host {host.name} was deleted" for id, host in found.items()}}, None

    def launch(self, request: Any, user: Row, route: Route) -> Answer:
        """A workflow without a template, whose nodes all begin at once."""
        body = self._read(request, route)
        store = self._world.store
        nodes = [self._world.read("BulkJobNode", "workflow_job_nodes", job, partial=False) for job in body["jobs"]]
        for node in nodes:
            template = store.get("unified_job_templates", node["unified_job_template"])
            if not self._world.access.can_act(user, template, "launch"):
                raise RefusalError.forbidden()
        job = self._world.jobs.create_bulk(body["name"], user)
        job.hidden["variables"] = body.get("extra_vars") or {}
        for node in nodes:
            store.add("workflow_job_nodes", node | {"workflow_job": job.id, "job": None})
        shown = self._world.presenter.show(job, user)
        self._world.workflows.begin(job)
        return 201, shown, "WorkflowJob"

    def _read(self, request: Any, route: Route) -> dict[str, Any]:
        if request.method == "GET":
            raise RefusalError.unserved(route.template)
        operation = self._world.schema.operation(route.template, "post")
        return self._world.read(operation.body, "bulk", request.body, partial=False)
