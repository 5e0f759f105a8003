# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Switch an app to another release as one transaction, or back. Killed anywhere, the host is on one release, whole.

The configuration of an app is switched by the same code: only what is put in place differs, see `switch`.

Three things make that hold.

* The link `current` is replaced by rename(2): there is no moment without a release, nor with half of one.
* The state file says which release the host came from before anything changes. It is written again at each phase,
  before the phase begins, and the last write, which ends the transaction, is the only one that moves `current` in it.
* A dead-man switch, a timer of systemd, is armed before the link moves. It waits for the death of the process that
  activates, or kills it when it takes too long, and goes back. It acts on its own transaction only: once that is
  committed, or another one has taken over, it does nothing. So it never matters when it fires.

A transaction that is open while we hold the app's lock was abandoned: its process is dead, for the lock dies with it.
The next activation takes over its origin and starts from the beginning; nothing is assumed to be healthy.
Going back is one piece of code for a failed activation, the dead-man switch and a deploy that is rolled back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from . import hooks, probe, systemd
from .errors import FenceError, HostError, ProbeError, SpecError, StageError, StateError, UnitError
from .layout import Layout
from .lock import app_lock, is_alive, process_start
from .state import State, Transaction, load, save
from .switch import LINK, Link

MODES = ("restart", "reload", "none")
# Phases from which on the unit may run code of the new release, even if the link is where it was.
_TOUCHED = frozenset({"restarted", "probing", "post", "reverting"})
# A transaction that waits for its activation, without a dead-man switch: only files have it.
WRITTEN = "written"
_SETTLE_S = (0.1, 0.4, 0.5)
_FIRST_LOOK_S = 0.5
_ABANDONED_LOCK_S = 3600.0


@dataclass(frozen=True)
class ActivationSpec:
    """How an app is made to use another release, and how to know that it does.

    unit_timeout: seconds for one restart or reload. watch_after: seconds after which the dead-man switch looks for
    the first time whether the activation still lives; margin: seconds on top of all timeouts before it is killed.
    """

    unit: str | None = None
    mode: str = "restart"
    health: probe.Health | None = None
    pre: tuple[hooks.Hook, ...] = ()
    post: tuple[hooks.Hook, ...] = ()
    dead_man: bool = True
    unit_timeout: float = 60.0
    watch_after: float = 20.0
    margin: float = 15.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise SpecError(f"the activation {self.mode!r} is unknown; use one of {', '.join(MODES)}")
        if self.unit is not None:
            systemd.check_name(self.unit)

    @property
    def patience(self) -> float:
        """Seconds after which an activation that still runs is taken for stuck: forward, and back by both ways."""
        proof = self.unit_timeout + (self.health.deadline if self.health else sum(_SETTLE_S))
        return hooks.total_timeout([*self.pre, *self.post]) + 3 * proof + self.margin

    @property
    def acts(self) -> bool:
        """Whether a unit is restarted or reloaded."""
        return self.unit is not None and self.mode != "none"


@dataclass(frozen=True)
class Order:
    """Who wants it: `fence` is the number of the deploy log's slot, 0 for none."""

    fence: int = 0
    deploy: str | None = None
    by: str | None = None
    lock_timeout: float = 30.0
    check: bool = False
    now: Callable[[], str] = lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@dataclass(frozen=True)
class ActivationResult:
    """What became of it. `phase` is the last one entered; `reverted` is None where nothing had to be undone."""

    outcome: str
    changed: bool
    state: State
    phase: str | None = None
    reverted: bool | None = None
    revert_error: str | None = None
    health: probe.Verdict | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class ActivationError(HostError):
    """An activation that began and failed; `result` says how the host was left."""

    def __init__(self, message: str, result: ActivationResult) -> None:
        super().__init__(message)
        self.result = result


class _Journal:
    """The open transaction, in memory and on disk."""

    def __init__(self, layout: Layout, state: State, transaction: Transaction, switch: Link) -> None:
        self.layout = layout
        self.switch = switch
        self.state = replace(state, transaction=transaction)
        self.deadman = transaction.deadman
        self.health: probe.Verdict | None = None
        self.seconds: dict[str, float] = {}
        self._timed: tuple[str, float] | None = None

    @property
    def transaction(self) -> Transaction:
        if self.state.transaction is None:
            raise StateError(f"no transaction is open in {self.layout.state_file}; run again")
        return self.state.transaction

    def write(self, state: State) -> None:
        save(self.layout, state)
        self.state = state

    def time_phase(self, phase: str) -> None:
        now = time.monotonic()
        if self._timed:
            name, began = self._timed
            self.seconds[name] = round(self.seconds.get(name, 0.0) + now - began, 3)
        self._timed = (phase, now)


