# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Controller of the tests runs what is launched: questions, answers, jobs and workflows."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.controller import ControllerFake, Result, Work
from tests.unit.run_module import run_module

from .estate_of_controller import SURVEY, furnish

GOOD = {"app": "api", "version": "1.0"}


@pytest.fixture(scope="module")
def furnished() -> Iterator[ControllerFake]:
    """For what is refused, and so changes nothing."""
    with ControllerFake.start() as fake:
        furnish(fake)
        yield fake
        assert fake.violations == []


@pytest.fixture
def controller() -> Iterator[ControllerFake]:
    with ControllerFake.start() as fake:
        furnish(fake)
        yield fake
        assert fake.wait()
        assert fake.violations == []


def path(controller: ControllerFake, name: str, below: str = "launch", kind: str = "job_templates") -> str:
    return f"{kind}/{controller.object(kind, name)['id']}/{below}"


def launch(controller: ControllerFake, name: str, **body: Any) -> tuple[int, Any]:
    kind = "workflow_job_templates" if name == "Promote" else "job_templates"
    return controller.call("POST", path(controller, name, kind=kind), body)


class Recorder:
    """A runner that keeps what it was given, and says what it was told to."""

    def __init__(self, **results: Result | str) -> None:
        self.works: list[Work] = []
        self._results = results

    def __call__(self, work: Work) -> Result | str | None:
        self.works.append(work)
        return self._results.get(work.name)


# --- surveys ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"version": "1.0"}, "'app' value missing"),
        ({"app": "api"}, "'version' value missing"),
        ({**GOOD, "app": "db"}, "Value db for 'app' expected to be one of ['api', 'web']."),
        ({**GOOD, "version": "1"}, "'version' value 1 is too small (length is 1 must be at least 2)."),
        ({**GOOD, "version": "1.0-and-more"}, "'version' value 1.0-and-more is too large (must be no more than 10)."),
        ({**GOOD, "version": 1.0}, "Value 1.0 for 'version' expected to be a string."),
        ({**GOOD, "batch": 0}, "'batch' value 0 is too small (must be at least 1)."),
        ({**GOOD, "batch": 6}, "'batch' value 6 is too large (must be no more than 5)."),
        ({**GOOD, "batch": "2"}, "Value 2 for 'batch' expected to be an integer."),
    ],
)
def test_a_wrong_answer_starts_nothing(furnished: ControllerFake, answers: dict[str, Any], words: str) -> None:
    assert launch(furnished, "Deploy", extra_vars=answers) == (400, {"variables_needed_to_start": [words]})
    assert furnished.objects("jobs") == []


def test_a_secret_answer_is_not_repeated_in_a_refusal(furnished: ControllerFake) -> None:
    status, _ = launch(furnished, "Deploy", extra_vars={**GOOD, "pin": ["canary-pin"]})
    assert status == 400
    assert furnished.leaks("canary-pin") == []


def test_answers_defaults_and_own_variables_make_those_of_a_job(controller: ControllerFake) -> None:
    recorder = Recorder()
    controller.run(recorder)
    status, job = launch(controller, "Deploy", extra_vars={**GOOD, "batch": 2})
    assert (status, job["status"], job["ignored_fields"]) == (201, "pending", {})
    assert controller.wait()
    shown = controller.objects("jobs")[0]
    assert shown["status"] == "successful"
    assert json.loads(shown["extra_vars"]) == {
        "dtk_env": "staging",
        "app": "api",
        "version": "1.0",
        "batch": 2,
        "pin": "$encrypted$",
    }
    [work] = recorder.works
    assert work.variables["pin"] == "canary-default"
    assert work.variables["awx_job_id"] == job["id"]
    assert work.playbook == "deploy.yml"
    assert work.credentials == [
        {
            "name": "aws",
            "kind": "AWS role",
            "inputs": {"role": "arn", "key": "canary-key"},
            "injectors": {"env": {"ROLE": "{{ role }}", "KEY": "{{ key }}"}},
        }
    ]
    assert work.inventory["name"] == "staging"
    assert controller.leaks("canary") == []
    assert not controller.keeps_readable("canary")


