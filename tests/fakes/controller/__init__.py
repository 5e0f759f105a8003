# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Controller for tests: every request and answer held against the Controller's own schema.

with ControllerFake.start() as controller:
    run_ansible(environment=controller.env)
    assert controller.objects("job_templates")
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from . import seeds, tables
from .engine import Engine
from .faults import WRITES, Fault, Faults
from .jobs import Result, Runner, Work
from .schema import Schema
from .server import Exchange, Server
from .store import Row
from .world import World

__all__ = ["WRITES", "ControllerFake", "Exchange", "Fault", "Result", "Runner", "Work"]


class ControllerFake:
    """One Controller with its data."""

    def __init__(self, port: int = 0) -> None:
        self.world = World(Schema())
        self.engine = Engine(self.world)
        self.faults = Faults()
        self.exchanges: list[Exchange] = []
        """Everything that was said, in order; requests as they came, so with the secrets that were sent."""
        self._server = Server(self.engine, self.faults, self.exchanges.append, port)
        self.token = self.token_of("admin")
        """Of the administrator `admin`, whose password is `ControllerFake.PASSWORD`."""

    PASSWORD = seeds.PASSWORD

    @classmethod
    @contextmanager
    def start(cls, port: int = 0) -> Iterator[Self]:
        fake = cls(port)
        fake._server.listen()
        try:
            yield fake
        finally:
            fake._server.close()

    # --- how to reach it ---

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def env(self) -> dict[str, str]:
        """What the awx.awx modules take from the environment."""
        return self.env_of(self.token)

    def env_of(self, token: str) -> dict[str, str]:
        """The same for somebody else. Ansible reads all certificates for every request, also where there is no TLS as
        here, which takes longer than all the rest: so there are none."""
        return self.login(token) | {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}

    def login(self, token: str) -> dict[str, str]:
        return {
            "CONTROLLER_HOST": self.url,
            "CONTROLLER_OAUTH_TOKEN": token,
            "CONTROLLER_VERIFY_SSL": "false",
        }

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **query: Any
    ) -> tuple[int, Any]:
        """A request over the wire: `call("GET", "labels", name="dtk")`. The status, and the answer's JSON or text."""
        where = path if path.startswith("/") else f"/api/v2/{path.strip('/')}/"
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=30)
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"{where}?{urllib.parse.urlencode(query)}" if query else where, text, headers)
            response = connection.getresponse()
            payload = response.read().decode()
        finally:
            connection.close()
        plain = (response.getheader("Content-Type") or "").startswith("text/plain")
        return response.status, payload if plain or not payload else json.loads(payload)

    # --- what is in it ---

    def objects(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """All objects of a kind (`job_templates`), as an administrator sees them, or those with these fields."""
        with self.world.store.lock:
            shown = [self._shown(row) for row in self.world.store.all(kind)]
        return [one for one in shown if all(one.get(name) == value for name, value in fields.items())]

    def object(self, kind: str, name: str) -> dict[str, Any]:
        """The one of this name."""
        with self.world.store.lock:
            return self._shown(self._row(kind, name))

    def below(self, kind: str, name: str, below: str) -> list[dict[str, Any]]:
        """The members of a list of an object: `below("job_templates", "Deploy", "labels")`."""
        with self.world.store.lock:
            members = self.world.relations.members(self._row(kind, name), below)
            return [self._shown(row) for row in members]

    def survey(self, kind: str, name: str) -> dict[str, Any]:
        """A template's survey, with the defaults of passwords readable."""
        with self.world.store.lock:
            return self.world.store.vault.open(self._row(kind, name).hidden.get("survey_spec", {}))

    def secrets(self, kind: str, name: str) -> dict[str, Any]:
        """An object's fields with its secrets readable."""
        with self.world.store.lock:
            return self.world.store.vault.open(self._row(kind, name).values)

    def stdout(self, job: int) -> str:
        with self.world.store.lock:
            return self.world.store.get("unified_jobs", job).hidden.get("stdout", "")

    def snapshot(self) -> dict[str, list[dict[str, Any]]]:
        """Everything, without what is only of its time; to see whether anything changed."""
        with self.world.store.lock:
            kinds = [kind for kind in self.world.schema.kinds if kind not in {"roles", "tokens"}]
            return {
                kind: [self._timeless(row) for row in self.world.store.all(kind)]
                for kind in kinds
                if self.world.store.all(kind)
            }

    def _timeless(self, row: Row) -> dict[str, Any]:
        shown = self._shown(row)
        survey = row.hidden.get("survey_spec", {})
        return {name: value for name, value in shown.items() if name not in {"created", "modified"}} | {
            "survey": survey
        }

    def _shown(self, row: Row) -> dict[str, Any]:
        return self.world.presenter.show(row, self.world.admin)

    def _row(self, kind: str, name: str) -> Row:
        found = [row for row in self.world.store.all(kind) if row.name == name]
        if len(found) != 1:
            raise LookupError(f"there are {len(found)} {kind} named {name!r}")
        return found[0]

    # --- what was asked of it ---

    def calls(self) -> Counter[str]:
        """How often each path was asked for: `{"GET /api/v2/labels/{id}/": 2}`."""
        return Counter(f"{one.method} {self._template(one.path)}" for one in self.exchanges)

    def _template(self, path: str) -> str:
        route = self.world.schema.route(path)
        return route.template.replace("{version}", "v2") if route else path

    def writes(self) -> list[Exchange]:
        """What may have changed something."""
        return [one for one in self.exchanges if one.method in WRITES.split("|")]

    def forget_calls(self) -> None:
        self.exchanges.clear()

    def leaks(self, secret: str) -> list[Exchange]:
        """Where a secret was said by the Controller, or sent in a URL."""
        return [one for one in self.exchanges if secret in one.answer or secret in one.path + one.query]

    def keeps_readable(self, secret: str) -> bool:
        """Whether a secret can be read in what is stored."""
        with self.world.store.lock:
            rows = [row for kind in self.world.schema.kinds for row in self.world.store.all(kind)]
            return any(secret in json.dumps([row.values, row.hidden], default=str) for row in rows)

    @property
    def violations(self) -> list[str]:
        """Answers that would have broken the schema; a test may demand that there are none."""
        return self.engine.violations

    # --- whom it knows ---

    def add_user(self, name: str, *, superuser: bool = False, auditor: bool = False) -> str:
        """Somebody new, and a token of theirs."""
        values = {
            "username": name,
            "first_name": "",
            "last_name": "",
            "email": "",
            "is_superuser": superuser,
            "is_system_auditor": auditor,
            "password": secrets.token_hex(8),
        }
        with self.world.store.lock:
            self.world.add("users", values, self.world.admin)
        return self.token_of(name)

    def token_of(self, user: str, scope: str = "write") -> str:
        with self.world.store.lock:
            owner = self._row("users", user)
            row = self.world.add("tokens", {"description": "", "application": None, "scope": scope}, owner)
            return row.hidden["once"]["token"]

    def grant(self, kind: str, name: str, role: str, *, user: str) -> None:
        """`grant("job_templates", "Deploy", "execute_role", user="dev")`"""
        with self.world.store.lock:
            self.world.access.grant(self._row(kind, name), role, self._row("users", user))

    # --- jobs ---

    def run(self, runner: Runner | None, *kinds: str) -> None:
        """What jobs do from now on: those of job templates, or of the kinds that are named."""
        for kind in kinds or ("jobs",):
            if runner:
                self.world.jobs.runners[kind] = runner
            else:
                self.world.jobs.runners.pop(kind, None)

    def fire(self, schedule: str) -> int:
        """Lets a schedule start its job now; the job's id."""
        with self.world.store.lock:
            return self.world.fire(self._row("schedules", schedule)).id

    def wait(self, seconds: float = 30) -> bool:
        """Until no job is active; False if that takes too long."""
        return self.world.jobs.wait(seconds)

    def set_playbooks(self, playbooks: Sequence[str] | None) -> None:
        """Those that projects have; None for any."""
        self.world.known_playbooks = list(playbooks) if playbooks is not None else None

    # --- trouble ---

    def fail(self, status: int = 503, **fault: Any) -> Fault:
        """Lets requests fail; see `Fault` for which, how often and how."""
        return self.faults.add(Fault(status, **fault))

    def fail_after_writes(self, count: int, status: int = 503) -> Fault:
        """From then on nothing can be changed any more, until `heal`."""
        return self.fail(status, method=WRITES, after=count, times=None)

    def heal(self) -> None:
        self.faults.clear()

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Nobody listens."""
        self._server.close()
        try:
            yield
        finally:
            self._server.listen()

    def without_field(self, kind: str, field: str) -> None:
        """An older API: it does not know the field, drops it without a word, and does not show it."""
        definitions = {self.world.schema.kinds[kind]}
        definitions |= {name for name, described in tables.DEFINITIONS.items() if described == kind}
        with self.world.store.lock:
            for definition in definitions:
                if field in self.world.schema.fields(definition):
                    self.world.schema.remove(definition, field)
            self.world.removed.add((self.world.schema.kinds[kind], field))

    def be_lenient(self) -> None:
        """Drops fields that nobody knows, as the real one does, and does not refuse them."""
        self.world.lenient = True