def _enter(journal: _Journal, phase: str, closing: State | None = None) -> None:
    """Write the phase down before it begins: the only place that does. `closing` is the state that ends it all."""
    journal.write(closing or replace(journal.state, transaction=replace(journal.transaction, phase=phase)))
    journal.time_phase(phase)


def activate(layout: Layout, version: str, spec: ActivationSpec, order: Order, switch: Link = LINK) -> ActivationResult:
    """Make `version` the release that is served; it must be staged.

    Raises HostError where nothing was begun, and ActivationError where it failed after that.
    """
    if order.check:
        return _foresee(layout, version, order, switch)
    require_host(spec)
    with app_lock(layout, order.lock_timeout):
        state = load(layout)
        check_fence(state, order.fence)
        switch.prepare(layout, state)
        served = switch.served(layout, version)
        _check_staged(layout, version)
        settled = _settled(layout, state, (version, served), spec, switch)
        if settled:
            verdict = probe.Verdict(1, settled.detail) if spec.health else None
            return ActivationResult("unchanged", False, remember_fence(layout, state, order), health=verdict)
        origin, warnings = origin_of(layout, state, served, switch)
        journal, armed = _begin(layout, state, (origin, version), "begin", spec, order, switch)
        try:
            _forward(journal, spec, order, armed)
        except BaseException as exc:
            raise _failure(journal, spec, exc, warnings) from exc
        return _finished(journal, "active", "committed", warnings)


def put_in_place(layout: Layout, version: str, spec: ActivationSpec, order: Order, switch: Link) -> ActivationResult:
    """Switch, and leave the transaction open for an activation to finish: no unit is touched, nothing is proven.

    What was active before stays the way back. Raises as `activate`.
    """
    with app_lock(layout, order.lock_timeout):
        state = load(layout)
        check_fence(state, order.fence)
        switch.prepare(layout, state)
        served = switch.served(layout, version)
        if state.transaction and state.transaction.phase != WRITTEN:
            # A unit may run what was never proven, and nobody would know any more.
            state = _undo(layout, state, _abandoned_ends(state.transaction), spec, order, switch).state
            served = switch.served(layout, version)
        if served == version:
            return ActivationResult("unchanged", False, remember_fence(layout, state, order))
        origin, warnings = origin_of(layout, state, served, switch)
        ends = (origin, version)
        journal, _armed = _begin(layout, state, ends, WRITTEN, replace(spec, dead_man=False), order, switch)
        try:
            switch.point(layout, version)
        except BaseException as exc:
            raise _failure(journal, spec, exc, warnings) from exc
        if version == journal.state.current:
            journal.write(replace(journal.state, transaction=None))
        return _finished(journal, "written", WRITTEN, warnings)


def revert(
    layout: Layout,
    version: str | None,
    spec: ActivationSpec,
    order: Order,
    stable: str | None = None,
    switch: Link = LINK,
) -> ActivationResult:
    """Undo what the deploy of `order` did to this host: from `version`, if given, back to the release before it.

    A host that this deploy has not changed stays as it is. `stable`, the release that the whole fleet ran before,
    also brings back a host which an earlier, unfinished deploy had moved to `version` already. An abandoned
    transaction is undone first, whoever began it. Raises as `activate`.
    """
    if not order.check:
        require_host(spec)
    with _lock_unless(order.check, layout, order.lock_timeout):
        state = load(layout)
        check_fence(state, order.fence)
        warnings: tuple[str, ...] = ()
        undone = None
        if state.transaction and not switch.spares(state, order.deploy):
            undone = _undo(layout, state, _abandoned_ends(state.transaction), spec, order, switch)
            state, warnings = undone.state, undone.warnings
        ends = _ends_of_revert(layout, state, version, order, stable)
        if ends:
            return _undo(layout, state, ends, spec, order, switch)
        if undone:
            return undone
        state = state if order.check else remember_fence(layout, state, order)
        return ActivationResult("unchanged", False, state, warnings=warnings)


