# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: the plan of a deploy, which claims the deploy log and repairs what a dead run left behind."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from . import alarms, artifacts, deploys, instance_refreshes, targets
from ._core import alarms as alarm_rules
from ._core import balance, deploy_log, plan, process
from ._core.alarms import Alarms
from ._core.balance import Declared
from ._core.deploy_log import Claim, Slot
from ._core.errors import LostRaceError, PlanError
from ._core.waves import Amount, Host
from ._host.manifest import Manifest, check_version
from .deploys import DeployLog
from .targets import Standing

FAILURES = (*deploys.FAILURES, *targets.FAILURES)
Client = Callable[..., Any]
Clock = Callable[[], datetime]

# Options of module deploy_plan; their documentation stands there.
_HOST: dict[str, Any] = {
    **targets.HOST,
    "az": {"type": "str", "default": "unknown"},
    "current": {"type": "str"},
    "healthy": {"type": "bool", "default": True},
}
OPTIONS: dict[str, Any] = {
    "app": {"type": "str", "required": True},
    "env": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": "/dtk"},
    "bucket": {"type": "str"},
    "action": {"type": "str", "choices": ["deploy", "rollback", "config"], "default": "deploy"},
    "version": {"type": "str"},
    "hosts": {"type": "list", "elements": "dict", "required": True, "options": _HOST},
    "waves": {"type": "list", "elements": "raw"},
    "per_az": {"type": "bool", "default": False},
    "min_healthy": {"type": "raw"},
    "budget": {"type": "raw", "default": 0},
    "bake": {"type": "int", "default": 0},
    "health": {"type": "dict"},
    "load_balancer": {"type": "dict"},
    "activation": {"type": "str", "choices": ["restart", "reload", "none"], "default": "restart"},
    "alarms": {"type": "list", "elements": "str", "default": []},
    "ignore_alarms": {"type": "bool", "default": False},
    "lease": {"type": "int", "default": 900},
    "owner": {"type": "str"},
    "job_url": {"type": "str"},
    "takeover": {"type": "bool", "default": False},
    "why": {"type": "str", "default": ""},
    "claim": {"type": "bool", "default": True},
}


@dataclass(frozen=True)
class Asked:
    """What a user asked deploy_plan for."""

    app: str
    env: str
    prefix: str
    bucket: str | None
    action: str
    version: str | None
    hosts: tuple[Host, ...]
    waves: tuple[Amount, ...] | None
    per_az: bool
    min_healthy: Amount | None
    budget: Amount
    bake: int
    health: dict[str, Any] | None
    load_balancer: dict[str, Any] | None
    activation: str
    alarms: tuple[str, ...]
    ignore_alarms: bool
    lease: int
    owner: str | None
    job_url: str | None
    takeover: bool
    why: str

    @property
    def place(self) -> tuple[str, str, str]:
        return self.prefix, self.env, self.app


def answer(options: dict[str, Any], client: Client, clock: Clock, check: bool) -> dict[str, Any]:
    """The result of module deploy_plan. client: makes a client of a service, in a region if one is given."""
    values = {name: options[name] for name in OPTIONS if name != "claim"}
    values["hosts"] = tuple(Host(**host) for host in options["hosts"])
    values["alarms"] = alarm_rules.names_of(options["alarms"], options["env"])
    values["waves"] = None if options["waves"] is None else tuple(options["waves"])
    try:
        return plan_deploy(client, Asked(**values), clock, claim=options["claim"] and not check)
    except FAILURES as exc:
        return {"failed": True, "msg": str(exc)}


def plan_deploy(client: Client, asked: Asked, clock: Clock, *, claim: bool) -> dict[str, Any]:
    """Read the log, the release and the load balancers, decide, and claim the next slot if told so.

    A lost race plans anew.
    """
    if asked.lease < 1:
        raise PlanError(f"lease is {asked.lease} s; it must be at least 1 s and should outlast a wave.")
    draft = deploys.retrying(lambda: _draft(client, asked, clock(), claim), LostRaceError)
    return (_repaired(client, draft, clock) if claim and draft.standing.missing() else draft).result()


