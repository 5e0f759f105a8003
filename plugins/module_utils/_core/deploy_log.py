# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The deploy log of one app in one env: what a slot says and which slot may follow which.

The log is append-only and its highest slot is the state. Writing slot n+1 after reading slot n is compare-and-set, so
it is at once the lock, the pointer to the stable release, the list for rollbacks and the audit trail. Nothing here
does I/O or looks at the clock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from .errors import HeldError, LogError, NotOursError

MAX_BYTES = 4096
MAX_PREVIOUS = 10
KEEP = 20
# The kind of a claim under which no app changes, but the image of the instances below all of them.
AMI = "ami"
# Below this many kept slots a writer that slept for long could not tell a pruned slot from a free one.
MIN_KEEP = 10

# datetime.UTC needs Python 3.11, and ansible-core 2.17 still runs on 3.10.
UTC = timezone(timedelta(0))
_SLOT_NAME = re.compile(r"\d{10}")


@dataclass(frozen=True)
class Target:
    """The deploy under way: what it moves to, who runs it and until when it is believed to be alive."""

    id: str
    release: str
    owner: str
    lease_until: str
    kind: str = "deploy"
    job_url: str | None = None
    process: str | None = None
    since: str | None = None
    halt: str | None = None


@dataclass(frozen=True)
class Slot:
    """One entry of the log."""

    n: int
    stable: str | None
    target: Target | None
    previous: tuple[str, ...]
    by: str
    at: str
    why: str
    act: str = ""
    id: str | None = None


@dataclass(frozen=True)
class Claim:
    """What somebody wants to do."""

    id: str
    release: str
    owner: str
    lease: int
    kind: str = "deploy"
    job_url: str | None = None
    process: str | None = None
    why: str = ""


_DOINGS = {"config": "change of settings", AMI: "an image is being rolled out, {release}"}

EMPTY = Slot(n=0, stable=None, target=None, previous=(), by="", at="", why="")


def stamp(moment: datetime) -> str:
    """A moment as it stands in the log."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """The inverse of stamp()."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def slot_name(n: int) -> str:
    """Zero-padded, so that names sort like numbers."""
    return f"{n:010d}"


def slot_number(name: str) -> int | None:
    """The inverse of slot_name(); None for a name that is no slot."""
    leaf = name.rpartition("/")[2]
    return int(leaf) if _SLOT_NAME.fullmatch(leaf) else None


def encode(slot: Slot) -> str:
    """The JSON value of a slot."""
    value = {
        "stable": slot.stable,
        "target": None if slot.target is None else target_dict(slot.target),
        "previous": list(slot.previous),
        "by": slot.by,
        "at": slot.at,
        "why": slot.why,
        "act": slot.act,
        "id": slot.id,
    }
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    size = len(text.encode("utf-8"))
    if size > MAX_BYTES:
        raise LogError(f"The deploy log's entry has {size} bytes, {MAX_BYTES} are allowed. Shorten why or job_url.")
    return text


