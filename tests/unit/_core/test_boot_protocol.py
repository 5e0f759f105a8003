# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot protocol step by step, and then in all interleavings of a small fleet: see fleet_model."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.boot_protocol import (
    ABANDON,
    CONTINUE,
    LEAVING,
    PENDING,
    SERVING,
    WARMING,
    Activate,
    AskPlace,
    Behind,
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
    Nobodys,
    ReadLog,
    Report,
    Row,
    Rules,
    Seen,
    Stage,
    Wait,
    advance,
    begin,
)

from tests.unit._core.fleet_model import Found, Setting, explore

RULES = Rules(deadline=100, pause=2, pause_max=30, moves=3, grace=10)
API, WEB = Local("api"), Local("web")
TOP = Seen(4, "1.0.0")


class Host:
    """Answers each effect as a test wants it: by kind, with what is given, one after the other, the last one for ever.

    Time passes while it waits, and by `seconds` for each act.
    """

    def __init__(self, *apps: Local, **answers: Any) -> None:
        apps = apps or (API,)
        tops = Log((TOP,) * len(apps))
        defaults = {"Heartbeat": Joined(None), "AskPlace": Joined(PENDING), "Look": Looked(apps), "ReadLog": tops}
        self.seconds = answers.pop("seconds", 0)
        self._answers = {kind: self._turns(answer) for kind, answer in {**defaults, **answers}.items()}
        self.now = 0.0
        self.trace: list[Any] = []

    def _turns(self, answer: Any) -> Iterator[Any]:
        several = answer if isinstance(answer, list) else [answer]
        yield from several
        while True:
            yield several[-1]

    def perform(self, effect: Any) -> Any:
        self.trace.append(effect)
        kind = type(effect).__name__
        self.now += effect.seconds if isinstance(effect, Wait) else self.seconds
        answer = next(self._answers[kind]) if kind in self._answers else Done()
        return answer(effect) if callable(answer) else answer

    def run(self, rules: Rules = RULES) -> End:
        boot, effect = begin(rules)
        while not isinstance(effect, End):
            assert len(self.trace) < 500, self.trace[-10:]
            boot, effect = advance(rules, boot, self.perform(effect), self.now)
        return effect

    def all(self, *kinds: type) -> list[Any]:
        return [effect for effect in self.trace if isinstance(effect, kinds)]

    def words(self) -> list[str]:
        return [type(effect).__name__ for effect in self.trace]


def failing(app: str, reason: str = "no disk") -> Callable[[Any], Any]:
    return lambda effect: Failed(reason) if effect.app == app else Done()


# --- the way of a host ----------------------------------------------------------------------------------------------


def test_a_host_publishes_first_and_looks_second() -> None:
    host = Host()
    assert host.run() == End(True)
    assert host.trace == [
        Heartbeat(100),
        Look(),
        ReadLog((("api", 0),)),
        Stage("api", "1.0.0", 4),
        Activate("api", "1.0.0", 4),
        Report((Row("api", "1.0.0", 4, "ok"),), "ok"),
        ReadLog((("api", 4),)),
        AskPlace(),
        Complete(CONTINUE),
    ]


def test_every_release_is_on_the_disk_before_the_first_one_is_activated() -> None:
    host = Host(replace(API, settings=True), replace(WEB, settings=True))
    assert host.run().ok
    assert [(type(effect).__name__, effect.app) for effect in host.all(Stage, Configure, Activate)] == [
        ("Stage", "api"),
        ("Stage", "web"),
        ("Configure", "api"),
        ("Activate", "api"),
        ("Configure", "web"),
        ("Activate", "web"),
    ]


@pytest.mark.parametrize("top", [Seen(0, None), Seen(1, None, target="1.0.0")], ids=["no log", "first deploy"])
def test_without_a_stable_release_there_is_nothing_to_activate(top: Seen) -> None:
    host = Host(ReadLog=Log((top,)))
    assert host.run() == End(True)
    assert host.all(Stage, Activate) == []
    assert host.all(Report) == [Report((Row("api", None, top.n, "empty"),), "ok")]
    assert host.trace[-1] == Complete(CONTINUE)


