# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: the instances of a fleet, in all its regions and accounts at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import Any

from ._aws import autoscaling, ec2, elbv2
from ._aws.accounts import Access, Account, Sessions, assume
from ._aws.ec2_model import loader
from ._aws.errors import AwsError, code_of
from ._core.inventory import InventoryError

FAILURES = (AwsError, InventoryError)
ALL_REGIONS = "all"

_ACCESS = ("profile", "access_key", "secret_key", "session_token", "region", "endpoint_url")
_WISHES = (
    "filters",
    "autoscaling",
    "target_health",
    "image_age",
    "include_terminating",
    "full_description",
    "parallel",
)
_LISTS = ("regions", "accounts", "include_filters", "exclude_filters")
_MOST_PARALLEL = 64
_ROLE = re.compile(r"arn:[a-z-]+:iam::\d{12}:role/\S+")
_STATES = ("pending", "running")
_ENDING_STATES = ("pending", "running", "shutting-down")
_STATE_FILTER = "instance-state-name"
_LEAVING = ("Terminating", "Terminated")
# What EC2 says of credentials that are good elsewhere, in a region that the account has not enabled.
_NOT_ENABLED = "AuthFailure"


@dataclass(frozen=True)
class Wishes:
    """What an inventory is to hold."""

    regions: tuple[str, ...] = ()
    accounts: tuple[Account, ...] = ()
    filters: Mapping[str, Any] = field(default_factory=dict)
    include_filters: tuple[Mapping[str, Any], ...] = ()
    exclude_filters: tuple[Mapping[str, Any], ...] = ()
    autoscaling: bool = True
    target_health: bool = False
    image_age: bool = True
    include_terminating: bool = False
    full_description: bool = False
    parallel: int = 8


@dataclass(frozen=True)
class Problem:
    """A region, or a whole account, that could not be read."""

    account: str
    region: str
    cause: str

    def __str__(self) -> str:
        where = f"region {self.region} of {self.account}" if self.region else self.account
        return f"{where}: {self.cause}"


