# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: the deploy logs of several apps, held at once by what is no deploy of one of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from . import deploys
from ._aws.errors import AwsError
from ._core import deploy_log, process
from ._core.deploy_log import Claim, Slot
from ._core.errors import LogError, LostRaceError, NotOursError
from .deploys import DeployLog

FAILURES = deploys.FAILURES

Client = Callable[..., Any]
Clock = Callable[[], datetime]

# Options of module deploy_claim; their documentation stands there.
OPTIONS: dict[str, Any] = {
    "apps": {"type": "list", "elements": "str", "required": True},
    "env": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": "/dtk"},
    "state": {"type": "str", "choices": ["claimed", "released"], "required": True},
    "image_id": {"type": "str"},
    "id": {"type": "str"},
    "lease": {"type": "int", "default": 900},
    "owner": {"type": "str"},
    "job_url": {"type": "str"},
    "takeover": {"type": "bool", "default": False},
    "why": {"type": "str", "default": ""},
}
# Of a module that renews what it was claimed for while it waits.
KEPT: dict[str, Any] = {
    "apps": {"type": "list", "elements": "str", "required": True},
    "env": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": "/dtk"},
    "id": {"type": "str", "required": True},
    "lease": {"type": "int", "default": 900},
}


def answer(options: dict[str, Any], client: Client, clock: Clock, check: bool = False) -> dict[str, Any]:
    """The result of module deploy_claim."""
    try:
        _check(options)
        act = {"claimed": _claim_all, "released": _release_all}[options["state"]]
        return act(options, client, clock, check)
    except FAILURES as exc:
        return {"failed": True, "msg": str(exc)}


def _check(options: Mapping[str, Any]) -> None:
    needed = {"claimed": "image_id", "released": "id"}[options["state"]]
    if not options[needed]:
        raise LogError(f"{needed} is not given, and state={options['state']} needs it.")
    if options["lease"] < 1:
        raise LogError(f"lease is {options['lease']} s; it must be at least 1 s.")


def _sorted(options: Mapping[str, Any]) -> list[str]:
    """Everybody claims in the same order, so that two who want the same never hold a part each."""
    return sorted(set(options["apps"]))


# --- claiming -------------------------------------------------------------------------------------------------------


def _claim_all(options: Mapping[str, Any], client: Client, clock: Clock, check: bool) -> dict[str, Any]:
    now = clock()
    wanted = Claim(
        id=options["id"] or f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        release=options["image_id"],
        owner=options["owner"] or deploys.default_owner(),
        lease=options["lease"],
        kind=deploy_log.AMI,
        job_url=options["job_url"] or None,
        process=process.controlling_process(),
        why=options["why"],
    )
    done: list[str] = []
    slots: dict[str, Slot] = {}
    try:
        for app in _sorted(options):
            slots[app] = deploys.retrying(
                lambda app=app: _claim(options, client, clock, wanted, app, check), LostRaceError
            )
            done.append(app)
    except FAILURES as exc:
        kept = [] if check else _give_back(options, client, clock, wanted.id, done, str(exc))
        raise LogError(" ".join([str(exc), *kept])) from exc
    return {
        "changed": bool(done),
        "id": wanted.id,
        "apps": done,
        "lease": wanted.lease,
        "notes": [f"{app}: {slot.why}" for app, slot in slots.items() if slot.why and slot.why != wanted.why],
    }


def _claim(options: Mapping[str, Any], client: Client, clock: Clock, wanted: Claim, app: str, check: bool) -> Slot:
    log = DeployLog(client("ssm"), options["prefix"], options["env"], app)
    top = log.top(log.read())
    dead = top.target is not None and process.is_dead(top.target.process)
    rules = {"takeover": options["takeover"], "holder_dead": dead, "where": log.where}
    slot = deploy_log.claim(top, wanted, clock(), **rules)
    if not check:
        log.append(top, slot)
    return slot


def _give_back(
    options: Mapping[str, Any], client: Client, clock: Clock, identity: str, apps: Sequence[str], why: str
) -> list[str]:
    """End the claims that there are already; what cannot be ended, in words."""
    troubles = []
    for app in apps:
        place = options["prefix"], options["env"], app
        try:
            deploys.change_log(client("ssm"), place, deploys.ending(identity, "released", why[:300]), clock)
        except FAILURES as exc:
            troubles.append(f"The claim on {app} could not be given back, and ends with its lease: {exc}")
    return troubles


# --- ending ---------------------------------------------------------------------------------------------------------


def _release_all(options: Mapping[str, Any], client: Client, clock: Clock, check: bool) -> dict[str, Any]:
    """Give all back. Who has lost one has nothing to give back there, which is told but stops nothing."""
    changed, lost, troubles = [], [], []
    for app in _sorted(options):
        place = options["prefix"], options["env"], app
        ending = deploys.ending(options["id"], "released", options["why"])
        try:
            result = deploys.change_log(client("ssm"), place, ending, clock, keep=deploy_log.KEEP, check=check)
        except NotOursError as exc:
            lost.append(str(exc))
        except FAILURES as exc:
            troubles.append(f"{app} is held until its lease ends: {exc}")
        else:
            changed += [app] if result["changed"] else []
    if troubles:
        return {"failed": True, "msg": " ".join(troubles), "changed": bool(changed)}
    return {"changed": bool(changed), "id": options["id"], "apps": changed, "notes": lost}


# --- keeping --------------------------------------------------------------------------------------------------------


class Keeper:
    """Renews claims whenever half of their lease may be over."""

    def __init__(self, claim: Mapping[str, Any] | None, client: Client, clock: Clock) -> None:
        self._claim, self._client, self._clock = claim, client, clock
        self._apps = _sorted(claim) if claim else []
        self._next = clock()
        self._believed = clock() + timedelta(seconds=claim["lease"] if claim else 0)

    def keep(self) -> None:
        """NotOursError if one is somebody else's by now; AwsError once the leases cannot be alive any more."""
        now = self._clock()
        if not self._apps or now < self._next:
            return
        try:
            for app in self._apps:
                self._renew(app)
        except AwsError:
            if now >= self._believed:
                raise
            return  # there is time for another try
        lease = self._claim["lease"]
        self._next, self._believed = now + timedelta(seconds=lease / 3), now + timedelta(seconds=lease / 2)

    def _renew(self, app: str) -> None:
        claim = self._claim
        change = deploys.renewal(claim["id"], claim["lease"])
        place = claim["prefix"], claim["env"], app
        deploys.change_log(self._client("ssm"), place, change, self._clock, keep=deploy_log.KEEP)
