# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a host comes to the right release by itself: what to do next, given what became of the step before.

    boot, effect = begin(rules)
    while not isinstance(effect, End):
        boot, effect = advance(rules, boot, perform(effect), now())

Somebody else performs the effects: the program on a host, or a model checker that tries all interleavings of several
hosts and a deployer. A `Boot` is a value: it can be compared, hashed and kept.

The order is what makes it hold. A host first publishes (its state, its report) and then looks (reads the log again);
a deployer first publishes (commits to the log) and then looks (lists the hosts, those that are not in service yet
included). Whoever comes second sees the other. Nothing is activated that no slot calls stable: during a deploy, new
hosts come up on the release that is safe however the deploy ends.

A host in service is the deployer's: while a deploy holds the claim, it is left alone. A host that is not in service
yet is its own: it tries again until its deadline, and only then gives up, so a fleet that cannot start replaces an
instance once per deadline and not all the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Union

PENDING = "pending"  # started by its group, not in service yet: it completes the lifecycle action
WARMING = "warming"  # on its way into a warm pool: stages, activates nothing, completes the lifecycle action
SERVING = "serving"  # in service, on standby, or in no group at all: nobody waits for it
LEAVING = "leaving"  # about to be terminated: nothing is worth doing any more

CONTINUE, ABANDON = "CONTINUE", "ABANDON"

OK, STAGED, EMPTY, HELD, FAILED, REFUSED = "ok", "staged", "empty", "held", "failed", "refused"
_BAD = (FAILED, REFUSED)


@dataclass(frozen=True)
class Rules:
    """Times in seconds, on the clock of `now`.

    pause doubles up to pause_max after each round that failed. moves: rounds in a row that a moving log may cost
    before it counts as a failure. grace: how long after the deadline the end is still announced. once: whether the
    first failure is the end, for somebody who waits for the answer.
    """

    deadline: float
    pause: float = 2.0
    pause_max: float = 30.0
    moves: int = 10
    grace: float = 60.0
    once: bool = False


@dataclass(frozen=True)
class Local:
    """What the host itself knows about one of its apps.

    fence: highest slot that acted here. refused: releases that are not worth another try on a host in service.
    settings: whether the app's settings are to be written before it is activated.
    """

    app: str
    current: str | None = None
    fence: int = 0
    refused: tuple[str, ...] = ()
    settings: bool = False


@dataclass(frozen=True)
class Seen:
    """The top of the deploy log of an app. target: the release of the claim. over: its lease has ended."""

    n: int
    stable: str | None
    target: str | None = None
    over: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the host's report."""

    app: str
    version: str | None
    n: int
    state: str


# --- effects, and the outcomes that they can have -------------------------------------------------------------------


@dataclass(frozen=True)
class Heartbeat:
    """Find out why this host runs, and let nobody give it up until then. -> Joined, Failed"""

    until: float


@dataclass(frozen=True)
class Look:
    """Read what this host is and has. -> Looked, Nobodys, Failed"""


@dataclass(frozen=True)
class ReadLog:
    """Read the tops of the logs, never one below what was seen before. -> Log, Failed"""

    at_least: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class AskPlace:
    """Ask the group what it takes this host for. -> Joined, Failed"""


@dataclass(frozen=True)
class Stage:
    """Put a release on the disk. -> Done, Failed"""

    app: str
    version: str
    n: int


@dataclass(frozen=True)
class Configure:
    """Write the app's settings. -> Done, Failed, Behind"""

    app: str
    version: str
    n: int


@dataclass(frozen=True)
class Activate:
    """Make a release serve and prove it healthy, or leave the one before. -> Done, Failed, Behind"""

    app: str
    version: str
    n: int


@dataclass(frozen=True)
class Report:
    """Say in public what this host serves. boot: how its start went. -> Done, Failed"""

    rows: tuple[Row, ...]
    boot: str


@dataclass(frozen=True)
class Wait:
    """Try again a little later. -> Done"""

    seconds: float
    reason: str


@dataclass(frozen=True)
class Complete:
    """Tell the group. -> Done, Failed"""

    result: str
    reason: str = ""


@dataclass(frozen=True)
class End:
    """There is nothing more to do."""

    ok: bool
    reason: str = ""


@dataclass(frozen=True)
class Done:
    """It worked."""