@dataclass
class Fleet:
    """The instances that were found, and where none could be looked for."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    nothing_read: bool = True


def read(settings: Mapping[str, Any]) -> Fleet:
    """The fleet that the options of the inventory plugin ask for; raises one of FAILURES."""
    # As JSON has them: what Ansible notes about a text, that it may be a template for one, ends here.
    plain = json.loads(json.dumps({name: settings[name] for name in (*_ACCESS, *_WISHES, *_LISTS)}))
    return read_fleet(_access(plain), _wishes(plain))


def read_fleet(access: Access, wishes: Wishes) -> Fleet:
    """All instances as plain data. A place that fails is a problem of the result; raises AwsError if none is known."""
    sessions = Sessions(access, loader(wishes.full_description))
    with ThreadPoolExecutor(max_workers=wishes.parallel, thread_name_prefix="ec2_fleet") as pool:
        return _Reader(sessions, wishes, pool).read()


class _Reader:
    """One reading. The calls run in the pool, all else in the thread that began it: sessions need that."""

    def __init__(self, sessions: Sessions, wishes: Wishes, pool: ThreadPoolExecutor) -> None:
        self._sessions = sessions
        self._wishes = wishes
        self._pool = pool
        self._fleet = Fleet()
        self._texts: dict[str, str] = {}

    def read(self) -> Fleet:
        accounts = self._with_credentials(self._wishes.accounts or (Account(),))
        places = self._places(accounts)
        began = [(account, region, self._begin(region, credentials)) for account, region, credentials in places]
        for account, region, futures in began:
            rows = self._outcome(account, region, lambda calls=futures: _joined(calls, self._wishes))
            if rows is None:
                continue
            self._fleet.nothing_read = False
            for row in rows:
                row["account"] = account.name
            self._fleet.rows += rows
        return self._fleet

    def _with_credentials(self, accounts: Sequence[Account]) -> list[tuple[Account, dict[str, str]]]:
        named = [region for region in self._wishes.regions if region != ALL_REGIONS]
        sts = self._client("sts", self._sessions.any_region(named)) if any(one.role_arn for one in accounts) else None
        began = [(one, self._pool.submit(assume, sts, one) if one.role_arn else None) for one in accounts]
        done = [(one, self._outcome(one, "", future.result) if future else {}) for one, future in began]
        return [(one, credentials) for one, credentials in done if credentials is not None]

    def _places(self, accounts: Sequence[tuple[Account, dict[str, str]]]) -> list[tuple[Account, str, dict[str, str]]]:
        wished = self._wishes.regions or (self._sessions.own_region(),)
        if ALL_REGIONS not in wished:
            return [(one, region, given) for one, given in accounts for region in dict.fromkeys(wished)]
        home = self._sessions.any_region([region for region in wished if region != ALL_REGIONS])
        began = [
            (one, given, self._pool.submit(ec2.regions, self._client("ec2", home, given))) for one, given in accounts
        ]
        return [
            (one, region, given)
            for one, given, future in began
            for region in self._outcome(one, "", future.result) or ()
        ]

    def _begin(self, region: str, credentials: dict[str, str]) -> dict[str, Future[Any]]:
        """The calls of one region that need not wait for each other."""
        wishes, submit = self._wishes, self._pool.submit
        calls = {"instances": submit(self._instances, self._client("ec2", region, credentials))}
        if wishes.autoscaling:
            calls["members"] = submit(autoscaling.members, self._client("autoscaling", region, credentials))
        if wishes.target_health:
            calls["targets"] = submit(elbv2.target_health, self._client("elbv2", region, credentials))
        return calls

    def _instances(self, client: Any) -> list[dict[str, Any]]:
        wishes = self._wishes
        queries = [[one] for one in (wishes.filters, *wishes.include_filters) if one] or [[]]
        out: set[str] = set()
        for excluded in wishes.exclude_filters:
            out |= ec2.instance_ids(client, [excluded])
        states = {_STATE_FILTER: list(_ENDING_STATES if wishes.include_terminating else _STATES)}
        found: dict[str, dict[str, Any]] = {}
        for query in queries:
            filters = query if any(_STATE_FILTER in one for one in query) else [*query, states]
            for row in ec2.instances(client, filters, wishes.full_description, self._texts):
                if row["instance_id"] not in out:
                    found[row["instance_id"]] = row
        rows = list(found.values())
        if wishes.image_age and rows:
            created = ec2.images(client, {row["image_id"] for row in rows if "image_id" in row})
            for row in rows:
                row["image_created"] = created.get(row.get("image_id", ""), "")
        return rows

    def _client(self, service: str, region: str, credentials: dict[str, str] | None = None) -> Any:
        return self._sessions.client(service, region, credentials)

    def _outcome(self, account: Account, region: str, get: Callable[[], Any]) -> Any:
        """What get() gives, or None and a problem."""
        try:
            return get()
        except AwsError as exc:
            self._fleet.problems.append(Problem(account.label, region, _cause(exc)))
            return None


def _access(settings: Mapping[str, Any]) -> Access:
    given = {name: settings[name] or None for name in _ACCESS}
    if given["profile"] and given["access_key"]:
        raise InventoryError("profile and access_key are both given. Only one of them can say whose credentials count.")
    if bool(given["access_key"]) != bool(given["secret_key"]):
        raise InventoryError("access_key and secret_key belong together. Give both, or neither.")
    return Access(**given, max_connections=max(10, settings["parallel"]))


def _wishes(settings: Mapping[str, Any]) -> Wishes:
    if not 1 <= settings["parallel"] <= _MOST_PARALLEL:
        raise InventoryError(f"parallel is {settings['parallel']}. Give a number from 1 to {_MOST_PARALLEL}.")
    values = {name: settings[name] for name in _WISHES}
    lists = {name: tuple(settings[name]) for name in _LISTS}
    return Wishes(**values, **{**lists, "accounts": tuple(map(_account, settings["accounts"]))})


def _account(item: Any) -> Account:
    known = {one.name for one in fields(Account)}
    if not isinstance(item, Mapping) or set(item) - known:
        raise InventoryError(
            f"accounts has the item {item!r}. An item is a dictionary with {', '.join(sorted(known))}."
        )
    texts = {name: str(value) for name, value in item.items() if name != "duration" and value is not None}
    account = Account(**texts, **{name: value for name, value in item.items() if name == "duration"})
    if account.role_arn and not _ROLE.fullmatch(account.role_arn):
        raise InventoryError(
            f"accounts has role_arn {account.role_arn!r}. Give it as arn:aws:iam::<account>:role/<name>."
        )
    if account.role_arn and not isinstance(account.duration, int):
        raise InventoryError(f"accounts has duration {account.duration!r}. Give a number of seconds.")
    return account


def _joined(calls: Mapping[str, Future[Any]], wishes: Wishes) -> list[dict[str, Any]]:
    results = {name: future.result() for name, future in calls.items()}
    members, targets = results.get("members", {}), results.get("targets", {})
    for row in results["instances"]:
        member = members.get(row["instance_id"])
        if member:
            row["member"] = member
        if targets:
            row["targets"] = targets.get(row["instance_id"]) or targets.get(row.get("private_ip_address", ""), [])
    return [row for row in results["instances"] if wishes.include_terminating or not _leaves(row)]


def _leaves(row: Mapping[str, Any]) -> bool:
    return row.get("member", {}).get("lifecycle_state", "").startswith(_LEAVING)


def _cause(exc: AwsError) -> str:
    text = str(exc)
    if exc.__cause__ is not None and code_of(exc.__cause__) == _NOT_ENABLED:
        text += " If only this region says so, it may not be enabled for the account: then leave it out of regions."
    return text
