# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: the deploy log in Parameter Store."""

from __future__ import annotations

import getpass
import re
import secrets
import socket
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from . import artifacts
from ._aws import ssm
from ._aws.errors import AwsError
from ._core import deploy_log, process
from ._core.deploy_log import Slot
from ._core.errors import LogError, LostRaceError, NotOursError, StaleReadError
from ._host.manifest import check_app

FAILURES = artifacts.FAILURES

_ENV = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_PREFIX = re.compile(r"(/[A-Za-z0-9_.-]+)+")
# A lost race and a stale read look alike at first sight: look again this often, waiting longer each time.
_TRIES = 4
_PAUSE = 0.15

# Options of module deploy_log; their documentation stands there.
LOG_OPTIONS: dict[str, Any] = {
    "app": {"type": "str", "required": True},
    "env": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": "/dtk"},
    "id": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["renewed", "committed", "released"], "required": True},
    "lease": {"type": "int", "default": 900},
    "why": {"type": "str", "default": ""},
    "keep": {"type": "int", "default": 20},
    "min_slot": {"type": "int", "default": 0},
}


class DeployLog:
    """The log of one app in one env. Reading gives slots, appending is compare-and-set."""

    def __init__(self, client: Any, prefix: str, env: str, app: str) -> None:
        check_app(app)
        self.where = f"{app} in {env}"
        self._client = client
        self._path = f"{_checked_prefix(prefix)}/{_checked_env(env)}/{app}/deploy"

    def name(self, n: int) -> str:
        """The name of the parameter that holds slot n."""
        return f"{self._path}/{deploy_log.slot_name(n)}"

    def read(self, min_slot: int = 0) -> dict[int, str]:
        """Slot number to raw value. A reader that saw min_slot never accepts less."""
        found: dict[int, str] = {}
        for attempt in _attempts():
            found = self._read_once()
            if max(found, default=0) >= min_slot:
                return found
            _pause(attempt)
        raise StaleReadError(
            f"The deploy log of {self.where} ends at entry {max(found, default=0)}, but entry {min_slot} was seen "
            f"before. Check that prefix, region and account are those of then and that {self.name(min_slot)} exists."
        )

    def top(self, raw: dict[int, str]) -> Slot:
        """The newest slot: the state."""
        return self.slot(raw, max(raw)) if raw else deploy_log.EMPTY

    def slot(self, raw: dict[int, str], n: int) -> Slot:
        """One slot of what read() gave."""
        return deploy_log.decode(n, raw[n], self.name(n))

    def append(self, top: Slot, slot: Slot) -> None:
        """Write the slot after `top`, or LostRaceError if that is no longer the top."""
        name, value = self.name(slot.n), deploy_log.encode(slot)
        if not ssm.create(self._client, name, value, f"Deploy log of {self.where}: {slot.act}"):
            theirs = ssm.read(self._client, name)
            # Equal to ours: an earlier try was written, but its answer was lost on the way.
            if theirs != value:
                raise LostRaceError(self._lost(slot.n, theirs))
        if self._was_pruned(top):
            ssm.delete(self._client, [name])
            raise LostRaceError(self._lost(slot.n, None))

    def prune(self, raw: dict[int, str], keep: int) -> tuple[list[int], list[str]]:
        """Delete what is older than the newest `keep` slots: (deleted, warnings)."""
        old = deploy_log.prune_plan(list(raw), keep)
        try:
            ssm.delete(self._client, [self.name(n) for n in old])
        except AwsError as exc:
            return [], [f"The deploy log of {self.where} was not pruned: {exc}"]
        return old, []

    def _read_once(self) -> dict[int, str]:
        values = ssm.parameters_in(self._client, self._path)
        numbered = ((deploy_log.slot_number(name), value) for name, value in values.items())
        return {n: value for n, value in numbered if n is not None}

    def _was_pruned(self, top: Slot) -> bool:
        """True if we slept for so long that our slot had been written and pruned before we wrote it again.

        Slots are pruned oldest first, so then the one that we read is gone too.
        """
        if top.n == 0:
            return max(self._read_once(), default=0) >= deploy_log.MIN_KEEP
        return ssm.read(self._client, self.name(top.n)) is None

    def _lost(self, n: int, theirs: str | None) -> str:
        who = ""
        if theirs is not None:
            slot = deploy_log.decode(n, theirs, self.name(n))
            who = f" It was {slot.act or 'written'} by {slot.by} at {slot.at}."
        return (
            f"Another deploy wrote entry {n} of the log of {self.where} first.{who} Nothing was changed; run it again."
        )