def finish_abandoned(layout: Layout, transaction_id: str, grace: float, switch: Link = LINK) -> str:
    """What the dead-man switch does: go back if this very transaction is still open and its process is gone.

    Waits up to `grace` seconds for the process to end, then kills it. Returns what was done; raises HostError.
    """
    nothing = f"transaction {transaction_id} of {layout.app} is closed, nothing to do"
    found = load(layout).transaction
    if found is None or found.id != transaction_id:
        return nothing
    _outlive(found.pid, found.pid_start, grace)
    with app_lock(layout, _ABANDONED_LOCK_S):
        state = load(layout)
        found = state.transaction
        if found is None or found.id != transaction_id:
            return nothing
        hooks.kill_leftovers(found.id)
        journal = _Journal(layout, state, replace(found, **_myself()), switch)
        _go_back(journal, _spec_from_journal(found.spec), failed=False)
    home = switch.shown(found.from_version)
    return f"{layout.app} was left in phase {found.phase} by process {found.pid}; back on {home}"


def is_staged(layout: Layout, version: str) -> bool:
    """Whether a release is on the host, complete."""
    return os.path.isfile(layout.marker(version))


# --- before it begins -------------------------------------------------------------------------------------------


def require_host(spec: ActivationSpec) -> None:
    """Raise UnitError if systemd or the unit is not there."""
    if spec.acts:
        systemd.require(f"the unit {spec.unit}")
        systemd.require_unit(spec.unit or "")
    if spec.dead_man:
        systemd.require("the dead-man switch")


def check_fence(state: State, fence: int) -> None:
    """Raise FenceError if a newer deploy has acted here."""
    if 0 < fence < state.fence:
        raise FenceError(
            f"deploy log slot {fence} comes too late for app {state.app}: slot {state.fence} has acted on this host; "
            "start a new deploy"
        )


def _check_staged(layout: Layout, version: str) -> None:
    if not is_staged(layout, version):
        raise StageError(
            f"release {version} of {layout.app} is not on this host ({layout.release(version)}); stage it first"
        )


def _settled(
    layout: Layout, state: State, ends: tuple[str, str | None], spec: ActivationSpec, switch: Link
) -> probe.Answer | None:
    """Proof that nothing is to be done, by one question to the app and one about its unit; None if there is none."""
    version, served = ends
    if state.transaction or not version == served == state.current == state.last_good:
        return None
    named = switch.probed(layout, version)
    answer = probe.ask(spec.health, named) if spec.health else probe.Answer(True, "not probed")
    if answer.ok and not (spec.acts and systemd.trouble(systemd.show(spec.unit or ""), time.monotonic())):
        return answer
    if switch.repeats or (spec.acts and not systemd.runs(spec.unit or "")):
        return None
    return _proof_of_unchanged(layout.app, spec, named, switch)


def _proof_of_unchanged(app: str, spec: ActivationSpec, named: str, switch: Link) -> probe.Answer:
    """Where doing it once more would be no remedy, there is only waiting until the app is well."""
    try:
        verdict = prove(spec, named)
    except (ProbeError, UnitError) as exc:
        raise type(exc)(f"the {switch.noun} of {app} is unchanged, so nothing was done, but {exc}") from exc
    return probe.Answer(True, verdict.last if verdict else "not probed")


def remember_fence(layout: Layout, state: State, order: Order) -> State:
    """The state with the fence of this order, written down if it is news."""
    if order.fence <= state.fence:
        return state
    state = replace(state, fence=order.fence)
    save(layout, state)
    return state


def origin_of(layout: Layout, state: State, served: str | None, switch: Link) -> tuple[str | None, tuple[str, ...]]:
    """Where to go back to. An abandoned transaction's origin is inherited: what it switched to was never proven."""
    if state.transaction:
        return state.transaction.from_version, ()
    return switch.origin(layout, state, served)


def _begin(
    layout: Layout,
    state: State,
    ends: tuple[str | None, str | None],
    phase: str,
    spec: ActivationSpec,
    order: Order,
    switch: Link,
) -> tuple[_Journal, bool]:
    """Open a transaction, taking over an abandoned one. Returns its journal and whether the switch is armed yet.

    Where the link may stand on an unproven release already, the new switch is armed before the old one loses its
    transaction: at no moment is there none. A switch whose transaction isn't in the journal yet does nothing.
    """
    abandoned = state.transaction
    transaction = _new_transaction(state, ends, phase, spec, order)
    journal = _Journal(layout, replace(state, fence=transaction.fence), transaction, switch)
    arm_first = spec.dead_man and (abandoned is not None or phase in _TOUCHED)
    if abandoned:
        hooks.kill_leftovers(abandoned.id)
    if arm_first:
        _arm(layout, transaction, spec, switch)
    _enter(journal, phase)
    if abandoned and abandoned.deadman:
        systemd.disarm(abandoned.deadman)
    return journal, arm_first