def test_what_is_not_asked_for_is_ignored_and_told(controller: ControllerFake) -> None:
    recorder = Recorder()
    controller.run(recorder)
    body = {"extra_vars": {**GOOD, "dtk_env": "prod"}, "limit": "web-9", "job_type": "check"}
    status, job = launch(controller, "Deploy", **body)
    assert status == 201
    assert job["ignored_fields"] == {"limit": "web-9", "job_type": "check", "extra_vars": {"dtk_env": "prod"}}
    assert controller.wait()
    assert recorder.works[0].variables["dtk_env"] == "staging"
    assert recorder.works[0].fields["limit"] == ""


def test_what_is_asked_for_is_heard(controller: ControllerFake) -> None:
    status, job = launch(controller, "Check", limit="web-1", extra_vars={"deep": True})
    assert (status, job["limit"], json.loads(job["extra_vars"])) == (201, "web-1", {"deep": True})


def test_a_launch_says_what_it_needs(furnished: ControllerFake) -> None:
    status, needs = furnished.call("GET", path(furnished, "Deploy"))
    assert status == 200
    assert needs["variables_needed_to_start"] == ["app", "version"]
    assert not needs["can_start_without_user_input"]
    assert furnished.call("POST", path(furnished, "Deploy"), {"inventory": 999})[0] == 400


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": None}, "Expected string for field 'name', received NoneType type."),
        ({"spec": []}, "'spec' doesn't contain any items."),
        ({"spec": [{"type": "text"}]}, "'question_name' missing from survey question 0"),
        (
            {"spec": [{"type": "text", "question_name": "?", "variable": "x", "required": "yes"}]},
            "'required' in survey question 0 expected to be boolean.",
        ),
        (
            {"spec": [{"type": "multiplechoice", "question_name": "?", "variable": "x", "required": True}]},
            "Survey question 0 of type multiplechoice must specify choices.",
        ),
        (
            {
                "spec": [
                    {
                        "type": "multiplechoice",
                        "question_name": "?",
                        "variable": "x",
                        "required": True,
                        "choices": ["a"],
                        "default": "b",
                    }
                ]
            },
            "Default choice must be answered from the choices listed.",
        ),
        (
            {"spec": [{"type": "integer", "question_name": "?", "variable": "x", "required": True, "default": "1"}]},
            "Default value 1 in survey question 0 expected to be integer.",
        ),
        ({"spec": [SURVEY["spec"][0]] * 2}, "'variable' 'app' duplicated in survey question 1."),
    ],
)
def test_a_survey_that_makes_no_sense_is_refused(furnished: ControllerFake, change: dict[str, Any], words: str) -> None:
    assert furnished.call("POST", path(furnished, "Deploy", "survey_spec"), {**SURVEY, **change}) == (
        400,
        {"error": words},
    )


def test_a_survey_type_must_be_known(furnished: ControllerFake) -> None:
    question = {"type": "colour", "question_name": "?", "variable": "x", "required": True}
    status, answer = furnished.call("POST", path(furnished, "Deploy", "survey_spec"), {**SURVEY, "spec": [question]})
    assert status == 400
    assert answer["error"].startswith("'colour' in survey question 0 is not one of")


def test_a_survey_shows_no_secret_and_keeps_it_when_it_comes_back(controller: ControllerFake) -> None:
    spec = path(controller, "Deploy", "survey_spec")
    _, shown = controller.call("GET", spec)
    assert shown["spec"][3]["default"] == "$encrypted$"
    assert controller.call("POST", spec, shown) == (200, {})
    assert controller.survey("job_templates", "Deploy") == SURVEY
    assert controller.call("DELETE", spec)[0] == 200
    assert controller.call("GET", spec) == (200, {})


# --- schedules --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"limit": "web-1"}, {"limit": ["Field is not configured to prompt on launch."]}),
        ({"extra_data": {"app": "api"}}, {"variables_needed_to_start": ["'version' value missing"]}),
        (
            {"extra_data": {**GOOD, "more": 1}},
            {
                "extra_data": [
                    "Variables more are not allowed on launch. Check the Prompt on Launch setting on the Job Template "
                    "to include Extra Variables."
                ]
            },
        ),
        (
            {"rrule": "FREQ=DAILY"},
            {"rrule": ["Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ"]},
        ),
        ({"rrule": "DTSTART:20240101T010000Z RRULE:FREQ=DAILY"}, {"rrule": ["INTERVAL required in rrule."]}),
        (
            {"rrule": "DTSTART:20240101T010000Z RRULE:FREQ=SECONDLY;INTERVAL=1"},
            {"rrule": ["SECONDLY is not supported."]},
        ),
    ],
)
def test_a_schedule_must_fit_what_it_starts(
    furnished: ControllerFake, body: dict[str, Any], answer: dict[str, Any]
) -> None:
    whole = {
        "name": "often",
        "rrule": "DTSTART:20240101T010000Z RRULE:FREQ=DAILY;INTERVAL=1",
        "extra_data": GOOD,
        "unified_job_template": furnished.object("job_templates", "Deploy")["id"],
    }
    assert furnished.call("POST", "schedules", whole | body) == (400, answer)


