# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller does for module app_config: check, hand over unseen, and choose the way."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible_collections.sysops.dtk.plugins.action import app_config
from ansible_collections.sysops.dtk.plugins.module_utils import app_config as facade
from ansible_collections.sysops.dtk.plugins.module_utils._host import runtime

from tests.unit.run_module import run_module

CANARY = "CANARYc0ffee"
CONFIG = {"greeting": "hello", "password": CANARY}
BY_MODULE = {"by": "module"}


class Rehearsal(app_config.ActionModule):
    """The action plugin with a host that says what the test wants."""

    def __init__(
        self, args: dict[str, Any], says: dict[str, Any] | None = None, pipelining: bool = True, wait: int = 0
    ) -> None:
        self._task = mock.Mock(check_mode=False, diff=True, async_val=wait, environment=None)
        self._task.args = {"app": "hello", **args}
        self._connection = mock.Mock()
        self._connection.is_pipelining_enabled.return_value = pipelining
        self._connection._shell.env_prefix.return_value = "LANG=C"
        self._templar = mock.Mock()
        self._templar.template = lambda value: value
        self._loader = DataLoader()
        self._says = says
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.packed: dict[str, Any] = {}

    def _find_needle(self, _kind: str, name: str) -> str:
        return name

    def _low_level_execute_command(self, cmd: str, in_data: bytes = b"", **_options: Any) -> dict[str, Any]:
        self.asked.append((cmd, json.loads(in_data)))
        return {"stderr": "", **(self._says or {"rc": 127, "stdout": ""})}

    def _execute_module(self, **options: Any) -> dict[str, Any]:
        self.packed = options
        return BY_MODULE


def rehearse(args: dict[str, Any], **how: Any) -> tuple[Rehearsal, dict[str, Any]]:
    action = Rehearsal(args, **how)
    return action, action.run(task_vars={"ansible_python_interpreter": "/usr/bin/python3"})


def test_the_program_gets_the_settings_by_stdin() -> None:
    action, result = rehearse({"config": CONFIG}, says={"rc": 0, "stdout": '{"changed": true}\n'})
    assert (result["changed"], action.packed) == (True, {})
    ((command, request),) = action.asked
    assert CANARY not in command
    assert (request["module"], request["diff"], request["check"]) == ("app_config", True, False)
    assert request["options"]["config"] == CONFIG
    assert request["options"]["mode"] == "0640", "defaults are filled in"


@pytest.mark.parametrize("how", [{}, {"pipelining": False}, {"wait": 60}])
def test_the_module_gets_them_as_one_piece_of_text(how: dict[str, Any]) -> None:
    action, result = rehearse({"config": CONFIG}, **how)
    assert result["by"] == "module"
    assert json.loads(action.packed["module_args"]["config"]) == CONFIG
    assert isinstance(action.packed["module_args"]["config"], str)
    assert action.packed["wrap_async"] == how.get("wait", 0)


def test_a_pull_is_the_module_with_a_python_of_its_own() -> None:
    asked = {"paths": ["/x"], "python": "/opt/dtk/venv/bin/python", "schema": {"type": "object"}}
    action, _result = rehearse(asked)
    assert action.asked == []
    assert action.packed["task_vars"]["ansible_python_interpreter"] == "/opt/dtk/venv/bin/python"
    assert action.packed["module_args"]["schema"] == {"type": "object"}, "the host has to check"


def test_a_push_uses_the_usual_python() -> None:
    action, _result = rehearse({"config": {}, "python": "/opt/dtk/venv/bin/python"})
    assert action.packed["task_vars"]["ansible_python_interpreter"] == "/usr/bin/python3"


