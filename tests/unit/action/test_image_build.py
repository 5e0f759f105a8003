# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_build tells how far a build is, in Ansible's worker and where the module has to run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from ansible_collections.sysops.dtk.plugins.action import image_build
from ansible_collections.sysops.dtk.plugins.plugin_utils import following, worker

from tests.emulation import Emulation
from tests.unit.image_world import NAME, World, serve
from tests.unit.run_module import run_module

OPTIONS = {"name": NAME, "delay": 0.001}
WAY = ["BUILDING ApplyBuildComponents 1/7", "TESTING ApplyTestComponents 1/3", "DISTRIBUTING DistributeOutputAMI 0/1"]


@pytest.fixture(scope="module")
def server() -> Iterator[Emulation]:
    yield from serve()


@pytest.fixture
def world(server: Emulation, monkeypatch: pytest.MonkeyPatch) -> World:
    here = World.without_images(server)
    assert not here.pipeline().get("failed")
    for name, value in server.environ().items():
        monkeypatch.setenv(name, value)
    for name in worker.FOREIGN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return here


class Play:
    """One task; what it displays, and how often the module ran for it."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.told: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.between: Any = lambda: None
        monkeypatch.setattr(following, "display", mock.Mock(display=self.told.append))

    def run(self, options: dict[str, Any], python: str = "/usr/bin/other-python", **task: Any) -> dict[str, Any]:
        play = self

        class Rehearsal(image_build.ActionModule):
            def __init__(self) -> None:
                self._task = mock.Mock(
                    **{"check_mode": False, "async_val": 0, "environment": [{}], **task}, args=options
                )
                self._connection = mock.Mock(transport="local", become=None)
                self._templar = mock.Mock()
                self._templar.template = lambda value: value

            def _execute_module(self, module_args: Any = None, **_options: Any) -> dict[str, Any]:
                play.asked.append(module_args or options)
                result = run_module(
                    "image_build", play.asked[-1], play.world.aws.environ(), check=self._task.check_mode
                )
                play.between()
                return result

        return Rehearsal().run(task_vars={"ansible_python_interpreter": python})


@pytest.fixture
def play(world: World, monkeypatch: pytest.MonkeyPatch) -> Play:
    monkeypatch.setattr(following, "_SECONDS", 0)
    return Play(world, monkeypatch)


def test_in_the_worker(play: Play) -> None:
    result = play.run(OPTIONS, python=sys.executable)
    assert (result["started"], result["image"]["status"], play.asked) == (True, "AVAILABLE", [])
    assert play.told == [f"web {text}" for text in result["progress"]]
    assert set(WAY) < set(result["progress"])


def test_in_the_worker_nothing_is_printed_twice(play: Play, world: World) -> None:
    world.aws.image_builder.builder.pace = 0
    play.run({**OPTIONS, "wait_timeout": 0}, python=sys.executable)
    world.aws.image_builder.builder.pace = 1
    assert play.told == ["web PENDING"]


def test_where_the_module_runs_it_is_asked_again_and_again(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "time", mock.Mock(monotonic=lambda: 0.0))
    result = play.run(OPTIONS)
    assert (result["started"], result["attached"], result["changed"]) == (True, False, True)
    assert (result["image"]["status"], result["progress"][-1]) == ("AVAILABLE", "AVAILABLE")
    assert "timed_out" not in result
    assert play.told == [f"web {text}" for text in result["progress"]]
    assert len(set(play.told)) == len(play.told)
    assert len(play.asked) > 3
    assert len(play.world.held("image")) == 1


def test_a_build_that_fails_between_two_questions_is_not_started_again(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "time", mock.Mock(monotonic=lambda: 0.0))
    play.world.aws.image_builder.fail_at("BUILDING", "no more")
    play.between = lambda: play.world.aws.image_builder.advance(20)
    result = play.run({**OPTIONS, "tags": {"a": "b"}, "rebuild": "x"})
    assert result["failed"] is True
    assert "no more" in result["msg"]
    assert (result["started"], result["image"]["build"]) == (True, 1)
    assert len(play.world.held("image")) == 1


def test_the_time_is_that_of_all_questions(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(0, 1000, 10))
    monkeypatch.setattr(following, "time", mock.Mock(monotonic=lambda: float(next(ticks))))
    play.world.aws.image_builder.builder.pace = 0
    result = play.run({**OPTIONS, "wait_timeout": 35})
    play.world.aws.image_builder.builder.pace = 1
    assert (result["failed"], result["timed_out"], result["started"]) == (True, True, True)
    assert len(play.asked) == 5


@pytest.mark.parametrize(
    ("options", "task"),
    [
        pytest.param({**OPTIONS, "wait": "no"}, {}, id="not waiting"),
        pytest.param({**OPTIONS, "state": "cancelled"}, {}, id="cancelling"),
        pytest.param(OPTIONS, {"check_mode": True}, id="only checking"),
        pytest.param(OPTIONS, {"async_val": 60}, id="in the background"),
        pytest.param({**OPTIONS, "name": "none"}, {}, id="nothing to build"),
    ],
)
def test_once_is_enough(play: Play, options: dict[str, Any], task: dict[str, Any]) -> None:
    play.run(options, **task)
    assert len(play.asked) == 1
    assert play.told == []


def test_an_image_that_is_there_is_asked_for_once(play: Play, world: World) -> None:
    built = world.build()["image"]
    result = play.run({**OPTIONS, "region": "eu-west-1"}, python=sys.executable)
    assert (result["changed"], result["image"]) == (False, built)
    assert len(play.asked) == 1


def test_trouble_is_the_same_sentence(play: Play, world: World) -> None:
    by_module = world.module("image_build", {**OPTIONS, "name": "none"})
    in_worker = play.run({**OPTIONS, "name": "none"}, python=sys.executable)
    assert (in_worker["failed"], in_worker["msg"]) == (True, by_module["msg"])
