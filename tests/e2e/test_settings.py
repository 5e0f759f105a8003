# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings by playbook: written, copied, compared, looked back at and deleted. No host takes part."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from .conftest import Fleet, Run

FILE = """
log_level: info
db:
  host: db-1
  port: 5432
  password: hunter2
"""


@pytest.fixture
def envs(whole_fleet: Fleet) -> tuple[str, str]:
    """Two envs that nobody else uses."""
    mark = uuid.uuid4().hex[:8]
    return f"stg-{mark}", f"prod-{mark}"


def play(fleet: Fleet, playbook: str, env: str, *flags: str, **extra: Any) -> Run:
    run = fleet.play(playbook, *flags, env=env, app="api", **extra)
    assert "hunter2" not in run.out
    return run


def stored(fleet: Fleet, env: str) -> dict[str, str]:
    """The parameters by their name below the app's settings."""
    root = f"/dtk/{env}/api/config"
    pages = fleet.lab.boto("ssm").get_paginator("get_parameters_by_path").paginate(Path=root, Recursive=True)
    return {p["Name"].removeprefix(f"{root}/"): p["Value"] for page in pages for p in page["Parameters"]}


def test_the_life_of_settings(whole_fleet: Fleet, envs: tuple[str, str]) -> None:
    fleet, (staging, prod) = whole_fleet, envs
    file = fleet.work / f"{staging}.yml"
    file.write_text(FILE)

    dry = play(fleet, "config_set", staging, "--check", "--diff", file=str(file), why="a new app")
    assert dry.rc == 0 and "db/port: 5432" in dry.text and "this is a check" in dry.text, dry.out
    assert stored(fleet, staging) == {}

    wet = play(fleet, "config_set", staging, "-vvvv", file=str(file), why="a new app")
    assert wet.rc == 0 and "4 added" in wet.text and "looks like a secret" in wet.text, wet.out
    assert f"sysops.dtk.config -e app=api -e env={staging}" in wet.text
    all_of_it = {"log_level": "info", "db/host": "db-1", "db/port.int": "5432", "db/password": "hunter2"}
    assert stored(fleet, staging) == all_of_it

    again = play(fleet, "config_set", staging, file=str(file))
    assert again.rc == 0 and "changed=0" in again.text and "4 settings the same" in again.text, again.out

    change = {"values": {"db": {"port": "socket"}, "workers": 4}}
    copied = play(fleet, "config_set", prod, **{"from": staging}, exclude="db/password,log*", **change)
    assert copied.rc == 0, copied.out
    assert stored(fleet, prod) == {"db/host": "db-1", "db/port": "socket", "workers.int": "4"}

    difference = play(fleet, "config_diff", prod, **{"from": staging})
    assert difference.rc == 0 and "5432 -> socket" in difference.text, difference.out
    assert "1 added, 1 changed, 2 removed, 1 setting the same" in difference.text

    told = play(fleet, "config_history", staging, only="log_level")
    assert told.rc == 0 and "a new app" in told.text and "log_level" in told.text, told.out

    refused = play(fleet, "config_set", prod, state="absent")
    assert refused.rc != 0 and "would delete the whole tree" in refused.text, refused.out
    gone = play(fleet, "config_set", prod, keys="db,nothing")
    assert gone.rc == 0 and stored(fleet, prod) == {"workers.int": "4"}, gone.out
    empty = play(fleet, "config_set", prod, state="absent", purge=True)
    assert empty.rc == 0 and stored(fleet, prod) == {}, empty.out
    assert stored(fleet, staging) == all_of_it


@pytest.mark.parametrize(
    ("playbook", "words"),
    [("config_set", "Nothing is given to write"), ("config_diff", "Nothing is given to compare with")],
)
def test_nothing_is_asked_for(whole_fleet: Fleet, playbook: str, words: str) -> None:
    run = whole_fleet.play(playbook)
    assert run.rc != 0 and words in run.text and "Traceback" not in run.out, run.out


@pytest.mark.parametrize("playbook", ["config_set", "config_diff", "config_history"])
def test_the_app_is_not_given(whole_fleet: Fleet, playbook: str) -> None:
    run = whole_fleet.play(playbook, app="")
    assert run.rc != 0 and "app is not given: add -e app=<name>" in run.text, run.out