def decode(n: int, text: str, name: str) -> Slot:
    """A slot from its JSON value; `name` is what an error calls it."""
    try:
        value = json.loads(text)
        target = value["target"]
        if target is not None:
            target = Target(**target)
            moment(target.lease_until)
        return Slot(
            n=n,
            stable=value["stable"],
            target=target,
            previous=tuple(value["previous"]),
            by=value["by"],
            at=value["at"],
            why=value["why"],
            act=value.get("act", ""),
            id=value.get("id"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise LogError(
            f"{name} is not an entry of a deploy log ({exc}). Somebody else wrote it: "
            "read the entry below it and delete this one if it does not belong there."
        ) from exc


def target_dict(target: Target) -> dict[str, Any]:
    """A target as plain data, without what is not set."""
    return {key: value for key, value in vars(target).items() if value is not None}


def slot_dict(slot: Slot) -> dict[str, Any]:
    """A slot as plain data."""
    target = None if slot.target is None else target_dict(slot.target)
    return {**vars(slot), "target": target, "previous": list(slot.previous)}


def claim(
    top: Slot,
    wanted: Claim,
    now: datetime,
    *,
    takeover: bool = False,
    holder_dead: bool = False,
    where: str = "The app",
) -> Slot:
    """The slot that makes `wanted` the owner, or HeldError."""
    reason = takeover_reason(top, now, takeover=takeover, holder_dead=holder_dead, where=where)
    target = Target(
        id=wanted.id,
        release=wanted.release,
        owner=wanted.owner[:128],
        lease_until=stamp(now + timedelta(seconds=wanted.lease)),
        kind=wanted.kind,
        job_url=None if wanted.job_url is None else wanted.job_url[:512],
        process=wanted.process,
        since=stamp(now),
    )
    why = "; ".join(part for part in (wanted.why, reason) if part)
    return _next(top, now, act="claimed", by=target.owner, why=why, deploy=wanted.id, target=target)


def takeover_reason(top: Slot, now: datetime, *, takeover: bool, holder_dead: bool, where: str) -> str:
    """Why the claim of another deploy may be taken, empty if there is none, or HeldError."""
    held = top.target
    if held is None:
        return ""
    if now >= moment(held.lease_until):
        return f"took over from {held.owner}, whose lease ended at {held.lease_until}"
    if holder_dead:
        return f"took over from {held.owner}, whose process is gone"
    if takeover:
        return f"took over from {held.owner}, as asked by takeover=true"
    raise HeldError(f"{where} is held by {holder_text(held)}. {remedy(held)}")


def holder_text(held: Target) -> str:
    """Who holds the app, in words."""
    since = f" since {held.since}" if held.since else ""
    url = f", {held.job_url}" if held.job_url else ""
    doing = _DOINGS.get(held.kind, "{kind} of {release}").format(kind=held.kind, release=held.release)
    return f"{held.owner}{since} until {held.lease_until} ({doing}, id {held.id}{url})"


def remedy(held: Target) -> str:
    """What a user may do about a held app."""
    return (
        f"Wait for it to end, or until its lease ends at {held.lease_until}; "
        "if you are sure that it is dead, run again with takeover=true."
    )


def renew(top: Slot, deploy: str, lease: int, now: datetime) -> Slot | None:
    """The slot that prolongs the lease, or None as long as half of it is left: renewals must not flood the log."""
    held = ours(top, deploy)
    until = now + timedelta(seconds=lease)
    if moment(held.lease_until) - now > timedelta(seconds=lease / 2):
        return None
    longer = replace(held, lease_until=stamp(until))
    return _next(top, now, act="renewed", by=held.owner, why=top.why, deploy=deploy, target=longer)


def commit(top: Slot, deploy: str, now: datetime, why: str = "") -> Slot | None:
    """The slot that makes our target the stable release; None if that has already happened."""
    if ended(top, deploy, "committed"):
        return None
    held = ours(top, deploy)
    if held.kind == AMI:
        raise LogError(f"{held.release} is an image and no release, so it cannot be made the stable one: release it.")
    done = _next(top, now, act="committed", by=held.owner, why=why, deploy=deploy, target=None)
    return replace(done, stable=held.release, previous=previous_after(top, held))


def release(top: Slot, deploy: str, now: datetime, why: str = "") -> Slot | None:
    """The slot that gives the claim back and leaves stable as it is; None if that has already happened."""
    if ended(top, deploy, "released"):
        return None
    held = ours(top, deploy)
    return _next(top, now, act="released", by=held.owner, why=why, deploy=deploy, target=None)


def ended(top: Slot, deploy: str, act: str) -> bool:
    """True if the top slot is the one by which this deploy ended in this way."""
    return top.target is None and top.id == deploy and top.act == act


def previous_after(top: Slot, done: Target) -> tuple[str, ...]:
    """What can be rolled back to afterwards, newest first.

    After a rollback the release that was left is no longer offered, so a second rollback goes further back instead of
    returning to the bad release.
    """
    if done.release == top.stable:
        return top.previous
    if done.kind == "rollback":
        older = top.previous
        return older[older.index(done.release) + 1 :] if done.release in older else older
    older = tuple(item for item in top.previous if item not in (done.release, top.stable))
    return ((top.stable, *older) if top.stable else older)[:MAX_PREVIOUS]


def prune_plan(numbers: Sequence[int], keep: int = KEEP) -> list[int]:
    """The slots to delete, oldest first; the newest `keep` stay and the top always does."""
    return sorted(numbers)[: -check_keep(keep)]


def check_keep(keep: int) -> int:
    """The number of slots to keep, or LogError."""
    if keep < MIN_KEEP:
        raise LogError(f"keep is {keep}, but the log must keep at least {MIN_KEEP} entries.")
    return keep


def ours(top: Slot, deploy: str) -> Target:
    """The claim of this deploy, or NotOursError."""
    held = top.target
    if held is not None and held.id == deploy:
        return held
    if held is not None:
        now_held = f"it is now held by {holder_text(held)}"
    elif top.n == 0:
        now_held = "its log is empty"
    else:
        now_held = f"nobody holds it since {top.at}, {top.act or 'changed'} by {top.by}"
    raise NotOursError(
        f"Deploy {deploy} no longer owns the app: {now_held}. Nothing was recorded. "
        "Look at the status and run the deploy again if it is still wanted."
    )


def _next(top: Slot, now: datetime, *, act: str, by: str, why: str, deploy: str, target: Target | None) -> Slot:
    return replace(top, n=top.n + 1, target=target, by=by, at=stamp(now), why=why[:300], act=act, id=deploy)
