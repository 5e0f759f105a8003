# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules around settings.py: what they take, what they show and what they hide."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils import basic

from tests.unit.emulated_aws import EmulatedAws
from tests.unit.run_module import run_ansible, run_module

VALUES = {"debug": True, "workers": 1, "name": "a", "db": {"host": "db-1", "password": "hunter2"}}


@pytest.fixture
def place(aws: EmulatedAws) -> dict[str, Any]:
    return {"app": "api", "env": "prod", "prefix": aws.prefix}


def test_set_compare_and_look_back(aws: EmulatedAws, place: dict[str, Any]) -> None:
    wanted = {**place, "values": VALUES, "rate": 1000, "by": "alice", "why": "begin"}
    dry = run_module("config_set", wanted, aws.environ(), check=True)
    assert dry["changed"] and len(dry["written"]) == 5
    wet = run_module("config_set", wanted, aws.environ())
    assert {**wet, "warnings": []} == {**dry, "warnings": []}
    assert "db/password: this looks like a secret" in json.dumps(wet["warnings"])
    again = run_ansible("config_set", wanted, aws.environ())
    assert (again["_status"], again["written"]) == ("SUCCESS", [])
    against = {**place, "after": {"values": {**VALUES, "workers": 2}}}
    difference = run_ansible("config_diff", against, aws.environ())
    assert (difference["changed"], difference["differs"]) == (False, True)
    assert difference["settings"]["changed"] == {"workers": {"before": 1, "after": 2}}
    told = run_ansible("config_history", {**place, "only": ["workers"]}, aws.environ())
    assert [(one["setting"], one["value"], one["why"]) for one in told["history"]] == [
        ("workers", 1, "by alice: begin")
    ]
    assert told["settings"] == {"workers": 1} and not told["changed"]


def test_neither_result_nor_log_holds_a_sensitive_value(
    aws: EmulatedAws, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(
        basic.AnsibleModule, "log", lambda _self, msg, log_args=None: logged.append(f"{msg} {log_args}")
    )
    given = {**place, "values": VALUES, "rate": 1000}
    answers = [run_module("config_set", given, aws.environ())]
    sides = {"before": {"values": VALUES}, "after": {"values": {**VALUES, "db": {"password": "hunter2-new"}}}}
    answers.append(run_module("config_diff", {**place, **sides}, aws.environ()))
    answers.append(run_module("config_set", {**given, "app": "A B"}, aws.environ()))
    answers.append(run_module("config_set", {**given, "no_such_option": 1}, aws.environ()))
    answers.append(run_module("config_history", place, aws.environ()))
    assert [bool(answer.get("failed")) for answer in answers] == [False, False, True, True, False]
    assert "hunter2" not in json.dumps(answers)
    assert logged and "hunter2" not in json.dumps(logged)


def test_what_is_not_sensitive_stays_readable(aws: EmulatedAws, place: dict[str, Any]) -> None:
    """To hide an option, Ansible would black out each 1 and each a of the result."""
    answer = run_module("config_set", {**place, "values": VALUES, "rate": 1000}, aws.environ())
    assert answer["invocation"]["module_args"]["values"] == {**VALUES, "db": {"host": "db-1", "password": "********"}}
    assert answer["settings"]["added"]["name"] == "a" and answer["settings"]["added"]["workers"] == 1
    assert answer["path"] == f"{aws.prefix}/prod/api/config"
    environ = json.dumps(answer)
    assert aws.environ()["AWS_SECRET_ACCESS_KEY"] not in environ


def test_credentials_given_as_options_stay_hidden(aws: EmulatedAws, place: dict[str, Any]) -> None:
    keys = {"access_key": "an-access-key", "secret_key": "not-a-secret-at-all"}
    answer = run_module("config_set", {**place, **keys, "values": {"a": "not-a-secret-at-all"}}, aws.environ())
    assert answer["changed"] and "not-a-secret-at-all" not in json.dumps(answer)


@pytest.mark.parametrize("name", ["config_set", "config_diff", "config_history"])
def test_a_failure_is_one_sentence(aws: EmulatedAws, place: dict[str, Any], name: str) -> None:
    options = {**place, "env": "../x", **({"values": {"a": "x"}} if name == "config_set" else {})}
    failed = run_module(name, options, aws.environ())
    assert failed["failed"] and failed["msg"].startswith("The env '../x' is not allowed.")
    nowhere = {key: value for key, value in aws.environ().items() if "REGION" not in key}
    assert "no AWS region is set" in run_module(name, {**options, "env": "prod"}, nowhere)["msg"]
