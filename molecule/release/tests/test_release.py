# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host after a deploy, a failed release and a halted deploy: on 1.0.1, whole, with nothing left behind."""

from __future__ import annotations

import json
from typing import Any

import pytest

HOME = "/srv/hello"


@pytest.fixture
def state(host: Any) -> dict[str, Any]:
    return json.loads(host.file(f"{HOME}/state.json").content_string)


def test_the_service_serves_the_release(host: Any) -> None:
    assert host.service("hello.service").is_running
    answer = json.loads(host.check_output("curl --silent --fail --max-time 5 http://127.0.0.1:8080/health"))
    assert (answer["app"], answer["release"]) == ("hello", "1.0.1")


def test_current_is_a_relative_link(host: Any) -> None:
    assert host.check_output(f"readlink {HOME}/current") == "releases/1.0.1"


def test_the_state_file_tells_the_story(state: dict[str, Any]) -> None:
    assert state["current"] == state["last_good"] == "1.0.1"
    assert state["transaction"] is None
    assert state["fence"] == 7
    assert "1.0.3-broken" in state["failed"]


def test_releases_are_complete_and_belong_to_the_app(host: Any) -> None:
    names = host.check_output(f"ls -A {HOME}/releases").split()
    assert [name for name in names if name.startswith(".")] == []
    assert {"1.0.0", "1.0.1"} <= set(names)
    program = host.file(f"{HOME}/releases/1.0.1/app.py")
    assert (program.user, program.group) == ("hello", "hello")


def test_nothing_is_armed_or_broken(host: Any) -> None:
    assert host.check_output("systemctl list-units --all --no-legend 'dtk-deadman-*'") == ""
    assert host.check_output("systemctl --failed --no-legend") == ""