@dataclass(frozen=True)
class _Draft:
    """A plan with everything that it was made from."""

    asked: Asked
    top: Slot
    slot: Slot
    manifest: Manifest | None
    standing: Standing
    decided: plan.Plan
    header: plan.Header

    def result(self) -> dict[str, Any]:
        return {
            "changed": self.header.claimed,
            "plan": self._plan(),
            "text": plan.plan_text(self.decided, self.header),
            "diff": deploys.log_diff(self.top, self.slot),
        }

    def _plan(self) -> dict[str, Any]:
        asked, header, request = self.asked, self.header, self.decided.request
        return {
            "id": header.id,
            "app": asked.app,
            "env": asked.env,
            "action": asked.action,
            "version": request.release.version,
            "manifest": None if self.manifest is None else self.manifest.to_dict(),
            "artifact": None if self.manifest is None else artifacts.location(asked.bucket, self.manifest),
            "hosts": self.decided.hosts,
            "waves": self.decided.sizes,
            "budget": self.decided.budget,
            "bake": asked.bake,
            "balance": _balance(request),
            "alarms": list(request.alarms.names),
            "fence": header.slot,
            "claimed": header.claimed,
            "owner": header.owner,
            "job_url": asked.job_url,
            "lease": request.lease,
            "lease_until": header.lease_until,
            "stable": self.top.stable,
            "previous": list(self.top.previous),
            "forecast": self.decided.forecast.as_dict(),
            "warnings": [*header.notes, *self.decided.warnings],
        }


def _draft(client: Client, asked: Asked, now: datetime, claim: bool) -> _Draft:
    log = DeployLog(client("ssm"), *asked.place)
    top = log.top(log.read())
    version = _version(asked, top, log.where)
    dead = top.target is not None and process.is_dead(top.target.process)
    rules = {"takeover": asked.takeover, "holder_dead": dead, "where": log.where}
    taken = deploy_log.takeover_reason(top, now, **rules)
    rolling = _unfinished_roll(client, asked, top)
    manifest = None if asked.action == "config" else artifacts.load(client("s3"), asked.bucket, asked.app, version)
    declared = balance.declared(asked.load_balancer, asked.activation, asked.env)
    standing = targets.stand(client, declared, asked.hosts)
    # What is missing is put back before the first wave, so it is no reason to refuse one.
    heard, rings = _heard(client, asked)
    request = _request(asked, version, manifest, standing, heard, repaired=True)
    decided = plan.make_plan(request, top.stable)
    wanted = Claim(
        id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        release=version,
        owner=asked.owner or deploys.default_owner(),
        lease=request.lease,
        kind=asked.action,
        job_url=asked.job_url or None,
        process=process.controlling_process(),
        why=asked.why,
    )
    slot = deploy_log.claim(top, wanted, now, **rules)
    header = plan.Header(
        id=wanted.id,
        owner=wanted.owner,
        slot=slot.n,
        lease_until=slot.target.lease_until,
        claimed=claim,
        why=asked.why,
        job_url=asked.job_url,
        notes=(*((taken,) if taken else ()), *rolling, *rings),
    )
    if claim:
        log.append(top, slot)
    return _Draft(asked, top, slot, manifest, standing, decided, header)


def _repaired(client: Client, draft: _Draft, clock: Clock) -> _Draft:
    """Put back who is missing from the load balancers, and plan with what has become of them.

    The first step of a run that holds the claim: nobody else can have drained these hosts and still be at work on them.
    """
    missing = ", ".join(draft.standing.missing())
    try:
        standing = draft.standing.repaired(client)
        before = draft.decided.request
        request = _request(draft.asked, before.release.version, draft.manifest, standing, before.alarms, repaired=False)
        decided = plan.make_plan(request, draft.top.stable)
    except FAILURES as exc:
        ending = deploys.ending(draft.header.id, "released", str(exc)[:300])
        deploys.change_log(client("ssm"), draft.asked.place, ending, clock)
        raise
    notes = (*draft.header.notes, f"put back into the load balancers: {missing}")
    return replace(draft, standing=standing, decided=decided, header=replace(draft.header, notes=notes))


