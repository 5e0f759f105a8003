# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All interleavings of a small fleet: the boot protocol and the deploy log as they are, the rest as a model.

A host in service (whose timer may start the protocol at any moment), hosts that boot, and a deployer that deploys "1"
over "0" and then rolls back. The deployer may find the deploy bad, and may die at any step; then it is run again, and a
command that the dead one had sent may arrive at any later moment. Calls may fail. Each step is one atomic action. What
nobody else could notice is no step of its own.

Hosts that boot and could change places count as one state. `explore` keeps all states that it has seen, and tells the
shortest way to the first one that breaks a rule.
"""

from __future__ import annotations

import functools
import gc
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from ansible_collections.sysops.dtk.plugins.module_utils._core import boot_protocol as protocol
from ansible_collections.sysops.dtk.plugins.module_utils._core import deploy_log, plan
from ansible_collections.sysops.dtk.plugins.module_utils._core.boot_protocol import (
    ABANDON,
    CONTINUE,
    FAILED,
    PENDING,
    SERVING,
    Activate,
    App,
    AskPlace,
    Behind,
    Boot,
    Complete,
    Configure,
    Done,
    End,
    Failed,
    Heartbeat,
    Joined,
    Local,
    Log,
    Look,
    Looked,
    ReadLog,
    Report,
    Rules,
    Seen,
    Stage,
    Wait,
)
from ansible_collections.sysops.dtk.plugins.module_utils._core.deploy_log import UTC, Claim, Slot
from ansible_collections.sysops.dtk.plugins.module_utils._host.activate import check_fence
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import FenceError
from ansible_collections.sysops.dtk.plugins.module_utils._host.state import State as HostState

APP = "a"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = "0", "1"
ABSENT, GONE = "absent", "gone"
RULES = Rules(deadline=2.5, pause=1, pause_max=1, moves=20, grace=0.5)
# Effects that nobody else could notice. What a host looks at and asks for changes by its own doing only, but for a
# command of the deployer between a look and the reading after it: a setting of its own is for that.
QUIET = (Heartbeat, AskPlace, Stage, Configure, Wait)


@dataclass(frozen=True)
class Setting:
    """What is explored. The fields from `lists` on weaken one thing each."""

    boots: int = 2
    jobs: int = 2
    crashes: int = 1
    timer_runs: int = 1
    bad_host: bool = False  # on one of the booting hosts release "1" is never healthy
    used_host: bool = False  # one of them returns from a warm pool, with a release of long ago
    failing_calls: int = 0  # for each booting host
    stale_reads: int = 0  # answers that miss a slot which was just written, for each booting host
    looks_apart: bool = False  # looking is a step of its own
    sweeps_for: str = "commit"  # or "claim": the slot that its commands carry
    lists: str = "everybody"
    passes: int = 2
    commits_first: bool = True
    sweeps_after_halt: bool = True
    rereads: str = "after the report"
    fenced: bool = True
    hands_off: bool = True
    honest: bool = True
    boots_on: str = "stable"


Slots = tuple[Slot, ...]


class Host(NamedTuple):
    """running: the Boot, and the effect that comes next. sick, unfit: the last activation, and the last one of
    its own, was refused by health.

    view: what the deployer thinks of it. late: a command of a dead deployer, under way. kept: what a mutant has read
    too early. wrong: the rule that it broke.
    """

    place: str
    release: str | None = None
    fence: int = 0
    reported: bool = False
    sick: bool = False
    unfit: bool = False
    bad: bool = False
    view: str = ""
    late: tuple[str, int] | None = None
    running: tuple[Boot, Any] | None = None
    ticks: int = 0
    runs: int = 1
    luck: int = 0
    stale: int = 0
    kept: Log | None = None
    wrong: str = ""


class Deployer(NamedTuple):
    """step: name of a method of Fleet. at: slot for which it acts. clean: sweeps in a row that had nothing to do."""

    step: str = "plan"
    job: int = 0
    at: int = 0
    clean: int = 0
    crashes: int = 0
    again: bool = False  # run again, with the release that it was run with before

    @property
    def is_fresh(self) -> bool:
        """Whether it has just written to the log, and has not waited since."""
        return self.step in ("push", "sweep", "bring") and self.clean == 0


class Ref:
    """Stands for a value: equal ones have one and the same Ref, which is hashed and compared in no time."""

    __slots__ = ("rank", "value")

    def __init__(self, value: Any, rank: int) -> None:
        self.value = value
        self.rank = rank


class State(NamedTuple):
    """Refs of the slots, the Deployer and each Host."""

    log: Ref
    deployer: Ref
    hosts: tuple[Ref, ...]


@dataclass(frozen=True)
class Found:
    """What an exploration came to. broken: the rule that does not hold, and the way there; empty if all hold."""

    states: int
    transitions: int
    ends: int
    broken: tuple[str, ...] = ()


def explore(setting: Setting) -> Found:
    """Breadth first, until a rule is broken or there is nothing new."""
    collects = gc.isenabled()
    gc.disable()  # nothing here is garbage, and looking for it would take half of the time
    try:
        return _explore(Fleet(setting))
    finally:
        if collects:
            gc.enable()


def _explore(fleet: Fleet) -> Found:
    first = fleet.first()
    came: dict[State, tuple[State, Any] | None] = {first: None}
    queue = deque([first])
    transitions = ends = 0
    while queue:
        state = queue.popleft()
        rule = fleet.broken(state)
        if rule:
            return Found(len(came), transitions, ends, (rule, *_way(came, state)))
        ends += fleet.is_over(state)
        for label, after in fleet.successors(state):
            transitions += 1
            if after not in came:
                came[after] = (state, label)
                queue.append(after)
    return Found(len(came), transitions, ends)


def _way(came: dict[State, tuple[State, Any] | None], state: State) -> list[str]:
    steps = []
    while (step := came[state]) is not None:
        state, (who, what) = step
        steps.append(f"{who} {what}" if who == "deployer" else f"host {who} {what}")
    return steps[::-1]


# --- a host ---------------------------------------------------------------------------------------------------------


class Machine:
    """What a host may do next; that depends on nothing but itself and the log."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.quiet: tuple[type, ...] = QUIET if setting.looks_apart else (*QUIET, Look)
        if setting.lists != "reports":
            self.quiet += (Report,)

    def steps(self, host: Host, log: Slots, dead: bool, fresh: bool) -> Iterator[tuple[str, Host]]:
        """dead: the deployer is. fresh: the top of the log was just written, so an answer may miss it."""
        if host.late:
            after, outcome = self.activate(host, *host.late)
            after = self.settled(after._replace(late=None))
            yield f"gets the dead deployer's command, {host.late[0]}: {_word(outcome)}", after
        if host.running:
            for label, after in self._performed(host, log, dead, fresh):
                yield label, self.settled(self._quietly(after))
        elif host.place == ABSENT or (host.place == SERVING and host.runs):
            label = "starts" if host.place == ABSENT else "is woken by its timer"
            place = PENDING if host.place == ABSENT else SERVING
            started = host._replace(place=place, runs=host.runs - 1, running=protocol.begin(RULES))
            yield label, self.settled(self._quietly(started))

    def activate(self, host: Host, version: str, n: int) -> tuple[Host, Any]:
        """What the code on a host does, whoever calls it; it holds the host's lock all the time."""
        if self.setting.fenced:
            try:
                check_fence(HostState(APP, fence=host.fence), n)
            except FenceError:
                return host, Behind()
        host = host._replace(fence=max(n, host.fence))
        if host.bad and version == NEW:
            return host._replace(sick=True), Failed("it is not healthy")
        return host._replace(release=version, sick=False), Done()

    def settled(self, host: Host) -> Host:
        """Without a fence that makes no difference: whoever comes next comes with a slot that is as high."""
        effect = host.running[1] if host.running else None
        if (
            host.late
            or host.stale
            or isinstance(effect, Look)
            or (isinstance(effect, Activate) and effect.n < host.fence)
        ):
            return host
        return host._replace(fence=0)

    def _go_on(self, host: Host, outcome: Any) -> Host:
        boot, effect = protocol.advance(RULES, host.running[0], outcome, float(host.ticks))
        if isinstance(effect, End):
            return host._replace(running=None, kept=None, ticks=0, luck=0)
        return host._replace(running=(_normal(boot), effect))

    def _quietly(self, host: Host) -> Host:
        """Go on to the next effect that somebody else could notice."""
        while host.running and isinstance(host.running[1], self.quiet):
            if isinstance(host.running[1], Wait):
                host = host._replace(ticks=host.ticks + 1)
            host = self._go_on(host, self._quiet_outcome(host))
        return host

    def _quiet_outcome(self, host: Host) -> Any:
        effect = host.running[1]
        if isinstance(effect, Heartbeat) and self.setting.looks_apart:
            return Joined(None)
        if isinstance(effect, Heartbeat | AskPlace):
            return Joined(host.place if self.setting.hands_off else PENDING)
        if isinstance(effect, Look):
            return Looked((Local(APP, host.release, host.fence),))
        return Done()

    def _performed(self, host: Host, log: Slots, dead: bool, fresh: bool) -> Iterator[tuple[str, Host]]:
        effect = host.running[1]
        if host.luck and isinstance(effect, ReadLog | Report | Complete):
            yield f"fails: {_word(effect)}", self._go_on(host._replace(luck=host.luck - 1), Failed("no answer"))
        if isinstance(effect, Look):
            yield "looks", self._go_on(host, self._quiet_outcome(host))
        elif isinstance(effect, Activate):
            yield self._activates(host, effect, log)
        elif isinstance(effect, Complete):
            yield self._completes(host, effect)
        elif isinstance(effect, ReadLog):
            yield from self._reads(host, log, dead, fresh)
        elif self.setting.rereads == "before the report" and host.kept is None:
            yield "looks again", host._replace(kept=self._seen(log, dead))
        else:
            yield "reports", self._go_on(host._replace(reported=True), Done())

    def _reads(self, host: Host, log: Slots, dead: bool, fresh: bool) -> Iterator[tuple[str, Host]]:
        boot = host.running[0]
        if boot.at == "reread" and self.setting.rereads == "never":
            yield "does not look again", self._go_on(host, Log(tuple(app.seen for app in boot.apps)))
        elif boot.at == "reread" and host.kept is not None:
            yield "believes what it has read", self._go_on(host._replace(kept=None), host.kept)
        else:
            yield f"reads slot {log[-1].n}", self._go_on(host, self._seen(log, dead))
            if host.stale and fresh:
                stale = self._go_on(host._replace(stale=host.stale - 1), self._seen(log[:-1], dead))
                yield f"reads slot {log[-2].n}, which is the top no more", stale

    def _seen(self, log: Slots, dead: bool) -> Log:
        top = log[-1]
        target = top.target.release if top.target else None
        stable = (target or top.stable) if self.setting.boots_on == "target" else top.stable
        return Log((Seen(top.n, stable, target, dead),))

    def _activates(self, host: Host, effect: Activate, log: Slots) -> tuple[str, Host]:
        after, outcome = self.activate(host, effect.version, effect.n)
        if log[effect.n - 1].stable != effect.version:
            after = after._replace(wrong=f"{effect.version} was activated, which slot {effect.n} does not call stable")
        if not isinstance(outcome, Behind):
            after = after._replace(unfit=after.sick)
        told = outcome if self.setting.honest or isinstance(outcome, Behind) else Done()
        return f"activates {effect.version} of slot {effect.n}: {_word(outcome)}", self._go_on(after, told)

    def _completes(self, host: Host, effect: Complete) -> tuple[str, Host]:
        if host.place == PENDING:
            wrong = "a host that was refused by health got CONTINUE" if effect.result == CONTINUE and host.unfit else ""
            host = host._replace(place=GONE if effect.result == ABANDON else SERVING, wrong=wrong)
        return f"says {effect.result}", self._go_on(host, Done())