def test_a_host_that_is_nobodys_is_left_alone() -> None:
    host = Host(Look=Nobodys("not of an env"))
    assert host.run() == End(True, "not of an env")
    assert host.words() == ["Heartbeat", "Look"]


def test_who_waits_for_the_answer_gets_the_first_failure() -> None:
    host = Host(ReadLog=Failed("no log"))
    assert host.run(replace(RULES, once=True)) == End(False, "no log")
    assert host.all(Wait) == []


def test_a_server_role_without_apps_is_complete_at_once() -> None:
    host = Host(Look=Looked(()))
    assert host.run() == End(True)
    assert host.words() == ["Heartbeat", "Look", "Report", "AskPlace", "Complete"]


def test_during_a_deploy_a_new_host_comes_up_on_what_is_stable() -> None:
    host = Host(ReadLog=Log((Seen(5, "1.0.0", target="1.1.0"),)))
    assert host.run().ok
    assert host.all(Activate) == [Activate("api", "1.0.0", 5)]


def test_on_the_way_into_a_warm_pool_releases_are_staged_and_nothing_else() -> None:
    host = Host(replace(API, settings=True), WEB, Heartbeat=Joined(WARMING))
    assert host.run().ok
    assert host.words() == ["Heartbeat", "Look", "ReadLog", "Stage", "Stage", "Report", "Complete"]
    assert host.all(Report)[0].rows[0] == Row("api", "1.0.0", 4, "staged")


def test_without_a_group_there_is_no_lifecycle_action() -> None:
    host = Host(Heartbeat=Joined(SERVING))
    assert host.run() == End(True)
    assert host.all(Activate) == [Activate("api", "1.0.0", 4)]
    assert host.all(AskPlace, Complete) == []


@pytest.mark.parametrize("answers", [{"Heartbeat": Joined(LEAVING)}, {"AskPlace": Joined(LEAVING)}])
def test_a_host_that_is_about_to_go_does_nothing_any_more(answers: dict[str, Any]) -> None:
    host = Host(ReadLog=Log((Seen(5, "1.0.0", target="1.1.0"),)), **answers)
    assert host.run().ok
    assert host.all(Stage, Activate, Complete) == []


# --- when the log moves ---------------------------------------------------------------------------------------------


def test_a_log_that_moves_is_followed_and_what_is_done_is_not_done_again() -> None:
    before, after = Log((TOP, TOP)), Log((Seen(5, "1.1.0"), TOP))
    host = Host(API, WEB, ReadLog=[before, after])
    assert host.run().ok
    assert host.all(Activate) == [
        Activate("api", "1.0.0", 4),
        Activate("web", "1.0.0", 4),
        Activate("api", "1.1.0", 5),
    ]
    assert host.all(Report)[-1].rows == (Row("api", "1.1.0", 5, "ok"), Row("web", "1.0.0", 4, "ok"))
    assert [effect.at_least for effect in host.all(ReadLog)][-1] == (("api", 5), ("web", 4))


def test_a_log_that_never_rests_is_a_failure_in_the_end() -> None:
    tops = iter(range(4, 1000))
    host = Host(ReadLog=lambda effect: Log((Seen(next(tops), "1.0.0"),)))
    ended = host.run()
    assert not ended.ok
    assert "the deploy log of api moves on, 3 times in a row" in ended.reason
    assert host.trace[-1].result == ABANDON
    rounds = host.words()[: host.words().index("Wait")].count("Activate")
    assert rounds == 4