def answer_log(
    options: dict[str, Any], client: Callable[..., Any], clock: Callable[[], datetime], check: bool
) -> dict[str, Any]:
    """The result of module deploy_log. client: makes a client of a service."""
    renews = options["state"] == "renewed"
    change = (
        renewal(options["id"], options["lease"]) if renews else ending(options["id"], options["state"], options["why"])
    )
    try:
        return change_log(
            client("ssm"),
            (options["prefix"], options["env"], options["app"]),
            change,
            clock,
            min_slot=options["min_slot"],
            keep=None if renews else options["keep"],
            check=check,
        )
    except FAILURES as exc:
        return {"failed": True, "msg": str(exc)}


def change_log(
    parameters: Any,
    place: tuple[str, str, str],
    change: Callable[[Slot, datetime], Slot | None],
    clock: Callable[[], datetime],
    *,
    min_slot: int = 0,
    keep: int | None = None,
    check: bool = False,
) -> dict[str, Any]:
    """Apply a transition to the top of the log at place (prefix, env, app), then prune to `keep` slots, if given."""
    log = DeployLog(parameters, *place)
    prunes = keep is not None and deploy_log.check_keep(keep) > 0 and not check

    def change_once() -> dict[str, Any]:
        raw = log.read(min_slot)
        top = log.top(raw)
        slot = change(top, clock())
        if slot is not None and not check:
            log.append(top, slot)
        pruned, warnings = log.prune({**raw, (slot or top).n: ""}, keep) if prunes else ([], [])
        return {
            "changed": slot is not None,
            "slot": deploy_log.slot_dict(slot or top),
            "pruned": pruned,
            "warnings": warnings,
            "diff": log_diff(top, slot or top),
        }

    return retrying(change_once, LostRaceError, NotOursError)


def must_hold(parameters: Any, place: tuple[str, str, str], deploy: str) -> None:
    """NotOursError unless the deploy still holds the log at place (prefix, env, app)."""
    log = DeployLog(parameters, *place)
    retrying(lambda: deploy_log.ours(log.top(log.read()), deploy), NotOursError)


def retrying(act: Callable[[], Any], *failures: type[Exception]) -> Any:
    """Do it again, waiting longer each time, as long as it fails in one of these ways and there is hope."""
    for attempt in _attempts():
        try:
            return act()
        except failures:
            if attempt == _TRIES - 1:
                raise
            _pause(attempt)
    raise AssertionError("the last attempt returns or raises")


def renewal(deploy: str, lease: int) -> Callable[[Slot, datetime], Slot | None]:
    """The transition that prolongs the lease."""
    return lambda top, now: deploy_log.renew(top, deploy, lease, now)


def ending(deploy: str, state: str, why: str) -> Callable[[Slot, datetime], Slot | None]:
    """The transition that ends a deploy: 'committed' or 'released'."""
    act = {"committed": deploy_log.commit, "released": deploy_log.release}[state]
    return lambda top, now: act(top, deploy, now, why)


def describe_log(
    parameters: Any, place: tuple[str, str, str], now: datetime, history: int, min_slot: int = 0
) -> dict[str, Any]:
    """The state of the log at place (prefix, env, app) for people and playbooks."""
    log = DeployLog(parameters, *place)
    raw = log.read(min_slot)
    top = log.top(raw)
    state = deploy_log.slot_dict(top)
    held = top.target is not None
    expired = held and now >= deploy_log.moment(top.target.lease_until)
    dead = held and process.is_dead(top.target.process)
    fate = " (its process is gone)" if dead else " (lease has ended)" if expired else ""
    return {
        **state,
        "held": held,
        "expired": expired,
        "dead": dead,
        "holder": deploy_log.holder_text(top.target) + fate if held else "",
        "history": [deploy_log.slot_dict(log.slot(raw, n)) for n in sorted(raw, reverse=True)[:history]],
    }


def log_diff(before: Slot, after: Slot) -> dict[str, Any]:
    """What changes, for diff mode."""
    return {"before": _state(before), "after": _state(after)}


def default_owner() -> str:
    """Who runs this, if nobody says so."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _state(slot: Slot) -> dict[str, Any]:
    return {
        key: value for key, value in deploy_log.slot_dict(slot).items() if key in ("n", "stable", "target", "previous")
    }


def _checked_env(env: str) -> str:
    if not _ENV.fullmatch(env):
        raise LogError(
            f"The env {env!r} is not allowed. Use 1 to 32 of a-z, 0-9, '_' and '-', beginning with a letter."
        )
    return env


def _checked_prefix(prefix: str) -> str:
    if not _PREFIX.fullmatch(prefix.rstrip("/")):
        raise LogError(f"The prefix {prefix!r} is not a path in Parameter Store. Use one like /dtk.")
    return prefix.rstrip("/")


def _attempts() -> range:
    return range(_TRIES)


def _pause(attempt: int) -> None:
    """Back off with jitter before looking again."""
    time.sleep(_PAUSE * 2**attempt * (0.5 + secrets.randbelow(1000) / 1000))
