# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire of AWS's REST services that speak JSON: which operation a request is, its parameters, and answers."""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime
import json
import re
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

from .contract import Outcome

# `{name}` is one part of a path, `{name+}` may have slashes.
_LABEL = re.compile(r"\\\{(\w+)(\\\+)?\\\}")


class Response(NamedTuple):
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class NoSuchOperationError(Exception):
    """No operation of the service has this method and path."""


class MalformedError(Exception):
    """A body that is no JSON object."""


class RestJson:
    """Requests and answers of one service."""

    def __init__(self, model: ServiceModel) -> None:
        self._routes = [_route(model.operation_model(name)) for name in model.operation_names]

    def read(self, method: str, uri: str, headers: Mapping[str, str], body: bytes) -> tuple[str, dict[str, Any]]:
        """The operation that a request asks for, and its parameters; `uri` as it was sent, still quoted."""
        path, _, query = uri.partition("?")
        for known, pattern, operation in self._routes:
            found = pattern.fullmatch(path) if method == known else None
            if found:
                labels = {name: urllib.parse.unquote(value) for name, value in found.groupdict().items()}
                return operation.name, _parameters(operation.input_shape, _Sources(labels, query, headers, body))
        raise NoSuchOperationError(f"{method} {path}")

    @staticmethod
    def write(operation: OperationModel, outcome: Outcome) -> Response:
        request_id = str(uuid.uuid4())
        headers = [("Content-Type", "application/json"), ("x-amzn-RequestId", request_id)]
        if outcome.result is None:
            headers.append(("x-amzn-ErrorType", outcome.code))
            body: Any = {"message": outcome.message}
        else:
            body = _to_wire(operation.output_shape, outcome.result) if operation.output_shape else {}
        return Response(outcome.status, tuple(headers), json.dumps(body).encode())


def _route(operation: OperationModel) -> tuple[str, re.Pattern[str], OperationModel]:
    path = operation.http["requestUri"].partition("?")[0]
    pattern = _LABEL.sub(lambda label: f"(?P<{label[1]}>{'.+' if label[2] else '[^/]+'})", re.escape(path))
    return operation.http["method"], re.compile(pattern), operation


class _Sources:
    """Where the members of a request may be."""

    def __init__(self, labels: Mapping[str, str], query: str, headers: Mapping[str, str], body: bytes) -> None:
        self.labels = labels
        self.query = urllib.parse.parse_qs(query, keep_blank_values=True)
        self.headers = headers
        self.body = body

    def text(self, location: str, name: str) -> Any:
        """One member as text, or as a list of texts; None where it was not sent."""
        if location == "uri":
            return self.labels.get(name)
        if location == "header":
            return self.headers.get(name.lower())
        return self.query.get(name)

    def json(self) -> dict[str, Any]:
        if not self.body:
            return {}
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise MalformedError(f"the body is no JSON: {error}") from error
        if not isinstance(value, dict):
            raise MalformedError("the body is no JSON object")
        return value


def _parameters(shape: StructureShape | None, sources: _Sources) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    placed = set()
    for name, member in shape.members.items() if shape else ():
        location = member.serialization.get("location")
        if location:
            wire = member.serialization.get("name", name)
            placed.add(wire)
            text = sources.text(location, wire)
            if text is not None:
                parameters[name] = _from_text(member, text)
    payload = shape.serialization.get("payload") if shape else None
    if payload:
        return parameters | _payload(payload, shape.members[payload], sources)
    names = _member_names(shape)
    for wire, value in sources.json().items():
        # What belongs into the path or the query string is unknown in a body.
        name = names.get(wire, wire) if wire not in placed else f"{wire} (in the body)"
        known = shape.members.get(name) if shape else None
        if value is not None:
            parameters[name] = _from_wire(known, value) if known else value
    return parameters


def _payload(name: str, shape: Shape, sources: _Sources) -> dict[str, Any]:
    """The member that is the whole body."""
    if not sources.body:
        return {}
    if shape.type_name == "structure":
        return {name: _from_wire(shape, sources.json())}
    return {name: sources.body if shape.type_name == "blob" else sources.body.decode()}


def _member_names(shape: StructureShape | None) -> dict[str, str]:
    if shape is None:
        return {}
    return {member.serialization.get("name", name): name for name, member in shape.members.items()}


def _from_text(shape: Shape, text: Any) -> Any:
    """A value of the path, the query string or a header; left alone where it is not what it should be."""
    if shape.type_name == "list":
        return [_from_text(shape.member, one) for one in text]
    one = text[0] if isinstance(text, list) else text
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(one, one)
    if shape.type_name in {"integer", "long"} and re.fullmatch(r"-?\d+", one):
        return int(one)
    return _from_wire(shape, one)


def _from_wire(shape: Shape, value: Any) -> Any:
    """JSON to what botocore's shapes mean; left alone where it is not what it should be, for the contract to refuse."""
    convert = _FROM_WIRE.get(shape.type_name)
    return convert(shape, value) if convert else value


def _structure_from_wire(shape: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    names = _member_names(shape)
    return dict(_members_from_wire(shape, names, value))


def _members_from_wire(shape: Any, names: dict[str, str], value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for wire, item in value.items():
        name = names.get(wire)
        # null is as good as nothing.
        if name is None:
            yield wire, item
        elif item is not None:
            yield name, _from_wire(shape.members[name], item)


def _list_from_wire(shape: Any, value: Any) -> Any:
    return [_from_wire(shape.member, item) for item in value] if isinstance(value, list) else value


def _map_from_wire(shape: Any, value: Any) -> Any:
    return {key: _from_wire(shape.value, item) for key, item in value.items()} if isinstance(value, dict) else value


def _time_from_wire(_shape: Any, value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.datetime.fromtimestamp(value, datetime.UTC)
    with contextlib.suppress(TypeError, ValueError):
        return datetime.datetime.fromisoformat(value)
    return value


def _bytes_from_wire(_shape: Any, value: Any) -> Any:
    with contextlib.suppress(TypeError, binascii.Error):
        return base64.b64decode(value, validate=True)
    return value


def _to_wire(shape: Any, value: Any) -> Any:
    convert = _TO_WIRE.get(shape.type_name)
    return convert(shape, value) if convert else value


def _structure_to_wire(shape: Any, value: dict[str, Any]) -> dict[str, Any]:
    return {
        shape.members[name].serialization.get("name", name): _to_wire(shape.members[name], item)
        for name, item in value.items()
    }


_FROM_WIRE: dict[str, Callable[[Any, Any], Any]] = {
    "structure": _structure_from_wire,
    "list": _list_from_wire,
    "map": _map_from_wire,
    "timestamp": _time_from_wire,
    "blob": _bytes_from_wire,
}
_TO_WIRE: dict[str, Callable[[Any, Any], Any]] = {
    "structure": _structure_to_wire,
    "list": lambda shape, value: [_to_wire(shape.member, item) for item in value],
    "map": lambda shape, value: {key: _to_wire(shape.value, item) for key, item in value.items()},
    "timestamp": lambda _shape, value: value.timestamp(),
    "blob": lambda _shape, value: base64.b64encode(value).decode(),
}