def test_a_log_that_gets_shorter_is_not_believed() -> None:
    host = Host(Local("api", "1.0.0", fence=7), ReadLog=[Log((TOP,)), Log((Seen(7, "1.1.0"),))])
    assert host.run().ok
    assert host.all(Wait) == [Wait(2, "the deploy log of api ends at slot 4, and slot 7 was seen before")]
    assert host.all(Activate) == [Activate("api", "1.1.0", 7)]


def test_a_log_that_gets_shorter_between_two_looks_is_not_believed() -> None:
    host = Host(ReadLog=[Log((TOP,)), Log((Seen(3, "0.9.0"),)), Log((TOP,))])
    assert host.run().ok
    assert host.all(Activate) == [Activate("api", "1.0.0", 4)]
    assert len(host.all(Wait)) == 1


def test_a_newer_slot_that_has_acted_here_sends_the_host_back_to_the_log() -> None:
    host = Host(ReadLog=[Log((TOP,)), Log((Seen(5, "1.1.0"),))], Activate=[Behind(), Done()])
    assert host.run().ok
    assert host.all(Activate) == [Activate("api", "1.0.0", 4), Activate("api", "1.1.0", 5)]
    assert host.all(Wait) == []


# --- when something fails -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["Heartbeat", "Look", "ReadLog", "Stage", "Configure", "Activate", "Report", "AskPlace"]
)
def test_what_fails_once_is_tried_again(kind: str) -> None:
    good = {"Heartbeat": Joined(None), "ReadLog": Log((TOP,)), "AskPlace": Joined(PENDING)}
    good["Look"] = Looked((replace(API, settings=True),))
    host = Host(**{**good, kind: [Failed("no answer"), good.get(kind, Done())]})
    assert host.run() == End(True)
    assert host.all(Wait) == [Wait(2, "no answer")]
    assert host.trace[-1] == Complete(CONTINUE)


def test_the_group_is_told_again_after_another_look_at_the_log() -> None:
    host = Host(Complete=[Failed("throttled"), Done()])
    assert host.run() == End(True)
    assert host.words()[-6:] == ["Wait", "Look", "ReadLog", "Report", "ReadLog", "Complete"]


@pytest.mark.parametrize("kind", ["Look", "ReadLog", "Stage", "Activate", "Report", "AskPlace"])
def test_a_host_that_cannot_come_up_gives_up_at_its_deadline_and_not_before(kind: str) -> None:
    host = Host(**{kind: Failed("no way")})
    assert host.run() == End(False, "no way")
    assert host.all(Complete) == [Complete(ABANDON, "no way")]
    assert host.all(Report)[-1].boot == "failed: no way"
    assert [wait.seconds for wait in host.all(Wait)] == [2, 4, 8, 16, 30, 30]
    assert 70 <= host.now < 100


def test_a_host_that_nobody_told_its_group_has_nobody_to_tell() -> None:
    host = Host(Heartbeat=Failed("no metadata"))
    assert host.run() == End(False, "no metadata")
    assert host.all(Complete, Look) == []


def test_nothing_is_begun_after_the_deadline() -> None:
    host = Host(API, WEB, Stage=Done(), seconds=22)
    ended = host.run()
    assert not ended.ok
    assert "the deadline is over before api could be brought up" in ended.reason
    assert host.all(Activate) == []


def test_a_release_that_became_healthy_late_is_still_good() -> None:
    host = Host(seconds=24)
    assert host.run() == End(True)
    assert host.now > 100


def test_the_reason_of_the_last_failure_is_the_one_that_is_told() -> None:
    host = Host(Activate=lambda effect: Failed("not healthy"), seconds=20)
    assert host.run().reason == "not healthy"


def test_the_reason_is_told_whatever_the_group_answers() -> None:
    host = Host(Activate=Failed("not healthy"), AskPlace=Failed("no answer"))
    assert host.run() == End(False, "not healthy")
    assert host.all(Complete) == [Complete(ABANDON, "not healthy")]


