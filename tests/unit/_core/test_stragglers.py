# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.stragglers import find_stragglers

PLAN = {"app": "hello", "version": "1.0.1", "action": "deploy"}
NEW = {"state": "pending", "message": ""}
ROW = {"name": "web-1", "az": "a", "spec": {}, "instance_id": "i-1", "asg": "web", "lifecycle_state": "InService"}


def found(facts: dict[str, Any], state: dict[str, Any] = NEW, tried: tuple[str, ...] = (), **plan: Any) -> list[Any]:
    return find_stragglers({"web-1": facts}, [ROW], {"web-1": state}, {**PLAN, **plan}, tried)


def report(text: str) -> dict[str, Any]:
    return {"ec2_tags": {"dtk:app:hello": text}, "dtk_lifecycle_state": "InService"}


@pytest.mark.parametrize(
    ("facts", "state", "late"),
    [
        pytest.param({}, {"state": "active", "message": ""}, False, id="this deploy activated it"),
        pytest.param({}, {"state": "failed", "message": "503"}, True, id="it failed within the budget"),
        pytest.param({}, {"state": "unreachable", "message": "x"}, True, id="it may be back"),
        pytest.param({}, {"state": "staged", "message": ""}, True, id="never activated"),
        pytest.param({}, NEW, True, id="a new one that says nothing"),
        pytest.param(report("1.0.1 slot 8 ok"), NEW, False, id="it has told that it serves the release"),
        pytest.param(report("1.0.0 slot 7 ok"), NEW, True, id="it told before the deploy log was written"),
        pytest.param(report("1.0.1 slot 8 failed"), NEW, True, id="it has told that it failed"),
        pytest.param(report("1.0.1"), NEW, True, id="no report of ours"),
        pytest.param(report("1.0.1 slot 8 ok"), {"state": "failed", "message": ""}, True, id="an old report"),
        pytest.param({"dtk_lifecycle_state": "Pending:Wait"}, NEW, True, id="booting"),
        pytest.param({"dtk_lifecycle_state": "Standby"}, NEW, True, id="in Standby"),
        pytest.param({"dtk_lifecycle_state": "Terminating:Wait"}, NEW, False, id="leaving"),
        pytest.param({"dtk_lifecycle_state": "Warmed:Stopped"}, NEW, False, id="in a warm pool"),
        pytest.param({"dtk_lifecycle_state": "Warmed:Pending:Wait"}, NEW, False, id="on its way into one"),
    ],
)
def test_who_is_late(facts: dict[str, Any], state: dict[str, Any], late: bool) -> None:
    assert bool(found(facts, state)) is late


def test_one_that_was_tried_twice_is_let_be() -> None:
    assert found({}, tried=("web-1", "web-2"))
    assert not found({}, tried=("web-1", "web-2", "web-1"))


def test_settings_have_no_report() -> None:
    assert found(report("1.0.1 slot 8 ok"), action="config")


def test_what_is_said_of_it() -> None:
    (booting,) = found({"dtk_lifecycle_state": "Pending:Wait", "dtk_pending": True})
    assert booting == {
        "name": "web-1",
        "state": "pending",
        "message": "on its way into service (Pending:Wait)",
        "place": {"name": "web-1", "instance_id": "i-1", "asg": "web"},
    }
    assert found({"dtk_pending": True})[0]["message"] == "on its way into service (pending)"
    assert found({"dtk_lifecycle_state": "Standby"})[0]["message"] == "in Standby"
    assert found({}, {"state": "failed", "message": "503"})[0]["message"] == "503"
