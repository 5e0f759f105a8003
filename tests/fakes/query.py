# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire of AWS's query services: parameters flattened into a form, and answers in XML."""

from __future__ import annotations

import contextlib
import datetime
import re
import urllib.parse
import uuid
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from botocore.model import OperationModel, ServiceModel, StructureShape

from .contract import Outcome
from .rest_json import MalformedError, NoSuchOperationError, Response

# Of every request, and of no operation.
_COMMON = frozenset({"Action", "Version"})
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


class Query:
    """Requests and answers of one service."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._namespace = model.metadata.get("xmlNamespace", "")

    def read(self, body: bytes) -> tuple[str, dict[str, Any]]:
        """The operation that a form asks for, and its parameters."""
        form = urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)
        tree = _tree(form)
        action, version = tree.get("Action"), tree.get("Version")
        if action not in self._model.operation_names or version != self._model.api_version:
            raise NoSuchOperationError(f"Could not find operation {action} for version {version}")
        sent = {name: value for name, value in tree.items() if name not in _COMMON}
        shape = self._model.operation_model(action).input_shape
        return action, _structure_from_wire(shape, sent) if shape else sent

    def write(self, operation: OperationModel, outcome: Outcome) -> Response:
        return self.error(outcome) if outcome.result is None else self._result(operation, outcome)

    def error(self, outcome: Outcome) -> Response:
        """A refusal, also of what is no operation."""
        root = Element("ErrorResponse", xmlns=self._namespace)
        error = SubElement(root, "Error")
        SubElement(error, "Type").text = "Sender" if outcome.status < 500 else "Receiver"
        SubElement(error, "Code").text = outcome.code
        SubElement(error, "Message").text = outcome.message
        return _response(outcome.status, root, root)

    def _result(self, operation: OperationModel, outcome: Outcome) -> Response:
        root = Element(f"{operation.name}Response", xmlns=self._namespace)
        shape = operation.output_shape
        if shape:
            result = SubElement(root, shape.serialization.get("resultWrapper", f"{operation.name}Result"))
            _structure_to_wire(shape, outcome.result, result)
        return _response(outcome.status, root, SubElement(root, "ResponseMetadata"))


def _response(status: int, root: Element, parent: Element) -> Response:
    identity = str(uuid.uuid4())
    SubElement(parent, "RequestId").text = identity
    headers = (("Content-Type", "text/xml"), ("x-amzn-RequestId", identity))
    return Response(status, headers, ElementTree.tostring(root, encoding="utf-8"))


# --- requests -----------------------------------------------------------------------------------------------------


def _tree(form: list[tuple[str, str]]) -> dict[str, Any]:
    """`A.member.1.B=c` as {"A": {"member": {"1": {"B": "c"}}}}."""
    root: dict[str, Any] = {}
    for key, value in form:
        *path, leaf = key.split(".")
        node = root
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise MalformedError(f"{key}: {part} has a value of its own")
        if leaf in node:
            raise MalformedError(f"{key} was given twice")
        node[leaf] = value
    return root


def _from_wire(shape: Any, value: Any) -> Any:
    """Text to what botocore's shapes mean; left alone where it is not what it should be, for the contract to refuse."""
    convert = _FROM_WIRE.get(shape.type_name)
    return convert(shape, value) if convert else value


def _structure_from_wire(shape: StructureShape, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    names = {_wire_name(name, member): name for name, member in shape.members.items()}
    return {
        names.get(wire, wire): _from_wire(shape.members[names[wire]], item) if wire in names else item
        for wire, item in value.items()
    }


def _wire_name(name: str, shape: Any) -> str:
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        return str(shape.member.serialization.get("name", name))
    return str(shape.serialization.get("name", name))


def _list_from_wire(shape: Any, value: Any) -> Any:
    # boto3 sends an empty list as a parameter without a value.
    if value == "":
        return []
    items = value if shape.serialization.get("flattened") else _only(value, _item_name(shape))
    if not _is_numbered(items):
        return value
    return [_from_wire(shape.member, item) for _, item in sorted(items.items(), key=lambda pair: int(pair[0]))]


def _item_name(shape: Any) -> str:
    return str(shape.member.serialization.get("name", "member"))


def _only(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) and set(value) == {name} else None


def _is_numbered(items: Any) -> bool:
    return isinstance(items, dict) and all(key.isdigit() for key in items)


def _map_from_wire(shape: Any, value: Any) -> Any:
    entries = value if shape.serialization.get("flattened") else _only(value, "entry")
    if not _is_numbered(entries):
        return value
    key, item = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
    return {entry.get(key): _from_wire(shape.value, entry.get(item)) for entry in entries.values()}


def _whole_number(_shape: Any, value: Any) -> Any:
    return int(value) if isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value) else value


def _number(_shape: Any, value: Any) -> Any:
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _truth(_shape: Any, value: Any) -> Any:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _time_from_wire(_shape: Any, value: Any) -> Any:
    with contextlib.suppress(TypeError, ValueError):
        found = datetime.datetime.fromisoformat(value)
        return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    return value


_FROM_WIRE: dict[str, Callable[[Any, Any], Any]] = {
    "structure": _structure_from_wire,
    "list": _list_from_wire,
    "map": _map_from_wire,
    "integer": _whole_number,
    "long": _whole_number,
    "float": _number,
    "double": _number,
    "boolean": _truth,
    "timestamp": _time_from_wire,
}

# --- answers --------------------------------------------------------------------------------------------------------


def _structure_to_wire(shape: Any, value: dict[str, Any], parent: Element) -> None:
    for name, item in value.items():
        member = shape.members[name]
        for wire, one in _elements(_wire_name(name, member), member, item):
            _to_wire(one[0], one[1], SubElement(parent, wire))


def _elements(wire: str, shape: Any, value: Any) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """What stands for one member of a structure: one element, or one for each item of a flattened list."""
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        yield from ((wire, (shape.member, item)) for item in value)
    else:
        yield wire, (shape, value)


def _to_wire(shape: Any, value: Any, element: Element) -> None:
    if shape.type_name == "structure":
        _structure_to_wire(shape, value, element)
    elif shape.type_name == "list":
        for item in value:
            _to_wire(shape.member, item, SubElement(element, _item_name(shape)))
    elif shape.type_name == "map":
        for key, item in value.items():
            entry = SubElement(element, "entry")
            SubElement(entry, shape.key.serialization.get("name", "key")).text = str(key)
            _to_wire(shape.value, item, SubElement(entry, shape.value.serialization.get("name", "value")))
    else:
        element.text = _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        utc = value.astimezone(datetime.UTC)
        return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)