def _request(
    asked: Asked, version: str, manifest: Manifest | None, standing: Standing, heard: Alarms, *, repaired: bool
) -> plan.Request:
    fetched = (0, 0, 0) if manifest is None else (manifest.size, manifest.unpacked_size, manifest.files)
    hosts = standing.hosts(asked.hosts, repaired=repaired)
    balanced = standing.balance(hosts)
    return plan.Request(
        app=asked.app,
        env=asked.env,
        action=asked.action,
        release=plan.Release(version, *fetched),
        hosts=hosts,
        waves=_default_waves(asked.action, standing.declared) if asked.waves is None else asked.waves,
        per_az=asked.per_az,
        min_healthy=asked.min_healthy,
        budget=asked.budget,
        bake=asked.bake,
        # Renewed when half of it is over, which may be just after a wave began.
        lease=asked.lease + 2 * balanced.longest_wave(),
        health=asked.health,
        balance=balanced,
        alarms=heard,
    )


def _heard(client: Client, asked: Asked) -> tuple[Alarms, tuple[str, ...]]:
    """The alarms that will be asked, and notes; a rollback asks none, since it may be the remedy for what rings."""
    if asked.action == "rollback" or not asked.alarms:
        return alarm_rules.NONE, ()
    watch = client("cloudwatch")
    return alarm_rules.heard(alarms.ask(watch, asked.alarms), watch.meta.region_name, asked.ignore_alarms)


def _unfinished_roll(client: Client, asked: Asked, top: Slot) -> tuple[str, ...]:
    """Notes on what a run that rolled an image out has left; PlanError while its instance refresh goes on.

    Whoever died while that happened left a claim whose lease ends, and a refresh that does not know of leases.
    """
    if top.target is None or top.target.kind != deploy_log.AMI:
        return ()
    found: dict[str, str] = {}
    for region, name in sorted({(host.region or "", host.asg) for host in asked.hosts if host.asg}):
        found.update(instance_refreshes.under_way(client("autoscaling", region), [name]))
    told = "; ".join(f"{name} has an {words}" for name, words in found.items())
    if told and not asked.takeover:
        raise PlanError(
            f"Whoever rolled {top.target.release} out is gone, and {told}. Nothing was changed. See it through with "
            "the playbook roll, or end it (instance_refresh with state=cancelled or rolled_back); to deploy "
            "meanwhile, run again with takeover=true."
        )
    return (told,) if told else ()


def _default_waves(action: str, declared: Declared) -> tuple[Amount, ...]:
    if action != "rollback":
        return plan.DEFAULT_WAVES
    return plan.DRAINED_ROLLBACK_WAVES if declared.drain else plan.ROLLBACK_WAVES


def _balance(request: plan.Request) -> dict[str, Any]:
    """What the steps of a deploy need to know about load balancers."""
    balanced = request.balance
    hosts = request.hosts if balanced.groups else ()
    return {
        "target_groups": [asdict(group) for group in balanced.groups],
        "hosts": [{name: getattr(host, name) for name in targets.HOST} for host in hosts],
        "drain": balanced.drain,
        "wait_timeout": balanced.wait_timeout,
    }


def _version(asked: Asked, top: Slot, where: str) -> str:
    if asked.action == "config":
        return top.stable or ""  # settings may come before the first release
    if not asked.bucket:
        raise PlanError(f"No bucket is given for the {asked.action} of {where}. Give the option bucket.")
    if asked.version:
        return check_version(asked.version)
    if asked.action == "rollback":
        return plan.rollback_version(top.previous, where)
    raise PlanError(f"No version is given for the deploy of {where}. Give the option version.")
