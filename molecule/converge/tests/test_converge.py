# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host after all that: it has followed its log, and will look again."""

from __future__ import annotations

import json
from typing import Any

import pytest


def test_it_serves_what_is_stable_now(host: Any) -> None:
    answer = json.loads(host.check_output("curl --silent --fail --max-time 5 http://127.0.0.1:8080/health"))
    assert answer["release"] == "1.0.1"
    assert host.check_output("systemctl --failed --no-legend") == ""


def test_each_boot_runs_it_and_the_timer_looks_again(host: Any) -> None:
    assert host.service("dtk-converge.service").is_enabled
    assert host.service("dtk-converge.timer").is_enabled
    assert host.service("dtk-converge.timer").is_running


def test_what_is_given_goes_before_tags_and_nothing_else_is_written_down(host: Any) -> None:
    found = json.loads(host.file("/etc/dtk/converge.json").content_string)
    assert (found["env"], found["role"], found["metadata"], found["deadline"]) == ("demo", "web", False, 6)
    assert "prefix" not in found and "instance_id" not in found


@pytest.mark.parametrize("name", ["dtk-converge.service", "dtk-converge.timer"])
def test_systemd_has_nothing_to_say_about_the_units(host: Any, name: str) -> None:
    assert host.run(f"systemd-analyze verify /etc/systemd/system/{name}").stderr == ""


def test_the_first_boot_finds_everything_ready(host: Any) -> None:
    names = host.check_output("ls /usr/local/lib/dtk").split()
    assert [name for name in names if name.startswith("botocore-")]
    assert [name for name in names if name.startswith("host-")]


def test_the_journal_tells_how_it_ended(host: Any) -> None:
    host.check_output("journalctl --sync")
    lines = host.check_output("journalctl --unit=dtk-converge --identifier=dtk-converge --output=cat --no-pager")
    end = json.loads(lines.splitlines()[-1])
    assert (end["event"], end["ok"], end["apps"]["hello"]["release"]) == ("end", True, "1.0.1")