@pytest.mark.parametrize("name", ["schema.json", "schema.yml"])
def test_settings_are_checked_before_the_host_is_asked(tmp_path: Path, name: str) -> None:
    schema = {"properties": {"password": {"maxLength": 3}}, "required": ["greeting"]}
    (tmp_path / name).write_text(json.dumps(schema))
    action, result = rehearse({"config": CONFIG, "schema": str(tmp_path / name)})
    assert result["failed"] is True
    assert "password: the rule maxLength 3 does not hold" in result["msg"]
    assert CANARY not in json.dumps(result)
    assert (action.asked, action.packed) == ([], {})
    action, _result = rehearse({"config": {"greeting": "x"}, "schema": str(tmp_path / name)})
    assert "schema" not in action.packed["module_args"], "checked once is enough"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"config": CANARY}, "config is text; give a dictionary"),
        ({"config": [CANARY]}, "config is a list"),
        ({"config": {"a": {1: CANARY}}}, "the key 1 below a is a number"),
        ({"config": {"a": {CANARY}}}, "config holds something that JSON cannot tell"),
        ({"config": {"a": float("nan")}}, "a is a number, or holds something, that JSON cannot tell"),
        ({"config": CONFIG, "schema": "/nowhere/schema.json"}, "/nowhere/schema.json"),
    ],
)
def test_bad_settings_are_one_message_without_a_value(args: dict[str, Any], words: str) -> None:
    action, result = rehearse(args)
    assert result["failed"] is True
    assert words in result["msg"]
    assert CANARY not in json.dumps(result)
    assert (action.asked, action.packed) == ([], {})


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "config, paths"),
        ({"config": CONFIG, "paths": ["/x"]}, "mutually exclusive"),
        ({"config": CONFIG, "state": "there"}, "state must be one of"),
        ({"config": CONFIG, "format": ["toml"]}, "format must be one or more of"),
    ],
)
def test_wrong_options_are_refused(args: dict[str, Any], words: str) -> None:
    action = Rehearsal(args)
    with pytest.raises(AnsibleActionFail, match=words) as raised:
        action.run(task_vars={})
    assert CANARY not in str(raised.value)
    assert (action.asked, action.packed) == ([], {})


def test_a_date_is_text_and_a_revert_needs_no_settings() -> None:
    action, _result = rehearse({"config": {"day": datetime.date(2026, 1, 31)}})
    assert json.loads(action.packed["module_args"]["config"]) == {"day": "2026-01-31"}
    action, _result = rehearse({"state": "reverted"})
    assert "config" not in action.packed["module_args"]


def test_both_ways_give_the_same_results(tmp_path: Path) -> None:
    program = runtime.ensure(str(tmp_path / "lib"))
    steps: list[tuple[dict[str, Any], bool]] = [
        ({"config": CONFIG}, True),
        ({"config": CONFIG, "deploy": "d1"}, False),
        ({"config": CONFIG, "deploy": "d1"}, False),
        ({"config": {**CONFIG, "greeting": "x"}, "state": "written", "deploy": "d2", "fence": 4}, False),
        ({"config": {**CONFIG, "greeting": "x"}, "fence": 3}, False),
        ({"config": {}, "group": "no-such-group"}, False),
        ({"state": "reverted", "deploy": "d2"}, False),
    ]
    outcomes = set()
    for number, (given, check) in enumerate(steps):
        found, expected = (way(program, tmp_path / name, given, check) for way, name in ((ask, "X"), (by_module, "Y")))
        assert found == expected, f"step {number}"
        outcomes.add(found.get("outcome", "refused"))
    assert outcomes == {"active", "unchanged", "written", "refused", "reverted"}


def ask(program: str, folder: Path, given: dict[str, Any], check: bool) -> dict[str, Any]:
    """What the program answers on a host: to options as the action plugin completes them."""
    completed = ArgumentSpecValidator(facade.OPTIONS).validate(options(folder, given))
    assert not completed.errors.messages
    request = {"module": "app_config", "options": completed.validated_parameters, "check": check, "diff": True}
    done = subprocess.run(
        [sys.executable, "-I", program, "call"], input=json.dumps(request), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return comparable(json.loads(done.stdout), folder)


def by_module(_program: str, folder: Path, given: dict[str, Any], check: bool) -> dict[str, Any]:
    packed = {**given, "config": json.dumps(given["config"])} if "config" in given else given
    return comparable(run_module("app_config", options(folder, packed), {}, check), folder)


def options(folder: Path, given: dict[str, Any]) -> dict[str, Any]:
    place = {"root": str(folder / "srv"), "path": str(folder / "etc" / "config.{format}")}
    return {"app": "hello", "dead_man": False, "activation": "none", **place, **given}


def comparable(result: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Without what two runs of one act, or two folders, may not share: ids are hashes over paths, too."""
    varying = {"invocation", "seconds", "exception", "warnings", "current", "previous", "last_good"}
    left = {key: value for key, value in result.items() if key not in varying}
    return json.loads(json.dumps(left).replace(str(folder), "/here"))