@dataclass(frozen=True)
class Failed:
    """It did not; nothing is half done."""

    reason: str


@dataclass(frozen=True)
class Behind:
    """A newer slot than the one we act for has already acted on this host."""


@dataclass(frozen=True)
class Joined:
    """place: None where only the group itself can tell."""

    place: str | None


@dataclass(frozen=True)
class Looked:
    """All apps of the host."""

    apps: tuple[Local, ...]


@dataclass(frozen=True)
class Nobodys:
    """Nobody has this host in an env or in a group: there is nothing that it should be."""

    reason: str


@dataclass(frozen=True)
class Log:
    """The tops, in the order in which they were asked for."""

    tops: tuple[Seen, ...]


Effect = Union[Heartbeat, Look, ReadLog, AskPlace, Stage, Configure, Activate, Report, Wait, Complete, End]
Outcome = Union[Done, Failed, Behind, Joined, Looked, Nobodys, Log]

# --- the state ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class App:
    """An app in this run. done: the slot for which it was brought to its release."""

    local: Local
    seen: Seen = Seen(0, None)
    state: str = ""
    done: int = 0
    reason: str = ""

    @property
    def name(self) -> str:
        return self.local.app

    @property
    def floor(self) -> int:
        """The slot below which no answer about this app is believed."""
        return max(self.local.fence, self.seen.n)

    @property
    def claimed(self) -> bool:
        return self.seen.target is not None


@dataclass(frozen=True)
class Boot:
    """Where a host is. at: the name of what is under way, a key of _HANDLERS."""

    at: str = "heartbeat"
    joined: bool = False
    place: str | None = None
    apps: tuple[App, ...] = ()
    todo: tuple[Any, ...] = ()
    tries: int = 0
    moves: int = 0
    reason: str = ""


Turn = tuple[Boot, Effect]


def begin(rules: Rules) -> Turn:
    """The first effect."""
    return Boot(), Heartbeat(rules.deadline)


def advance(rules: Rules, boot: Boot, outcome: Outcome, now: float) -> Turn:
    """What comes next, given what became of the effect before."""
    return _HANDLERS[boot.at](_Clock(rules, now), boot, outcome)


@dataclass(frozen=True)
class _Clock:
    rules: Rules
    now: float


# --- who am I, and what does the log say ----------------------------------------------------------------------------


