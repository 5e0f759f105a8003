# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons of a Controller move real hosts: a developer asks, an approver decides, jobs run by ansible-runner do it.

The Controller is a fake with the real one's API and its order of steps; what a job does is real.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible_runner
import pytest
from ansible_collections.sysops.dtk.plugins.module_utils import controllers

from tests.fakes.controller import ControllerFake, Result, Work
from tests.unit.controller.estate import buttons, settings
from tests.unit.controller.harness import Applier

from .conftest import PLAYBOOK, Fleet

_STEPS = {"deploy", "plan", "promote_release", "report", "rollback", "status", "undo", "verdict"}
_LONG = 240


class Buttons:
    """A Controller with the demo's buttons."""

    def __init__(self, fleet: Fleet, controller: ControllerFake, place: Path) -> None:
        self._fleet, self.controller, self._place = fleet, controller, place
        self.ran: list[str] = []
        self.texts: dict[str, str] = {}
        declared = settings(
            roles=["web"],
            envs={fleet.env: {"production": True}},
            notify=[],
            credentials=[],
            url="https://c.example.com",
        )
        rows = [{"env": fleet.env, "role": "web", "apps": [fleet.app], "image": True, "fleet": False}]
        chosen = {name: button for name, button in buttons().items() if name in _STEPS}
        published = {fleet.env: {fleet.app: ["1.0.1", "1.0.2-broken", "1.0.0"]}}
        self._content = controllers.content(controllers.make_files(declared, rows, chosen, published))
        (place / "playbooks").mkdir()
        for button in chosen.values():
            if "playbook" in button:
                line = [{"name": "Run it", "ansible.builtin.import_playbook": f"sysops.dtk.{button['playbook']}"}]
                (place / "playbooks" / f"{button['playbook']}.yml").write_text(json.dumps(line), "utf-8")
        applied = Applier(controller, place)(self._content)
        assert applied["changed"], applied
        assert controller.wait()
        controller.run(self._run)

    def _run(self, work: Work) -> Result:
        """A job, as the Controller has ansible-runner do it."""
        folder = self._place / f"job-{work.id}"
        folder.mkdir()
        ran = ansible_runner.run(
            private_data_dir=str(folder),
            project_dir=str(self._place),
            inventory=str(self._fleet.inventory),
            playbook=work.fields["playbook"],
            extravars={**work.variables, "awx_job_id": work.id, "awx_user_name": "dev"},
            envvars=self._fleet.environ(PATH=f"{PLAYBOOK.parent}:{os.environ['PATH']}"),
            cmdline="--check" if work.fields["job_type"] == "check" else "",
            quiet=True,
        )
        self.ran.append(work.name)
        events = list(ran.events)
        self.texts[work.name] = "\n".join(event["stdout"] for event in events)
        (stats,) = [event["event_data"] for event in events if event["event"] == "playbook_on_stats"]
        return Result(ran.status, artifacts=stats.get("artifact_data", {}))

    def press(self, kind: str, name: str, **answers: Any) -> int:
        id = self.controller.object(kind, name)["id"]
        status, job = self.controller.call("POST", f"{kind}/{id}/launch", {"extra_vars": answers})
        assert status == 201, job
        return job["id"]

    def approve(self, workflow: int) -> None:
        """The question that the workflow comes to."""
        deadline = time.monotonic() + _LONG
        while not self.controller.objects("workflow_approvals", status="pending"):
            over = self.controller.call("GET", f"workflow_jobs/{workflow}")[1]["finished"]
            assert not over and time.monotonic() < deadline, self.texts
            time.sleep(0.1)
        (question,) = self.controller.objects("workflow_approvals", status="pending")
        assert self.controller.call("POST", f"workflow_approvals/{question['id']}/approve", {})[0] == 204

    def ended(self, kind: str, id: int) -> dict[str, Any]:
        assert self.controller.wait(_LONG), self.texts
        return self.controller.call("GET", f"{kind}/{id}")[1]


@pytest.fixture
def pressed(fleet: Fleet, tmp_path: Path) -> Iterator[Buttons]:
    with ControllerFake.start() as controller:
        yield Buttons(fleet, controller, tmp_path)


def test_a_release_is_promoted_a_bad_one_comes_back_and_a_good_one_is_rolled_back(
    fleet: Fleet, pressed: Buttons
) -> None:
    promote = pressed.press("workflow_job_templates", "Promote hello to demo", version="1.0.1", watch=1)
    pressed.approve(promote)
    assert pressed.ended("workflow_jobs", promote)["status"] == "successful", pressed.texts
    assert pressed.ran == ["Plan hello in demo", "Deploy hello to demo", "Verdict on hello in demo"]
    assert set(fleet.serving().values()) == {"1.0.1"}

    pressed.ran.clear()
    promote = pressed.press("workflow_job_templates", "Promote hello to demo", version="1.0.2-broken", watch=1)
    pressed.approve(promote)
    assert pressed.ended("workflow_jobs", promote)["status"] == "failed", pressed.texts
    assert pressed.ran == ["Plan hello in demo", "Deploy hello to demo", "Report on hello in demo"]
    assert "hello was not promoted to demo: HALT" in pressed.texts["Report on hello in demo"]
    assert set(fleet.serving().values()) == {"1.0.1"}

    status = pressed.ended("jobs", pressed.press("job_templates", "Status of demo", app="hello"))
    assert (status["status"], status["artifacts"]["dtk_result_status"]["verdict"]) == ("successful", "good")
    back = pressed.ended("jobs", pressed.press("job_templates", "Roll back hello in demo"))
    assert (back["status"], back["artifacts"]["dtk_result_rollback"]["release"]) == ("successful", "1.0.0")
    assert set(fleet.serving().values()) == {"1.0.0"}