def test_a_schedule_is_changed_without_saying_it_all_again(controller: ControllerFake) -> None:
    schedule = {"name": "often", "rrule": controller.object("schedules", "nightly")["rrule"], "extra_data": GOOD}
    status, made = controller.call("POST", path(controller, "Deploy", "schedules"), schedule)
    assert status == 201
    assert controller.call("PATCH", f"schedules/{made['id']}", {"enabled": False})[0] == 200
    status, answer = controller.call("PATCH", f"schedules/{made['id']}", {"extra_data": {"app": "api"}})
    assert (status, list(answer)) == (400, ["variables_needed_to_start"])


def test_a_secret_answer_is_kept_sealed_for_later(controller: ControllerFake) -> None:
    recorder = Recorder()
    controller.run(recorder)
    answers = {**GOOD, "pin": "canary-pin"}
    schedule = {"name": "often", "rrule": controller.object("schedules", "nightly")["rrule"], "extra_data": answers}
    _, made = controller.call("POST", path(controller, "Deploy", "schedules"), schedule)
    assert made["extra_data"] == {**GOOD, "pin": "$encrypted$"}
    assert controller.call("PATCH", f"schedules/{made['id']}", {"extra_data": made["extra_data"]})[0] == 200
    controller.fire("often")
    assert controller.wait()
    assert recorder.works[0].variables["pin"] == "canary-pin"
    assert controller.leaks("canary-pin") == []
    assert not controller.keeps_readable("canary-pin")


def test_a_schedule_knows_its_times_and_can_be_fired(controller: ControllerFake) -> None:
    nightly = controller.object("schedules", "nightly")
    assert nightly["dtstart"] == "2024-01-01T01:00:00Z"
    assert nightly["next_run"].endswith("T01:00:00Z")
    assert nightly["timezone"] == "UTC"
    controller.fire("nightly")
    assert controller.wait()
    [job] = controller.objects("jobs")
    assert (job["name"], job["launch_type"]) == ("Check", "scheduled")
    status, times = controller.call("POST", "schedules/preview", {"rrule": nightly["rrule"]})
    assert (status, len(times["utc"])) == (200, 10)


# --- jobs -------------------------------------------------------------------------------------------------------


def test_what_a_runner_says_becomes_the_job(controller: ControllerFake) -> None:
    def runner(work: Work) -> Result:
        work.emit({"event": "runner_on_ok", "stdout": "ok: [web-1]", "event_data": {"host": "web-1", "task": "Look"}})
        return Result("failed", {"release": "r1"}, explanation="it did not")

    controller.run(runner)
    _, job = launch(controller, "Check")
    assert controller.wait()
    [shown] = controller.objects("jobs")
    assert (shown["status"], shown["failed"], shown["artifacts"]) == ("failed", True, {"release": "r1"})
    assert shown["finished"]
    assert shown["elapsed"] >= 0
    status, page = controller.call("GET", f"jobs/{job['id']}/job_events")
    assert (status, [event["host_name"] for event in page["results"]]) == (200, ["web-1"])
    assert controller.call("GET", f"jobs/{job['id']}/stdout", format="txt") == (200, "ok: [web-1]\n")
    template = controller.object("job_templates", "Check")
    assert (template["status"], template["summary_fields"]["last_job"]["id"]) == ("failed", job["id"])


def test_a_runner_that_breaks_is_an_error_of_the_job(controller: ControllerFake) -> None:
    def runner(_work: Work) -> Result:
        raise ValueError("no such playbook")

    controller.run(runner)
    launch(controller, "Check")
    assert controller.wait()
    [job] = controller.objects("jobs")
    assert (job["status"], job["job_explanation"]) == ("error", "ValueError: no such playbook")


