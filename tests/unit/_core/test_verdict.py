# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.errors import PlanError
from ansible_collections.sysops.dtk.plugins.module_utils._core.verdict import host_state, verdict

OK = {"changed": True, "current": "1.0.1", "failed": False}
FAILED = {"failed": True, "msg": "health check failed\nmore", "current": "1.0.0", "reverted": True}
LOST = {"unreachable": True, "msg": "no route to host"}
SKIPPED = {"skipped": True}


@pytest.mark.parametrize(
    ("results", "state", "message", "reverted"),
    [
        pytest.param({}, "pending", "", None, id="nothing ran"),
        pytest.param({"stage": OK}, "staged", "", None, id="staged"),
        pytest.param({"stage": FAILED}, "stage_failed", "health check failed", None, id="stage failed"),
        pytest.param({"stage": LOST}, "unreachable", "no route to host", None, id="lost while staging"),
        pytest.param({"stage": LOST, "activate": SKIPPED}, "unreachable", "no route to host", None, id="then skipped"),
        pytest.param({"stage": OK, "activate": OK}, "active", "", None, id="active"),
        pytest.param({"stage": OK, "activate": FAILED}, "failed", "health check failed", True, id="reverted itself"),
        pytest.param({"stage": OK, "activate": LOST}, "unreachable", "no route to host", None, id="lost in the wave"),
        pytest.param({"stage": OK, "activate": LOST, "revert": OK}, "unreachable", "no route to host", True, id="back"),
        pytest.param({"stage": OK, "activate": OK, "revert": LOST}, "active", "", False, id="lost before return"),
        pytest.param({"stage": OK, "gone": True}, "gone", "", None, id="gone"),
        pytest.param({"stage": "garbage", "activate": None}, "pending", "", None, id="no results"),
    ],
)
def test_host_state(results: dict[str, Any], state: str, message: str, reverted: bool | None) -> None:
    found = host_state(results)
    assert (found["state"], found["message"], found["reverted"]) == (state, message, reverted)


@pytest.mark.parametrize(
    ("results", "state", "message", "refused"),
    [
        pytest.param({"stage": OK, "drained": "still in web"}, "failed", "still in web", False, id="could not leave"),
        pytest.param({"stage": OK, "activate": OK, "returned": "unhealthy"}, "failed", "unhealthy", True, id="refused"),
        pytest.param(
            {"stage": OK, "activate": OK, "returned": "unhealthy", "revert": OK},
            "failed",
            "unhealthy",
            False,
            id="back",
        ),
        pytest.param(
            {"stage": OK, "activate": FAILED, "returned": "unhealthy"},
            "failed",
            "health check failed",
            False,
            id="both",
        ),
        pytest.param({"stage": OK, "activate": OK, "returned": ""}, "active", "", False, id="healthy there"),
        pytest.param(
            {"stage": OK, "activate": OK, "returned": "x", "gone": "terminated"}, "gone", "", False, id="gone"
        ),
        pytest.param({"stage": LOST, "drained": "x"}, "unreachable", "no route to host", False, id="never drained"),
    ],
)
def test_load_balancers_have_a_say(results: dict[str, Any], state: str, message: str, refused: bool) -> None:
    found = host_state(results)
    assert (found["state"], found["message"], found["refused"]) == (state, message, refused)


@pytest.mark.parametrize(
    ("stage", "moves"),
    [
        pytest.param({"version": "2", "current": "1"}, True, id="another release"),
        pytest.param({"version": "2", "current": "2"}, False, id="has it already"),
        pytest.param({"version": "2", "current": None}, True, id="its first one"),
        pytest.param({"outcome": "unchanged"}, False, id="the same settings"),
        pytest.param({"outcome": "active"}, True, id="other settings"),
        pytest.param({"version": "2", "current": "1", "failed": True}, False, id="not staged"),
        pytest.param(None, False, id="nothing ran"),
    ],
)
def test_whether_a_host_will_change(stage: Any, moves: bool) -> None:
    assert host_state({"stage": stage})["moves"] is moves


def test_those_that_have_the_release_and_are_not_wanted_are_listed() -> None:
    refused = host_state({"stage": OK, "activate": OK, "returned": "unhealthy in web"})
    found = verdict({"web-1": refused, "web-2": "active", "web-3": "failed"}, 2)
    assert found.refused == ("web-1",) and found.failed == ("web-1", "web-3") and not found.halt
    assert found.text[1] == "  web-1: failed: unhealthy in web"


@pytest.mark.parametrize(
    ("states", "budget", "halt"),
    [
        pytest.param({"a": "active", "b": "staged"}, 0, False, id="all well"),
        pytest.param({"a": "failed", "b": "staged"}, 0, True, id="one failed, none allowed"),
        pytest.param({"a": "failed", "b": "staged"}, 1, False, id="one failed, one allowed"),
        pytest.param({"a": "failed", "b": "unreachable"}, 1, True, id="failed and unreachable add up"),
        pytest.param({"a": "stage_failed", "b": "pending"}, 0, True, id="staging counts"),
        pytest.param({"a": "gone", "b": "active"}, 0, False, id="gone does not count"),
        pytest.param({"a": "failed", "b": "active"}, "50%", False, id="budget in percent"),
        pytest.param({}, 0, False, id="nobody"),
    ],
)
def test_verdict(states: dict[str, str], budget: int | str, halt: bool) -> None:
    assert verdict(states, budget).halt is halt


def test_the_text_names_every_bad_host() -> None:
    states = {
        "web-10": {"state": "failed", "message": "503", "reverted": True},
        "web-2": {"state": "failed", "message": "", "reverted": False},
        "web-3": {"state": "unreachable", "message": "timed out"},
        "web-4": "active",
        "web-5": "gone",
    }
    assert list(verdict(states, 1, 6).text) == [
        "HALT: 1 active, 2 failed, 1 unreachable, 1 gone of 6 hosts; 3 failed or unreachable, the budget allows 1",
        "  web-2: failed (NOT returned)",
        "  web-10: failed: 503 (returned to what it had before)",
        "  web-3: unreachable: timed out",
        "  gone, not counted as failed: web-5",
    ]


def test_an_unknown_state_is_refused() -> None:
    with pytest.raises(PlanError, match="Host a has the unknown state 'fine'"):
        verdict({"a": "fine"})