def _joined(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    if isinstance(outcome, Failed):
        return _again(clock, boot, outcome.reason)
    if outcome.place == LEAVING:
        return boot, End(True, "this host is about to be terminated")
    return _look(replace(boot, joined=True, place=outcome.place))


def _look(boot: Boot) -> Turn:
    return replace(boot, at="look", todo=()), Look()


def _looked(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    if isinstance(outcome, Failed):
        return _again(clock, boot, outcome.reason)
    if isinstance(outcome, Nobodys):
        return boot, End(True, outcome.reason)
    known = {app.name: app for app in boot.apps}
    apps = tuple(replace(known.get(local.app, App(local)), local=local) for local in outcome.apps)
    boot = replace(boot, apps=apps)
    return (replace(boot, at="read"), _read_log(boot)) if apps else _report(boot)


def _read_log(boot: Boot) -> ReadLog:
    return ReadLog(tuple((app.name, app.floor) for app in boot.apps))


def _read(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    if isinstance(outcome, Failed):
        return _again(clock, boot, outcome.reason)
    late = _stale(boot, outcome)
    if late:
        return _again(clock, boot, late)
    boot = replace(boot, apps=tuple(replace(app, seen=top) for app, top in zip(boot.apps, outcome.tops)))
    if boot.place is None and any(_matters(app) for app in boot.apps):
        return replace(boot, at="decide"), AskPlace()
    return _decide(clock, boot)


def _stale(boot: Boot, log: Log) -> str:
    """Why an answer cannot be believed: a log never gets shorter."""
    for app, top in zip(boot.apps, log.tops):
        if top.n < app.floor:
            return f"the deploy log of {app.name} ends at slot {top.n}, and slot {app.floor} was seen before"
    return ""


def _matters(app: App) -> bool:
    """Whether it makes a difference if this host is in service."""
    return app.claimed or app.seen.stable in app.local.refused


# --- what is to be done ---------------------------------------------------------------------------------------------


def _placed(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    if isinstance(outcome, Failed):
        return _again(clock, boot, outcome.reason)
    return _decide(clock, replace(boot, place=outcome.place))


def _decide(clock: _Clock, boot: Boot) -> Turn:
    if boot.place == LEAVING:
        return boot, End(True, "this host is about to be terminated")
    apps = tuple(replace(app, state=_fate(app, boot.place), reason="") for app in boot.apps)
    boot = replace(boot, apps=apps)
    todo = [app for app in apps if app.state == ""]
    acts: list[Any] = [Stage(app.name, app.seen.stable, app.seen.n) for app in todo]
    if boot.place != WARMING:
        for app in todo:
            what = (app.name, app.seen.stable, app.seen.n)
            acts += [Configure(*what), Activate(*what)] if app.local.settings else [Activate(*what)]
    return _act(clock, replace(boot, todo=tuple(acts)))


def _fate(app: App, place: str | None) -> str:
    """The state of an app with which nothing is to be done; empty if there is."""
    if app.seen.stable is None:
        return EMPTY
    if app.done == app.seen.n:
        return STAGED if place == WARMING else OK
    if place == SERVING and _is_the_deployers(app):
        return HELD
    if place == SERVING and app.seen.stable in app.local.refused:
        return REFUSED
    return ""


def _is_the_deployers(app: App) -> bool:
    """Whether a deploy looks after the app on a host in service.

    One whose lease is over may be dead, and the next run repairs what it left. Only a host that serves nothing yet
    does not wait for that.
    """
    return app.claimed and not (app.seen.over and app.local.current is None)


def _failures(boot: Boot) -> list[App]:
    return [app for app in boot.apps if app.state == FAILED]


def _act(clock: _Clock, boot: Boot) -> Turn:
    if boot.todo and clock.now >= clock.rules.deadline:
        return _give_up(boot, boot.reason or f"the deadline is over before {boot.todo[0].app} could be brought up")
    if boot.todo:
        return replace(boot, at="act"), boot.todo[0]
    failed = _failures(boot)
    if failed and boot.place is None:
        return replace(boot, at="blame"), AskPlace()
    if failed and not _is_told(boot, failed):
        return _again(clock, boot, failed[0].reason)
    return _report(boot)


def _is_told(boot: Boot, failed: list[App]) -> bool:
    """Whether failing is the end of it: a host in service is not restarted again and again by a bad release."""
    return boot.place == SERVING and all(app.local.refused for app in failed)


def _acted(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    act, rest = boot.todo[0], boot.todo[1:]
    if isinstance(outcome, Behind):
        return _moved(clock, boot, f"a newer deploy of {act.app} acts on this host")
    if isinstance(outcome, Failed):
        rest = tuple(item for item in rest if item.app != act.app)
        return _act(clock, replace(_failed(boot, act, outcome.reason), todo=rest))
    if isinstance(act, Activate) or (isinstance(act, Stage) and boot.place == WARMING):
        state = STAGED if isinstance(act, Stage) else OK
        boot = _with(boot, act.app, lambda app: replace(app, state=state, done=act.n))
    return _act(clock, replace(boot, todo=rest))


def _failed(boot: Boot, act: Any, reason: str) -> Boot:
    def fail(app: App) -> App:
        refused = (act.version,) if isinstance(act, Activate) else ()
        return replace(app, state=FAILED, reason=reason, local=replace(app.local, refused=refused))

    return _with(boot, act.app, fail)


def _with(boot: Boot, name: str, change: Callable[[App], App]) -> Boot:
    return replace(boot, apps=tuple(change(app) if app.name == name else app for app in boot.apps))


def _blamed(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    if isinstance(outcome, Failed):
        return _again(clock, boot, _failures(boot)[0].reason)
    return _act(clock, replace(boot, place=outcome.place))


# --- publish first, look second -------------------------------------------------------------------------------------


def _rows(boot: Boot) -> tuple[Row, ...]:
    return tuple(Row(app.name, _shown(app), app.seen.n, app.state or FAILED) for app in boot.apps)


def _shown(app: App) -> str | None:
    """The release that a row is about: the one that the host is on, or was to be on."""
    return app.local.current if app.state == HELD else app.seen.stable


def _trouble(boot: Boot) -> str:
    return "; ".join(app.reason or f"{app.seen.stable} failed here before" for app in boot.apps if app.state in _BAD)


def _report(boot: Boot) -> Turn:
    trouble = _trouble(boot)
    return replace(boot, at="report"), Report(_rows(boot), f"failed: {trouble}" if trouble else OK)


def _reported(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    if isinstance(outcome, Failed):
        return _again(clock, boot, outcome.reason)
    if boot.place == WARMING or not boot.apps:
        return _complete(clock, boot)
    return replace(boot, at="reread"), _read_log(boot)


def _reread(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    if isinstance(outcome, Failed):
        return _again(clock, boot, outcome.reason)
    late = _stale(boot, outcome)
    if late:
        return _again(clock, boot, late)
    moved = [app.name for app, top in zip(boot.apps, outcome.tops) if top.n != app.seen.n]
    if moved:
        return _moved(clock, boot, f"the deploy log of {', '.join(moved)} moves on")
    return _complete(clock, boot)


def _moved(clock: _Clock, boot: Boot, why: str) -> Turn:
    """Once more at once, unless that has happened too often."""
    if boot.moves >= clock.rules.moves:
        return _again(clock, replace(boot, moves=0), f"{why}, {boot.moves} times in a row")
    return _look(replace(boot, moves=boot.moves + 1))


# --- the end --------------------------------------------------------------------------------------------------------


def _complete(clock: _Clock, boot: Boot) -> Turn:
    if boot.place is None:
        return replace(boot, at="place"), AskPlace()
    if boot.place in (PENDING, WARMING):
        return replace(boot, at="complete"), Complete(CONTINUE)
    trouble = _trouble(boot)
    return boot, End(not trouble, trouble)


def _last_placed(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    if isinstance(outcome, Failed):
        return _again(clock, boot, outcome.reason)
    return _complete(clock, replace(boot, place=outcome.place))


def _completed(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    # Not alone once more: until it is told, the log may move.
    return _again(clock, boot, outcome.reason) if isinstance(outcome, Failed) else (boot, End(True))


def _again(clock: _Clock, boot: Boot, reason: str) -> Turn:
    """Wait and begin from the start, or give up when that would be after the deadline."""
    pause = min(clock.rules.pause * 2**boot.tries, clock.rules.pause_max)
    if clock.rules.once or clock.now + pause >= clock.rules.deadline:
        return _give_up(boot, reason)
    return replace(boot, at="wait", tries=boot.tries + 1, todo=(), reason=reason), Wait(pause, reason)


def _give_up(boot: Boot, reason: str) -> Turn:
    return replace(boot, at="farewell", reason=reason, todo=()), Report(_rows(boot), f"failed: {reason}")


def _waited(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    return _look(boot) if boot.joined else (replace(boot, at="heartbeat"), Heartbeat(clock.rules.deadline))


def _bade_farewell(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    """Whatever became of the report: the group must know."""
    if boot.joined and boot.place is None:
        return replace(boot, at="last place"), AskPlace()
    return _abandon(clock, boot)


def _abandon_there(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    return _abandon(clock, boot if isinstance(outcome, Failed) else replace(boot, place=outcome.place))


def _abandon(clock: _Clock, boot: Boot) -> Turn:
    if not boot.joined or boot.place in (SERVING, LEAVING):
        return boot, End(False, boot.reason)
    return replace(boot, at="abandon"), Complete(ABANDON, boot.reason)


def _abandoned(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    if isinstance(outcome, Failed) and clock.now + clock.rules.pause < clock.rules.deadline + clock.rules.grace:
        return replace(boot, at="abandon later"), Wait(clock.rules.pause, outcome.reason)
    return boot, End(False, boot.reason)


def _abandon_again(clock: _Clock, boot: Boot, outcome: Outcome) -> Turn:
    return _abandon(clock, boot)


_HANDLERS: dict[str, Callable[[_Clock, Boot, Any], Turn]] = {
    "heartbeat": _joined,
    "look": _looked,
    "read": _read,
    "decide": _placed,
    "act": _acted,
    "blame": _blamed,
    "report": _reported,
    "reread": _reread,
    "place": _last_placed,
    "complete": _completed,
    "wait": _waited,
    "farewell": _bade_farewell,
    "last place": _abandon_there,
    "abandon": _abandoned,
    "abandon later": _abandon_again,
}