# --- the fleet ------------------------------------------------------------------------------------------------------

Steps = Iterator[tuple[str, State]]


class Fleet:
    """Hosts, log and deployer. A step of the deployer is the method that is named after it."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.machine = Machine(setting)
        self._refs: dict[Any, Ref] = {}
        self._steps_of_host = functools.cache(self._host_steps)
        self._changed = functools.cache(self._change)
        self._brought = functools.cache(self._bring_one)

    def first(self) -> State:
        given = self.setting
        claimed = deploy_log.claim(deploy_log.EMPTY, Claim("d0", OLD, "x", 60), NOW)
        log = (claimed, deploy_log.commit(claimed, "d0", NOW))
        hosts = [Host(SERVING, OLD, fence=1, runs=given.timer_runs)]
        hosts += [Host(ABSENT, luck=given.failing_calls, stale=given.stale_reads)] * given.boots
        if given.used_host:
            hosts[-1] = hosts[-1]._replace(release="of long ago", fence=1)
        hosts[-1] = hosts[-1]._replace(bad=given.bad_host)
        return self._state(self._ref(log), self._ref(Deployer(crashes=given.crashes)), list(map(self._ref, hosts)))

    def is_over(self, state: State) -> bool:
        """Whether the deployer is through, and no host is in the middle of anything."""
        if state.deployer.value.step != "finished":
            return False
        return not any(ref.value.running or ref.value.late for ref in state.hosts)

    def broken(self, state: State) -> str:
        """The rule that this state breaks, or nothing."""
        for ref in state.hosts:
            if ref.value.wrong:
                return ref.value.wrong
        if not self.is_over(state):
            return ""
        stable = state.log.value[-1].stable
        for host in (ref.value for ref in state.hosts):
            if host.place == SERVING and host.release != stable and not host.sick:
                return f"a host in service ends on {host.release}, and {stable} is stable"
        return ""

    def successors(self, state: State) -> Iterator[tuple[Any, State]]:
        deployer = state.deployer.value
        for index, host in enumerate(state.hosts):
            for label, after in self._steps_of_host(host, state.log, deployer.step == "dead", deployer.is_fresh):
                yield (index, label), self._put(state, index, after)
        if deployer.step != "finished":
            for label, after in getattr(self, f"_{deployer.step}")(state):
                yield ("deployer", label), after
            if deployer.crashes and deployer.step not in ("plan", "dead"):
                yield from self._crash(state)

    def _host_steps(self, host: Ref, log: Ref, dead: bool, fresh: bool) -> list[tuple[str, Ref]]:
        steps = self.machine.steps(host.value, log.value, dead, fresh)
        return [(label, self._ref(after)) for label, after in steps]

    def _change(self, host: Ref, **changes: Any) -> Ref:
        return self._ref(host.value._replace(**changes))

    def _bring_one(self, host: Ref, version: str, n: int) -> tuple[Ref, str]:
        after, outcome = self.machine.activate(host.value, version, n)
        view = "failed" if isinstance(outcome, Failed) else "active"
        return self._ref(self.machine.settled(after._replace(view=view))), _word(outcome)

    def _ref(self, value: Any) -> Ref:
        found = self._refs.get(value)
        if found is None:
            found = self._refs[value] = Ref(value, len(self._refs))
        return found

    def _state(self, log: Ref, deployer: Ref, hosts: list[Ref]) -> State:
        """With the booting hosts in a fixed order: who is who makes no difference."""
        if len(hosts) == 3 and hosts[2].rank < hosts[1].rank:
            hosts[1], hosts[2] = hosts[2], hosts[1]
        return State(log, deployer, tuple(hosts))

    def _put(self, state: State, index: int, host: Ref) -> State:
        hosts = [*state.hosts]
        hosts[index] = host
        return self._state(state.log, state.deployer, hosts)

    def _go(
        self,
        state: State,
        step: str,
        slot: Slot | None = None,
        view: Callable[[Host], str] | None = None,
        **changes: Any,
    ) -> State:
        """The deployer's next step. slot: what it appends to the log. view: what it thinks of each host from now on."""
        log = state.log if slot is None else self._ref((*state.log.value, slot))
        hosts = list(state.hosts)
        if view is not None:
            hosts = [self._changed(ref, view=view(ref.value)) for ref in hosts]
        return self._state(log, self._ref(state.deployer.value._replace(step=step, **changes)), hosts)

    # --- the deployer -------------------------------------------------------------------------------------------------

    def _crash(self, state: State) -> Iterator[tuple[Any, State]]:
        dead = self._go(state, "dead", crashes=state.deployer.value.crashes - 1)
        yield ("deployer", "dies"), dead
        for index, ref in enumerate(state.hosts):
            if state.deployer.value.step == "push" and ref.value.view == "planned":
                sent = self._changed(ref, late=(_release(state), state.deployer.value.at))
                yield ("deployer", f"dies, a command to host {index} is under way"), self._put(dead, index, sent)

    def _dead(self, state: State) -> Steps:
        yield "is run again", self._go(state, "plan", view=_nobody, at=0, clean=0, again=True)

    def _plan(self, state: State) -> Steps:
        deployer, top = state.deployer.value, state.log.value[-1]
        if deployer.job and not deployer.again:
            if not top.previous:
                yield "has nothing to roll back to", self._go(state, "finished")
                return
            assert plan.rollback_version(top.previous, APP) == OLD
        planned = self._go(state, "claim", view=lambda host: "planned" if host.place == SERVING else "")
        yield f"plans to bring {_wanted(state)}", planned

    def _claim(self, state: State) -> Steps:
        top = state.log.value[-1]
        kind = "rollback" if state.deployer.value.job else "deploy"
        slot = deploy_log.claim(top, Claim(f"d{top.n}", _wanted(state), "x", 60, kind), NOW, takeover=True)
        yield f"claims slot {slot.n}", self._go(state, "push", slot, at=slot.n)

    def _push(self, state: State) -> Steps:
        yield from self._bring_to(state, "planned", self._judge)

    def _bring(self, state: State) -> Steps:
        yield from self._bring_to(state, "late", self._sweep)

    def _bring_to(self, state: State, view: str, afterwards: Callable[[State], Steps]) -> Steps:
        """A command to any host of this view. One that refuses it for a newer slot has looked after itself."""
        waiting = [index for index, ref in enumerate(state.hosts) if ref.value.view == view]
        if not waiting:
            yield from afterwards(state)
        for index in waiting:
            host, outcome = self._brought(state.hosts[index], _release(state), state.deployer.value.at)
            yield f"brings {_release(state)} to host {index}: {outcome}", self._put(state, index, host)

    def _judge(self, state: State) -> Steps:
        yield "finds it bad", self._go(state, "revert")
        if not any(ref.value.view == "failed" for ref in state.hosts):
            yield "finds it good", self._go(state, "commit" if self.setting.commits_first else "sweep")

    def _commit(self, state: State) -> Steps:
        top = state.log.value[-1]
        slot = deploy_log.commit(top, top.id or "", NOW)
        at = slot.n if self.setting.sweeps_for == "commit" else state.deployer.value.at
        after = self._go(state, "sweep", slot, at=at) if self.setting.commits_first else self._on(state, slot)
        yield f"commits slot {slot.n}", after

    def _revert(self, state: State) -> Steps:
        """Every host that this deploy has moved, or may have, back to what was stable before it."""
        moved = [index for index, ref in enumerate(state.hosts) if ref.value.view in ("active", "failed")]
        if not moved:
            yield from self._release_claim(state)
        for index in moved:
            host = state.hosts[index].value._replace(view="")
            at = state.deployer.value.at
            if host.release == _wanted(state) and at >= host.fence:
                host = host._replace(release=state.log.value[-1].stable, fence=at)
            yield f"reverts host {index}", self._put(state, index, self._ref(self.machine.settled(host)))

    def _release_claim(self, state: State) -> Steps:
        top = state.log.value[-1]
        slot = deploy_log.release(top, top.id or "", NOW)
        at = slot.n if self.setting.sweeps_for == "commit" else state.deployer.value.at
        sweeps = self.setting.sweeps_after_halt
        after = self._go(state, "sweep", slot, at=at) if sweeps else self._on(state, slot)
        yield f"gives the claim back by slot {slot.n}", after

    def _sweep(self, state: State) -> Steps:
        """List who is there. A listing may be a little old, unless the one before, a while ago, was clean."""
        hosts = [ref.value for ref in state.hosts]
        found = [index for index, host in enumerate(hosts) if host.view == "" and self._is_listed(host)]
        older = [index for index in found if hosts[index].place == SERVING]
        yield self._swept(state, found)
        if state.deployer.value.clean == 0 and older != found:
            yield self._swept(state, older)

    def _is_listed(self, host: Host) -> bool:
        starts = {"everybody": True, "reports": host.reported, "in service": False}[self.setting.lists]
        return host.place == SERVING or (host.place == PENDING and starts)

    def _swept(self, state: State, found: list[int]) -> tuple[str, State]:
        if found:
            chosen = {state.hosts[index].value for index in found}
            listed = self._go(state, "bring", view=lambda host: "late" if host in chosen else host.view, clean=0)
            return f"lists hosts {found}", listed
        clean = state.deployer.value.clean + 1
        if clean < self.setting.passes:
            return "lists nobody new", self._go(state, "sweep", clean=clean)
        claimed = state.log.value[-1].target is not None
        return "lists nobody new", self._go(state, "commit") if claimed else self._on(state)

    def _on(self, state: State, slot: Slot | None = None) -> State:
        """The next job, or the end."""
        job = state.deployer.value.job + 1
        step = "plan" if job < self.setting.jobs else "finished"
        return self._go(state, step, slot, view=_nobody, job=job, at=0, clean=0, again=False)


def _nobody(_host: Host) -> str:
    return ""


def _wanted(state: State) -> str:
    """What the job is about."""
    return OLD if state.deployer.value.job else NEW


def _release(state: State) -> str:
    """The release of the claim, or what is stable when there is no claim any more."""
    top = state.log.value[-1]
    return top.target.release if top.target else top.stable or ""


def _normal(boot: Boot) -> Boot:
    """Without what makes no difference any more: what a new round overwrites, and how often the log has moved."""
    return replace(boot, moves=0, apps=tuple(_normal_app(boot, app) for app in boot.apps))


def _normal_app(boot: Boot, app: App) -> App:
    floor = app.floor if boot.at in ("look", "read") else app.seen.n
    current = app.local.current if boot.at == "read" and boot.place == SERVING else None
    return App(
        Local(APP, current, refused=app.local.refused),
        Seen(floor, None),
        state=app.state if app.state == FAILED and boot.at not in ("look", "read") else "",
        done=app.done if app.done == floor else 0,
    )


def _word(value: Any) -> str:
    return type(value).__name__
