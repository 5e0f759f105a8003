# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A promotion to production, as the Controller carries it out: who may do what, and which step follows which."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.controller import ControllerFake, Result, Work
from tests.unit.controller.harness import Applier
from tests.unit.controller.test_apply import Content, small

__all__ = ["small"]
ANSWERS = {"extra_vars": {"version": "1.0.0", "watch": 1}}


class People:
    """A developer and an approver."""

    def __init__(self, controller: ControllerFake) -> None:
        self.controller = controller
        self.developer, self.approver = self._member("dev", "Developers"), self._member("ops", "SysOps")

    def _member(self, name: str, team: str) -> str:
        token = self.controller.add_user(name)
        (user,) = self.controller.objects("users", username=name)
        status, _ = self.controller.call(
            "POST", f"teams/{self.controller.object('teams', team)['id']}/users", {"id": user["id"]}
        )
        assert status == 204
        return token

    def launch(self, kind: str, name: str, token: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        id = self.controller.object(kind, name)["id"]
        return self.controller.call("POST", f"{kind}/{id}/launch", body or {}, token=token)

    def answer(self, how: str, token: str) -> int:
        """To the one question that waits."""
        self._until(lambda: self.controller.objects("workflow_approvals", status="pending"))
        (question,) = self.controller.objects("workflow_approvals", status="pending")
        return self.controller.call("POST", f"workflow_approvals/{question['id']}/{how}", {}, token=token)[0]

    def _until(self, met: Any) -> None:
        for _attempt in range(200):
            if met():
                return
            self.controller.wait(0.05)
        raise AssertionError("nobody was asked")


@pytest.fixture
def people(controller: ControllerFake, apply: Applier, small: Content) -> People:
    applied = apply(small)
    assert applied["changed"], applied
    assert controller.wait()
    return People(controller)


def test_a_promotion_from_the_question_to_its_end(controller: ControllerFake, people: People) -> None:
    ran: list[tuple[str, dict[str, Any]]] = []
    bad: set[str] = set()

    def runs(work: Work) -> Result:
        ran.append((work.name, work.variables))
        failed = work.name in bad
        step = work.name.split()[0].lower()
        return Result("failed" if failed else "successful", artifacts={f"dtk_result_{step}": {"text": work.name}})

    controller.run(runs)

    # A developer asks and does not decide.
    assert people.launch("job_templates", "Deploy shop to prod", people.developer, ANSWERS)[0] == 403
    status, job = people.launch("workflow_job_templates", "Promote shop to prod", people.developer, ANSWERS)
    assert status == 201, job
    assert people.answer("approve", people.developer) == 403
    assert people.answer("approve", people.approver) == 204
    assert controller.wait()
    assert [name for name, _ in ran] == ["Plan shop in prod", "Deploy shop to prod", "Verdict on shop in prod"]
    assert all(variables["version"] == "1.0.0" for _, variables in ran)
    assert "dtk_result_plan" in ran[1][1]
    assert controller.call("GET", f"workflow_jobs/{job['id']}")[1]["status"] == "successful"

    # A bad verdict undoes, and ends as failed, so that it is told.
    ran.clear()
    bad |= {"Verdict on shop in prod", "Report on shop in prod"}
    _, job = people.launch("workflow_job_templates", "Promote shop to prod", people.developer, ANSWERS)
    assert people.answer("approve", people.approver) == 204
    assert controller.wait()
    assert [name for name, _ in ran][2:] == ["Verdict on shop in prod", "Undo shop in prod", "Report on shop in prod"]
    assert controller.call("GET", f"workflow_jobs/{job['id']}")[1]["status"] == "failed"

    # Without a yes nothing is deployed.
    ran.clear()
    _, job = people.launch("workflow_job_templates", "Promote shop to prod", people.developer, ANSWERS)
    assert people.answer("deny", people.approver) == 204
    assert controller.wait()
    assert [name for name, _ in ran] == ["Plan shop in prod"]
    assert controller.call("GET", f"workflow_jobs/{job['id']}")[1]["status"] == "failed"