def _new_transaction(
    state: State, ends: tuple[str | None, str | None], phase: str, spec: ActivationSpec, order: Order
) -> Transaction:
    name = os.urandom(6).hex()
    return Transaction(
        id=name,
        from_version=ends[0],
        to_version=ends[1],
        phase=phase,
        deadman=f"dtk-deadman-{state.app}-{name}" if spec.dead_man else None,
        fence=max(order.fence, state.fence),
        deploy=order.deploy,
        started_at=order.now(),
        spec=_spec_to_journal(spec),
        **_myself(),
    )


def _myself() -> dict[str, Any]:
    return {"pid": os.getpid(), "pid_start": process_start(os.getpid()) or ""}


def _spec_to_journal(spec: ActivationSpec) -> dict[str, Any]:
    return {
        "unit": spec.unit,
        "mode": spec.mode,
        "health": probe.to_dict(spec.health),
        "unit_timeout": spec.unit_timeout,
    }


def _spec_from_journal(data: dict[str, Any]) -> ActivationSpec:
    return ActivationSpec(
        unit=data.get("unit"),
        mode=data.get("mode", "restart"),
        health=probe.from_dict(data.get("health")),
        unit_timeout=float(data.get("unit_timeout", ActivationSpec.unit_timeout)),
    )


# --- forward ----------------------------------------------------------------------------------------------------


def _forward(journal: _Journal, spec: ActivationSpec, order: Order, armed: bool) -> None:
    """The phases in order. One that has nothing to do is left out."""
    layout, transaction, switch = journal.layout, journal.transaction, journal.switch
    version = transaction.to_version or ""
    context = hooks.HookContext(layout.app, version, transaction.from_version, layout.release(version), transaction.id)
    if spec.pre:
        _enter(journal, "pre")
        hooks.run_hooks("pre", spec.pre, context)
    if spec.dead_man and not armed:
        _enter(journal, "armed")
        _arm(layout, transaction, spec, switch)
    _enter(journal, "switched")
    switch.point(layout, version)
    if spec.acts:
        _enter(journal, "restarted")
        _apply(spec)
    if spec.acts or spec.health:
        _enter(journal, "probing")
        journal.health = prove(spec, switch.probed(layout, version))
    if spec.post:
        _enter(journal, "post")
        hooks.run_hooks("post", spec.post, context)
    _enter(journal, "committed", closing=_committed(journal.state, transaction, order, switch))


def _arm(layout: Layout, transaction: Transaction, spec: ActivationSpec, switch: Link) -> None:
    import sys

    from .runtime import ensure

    python = sys.executable if os.path.isabs(sys.executable or "") else "/usr/bin/python3"
    first_look = min(spec.watch_after, spec.patience)
    command = [python, "-I", ensure(), "revert", *switch.words, "--root", layout.root, "--app", layout.app]
    command += ["--transaction", transaction.id, "--grace", f"{spec.patience - first_look:.1f}"]
    systemd.arm(transaction.deadman or "", first_look, f"Dead-man switch of {layout.app}", command)


def _apply(spec: ActivationSpec) -> None:
    act = systemd.reload if spec.mode == "reload" else systemd.restart
    act(spec.unit or "", spec.unit_timeout)


def prove(spec: ActivationSpec, version: str) -> probe.Verdict | None:
    """Wait until the release is known to be good; raises ProbeError or UnitError."""
    since = time.monotonic()
    if spec.health is None:
        for pause in _SETTLE_S if spec.acts else ():
            time.sleep(pause)
            _check_unit(spec, since)
        return None
    watch = _Watch(spec, since)
    verdict = probe.wait_healthy(spec.health, version, give_up=watch.trouble)
    if spec.acts:
        _check_unit(spec, since)
    return verdict


def _check_unit(spec: ActivationSpec, since: float) -> None:
    trouble = systemd.trouble(systemd.show(spec.unit or ""), since)
    if trouble:
        raise UnitError(f"{trouble}; see 'journalctl -u {spec.unit}' on the host")


