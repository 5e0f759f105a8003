# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What botocore's model of a service promises, and a fake is held to.

A request has to fit the input shape as the service would check it: boto3 itself looks at types and at what is
required, and sends a bad pattern, a number out of range or a text that is too long. An answer has to fit the output
shape, and an error has to be one that the operation declares: otherwise a test would prove that our code gets on
with something that AWS never says. How all of that looks on the wire is somebody else's business.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape

VIOLATION = "FakeContractViolation"
# Models write what is beyond 16 bits in two halves, which Python takes for a range that runs backwards.
_IN_HALVES, _WHOLE = r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"


class RefusalError(Exception):
    """An error of the service, by its code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


@dataclass(frozen=True)
class Allowance:
    """An error that operations send although their model does not declare it, and how we know."""

    code: str
    status: int
    evidence: str
    operations: tuple[str, ...] = ("",)  # prefixes of their names


@dataclass(frozen=True)
class Outcome:
    """A result, or an error's code and message."""

    status: int
    result: dict[str, Any] | None = None
    code: str = ""
    message: str = ""


_PAGE_OF_COMMON_ERRORS = "AWS's API references list it among the errors that are common to all operations."
COMMON = tuple(
    Allowance(code, status, _PAGE_OF_COMMON_ERRORS)
    for code, status in {
        "AccessDeniedException": 400,
        "ExpiredTokenException": 400,
        "IncompleteSignature": 400,
        "InternalFailure": 500,
        "NotAuthorized": 400,
        "OptInRequired": 403,
        "RequestExpired": 400,
        "ServiceUnavailable": 503,
        "ThrottlingException": 400,
        "UnrecognizedClientException": 400,
        "ValidationError": 400,
    }.items()
)


class Contract:
    """One service's model, and what goes beyond it."""

    def __init__(self, service: str, allowances: Sequence[Allowance] = ()) -> None:
        self.model: ServiceModel = botocore.session.get_session().get_service_model(service)
        self.allowances = (*allowances, *COMMON)
        self.violations: list[str] = []
        """Every answer that was not sent because the model forbids it; a test may demand that there are none."""

    def operation(self, name: str) -> OperationModel:
        return self.model.operation_model(name)

    def answer(
        self, name: str, parameters: dict[str, Any], carry_out: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Outcome:
        """What the service says to this request."""
        operation = self.operation(name)
        found = list(problems(operation.input_shape, parameters))
        if found:
            return self.error(name, self._code_of_bad_input(operation), found[0])
        try:
            result = carry_out(parameters)
        except RefusalError as refusal:
            return self.error(name, refusal.code, refusal.message)
        found = list(problems(operation.output_shape, result))
        if found:
            return self._violation(f"the answer of {name} breaks its model: {found[0]}")
        return Outcome(operation.http.get("responseCode", 200), result)

    def error(self, name: str, code: str, message: str) -> Outcome:
        """This error, if the operation may send it."""
        status = self._status(self.operation(name), code)
        if status is None:
            return self._violation(f"{name} does not declare {code} ({message})")
        return Outcome(status, code=code, message=message)

    def declares(self, name: str, code: str) -> bool:
        return any(shape.error_code == code for shape in self.operation(name).error_shapes)

    def fitting(self, name: str, member: str, value: dict[str, Any]) -> dict[str, Any]:
        """What of a value this member of an operation's output has; of a list, what its items have."""
        shape = self.operation(name).output_shape.members[member]
        known = shape.member.members if shape.type_name == "list" else shape.members
        return {key: item for key, item in value.items() if key in known}

    def _status(self, operation: OperationModel, code: str) -> int | None:
        for shape in operation.error_shapes:
            if shape.error_code == code:
                return shape.metadata.get("error", {}).get("httpStatusCode", 400)
        for allowance in self.allowances:
            if allowance.code == code and operation.name.startswith(allowance.operations):
                return allowance.status
        return None

    def _code_of_bad_input(self, operation: OperationModel) -> str:
        """The most telling one that the operation declares."""
        declared = {shape.name for shape in operation.error_shapes}
        codes = ("InvalidParameterValueException", "InvalidParameterException", "InvalidRequestException")
        return next((code for code in codes if code in declared), "ValidationError")

    def _violation(self, what: str) -> Outcome:
        self.violations.append(what)
        return Outcome(500, code=VIOLATION, message=what)


# --- values against shapes --------------------------------------------------------------------------------------


def problems(shape: Shape | None, value: Any, path: str = "") -> Iterator[str]:
    """Everything about a value that its shape forbids."""
    if shape is None:
        if value:
            yield f"{sorted(value)} given to what has no members"
        return
    yield from _CHECKS[shape.type_name](shape, value, path)


def _not_valid(path: str, why: str) -> str:
    return f"The value supplied for parameter '{path}' is not valid. '{path}' {why}"


def _structure(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _not_valid(path, "must be a structure.")
        return
    for name in sorted(set(value) - set(shape.members)):
        yield _not_valid(_below(path, name), "is no known member.")
    for name in shape.required_members:
        if name not in value:
            yield _not_valid(_below(path, name), "is required.")
    for name, item in value.items():
        if name in shape.members:
            yield from problems(shape.members[name], item, _below(path, name))


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _list(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield _not_valid(path, "must be a list.")
        return
    yield from _size(shape, len(value), path, "items")
    for number, item in enumerate(value):
        yield from problems(shape.member, item, f"{path}[{number}]")


def _map(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _not_valid(path, "must be a map.")
        return
    yield from _size(shape, len(value), path, "entries")
    for key, item in value.items():
        yield from problems(shape.key, key, f"{path} (key {key!r})")
        yield from problems(shape.value, item, f"{path}.{key}")


def _string(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield _not_valid(path, "must be a string.")
        return
    yield from _size(shape, len(value), path, "characters")
    if shape.enum and value not in shape.enum:
        yield _not_valid(path, f"must be one of {', '.join(shape.enum)}.")
    pattern = shape.metadata.get("pattern")
    # As a whole: models have patterns such as `optional|required` and `[^\x00]+` that mean nothing otherwise.
    if pattern and not re.fullmatch(pattern.replace(_IN_HALVES, _WHOLE), value):
        yield _not_valid(path, f"must match pattern {pattern}")


def _integer(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, int) or isinstance(value, bool):
        yield _not_valid(path, "must be an integer.")
        return
    yield from _size(shape, value, path, "")


def _float(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, int | float) or isinstance(value, bool):
        yield _not_valid(path, "must be a number.")
        return
    yield from _size(shape, value, path, "")


def _of_type(kind: type, word: str) -> Callable[[Any, Any, str], Iterator[str]]:
    def check(_shape: Any, value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, kind):
            yield _not_valid(path, f"must be {word}.")

    return check


def _size(shape: Any, size: float, path: str, unit: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield _not_valid(path, f"must be at least {least} {unit}".rstrip() + f", and is {size}.")
    if most is not None and size > most:
        yield _not_valid(path, f"must be at most {most} {unit}".rstrip() + f", and is {size}.")


_CHECKS: dict[str, Callable[[Any, Any, str], Iterator[str]]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "character": _string,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "boolean": _of_type(bool, "true or false"),
    "timestamp": _of_type(datetime.datetime, "a time"),
    "blob": _of_type(bytes, "bytes"),
}
