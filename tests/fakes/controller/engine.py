# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request asks of a Controller, and what it says."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from . import answers, tables
from .actions import Actions
from .fields import InvalidError
from .filters import BadQueryError, NoPageError, Query
from .refusals import RefusalError
from .schema import Operation, Route
from .singles import Singles
from .store import Row
from .world import World

_OPEN = {"/api/", "/api/v2/", "/api/v2/ping/"}
_LOGIN = "To establish a login session, visit /api/login/."


@dataclass
class Request:
    method: str
    path: str
    query: Query = field(default_factory=list)
    body: Any = None
    authorization: str = ""


@dataclass
class Reply:
    status: int
    body: Any = None
    user: str = ""


class Engine:
    """A Controller without its wire."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.violations: list[str] = []
        """Every answer that was not sent because the schema forbids it; a test may demand that there are none."""
        self._actions = Actions(world)
        self._singles = Singles(world)

    def answer(self, request: Request) -> Reply:
        with self.world.store.lock:
            user: Row | None = None
            try:
                user = self._user(request)
                status, body, definition = self._carry_out(request, user)
                reply = self._checked(request, status, body, definition)
            except RefusalError as refusal:
                reply = Reply(refusal.status, refusal.body)
            except InvalidError as invalid:
                reply = Reply(400, invalid.problems)
            except BadQueryError as bad:
                reply = Reply(400, {"detail": str(bad)})
            except NoPageError:
                reply = Reply(404, {"detail": "Invalid page."})
            reply.user = user.name if user else ""
            return reply

    # --- who it is ---

    def _user(self, request: Request) -> Row | None:
        scheme, _, rest = request.authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self._by_token(request, rest)
        if scheme.lower() == "basic":
            return self._by_password(rest)
        if request.path in _OPEN:
            return None
        raise RefusalError(401, {"detail": f"Authentication credentials were not provided. {_LOGIN}"})

    def _by_token(self, request: Request, text: str) -> Row:
        for token in self.world.store.all("tokens"):
            if self.world.store.vault.open(token.hidden.get("token")) == text:
                if request.method not in {"GET", "HEAD", "OPTIONS"} and "write" not in (token["scope"] or "write"):
                    raise RefusalError(403, {"detail": "You do not have permission to perform this action."})
                return self.world.store.get("users", token["user"])
        raise RefusalError(401, {"detail": f"Authentication credentials were not provided. {_LOGIN}"})

    def _by_password(self, text: str) -> Row:
        try:
            name, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise RefusalError(401, {"detail": f"Invalid basic header. {_LOGIN}"}) from error
        for user in self.world.store.where("users", username=name):
            if password and self.world.store.vault.open(user["password"]) == password:
                return user
        raise RefusalError(401, {"detail": f"Invalid username/password. {_LOGIN}"})

    # --- what it is about ---

    def _carry_out(self, request: Request, user: Row | None) -> tuple[int, Any, str | None]:
        route = self.world.schema.route(request.path)
        if route is None:
            raise RefusalError(404, {"detail": "The requested resource could not be found."})
        if request.method == "OPTIONS":
            return 200, self._options(route), None
        operation = self.world.schema.operation(route.template, request.method)
        if operation is None:
            raise RefusalError(405, {"detail": f'Method "{request.method}" not allowed.'})
        parts = route.parts
        if parts and parts[0] in tables.UNSERVED:
            raise RefusalError.unserved(route.template)
        single = self._singles.find(route)
        if single:
            return single(request, user, route)
        if len(parts) == 1:
            return self._collection(request, user, parts[0], operation)
        row = self._found(parts[0], route.parameters["id"])
        if len(parts) == 2:
            return self._member(request, user, row, operation)
        action = self._actions.find(row.kind, parts[2])
        if action:
            status, body = action(row, request, user, operation)
            expected = tables.answer(row.kind, parts[2], request.method)
            return status, body, expected.definition if expected else operation.answer
        if operation.of_many or request.method == "POST":
            return self._list_below(request, user, row, parts[2], operation)
        raise RefusalError.unserved(route.template)

    def _found(self, kind: str, id: str) -> Row:
        row = self.world.store.get(kind, int(id)) if id.isdigit() else self.world.by_named_url(kind, id)
        if row is None:
            raise RefusalError(404, {"detail": f"No {self.world.model(kind)} matches the given query."})
        return row

    def _collection(self, request: Request, user: Row, kind: str, operation: Operation) -> tuple[int, Any, str | None]:
        if request.method == "POST":
            row = self.world.create(kind, operation.body, request.body, user)
            return (
                201,
                self.world.presenter.show(row, user, operation.definition) | row.hidden.pop("once", {}),
                (operation.answer),
            )
        rows = [row for row in self.world.store.all(kind) if self.world.access.can_read(user, row)]
        return 200, self.world.page(request.path, kind, rows, request.query, user, operation), operation.answer

    def _member(self, request: Request, user: Row, row: Row, operation: Operation) -> tuple[int, Any, str | None]:
        if request.method == "DELETE":
            return self.world.delete(row, user), None, None
        if request.method in {"PUT", "PATCH"}:
            self.world.update(row, operation.body, request.body, user, partial=request.method == "PATCH")
        elif not self.world.access.can_read(user, row):
            raise RefusalError.forbidden()
        return 200, self.world.presenter.show(row, user, operation.definition), operation.answer

    def _list_below(
        self, request: Request, user: Row, parent: Row, name: str, operation: Operation
    ) -> tuple[int, Any, str | None]:
        if not self.world.access.can_read(user, parent):
            raise RefusalError.forbidden()
        if (parent.kind, name) not in self.world.store.relations:
            # What lists something that this Controller never has: no activity, no notifications sent.
            return 200, {"count": 0, "next": None, "previous": None, "results": []}, operation.answer
        kind = self.world.relations.kind(parent, name)
        if request.method == "POST":
            return self._post_below(request, user, parent, name, operation)
        members = [row for row in self.world.relations.members(parent, name) if self.world.access.can_read(user, row)]
        return 200, self.world.page(request.path, kind, members, request.query, user, operation), operation.answer

    def _post_below(
        self, request: Request, user: Row, parent: Row, name: str, operation: Operation
    ) -> tuple[int, Any, str | None]:
        body = request.body if isinstance(request.body, dict) else {}
        if "id" not in body and not body.get("disassociate"):
            row = self.world.create_below(parent, name, operation.body, body, user)
            return 201, self.world.presenter.show(row, user, operation.definition), operation.answer
        self.world.associate(parent, name, body, user)
        return 204, None, None

    # --- whether it is as promised ---

    def _options(self, route: Route) -> dict[str, Any]:
        """What forms are made of."""
        actions = {}
        for method in self.world.schema.methods(route.template):
            operation = self.world.schema.operation(route.template, method)
            if operation.body and method in {"POST", "PUT"}:
                actions[method] = self.world.form(operation.body)
        return {"name": route.parts[0], "actions": actions}

    def _checked(self, request: Request, status: int, body: Any, definition: str | None) -> Reply:
        found = []
        if definition and body is not None:
            name = definition.strip("[]")
            if definition.startswith("["):
                found = [*answers.page_problems(self.world.schema, name, body)]
            else:
                route = self.world.schema.route(request.path)
                below = route.parts[2] if len(route.parts) > 2 else ""
                expected = tables.answer(route.parts[0], below, request.method)
                found = [*answers.problems(self.world.schema, name, body, expected.beyond if expected else ())]
        if found:
            self.violations.append(f"{request.method} {request.path}: {found[0]}")
            return Reply(500, {"detail": f"The answer breaks the schema: {found[0]}"})
        return Reply(status, body)
