# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both ways of module release, for real on this machine: by the program left on a host, and by the module."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.sysops.dtk.plugins.action import release
from ansible_collections.sysops.dtk.plugins.module_utils import host
from ansible_collections.sysops.dtk.plugins.module_utils._host import runtime
from ansible_collections.sysops.dtk.plugins.plugin_utils import on_host

from tests.unit.run_module import run_module

# What Ansible adds to every result of a module that has a path.
ADDED = {"invocation", "uid", "gid", "owner", "group", "mode", "size", "state", "secontext"}
# What two runs of the same act may not share.
VARYING = {"seconds", "path", "exception", "warnings"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    return runtime.ensure(str(tmp_path_factory.mktemp("lib")))


@pytest.fixture
def artifact(tmp_path: Path) -> dict[str, Any]:
    data = b"1.0.0\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("VERSION")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    path = tmp_path / "hello-1.0.0.tar.gz"
    path.write_bytes(packed.getvalue())
    manifest = {
        "app": "hello",
        "version": "1.0.0",
        "format": "tar.gz",
        "sha256": hashlib.sha256(packed.getvalue()).hexdigest(),
        "size": len(packed.getvalue()),
        "unpacked_size": len(data),
        "files": 1,
        "created": "2026-01-31T12:00:00Z",
    }
    return {"source": str(path), "manifest": manifest}


def ask(program: str, options: dict[str, Any], check: bool) -> dict[str, Any]:
    """What the program answers on a host: to options as the action plugin completes them."""
    completed = ArgumentSpecValidator(host.RELEASE_OPTIONS).validate(options)
    assert not completed.errors.messages
    request = json.dumps({"options": completed.validated_parameters, "check": check})
    done = subprocess.run(
        [sys.executable, "-I", program, "call"], input=request, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def comparable(result: dict[str, Any]) -> dict[str, Any]:
    left = {key: value for key, value in result.items() if key not in ADDED | VARYING}
    if "msg" in left:
        left["msg"] = left["msg"].replace("/Y/", "/X/")
    return left


def steps(artifact: dict[str, Any]) -> list[tuple[dict[str, Any], bool]]:
    wanted = {"version": "1.0.0"}
    bad = {"pre": [{"command": ["/bin/false"], "timeout": 5}]}
    return [
        ({**wanted, "state": "staged", **artifact}, True),
        ({**wanted, "state": "staged", **artifact}, False),
        ({**wanted, "state": "staged", **artifact}, False),
        ({**wanted, "hooks": bad, "fence": 3}, False),
        ({**wanted, "fence": 3, "deploy": "d1", "by": "me"}, True),
        ({**wanted, "fence": 3, "deploy": "d1", "by": "me"}, False),
        ({**wanted, "fence": 2}, False),
        ({"version": "9.9.9"}, False),
        ({**wanted, "state": "absent"}, False),
        ({**wanted, "state": "reverted", "fence": 3, "deploy": "d1"}, False),
    ]


def test_both_ways_give_the_same_results(tmp_path: Path, artifact: dict[str, Any], program: str) -> None:
    outcomes = set()
    for number, (given, check) in enumerate(steps(artifact)):
        options = {"app": "hello", "dead_man": False, **given}
        found = ask(program, {"root": str(tmp_path / "X"), **options}, check)
        (tmp_path / "Y").mkdir(exist_ok=True)
        expected = run_module("release", {"root": str(tmp_path / "Y"), **options}, {}, check)
        assert comparable(found) == comparable(expected), f"step {number}"
        outcomes.add(found.get("outcome", "refused"))
    assert outcomes == {"staged", "unchanged", "active", "refused", "failed", "reverted"}


class Rehearsal(release.ActionModule):
    """The action plugin with a host that says what the test wants."""

    def __init__(
        self, says: dict[str, Any] | None, check: bool = False, pipelining: bool = True, wait: int = 0
    ) -> None:
        self._task = mock.Mock(check_mode=check, async_val=wait, environment=None)
        self._task.args = {"app": "hello", "version": "1.0.0", "state": "staged", "source": "https://x/y?secret"}
        self._connection = mock.Mock()
        self._connection.is_pipelining_enabled.return_value = pipelining
        self._connection._shell.env_prefix.return_value = "LANG=C"
        self._templar = mock.Mock()
        self._templar.template = lambda value: value
        self._says = says
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def _low_level_execute_command(self, cmd: str, in_data: bytes = b"", **_options: Any) -> dict[str, Any]:
        self.asked.append((cmd, json.loads(in_data)))
        return {"stderr": "", **(self._says or {})}

    def _execute_module(self, **options: Any) -> dict[str, Any]:
        return {"by": "module", "wrap_async": options["wrap_async"]}


def rehearse(says: dict[str, Any] | None = None, python: str = "auto", **how: Any) -> tuple[Rehearsal, dict[str, Any]]:
    action = Rehearsal(says, **how)
    return action, action.run(task_vars={"ansible_python_interpreter": python})


@pytest.mark.parametrize(
    ("python", "used"), [("auto", "/usr/bin/python3"), ("/opt/py/bin/python", "/opt/py/bin/python")]
)
@pytest.mark.parametrize("check", [True, False])
def test_the_program_is_asked_by_stdin(python: str, used: str, check: bool) -> None:
    action, result = rehearse({"rc": 0, "stdout": 'Welcome!\n{"changed": true}\n'}, python, check=check)
    assert result["changed"] is True
    ((command, request),) = action.asked
    assert f"exec {used} -I {on_host.PROGRAM} call" in command
    assert command.startswith("LANG=C ")
    assert "secret" not in command
    assert request["options"]["source"] == "https://x/y?secret"
    assert request["options"]["keep"] == 5, "defaults are filled in"
    assert request["check"] is check


@pytest.mark.parametrize("how", [{"pipelining": False}, {"wait": 60}])
def test_without_pipelining_or_in_the_background_it_is_the_module(how: dict[str, Any]) -> None:
    action, result = rehearse(**how)
    assert (result["by"], result["wrap_async"], action.asked) == ("module", how.get("wait", 0), [])


def test_a_host_without_the_program_gets_the_module() -> None:
    action, result = rehearse({"rc": 127, "stdout": ""})
    assert result["by"] == "module"
    assert len(action.asked) == 1


def test_a_program_that_was_killed_has_failed_and_is_not_run_again() -> None:
    _action, result = rehearse({"rc": 137, "stdout": "half an ans", "stderr": "Killed"})
    assert "by" not in result
    assert result["failed"] is True
    assert "ended without an answer, exit code 137: half an ans Killed" in result["msg"]


def test_wrong_options_are_refused_before_the_host_is_asked() -> None:
    action = Rehearsal(None)
    action._task.args["state"] = "there"
    with pytest.raises(AnsibleActionFail, match=r"state must be one of"):
        action.run(task_vars={})
    assert action.asked == []