class _Watch:
    """Looks at the unit now and then while its app does not answer: a dead one need not be probed to the deadline."""

    def __init__(self, spec: ActivationSpec, since: float) -> None:
        self._spec = spec
        self._since = since
        self._gap = _FIRST_LOOK_S

    def trouble(self) -> str | None:
        if not self._spec.acts or time.monotonic() < self._since + self._gap:
            return None
        self._gap *= 2
        return systemd.trouble(systemd.show(self._spec.unit or ""), self._since)


def _committed(state: State, transaction: Transaction, order: Order, switch: Link) -> State:
    version = transaction.to_version
    state = replace(
        state,
        current=version,
        last_good=version,
        activated_at=order.now(),
        activated_by=order.by,
        failed=tuple(name for name in state.failed if name != version),
        transaction=None,
    )
    if transaction.from_version == version:
        # The same release once more: who put it there first, and what came before it, stay true.
        return state
    return replace(state, previous=switch.before(state, transaction, order.deploy), deploy=order.deploy)


# --- back -------------------------------------------------------------------------------------------------------


def _failure(journal: _Journal, spec: ActivationSpec, exc: BaseException, warnings: tuple[str, ...]) -> BaseException:
    """Go back, and put both stories into one error."""
    transaction = journal.transaction
    switch = journal.switch
    home = switch.shown(transaction.from_version)
    story = (
        f"{switch.noun} {transaction.to_version} of {journal.layout.app} failed in phase {transaction.phase}: "
        f"{_text(exc)}"
    )
    revert_error = _try_back(journal, spec, failed=True)
    if revert_error:
        story += f". Going back to {home} failed too: {revert_error}. Run again to repair this host"
    else:
        story += f". This host is back on {home}"
        warnings += _disarmed(journal)
    if not isinstance(exc, Exception):
        return exc
    result = ActivationResult(
        outcome="failed",
        changed=True,
        state=journal.state,
        phase=transaction.phase,
        reverted=revert_error is None,
        revert_error=revert_error,
        health=journal.health,
        seconds=journal.seconds,
        warnings=warnings,
    )
    return ActivationError(story, result)


def _undo(
    layout: Layout,
    state: State,
    ends: tuple[str | None, str | None, str],
    spec: ActivationSpec,
    order: Order,
    switch: Link,
) -> ActivationResult:
    """Bring the host from ends[1] back to ends[0], in a transaction that can only end there."""
    origin, left, phase = ends
    if order.check:
        return ActivationResult("reverted", True, _closed(state, origin, None))
    journal, _armed = _begin(layout, state, (origin, left), phase, spec, order, switch)
    revert_error = _try_back(journal, spec, failed=False)
    if revert_error:
        result = ActivationResult(
            "failed", True, journal.state, "reverting", False, revert_error, journal.health, journal.seconds
        )
        raise ActivationError(
            f"{layout.app} could not be returned from {left} to {switch.shown(origin)}: {revert_error}. "
            "Run again to repair this host",
            result,
        )
    deploy = switch.undone(state, journal.state, order.deploy)
    journal.write(replace(journal.state, activated_at=order.now(), activated_by=order.by, deploy=deploy))
    return _finished(journal, "reverted", "reverting", ())


def _try_back(journal: _Journal, spec: ActivationSpec, failed: bool) -> str | None:
    try:
        _go_back(journal, spec, failed)
    except (HostError, OSError) as exc:
        return _text(exc)
    return None


def _go_back(journal: _Journal, spec: ActivationSpec, failed: bool) -> None:
    """Make the origin of the open transaction serve again, and close it. `failed` blames the release.

    Raises HostError if the host can't be proven to be back. The transaction then stays open and its dead-man switch
    armed: it tries once more, and so does the next run.
    """
    layout, transaction = journal.layout, journal.transaction
    origin, switch = transaction.from_version, journal.switch
    if transaction.phase == WRITTEN:
        spec = replace(spec, unit=None, health=None)  # no unit has seen it
    if switch.served(layout, origin) != origin or transaction.phase in _TOUCHED:
        _enter_if_possible(journal, "reverting")
        if origin is None:
            switch.remove(layout)
            if spec.acts:
                systemd.stop(spec.unit or "", spec.unit_timeout)
        else:
            _return_to(journal, spec, origin)
    journal.write(_closed(journal.state, origin, transaction.to_version if failed and switch.blames else None))
    journal.time_phase("closed")


