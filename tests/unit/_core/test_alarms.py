# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core import alarms
from ansible_collections.sysops.dtk.plugins.module_utils._core.alarms import Alarms
from ansible_collections.sysops.dtk.plugins.module_utils._core.errors import PlanError

RINGS = {"state": "ALARM", "reason": "5 errors"}
FOUND = Alarms(
    ("a", "b", "c", "d"),
    {"a": {"state": "OK", "reason": ""}, "b": RINGS, "c": {"state": "INSUFFICIENT_DATA", "reason": ""}},
)


def test_a_ringing_one_and_one_that_is_gone_stop_and_one_without_data_does_not() -> None:
    assert (FOUND.ringing, FOUND.silent, FOUND.missing, FOUND.stops) == (["b"], ["c"], ["d"], True)
    assert FOUND.lines() == [
        "alarm b rings (5 errors)",
        "alarm d is not there any more",
        "alarm c has no data, which stops nothing",
    ]
    assert Alarms(("a", "c"), FOUND.states).stops is False
    assert alarms.NONE.stops is False


def test_names_are_meant_for_an_env_and_once() -> None:
    assert alarms.names_of(["x-{env}-y", "z", "z"], "prod") == ("x-prod-y", "z")
    assert alarms.names_of(None, "prod") == ()


def test_what_rings_before_a_deploy_refuses_it_unless_it_is_ignored() -> None:
    known = Alarms(("a", "b", "c"), FOUND.states)
    with pytest.raises(
        PlanError, match=r"Already in ALARM before anything changed: b \(5 errors\).*ignore_alarms=true"
    ):
        alarms.heard(known, "eu-west-1", ignore=False)
    left, notes = alarms.heard(known, "eu-west-1", ignore=True)
    assert left.names == ("a", "c")
    assert notes == ("b rings already, and is not asked", "c has no data: it stops nothing unless it rings")
    assert alarms.words(left, 60) == (
        "a, c: 2 alarms, 1 without data, asked after each wave and during its 60 s of baking; one that rings stops the "
        "deploy and sends every host back"
    )


def test_one_that_is_not_there_refuses_it_in_any_case() -> None:
    with pytest.raises(PlanError, match=r"There is no alarm d in eu-west-1. Correct deploy.alarms of the app"):
        alarms.heard(FOUND, "eu-west-1", ignore=True)