def test_jobs_of_one_template_follow_each_other(controller: ControllerFake) -> None:
    entered, go = threading.Semaphore(0), threading.Event()

    def runner(_work: Work) -> str:
        entered.release()
        assert go.wait(10)
        return "successful"

    controller.run(runner)
    first, second = (launch(controller, "Check")[1]["id"] for _ in range(2))
    assert entered.acquire(timeout=10)
    statuses = {job["id"]: job["status"] for job in controller.objects("jobs")}
    assert statuses == {first: "running", second: "pending"}
    assert controller.call("DELETE", f"jobs/{second}")[0] == 409
    assert controller.call("DELETE", path(controller, "Check", "").rstrip("/"))[0] == 409
    go.set()
    assert controller.wait()
    assert {job["status"] for job in controller.objects("jobs")} == {"successful"}


def test_a_job_is_cancelled(controller: ControllerFake) -> None:
    running = threading.Event()

    def runner(work: Work) -> str:
        running.set()
        assert work.cancelled.wait(10)
        return "failed"

    controller.run(runner)
    first, second = (launch(controller, "Check")[1]["id"] for _ in range(2))
    assert running.wait(10)
    for id in (second, first):
        assert controller.call("GET", f"jobs/{id}/cancel") == (200, {"can_cancel": True})
        assert controller.call("POST", f"jobs/{id}/cancel", {})[0] == 202
    assert controller.wait()
    assert {job["status"] for job in controller.objects("jobs")} == {"canceled"}
    assert controller.call("POST", f"jobs/{first}/cancel", {})[0] == 405


def test_a_job_is_started_again_as_it_was(controller: ControllerFake) -> None:
    recorder = Recorder()
    controller.run(recorder)
    _, job = launch(controller, "Deploy", extra_vars={**GOOD, "pin": "canary-pin"})
    assert controller.wait()
    status, again = controller.call("POST", f"jobs/{job['id']}/relaunch", {})
    assert (status, again["launch_type"]) == (201, "relaunch")
    assert controller.wait()
    assert [work.variables["pin"] for work in recorder.works] == ["canary-pin"] * 2
    assert controller.leaks("canary-pin") == []


def test_projects_and_sources_are_updated(controller: ControllerFake) -> None:
    controller.run(lambda _work: Result(fields={"scm_revision": "c0ffee"}), "project_updates")
    status, job = controller.call("POST", path(controller, "estate", "update", "projects"), {})
    assert (status, job["type"]) == (202, "project_update")
    assert controller.wait()
    assert controller.object("projects", "estate")["scm_revision"] == "c0ffee"
    status, job = controller.call("POST", path(controller, "fleet", "update", "inventory_sources"), {})
    assert (status, job["type"]) == (202, "inventory_update")
    assert controller.object("inventory_sources", "fleet")["status"] == "successful"


def test_the_first_update_of_a_project_may_fail(controller: ControllerFake) -> None:
    """Measured at a real one: the next try succeeds."""
    outcomes = iter(["failed", "successful"])
    controller.run(lambda _work: next(outcomes), "project_updates")
    options = {"organization": "Acme", "scm_type": "git", "scm_url": "https://git.invalid/x", "interval": 0.1}
    made = run_module("awx.awx.project", {"name": "fresh", **options}, controller.env)
    assert (made["failed"], made["msg"]) == (True, "Project update failed")
    again = run_module("awx.awx.project", {"name": "fresh", "update_project": True, **options}, controller.env)
    assert again.get("failed") is None
    assert controller.object("projects", "fresh")["status"] == "successful"


def test_the_modules_launch_and_wait(controller: ControllerFake) -> None:
    controller.run(Recorder(Check=Result("successful", {"verdict": "good"})))
    result = run_module("awx.awx.job_launch", {"name": "Check", "wait": True, "interval": 0.1}, controller.env)
    assert (result["status"], result["changed"]) == ("successful", True)
    controller.run(Recorder(Deploy="failed"))
    options = {"name": "Deploy", "extra_vars": GOOD, "wait": True, "interval": 0.1}
    result = run_module("awx.awx.job_launch", options, controller.env)
    assert result["failed"]
    assert result["status"] == "failed"


# --- workflows --------------------------------------------------------------------------------------------------


def approval(controller: ControllerFake) -> dict[str, Any]:
    """The one that waits."""
    with controller.world.jobs.changed:
        assert controller.world.jobs.changed.wait_for(lambda: controller.objects("workflow_approvals"), timeout=10)
    return controller.objects("workflow_approvals")[-1]


def ran(controller: ControllerFake) -> dict[str, str]:
    """What each node of the last workflow came to."""
    statuses = {job["id"]: job["status"] for job in controller.objects("unified_jobs")}
    return {
        node["identifier"]: statuses.get(node["job"], "not run") for node in controller.objects("workflow_job_nodes")
    }