def test_giving_up_is_told_until_it_is_heard_or_too_late() -> None:
    heard = Host(Activate=Failed("not healthy"), Complete=[Failed("throttled"), Failed("throttled"), Done()])
    assert heard.run() == End(False, "not healthy")
    assert [effect.result for effect in heard.all(Complete)] == [ABANDON] * 3
    deaf = Host(Activate=Failed("not healthy"), Complete=Failed("no network"))
    assert deaf.run() == End(False, "not healthy")
    assert deaf.now <= RULES.deadline + RULES.grace


def test_one_app_that_fails_does_not_keep_the_others_from_coming_up() -> None:
    host = Host(API, WEB, Stage=failing("api"))
    assert not host.run().ok
    assert host.all(Activate) == [Activate("web", "1.0.0", 4)]
    rows = host.all(Report)[-1].rows
    assert [(row.app, row.state) for row in rows] == [("api", "failed"), ("web", "ok")]


# --- a host in service ----------------------------------------------------------------------------------------------


def test_a_host_in_service_is_left_to_the_deploy_that_holds_the_claim() -> None:
    serving = Local("api", "1.1.0", fence=5)
    host = Host(serving, AskPlace=Joined(SERVING), ReadLog=Log((Seen(5, "1.0.0", target="1.1.0"),)))
    assert host.run() == End(True)
    assert host.all(Stage, Activate, Complete) == []
    assert host.all(Report)[0].rows == (Row("api", "1.1.0", 5, "held"),)


def test_it_comes_to_what_the_deploy_made_stable() -> None:
    serving = Local("api", "1.0.0", fence=4)
    tops = [Log((Seen(5, "1.0.0", target="1.1.0"),)), Log((Seen(6, "1.1.0"),))]
    host = Host(serving, AskPlace=Joined(SERVING), ReadLog=tops)
    assert host.run() == End(True)
    assert host.all(Activate) == [Activate("api", "1.1.0", 6)]


@pytest.mark.parametrize(
    ("current", "over", "acts"), [(None, True, True), (None, False, False), ("0.9.0", True, False)]
)
def test_the_claim_of_a_dead_deploy_holds_up_only_what_serves(current: str | None, over: bool, acts: bool) -> None:
    top = Seen(5, "1.0.0", target="1.1.0", over=over)
    host = Host(Local("api", current), AskPlace=Joined(SERVING), ReadLog=Log((top,)))
    assert host.run().ok
    assert bool(host.all(Activate)) is acts


def test_a_bad_release_is_tried_once_on_a_host_in_service() -> None:
    host = Host(API, WEB, AskPlace=Joined(SERVING), Activate=failing("api", "not healthy"))
    assert host.run() == End(False, "not healthy")
    assert [effect.app for effect in host.all(Activate)] == ["api", "web"]
    (report,) = host.all(Report)
    assert report.boot == "failed: not healthy"
    assert [row.state for row in report.rows] == ["failed", "ok"]
    assert host.all(Wait, Complete) == []


def test_a_release_that_has_failed_here_is_left_alone_on_a_host_in_service() -> None:
    burnt = Local("api", "0.9.0", refused=("1.0.0",))
    host = Host(burnt, AskPlace=Joined(SERVING))
    assert host.run() == End(False, "1.0.0 failed here before")
    assert host.all(Stage, Activate) == []
    assert host.all(Report)[0].rows == (Row("api", "1.0.0", 4, "refused"),)


def test_a_host_that_nobody_serves_from_tries_it_again() -> None:
    host = Host(Local("api", None, refused=("1.0.0",)))
    assert host.run() == End(True)
    assert host.all(Activate) == [Activate("api", "1.0.0", 4)]


def test_a_host_in_service_waits_for_a_bucket_that_does_not_answer() -> None:
    host = Host(AskPlace=Joined(SERVING), Stage=[Failed("no bucket"), Done()])
    assert host.run() == End(True)
    assert len(host.all(Wait)) == 1


# --- all interleavings ----------------------------------------------------------------------------------------------

