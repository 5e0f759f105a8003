# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of the words of systemd. The rest is tested through the module app_units, and by molecule."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import systemd, units
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import UnitError


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ("Wed 2026-11-25 08:46:36.103602 UTC", 1795596396.103602),
        ("Wed 2026-11-25 08:46:36 UTC", 1795596396.0),
        ("Thu 1970-01-01 00:00:00.000001 UTC", 0.000001),
        ("", 0.0),
        ("n/a", 0.0),
    ],
)
def test_the_time_of_a_start(stamp: str, seconds: float) -> None:
    found = units._running("a.service", {"ExecMainStartTimestamp": stamp})
    assert found.since == pytest.approx(seconds, abs=1e-6)


def running(since: float, *paths: Path, active: str = "active", outdated: bool = False) -> units.Running:
    return units.Running("a.service", "loaded", active, tuple(map(str, paths)), outdated, since)


def test_a_unit_is_stale_if_it_was_started_before_any_of_its_files_was_written(tmp_path: Path) -> None:
    unit, drop_in = tmp_path / "a.service", tmp_path / "env.conf"
    for path, then in ((unit, 1000.0), (drop_in, 2000.0)):
        path.write_text("")
        os.utime(path, (then, then))
    assert running(1999.0, unit, drop_in).stale
    assert not running(2001.0, unit, drop_in).stale
    # The kernel's clock for files ticks: what was written just after the start may look a little older.
    assert running(2000.01, unit, drop_in).stale
    assert running(2001.0, unit, outdated=True).stale
    assert not running(2001.0, unit, tmp_path / "gone.conf").stale


@pytest.mark.parametrize("active", ["", "inactive", "failed"])
def test_what_does_not_run_is_not_stale(tmp_path: Path, active: str) -> None:
    assert not running(0, tmp_path, active=active, outdated=True).stale


def test_costs_are_told_by_directive_the_highest_first() -> None:
    rows = [("PrivateNetwork=", "0.5"), ("SystemCallFilter=~@a", "0.3"), ("SystemCallFilter=~@b", "0.3")]
    rows += [("User=/DynamicUser=", None), *((f"D{number}=", "0.1") for number in range(9))]
    report = json.dumps([{"name": name, "exposure": cost} for name, cost in rows])
    assert units._costliest(report) == ("SystemCallFilter 0.6", "PrivateNetwork 0.5", "D0 0.1", "D1 0.1", "D2 0.1")
    assert units._costliest("no JSON") == ()


def test_a_report_without_a_score_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "run", lambda argv, timeout: (1, "Failed to load unit"))
    with pytest.raises(UnitError, match=r"cannot tell how exposed /x/a.service is: Failed to load unit; look at"):
        units.exposure("/x/a.service")


def test_an_answer_that_is_too_short_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "run", lambda argv, timeout: (1, "Failed to connect to bus"))
    with pytest.raises(UnitError, match=r"cannot ask systemd about a.service, b.service: Failed to connect to bus"):
        units.look(["a.service", "b.service"])
    with pytest.raises(UnitError, match=r"cannot ask systemd about a.service, b.service: Failed to connect to bus"):
        units.not_enabled(["a.service", "b.service"])


def test_files_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnitError, match=r"cannot write .*/file/a.service: File exists; check the file system"):
        units.put(f"{tmp_path}/file/a.service", "x")
    with pytest.raises(UnitError, match=r"cannot read .*: Is a directory; make it a file"):
        units.read(str(tmp_path))