def _enter_if_possible(journal: _Journal, phase: str) -> None:
    """A full disk may be why we go back, and must not stop us: the journal names the origin already."""
    try:
        _enter(journal, phase)
    except StateError:
        return


def _return_to(journal: _Journal, spec: ActivationSpec, origin: str) -> None:
    layout, switch = journal.layout, journal.switch
    if not os.path.isdir(layout.release(origin)):
        raise StateError(f"{switch.noun} {origin} is not on this host any more; {switch.remedy}")
    switch.point(layout, origin)
    named = switch.probed(layout, origin)
    try:
        if spec.acts:
            _apply(spec)
        journal.health = prove(spec, named)
    except (UnitError, ProbeError):
        if spec.mode != "reload" or not spec.acts:
            raise
        # What a bad release left behind may be beyond a reload.
        systemd.restart(spec.unit or "", spec.unit_timeout)
        journal.health = prove(spec, named)


def _closed(state: State, origin: str | None, blamed: str | None) -> State:
    failed = state.failed
    if blamed is not None and blamed != origin:
        failed = (*(name for name in failed if name != blamed), blamed)
    return replace(
        state,
        current=origin,
        previous=None if state.previous == origin else state.previous,
        last_good=origin if state.last_good in (None, state.current) else state.last_good,
        failed=failed,
        transaction=None,
    )


def _abandoned_ends(transaction: Transaction) -> tuple[str | None, str | None, str]:
    return transaction.from_version, transaction.to_version, transaction.phase


def _ends_of_revert(
    layout: Layout, state: State, version: str | None, order: Order, stable: str | None
) -> tuple[str | None, str | None, str] | None:
    if version is not None and state.current != version:
        return None
    if state.deploy is not None and state.deploy == order.deploy:
        origin = state.previous
        if origin is None and version is None:
            return None
    elif stable and stable != version and is_staged(layout, stable):
        origin = stable
    else:
        return None
    if origin is not None:
        _check_staged(layout, origin)
    return origin, state.current, "reverting"


# --- after ------------------------------------------------------------------------------------------------------


def _finished(journal: _Journal, outcome: str, phase: str, warnings: tuple[str, ...]) -> ActivationResult:
    """The transaction is closed on disk: now, and not before, the dead-man switch may go."""
    warnings += _disarmed(journal)
    return ActivationResult(
        outcome, True, journal.state, phase, health=journal.health, seconds=journal.seconds, warnings=warnings
    )


def _disarmed(journal: _Journal) -> tuple[str, ...]:
    if not journal.deadman:
        return ()
    try:
        systemd.disarm(journal.deadman)
    except UnitError as exc:
        return (f"the dead-man switch {journal.deadman} is still there and will find nothing to do: {exc}",)
    return ()


def _foresee(layout: Layout, version: str, order: Order, switch: Link) -> ActivationResult:
    state = load(layout)
    check_fence(state, order.fence)
    served = switch.served(layout, version)
    if not state.transaction and version == served == state.current:
        return ActivationResult("unchanged", False, state)
    origin, warnings = origin_of(layout, state, served, switch)
    foreseen = _new_transaction(state, (origin, version), "begin", ActivationSpec(dead_man=False), order)
    return ActivationResult("active", True, _committed(state, foreseen, order, switch), warnings=warnings)


def _lock_unless(check: bool, layout: Layout, timeout: float) -> Any:
    from contextlib import nullcontext

    return nullcontext() if check else app_lock(layout, timeout)


def _outlive(pid: int, pid_start: str, grace: float) -> None:
    """Return when a process is dead: by itself within `grace` seconds, or killed."""
    import signal

    if _ended_within(pid, pid_start, grace):
        return
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    _ended_within(pid, pid_start, 10.0)


def _ended_within(pid: int, pid_start: str, seconds: float) -> bool:
    import select

    end = time.monotonic() + seconds
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        # An old kernel, or the process is gone already.
        while is_alive(pid, pid_start) and time.monotonic() < end:
            time.sleep(0.2)
        return not is_alive(pid, pid_start)
    try:
        # Only now is it sure that the descriptor does not belong to a later process with the same number.
        if is_alive(pid, pid_start):
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll(max(0.0, end - time.monotonic()) * 1000)
    finally:
        os.close(descriptor)
    return not is_alive(pid, pid_start)


def _text(exc: BaseException) -> str:
    return str(exc) or type(exc).__name__