def test_a_workflow_waits_for_its_approval_and_goes_on(controller: ControllerFake) -> None:
    recorder = Recorder(Check=Result(artifacts={"plan": "three hosts"}))
    controller.run(recorder)
    status, job = launch(controller, "Promote", extra_vars={"why": "because"})
    assert (status, job["type"]) == (201, "workflow_job")
    waiting = approval(controller)
    assert (waiting["status"], waiting["name"]) == ("pending", "Sure?")
    assert ran(controller) == {"check": "successful", "gate": "pending", "deploy": "not run", "rescue": "not run"}
    assert controller.call("POST", f"workflow_approvals/{waiting['id']}/approve", {})[0] == 204
    assert controller.wait()
    assert ran(controller) == {"check": "successful", "gate": "successful", "deploy": "successful", "rescue": "not run"}
    assert controller.objects("workflow_jobs")[0]["status"] == "successful"
    deploy = recorder.works[-1]
    heard = {name: deploy.variables[name] for name in ("plan", "why", "app", "version")}
    assert heard == {"plan": "three hosts", "why": "because", **GOOD}
    assert controller.call("POST", f"workflow_approvals/{waiting['id']}/deny", {})[0] == 400


def test_a_denial_ends_a_workflow(controller: ControllerFake) -> None:
    launch(controller, "Promote")
    assert controller.call("POST", f"workflow_approvals/{approval(controller)['id']}/deny", {})[0] == 204
    assert ran(controller) == {"check": "successful", "gate": "failed", "deploy": "not run", "rescue": "not run"}
    assert controller.objects("workflow_jobs")[0]["status"] == "failed"


def test_a_failure_goes_its_own_way(controller: ControllerFake) -> None:
    controller.run(Recorder(Deploy="failed"))
    launch(controller, "Promote")
    controller.call("POST", f"workflow_approvals/{approval(controller)['id']}/approve", {})
    assert controller.wait()
    assert ran(controller)["rescue"] == "successful"
    assert controller.objects("workflow_jobs")[0]["status"] == "successful"


def test_a_workflow_refuses_what_it_does_not_ask_for(furnished: ControllerFake) -> None:
    """Unlike a job template, which takes no notice of it."""
    assert launch(furnished, "Promote", limit="web-1") == (
        400,
        {"limit": ["Field is not configured to prompt on launch."]},
    )


def test_a_workflow_is_cancelled_with_what_it_runs(controller: ControllerFake) -> None:
    _, job = launch(controller, "Promote")
    approval(controller)
    assert controller.call("POST", f"workflow_jobs/{job['id']}/cancel", {})[0] == 202
    assert ran(controller)["gate"] == "canceled"
    assert controller.objects("workflow_jobs")[0]["status"] == "canceled"


def test_the_modules_approve(controller: ControllerFake) -> None:
    _, job = launch(controller, "Promote")
    options = {"workflow_job_id": job["id"], "name": "Sure?", "action": "approve", "interval": 0.1, "timeout": 10}
    assert run_module("awx.awx.workflow_approval", options, controller.env)["changed"]
    assert controller.wait()
    assert ran(controller)["deploy"] == "successful"


def test_nodes_make_no_circle(furnished: ControllerFake) -> None:
    nodes = {node["identifier"]: node["id"] for node in furnished.objects("workflow_job_template_nodes")}
    circle = f"workflow_job_template_nodes/{nodes['deploy']}/success_nodes"
    assert furnished.call("POST", circle, {"id": nodes["check"]}) == (400, {"Error": "Cycle detected."})


# --- notifications ----------------------------------------------------------------------------------------------


def test_who_is_to_be_told_is_told(controller: ControllerFake) -> None:
    controller.run(Recorder(Deploy="failed"))
    _, job = launch(controller, "Deploy", extra_vars=GOOD)
    assert controller.wait()
    [told] = controller.objects("notifications")
    page = f"{controller.call('GET', 'settings/all')[1]['TOWER_URL_BASE']}/#/jobs/playbook/{job['id']}"
    assert (told["notification_type"], told["subject"]) == (
        "webhook",
        f"Job #{job['id']} 'Deploy' failed: {page}",
    )
    status, page = controller.call("GET", f"jobs/{job['id']}/notifications")
    assert (status, page["count"]) == (200, 1)
