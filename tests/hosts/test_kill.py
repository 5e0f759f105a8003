# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An activation killed at every named phase, on a real host: it is always on one release, whole."""

from __future__ import annotations

import time

import pytest

from .conftest import BROKEN, GOOD, NEW, Hello

PHASES = ["begin", "pre", "armed", "switched", "restarted", "probing", "post", "committed"]
HOOKS = {"hooks": {"pre": [{"command": ["/bin/true"]}], "post": [{"command": ["/bin/true"]}]}}
BOUNDARIES = [(phase, when) for phase in PHASES for when in ("before", "after")]
# From here on the dead-man switch has something to undo.
ARMED = BOUNDARIES[BOUNDARIES.index(("switched", "before")) : BOUNDARIES.index(("committed", "after"))]
ORDER = {"fence": 2, "deploy": "d1"}


@pytest.mark.parametrize(("phase", "when"), ARMED)
def test_nobody_comes_back_and_the_host_returns_by_itself(hello: Hello, phase: str, when: str) -> None:
    killed = hello.drive(spec=HOOKS, order=ORDER, kill={"phase": phase, "when": when})
    assert killed.rc == 137, killed
    hello.wait_until_whole(GOOD)
    assert hello.look().state["failed"] == []  # being killed says nothing about the release


@pytest.mark.parametrize(("phase", "when"), BOUNDARIES)
def test_the_same_command_again_finishes_it_at_once(hello: Hello, phase: str, when: str) -> None:
    killed = hello.drive(spec=HOOKS, order=ORDER, kill={"phase": phase, "when": when})
    assert killed.rc == 137, killed
    assert hello.look().serving in (GOOD, NEW)
    again = hello.drive(spec=HOOKS, order=ORDER)
    assert again.rc == 0, again.answer
    assert again.answer["outcome"] == ("unchanged" if (phase, when) == ("committed", "after") else "active")
    assert hello.whole() == NEW
    assert hello.look().state["previous"] == GOOD
    # The first one's switch may still be armed: it must find nothing to do.
    hello.wait_until_whole(NEW)


@pytest.mark.parametrize(("phase", "when"), ARMED)
def test_a_rollback_after_it_returns_the_host(hello: Hello, phase: str, when: str) -> None:
    hello.drive(spec=HOOKS, order=ORDER, kill={"phase": phase, "when": when})
    back = hello.drive(call="revert", order=ORDER)
    assert back.rc == 0, back.answer
    assert back.answer["outcome"] == "reverted"
    assert hello.whole() == GOOD
    hello.wait_until_whole(GOOD)


@pytest.mark.parametrize("phase", ["begin", "pre", "armed"])
def test_killed_before_the_switch_nothing_has_changed(hello: Hello, phase: str) -> None:
    hello.drive(spec=HOOKS, order=ORDER, kill={"phase": phase, "when": "after"})
    seen = hello.look()
    assert (seen.link, seen.serving) == (GOOD, GOOD)
    back = hello.drive(call="revert", order=ORDER)
    assert back.rc == 0, back.answer
    assert hello.whole() == GOOD


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_goes_back_it_still_gets_there(hello: Hello, when: str) -> None:
    killed = hello.drive(version=BROKEN, order=ORDER, kill={"phase": "reverting", "when": when})
    assert killed.rc == 137, killed
    hello.wait_until_whole(GOOD)


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_a_finished_deploy_is_rolled_back(hello: Hello, when: str) -> None:
    assert hello.drive(order=ORDER).rc == 0
    killed = hello.drive(call="revert", order=ORDER, kill={"phase": "reverting", "when": when})
    assert killed.rc == 137, killed
    if when == "after":
        hello.wait_until_whole(GOOD)
    else:
        assert hello.whole() == NEW
    again = hello.drive(call="revert", order=ORDER)
    assert again.rc == 0, again.answer
    assert hello.whole() == GOOD


def test_the_first_release_ever_killed_is_taken_away(hello: Hello) -> None:
    hello.host.exec(["systemctl", "stop", "hello.service", "hello.socket"])
    hello.host.exec(["rm", "-f", "/srv/hello/current", "/srv/hello/state.json"])
    killed = hello.drive(order=ORDER, kill={"phase": "probing", "when": "after"})
    assert killed.rc == 137, killed
    deadline = time.monotonic() + 30
    while hello.look().state["transaction"] is not None:
        assert time.monotonic() < deadline, hello.journal()
        time.sleep(0.2)
    assert hello.look().link is None
    assert hello.host.exec(["systemctl", "is-active", "hello.service"], check=False).stdout.strip() != "active"
    assert hello.drive(order=ORDER).rc == 0
    assert hello.whole() == NEW


def test_one_that_hangs_is_killed_by_the_switch(hello: Hello) -> None:
    spec = {"unit_timeout": 1, "health": {"tcp": {"port": 8080}, "successes": 1, "deadline": 1}}
    hello.start(order=ORDER, spec=spec, stop={"phase": "probing", "when": "after"})
    hello.wait_until_whole(GOOD, seconds=40)
    assert hello.host.exec(["sh", "-c", "pgrep -f [d]river.py || true"]).stdout == ""


def test_one_that_is_only_slow_is_left_alone(hello: Hello) -> None:
    hook = {"pre": [], "post": [{"command": ["/bin/sleep", "5"], "timeout": 20}]}
    done = hello.drive(order=ORDER, spec={"hooks": hook})  # the switch looks after 2 s
    assert done.rc == 0, done.answer
    hello.wait_until_whole(NEW)


def test_what_a_killed_activation_left_running_is_ended_before_the_next(hello: Hello) -> None:
    hook = {"post": [{"command": ["/bin/sh", "-c", "kill -9 $PPID; exec sleep 30.0123"], "timeout": 60}]}
    killed = hello.drive(order=ORDER, spec={"hooks": hook})
    assert killed.rc == 137, killed
    assert hello.host.exec(["pgrep", "-f", "sleep 30.0123"], check=False).stdout
    assert hello.drive(order=ORDER).rc == 0
    assert hello.host.exec(["pgrep", "-f", "sleep 30.0123"], check=False).stdout == ""
    hello.wait_until_whole(NEW)


def test_a_reboot_in_the_middle_is_repaired_by_the_next_run(hello: Hello) -> None:
    hello.drive(order=ORDER, kill={"phase": "restarted", "when": "after"})
    hello.host.kill()
    hello.host.start()
    deadline = time.monotonic() + 60
    while hello.host.exec(["systemctl", "is-system-running"], check=False).stdout.strip() != "running":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert hello.look().state["transaction"]["phase"] == "restarted"
    assert hello.look().switches == ()
    again = hello.drive(order=ORDER)
    assert again.rc == 0, again.answer
    assert hello.whole() == NEW
    assert hello.look().state["previous"] == GOOD
