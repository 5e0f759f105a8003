# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Image Builder holds in one region, and what its operations have in common."""

from __future__ import annotations

import copy
import datetime
import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.contract import Contract, RefusalError

from . import arns

Parameters = dict[str, Any]
PAGE = 25
UNFINISHED = frozenset({"PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "INTEGRATING"})


class Clock:
    """The service's time: real time, and what tests move it by."""

    def __init__(self) -> None:
        self.ahead = datetime.timedelta()

    def advance(self, **delta: float) -> None:
        """`days=30`, as of datetime.timedelta."""
        self.ahead += datetime.timedelta(**delta)

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) + self.ahead

    def text(self) -> str:
        return self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class State:
    """Plain data, so that all of it can be copied: each thing as its Get operation shows it."""

    things: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)  # kind -> ARN
    workflows: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    executions: dict[str, dict[str, Any]] = field(default_factory=dict)  # of lifecycles
    built: dict[str, int] = field(default_factory=dict)  # the last build of each version of an image
    tokens: dict[tuple[str, str], tuple[Parameters, dict[str, Any]]] = field(default_factory=dict)

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return self.things.setdefault(kind, {})


@dataclass
class Region:
    """One region's state, and what its operations need beside it."""

    name: str
    account: str
    contract: Contract
    clock: Clock
    quotas: dict[str, int]
    client: Callable[..., Any]  # of another service: client("ssm"), client("ec2", region=…, account=…)
    begin: Callable[[Region, str], None]  # build this image
    cancel: Callable[[str], None]  # stop building this image
    lock: threading.RLock
    state: State = field(default_factory=State)
    before: State | None = None  # the last write
    pages: dict[str, tuple[str, list[Any]]] = field(default_factory=dict)
    serials: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def as_before(self) -> Region:
        """For reads only: this region as it was before the last write."""
        other = copy.copy(self)
        other.state = self.before or self.state
        return other

    def arn(self, kind: str, name: str, version: str | None = None, build: int | None = None) -> str:
        return str(arns.Arn(self.name, self.account, kind, arns.slug(name), version, build))

    def find(self, arn: str) -> dict[str, Any] | None:
        """The thing of an ARN; wildcards and a missing build mean the newest one."""
        things = self.state.of(arns.Arn.parse(arn).kind)
        if arn in things:
            return things[arn]
        arns.check_wildcards(arn)
        resolved = arns.newest(arn, things) if arns.Arn.parse(arn).version else None
        return things[resolved] if resolved else None

    def get(self, arn: str) -> dict[str, Any]:
        thing = self.find(arn)
        if thing is None:
            raise RefusalError("ResourceNotFoundException", f"The resource with ARN '{arn}' does not exist.")
        return thing

    def exact(self, arn: str) -> dict[str, Any]:
        """For what acts on one thing."""
        thing = self.state.of(arns.Arn.parse(arn).kind).get(arn)
        if thing is None:
            raise RefusalError("ResourceNotFoundException", f"The resource with ARN '{arn}' does not exist.")
        return thing

    def referred(self, arn: str) -> dict[str, Any]:
        """The same where the operation declares no ResourceNotFoundException: Create*, Update*, Cancel*."""
        thing = self.find(arn)
        if thing is None:
            raise RefusalError("InvalidRequestException", f"The resource with ARN '{arn}' does not exist.")
        return thing

    def room(self, kind: str, held: int) -> None:
        """Whether one more is within the quota."""
        if held >= self.quotas.get(kind, held + 1):
            raise RefusalError(
                "ServiceQuotaExceededException",
                f"You have reached the limit of {self.quotas[kind]} resources of type '{kind}' in this account.",
            )

    def create(self, parameters: Parameters, kind: str, arn: str, thing: dict[str, Any]) -> None:
        """The end of each Create operation: what was checked is now made, unless it was a rehearsal."""
        self.room(kind, len(self.state.of(kind)))
        if parameters.get("dryRun"):
            raise RefusalError(
                "DryRunOperationException", "The request would have succeeded, but the DryRun parameter is set."
            )
        self.state.of(kind)[arn] = thing | {"arn": arn}

    def unused(self, arn: str, users: Iterable[str]) -> None:
        if any(users):
            raise RefusalError(
                "ResourceDependencyException",
                f"Resource dependency error: The resource ARN '{arn}' has other resources depended on it.",
            )

    def page(self, operation: str, member: str, items: Sequence[dict[str, Any]], parameters: Parameters) -> Parameters:
        """One page of a list; the rest of it waits for whoever has its token."""
        token = parameters.get("nextToken")
        if token is None:
            rest = [self.contract.fitting(operation, member, item) for item in copy.deepcopy(items)]
        else:
            made_by, rest = self.pages.get(token, ("", []))
            if made_by != operation:
                raise RefusalError("InvalidPaginationTokenException", f"The pagination token '{token}' is not valid.")
        size = parameters.get("maxResults", PAGE)
        answer: Parameters = {member: rest[:size]}
        if rest[size:]:
            answer["nextToken"] = f"{operation}-{next(self.serials)}"
            self.pages[answer["nextToken"]] = operation, rest[size:]
        return answer


def filtered(
    items: Iterable[dict[str, Any]], parameters: Parameters, known: dict[str, Callable[[dict[str, Any]], Any]]
) -> list[dict[str, Any]]:
    """Those that all filters let through; `name` may begin or end with a wildcard, as in AWS."""
    found = list(items)
    for one in parameters.get("filters", []):
        name, values = one.get("name", ""), one.get("values", [])
        if name not in known:
            raise RefusalError(
                "InvalidRequestException", f"The filter '{name}' is not valid; known are {', '.join(sorted(known))}."
            )
        found = [item for item in found if any(_equal(name, value, known[name](item)) for value in values)]
    return found


def _equal(name: str, wanted: str, value: Any) -> bool:
    if name != "name" or "*" not in wanted:
        return bool(wanted == value or (isinstance(value, list) and wanted in value))
    core = wanted.strip("*")
    if wanted.startswith("*") and wanted.endswith("*"):
        return core in value
    return bool(value.startswith(core) if wanted.endswith("*") else value.endswith(core))


def without_nothing(thing: dict[str, Any]) -> dict[str, Any]:
    """Empty tags are no tags: the model has no empty TagMap."""
    return {key: value for key, value in thing.items() if value is not None and (key != "tags" or value)}
