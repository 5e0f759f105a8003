# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""instance_refresh tells how far a refresh is, in Ansible's worker and where the module has to run."""

from __future__ import annotations

import sys
from typing import Any
from unittest import mock

import pytest
from ansible_collections.sysops.dtk.plugins.action import instance_refresh
from ansible_collections.sysops.dtk.plugins.module_utils import instance_refreshes
from ansible_collections.sysops.dtk.plugins.plugin_utils import following, worker

OPTIONS = {"name": "web", "state": "started", "image_id": "ami-0123456789abcdef0", "preferences": {"bake_time": 1}}
BEGUN = {
    "changed": True,
    "started": True,
    "attached": False,
    "text": ["REFRESH web"],
    "replacing": ["i-1"],
    "launch_template": {"version": 2},
    "instance_refresh": {"instance_refresh_id": "r-1", "status": "Pending"},
}


class Play:
    """One task; what it displays, and what the module was asked and has answered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: dict[str, Any]) -> None:
        self.told: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.answers = iter(answers)
        monkeypatch.setattr(following, "display", mock.Mock(display=self.told.append))
        ticks = iter(range(0, 10_000, 10))
        monkeypatch.setattr(following, "time", mock.Mock(monotonic=lambda: float(next(ticks))))
        for name in worker.FOREIGN_VARIABLES:
            monkeypatch.delenv(name, raising=False)

    def run(self, options: dict[str, Any], python: str = "/usr/bin/other-python", **task: Any) -> dict[str, Any]:
        play = self

        class Rehearsal(instance_refresh.ActionModule):
            def __init__(self) -> None:
                settings = {"check_mode": False, "async_val": 0, "environment": [{}], **task}
                self._task = mock.Mock(**settings, args=options)
                self._connection = mock.Mock(transport="local", become=None)
                self._templar = mock.Mock()
                self._templar.template = lambda value: value

            def _execute_module(self, module_args: Any = None, **_options: Any) -> dict[str, Any]:
                play.asked.append(module_args or options)
                return next(play.answers)

        return Rehearsal().run(task_vars={"ansible_python_interpreter": python})


def seen(*progress: str, **more: Any) -> dict[str, Any]:
    return {"changed": False, "started": False, "attached": True, "progress": list(progress), **more}


def test_where_the_module_runs_it_follows_the_one_that_it_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    late = {"timed_out": True, "failed": True}
    play = Play(monkeypatch, BEGUN, seen("a", **late), seen("a", "b", **late), seen("b", "Successful 100 %"))
    result = play.run(OPTIONS)
    assert play.told == ["web a", "web b", "web Successful 100 %"]
    assert (result["progress"], result["changed"], result["started"]) == (["a", "b", "Successful 100 %"], True, True)
    assert (result["replacing"], result["launch_template"]) == (["i-1"], {"version": 2})
    assert "failed" not in result
    first, *others = play.asked
    assert first == {**OPTIONS, "wait": False}
    for one in others:
        assert one == {
            "name": "web",
            "state": "started",
            "instance_refresh_id": "r-1",
            "wait": True,
            "wait_timeout": 30,
        }


def test_the_time_is_that_of_all_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    late = seen("a", timed_out=True, failed=True)
    play = Play(monkeypatch, BEGUN, late, late, late, late)
    result = play.run({**OPTIONS, "wait_timeout": 45})
    assert (result["failed"], result["timed_out"], len(play.asked)) == (True, True, 3)


@pytest.mark.parametrize(
    ("options", "task", "answer"),
    [
        pytest.param({**OPTIONS, "wait": "no"}, {}, BEGUN, id="not waiting"),
        pytest.param({"name": "web", "state": "cancelled"}, {}, BEGUN, id="cancelling"),
        pytest.param(OPTIONS, {"check_mode": True}, BEGUN, id="only checking"),
        pytest.param(OPTIONS, {}, {**BEGUN, "instance_refresh": None}, id="nothing to do"),
        pytest.param(OPTIONS, {}, {"failed": True, "msg": "no"}, id="refused"),
    ],
)
def test_once_is_enough(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], task: dict[str, Any], answer: dict[str, Any]
) -> None:
    play = Play(monkeypatch, answer)
    assert play.run(options, **task) == answer
    assert (len(play.asked), play.told) == (1, [])


def test_in_the_worker_it_is_the_facade_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(options: dict[str, Any], _client: Any, _clock: Any, check: bool, tell: Any) -> dict[str, Any]:
        tell("InProgress 50 %")
        return {"changed": not check, "name": options["name"]}

    monkeypatch.setattr(instance_refreshes, "answer", answer)
    play = Play(monkeypatch)
    assert play.run(OPTIONS, python=sys.executable) == {"changed": True, "name": "web"}
    assert (play.told, play.asked) == (["web InProgress 50 %"], [])
