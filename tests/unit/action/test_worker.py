# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the modules that talk to AWS answer in Ansible's worker, and that they answer the same there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.sysops.dtk.plugins.action import deploy_log, deploy_plan
from ansible_collections.sysops.dtk.plugins.plugin_utils import worker

from tests.unit.emulated_aws import EmulatedAws, build_archive
from tests.unit.run_module import run_module

LOG = {"app": "hello", "env": "prod", "id": "none", "state": "committed"}
BY_MODULE = {"by": "module"}


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, aws: EmulatedAws) -> pytest.MonkeyPatch:
    for name, value in aws.environ().items():
        monkeypatch.setenv(name, value)
    for name in worker.FOREIGN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def release(aws: EmulatedAws, tmp_path: Path) -> str:
    archive = build_archive(tmp_path / "hello-1.0.0.tar.gz", "1.0.0")
    source = {"app": "hello", "version": "1.0.0", "src": str(archive), "bucket": aws.bucket}
    assert run_module("artifact", source, aws.environ())["changed"]
    return "1.0.0"


def play(
    plugin: Any, options: dict[str, Any], python: str = sys.executable, transport: str = "local", **task: Any
) -> dict[str, Any]:
    class Rehearsal(plugin.ActionModule):
        def __init__(self) -> None:
            self._task = mock.Mock(**{"check_mode": False, "async_val": 0, "environment": [{}], **task}, args=options)
            self._connection = mock.Mock(transport=transport, become=task.get("become"))
            self._templar = mock.Mock()
            self._templar.template = lambda value: value

        def _execute_module(self, **_options: Any) -> dict[str, Any]:
            return BY_MODULE

    return Rehearsal().run(task_vars={"ansible_python_interpreter": python})


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"python": "/usr/bin/other-python"}, id="another Python"),
        pytest.param({"transport": "ssh"}, id="another machine"),
        pytest.param({"become": mock.Mock()}, id="another user"),
        pytest.param({"async_val": 60}, id="in the background"),
        pytest.param({"environment": [{"AWS_PROFILE": "x"}]}, id="another environment"),
        pytest.param({"options": {**LOG, "region": "eu-west-1"}}, id="a region of its own"),
        pytest.param({"options": {**LOG, "profile": "x"}}, id="a profile of its own"),
    ],
)
def test_whatever_is_not_the_same_here_is_left_to_the_module(how: dict[str, Any], environ: object) -> None:
    assert play(deploy_log, **{"options": LOG, **how}) == BY_MODULE


@pytest.mark.parametrize("name", worker.FOREIGN_VARIABLES)
def test_variables_that_only_the_modules_know_are_left_to_them(name: str, environ: pytest.MonkeyPatch) -> None:
    environ.setenv(name, "x")
    assert play(deploy_log, LOG) == BY_MODULE


@pytest.mark.parametrize("check", [True, False])
def test_a_plan_and_its_end_are_those_of_the_modules(
    check: bool, environ: object, aws: EmulatedAws, release: str
) -> None:
    place = {"app": "hello", "env": "prod", "prefix": aws.prefix}
    asked = {**place, "bucket": aws.bucket, "version": release, "hosts": [{"name": "web-1"}], "owner": "me"}
    by_module = run_module("deploy_plan", {**asked, "claim": False}, aws.environ())
    in_worker = play(deploy_plan, asked, check_mode=check)
    varying = {"id", "lease_until", "claimed"}
    assert {k: v for k, v in in_worker["plan"].items() if k not in varying} == {
        k: v for k, v in by_module["plan"].items() if k not in varying
    }
    assert (in_worker["changed"], in_worker["plan"]["claimed"]) == (not check, not check)
    if not check:
        ended = play(deploy_log, {**place, "id": in_worker["plan"]["id"], "state": "committed"})
        assert ended["slot"]["stable"] == release


def test_trouble_is_the_same_sentence(environ: object, aws: EmulatedAws) -> None:
    options = {**LOG, "prefix": aws.prefix}
    by_module = run_module("deploy_log", options, aws.environ())
    in_worker = play(deploy_log, options)
    assert in_worker["failed"] is True
    assert in_worker["msg"] == by_module["msg"]


def test_no_region_is_the_same_sentence(environ: pytest.MonkeyPatch, aws: EmulatedAws) -> None:
    environ.delenv("AWS_REGION", raising=False)
    environ.delenv("AWS_DEFAULT_REGION")
    environ.setenv("AWS_CONFIG_FILE", "/dev/null")
    bare = {key: value for key, value in aws.environ().items() if "REGION" not in key}
    assert play(deploy_log, LOG)["msg"] == run_module("deploy_log", LOG, bare)["msg"]


def test_wrong_options_are_refused(environ: object) -> None:
    with pytest.raises(AnsibleActionFail, match=r"state must be one of"):
        play(deploy_log, {**LOG, "state": "lost"})