CORRECT = {
    "two boots, a rollback, a crash": Setting(timer_runs=0),
    "two boots and a timer": Setting(jobs=1, crashes=0),
    "a timer, a rollback": Setting(boots=1, crashes=0),
    "a timer and a crash": Setting(boots=1, jobs=1),
    "a boot from the warm pool": Setting(crashes=0, timer_runs=0, used_host=True),
    "a host on which it is bad": Setting(crashes=0, timer_runs=0, bad_host=True),
    "calls that fail": Setting(boots=1, jobs=1, timer_runs=0, failing_calls=2),
    "calls that fail where it is bad": Setting(boots=1, jobs=1, timer_runs=0, failing_calls=1, bad_host=True),
    "answers that are old": Setting(jobs=1, crashes=0, timer_runs=0, stale_reads=2),
    "sweeps for the claim": Setting(boots=1, timer_runs=0, sweeps_for="claim"),
    "sweeps by reports": Setting(boots=1, timer_runs=0, lists="reports"),
    "looking apart": Setting(boots=1, jobs=1, crashes=0, looks_apart=True),
    "looking apart and a crash": Setting(boots=1, jobs=1, timer_runs=0, looks_apart=True),
}


@pytest.mark.parametrize("name", CORRECT)
def test_no_interleaving_breaks_a_rule(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    found = explore(CORRECT[name])
    seconds = time.monotonic() - began
    with capsys.disabled():
        print(f"\n  {name}: {found.states} states, {found.transitions} transitions, {seconds:.1f} s")
    assert found.broken == ()
    assert found.ends > 0, "the fleet never came to rest: nothing was checked"


# Each of them weakens one thing, the second one where the first has two safeguards.
WRONG_RELEASE, UNFIT = "ends on", "refused by health got CONTINUE"
MUTANTS = {
    "no second look": (Setting(rereads="never", sweeps_for="claim"), WRONG_RELEASE),
    "no second look, no fence": (Setting(rereads="never", fenced=False), WRONG_RELEASE),
    "no second look, a deployer that goes by reports": (Setting(rereads="never", lists="reports"), WRONG_RELEASE),
    "second look before the report": (Setting(rereads="before the report", lists="reports"), WRONG_RELEASE),
    "only hosts in service are listed": (Setting(lists="in service"), WRONG_RELEASE),
    "one clean pass": (Setting(passes=1), WRONG_RELEASE),
    "listing before the commit": (Setting(commits_first=False), WRONG_RELEASE),
    "no sweep after a halt": (Setting(sweeps_after_halt=False), WRONG_RELEASE),
    "no fence, late commands": (Setting(fenced=False), WRONG_RELEASE),
    "a timer that meddles with a deploy": (Setting(hands_off=False, timer_runs=1), WRONG_RELEASE),
    "boots on the target": (Setting(boots_on="target"), "does not call stable"),
    "goes on whatever health says": (Setting(honest=False, bad_host=True), UNFIT),
}
CRASHING = ("no sweep after a halt", "no fence, late commands")


@pytest.mark.parametrize("name", MUTANTS)
def test_the_checker_finds_what_each_mutant_breaks(name: str) -> None:
    weak, rule = MUTANTS[name]
    changes = {"boots": 1, "crashes": int(name in CRASHING)}
    if weak.hands_off:
        changes["timer_runs"] = 0
    found = explore(Setting(**{**vars(weak), **changes}))
    assert found.broken, f"{found.states} states and none is wrong: either this is no weakness, or the model misses it"
    assert rule in found.broken[0], found.broken
    # The same fleet without the weakness is right, so it is the weakness that was found.
    assert without_weakness(changes["crashes"], int(not weak.hands_off)).broken == ()


@functools.cache
def without_weakness(crashes: int, timer_runs: int) -> Found:
    return explore(Setting(boots=1, crashes=crashes, timer_runs=timer_runs))
