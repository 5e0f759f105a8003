# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The awx.awx modules, as they are installed, get on with the Controller of the tests as with a real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.controller import ControllerFake
from tests.unit.run_module import run_module

from .estate_of_controller import SURVEY

# In the order in which they depend on each other; each makes one object, or more.
TASKS: list[tuple[str, dict[str, Any]]] = [
    ("organization", {"name": "Acme", "description": "All", "default_environment": "AWX EE (latest)"}),
    ("team", {"name": "Developers", "organization": "Acme"}),
    (
        "user",
        {"username": "dev", "password": "canary-password", "organization": "Acme", "update_secrets": False},
    ),
    (
        "credential_type",
        {
            "name": "AWS role",
            "kind": "cloud",
            "inputs": {
                "fields": [
                    {"id": "role", "label": "Role", "type": "string"},
                    {"id": "key", "label": "Key", "type": "string", "secret": True},
                ],
                "required": ["role"],
            },
            "injectors": {"env": {"ROLE": "{{ role }}", "KEY": "{{ key }}"}},
        },
    ),
    (
        "credential",
        {
            "name": "aws",
            "organization": "Acme",
            "credential_type": "AWS role",
            "inputs": {"role": "arn", "key": "canary-key"},
            "update_secrets": False,
        },
    ),
    (
        "credential",
        {
            "name": "ssh",
            "organization": "Acme",
            "credential_type": "Machine",
            "inputs": {"username": "admin", "ssh_key_data": "canary-ssh"},
            "update_secrets": False,
        },
    ),
    ("instance_group", {"name": "prod", "max_concurrent_jobs": 2, "instances": ["awx-1"]}),
    (
        "execution_environment",
        {"name": "dtk", "image": "quay.io/acme/dtk:1", "organization": "Acme", "pull": "missing"},
    ),
    (
        "project",
        {
            "name": "estate",
            "organization": "Acme",
            "scm_type": "git",
            "scm_url": "https://git.invalid/estate.git",
            "scm_branch": "main",
            "scm_update_on_launch": True,
            "default_environment": "dtk",
        },
    ),
    ("inventory", {"name": "prod", "organization": "Acme", "variables": {"env": "prod"}, "instance_groups": ["prod"]}),
    ("host", {"name": "web-1", "inventory": "prod", "variables": {"ansible_connection": "local"}}),
    ("group", {"name": "web", "inventory": "prod", "hosts": ["web-1"]}),
    (
        "inventory_source",
        {
            "name": "fleet",
            "inventory": "prod",
            "organization": "Acme",
            "source": "scm",
            "source_project": "estate",
            "source_path": "inventories/prod.dtk.yml",
            "update_on_launch": True,
            "update_cache_timeout": 60,
        },
    ),
    ("label", {"name": "dtk", "organization": "Acme"}),
    (
        "notification_template",
        {
            "name": "chat",
            "organization": "Acme",
            "notification_type": "webhook",
            "notification_configuration": {
                "url": "https://chat.invalid",
                "headers": {},
                "http_method": "POST",
                "disable_ssl_verification": False,
                "username": "",
                "password": "",
            },
        },
    ),
    (
        "job_template",
        {
            "name": "Deploy",
            "organization": "Acme",
            "project": "estate",
            "inventory": "prod",
            "playbook": "deploy.yml",
            "credentials": ["aws", "ssh"],
            "labels": ["dtk"],
            "instance_groups": ["prod", "default"],
            "notification_templates_error": ["chat"],
            "extra_vars": {"dtk_env": "prod"},
            "survey_enabled": True,
            "survey_spec": {**SURVEY, "spec": SURVEY["spec"][:3]},
        },
    ),
    (
        "job_template",
        {
            "name": "Check",
            "organization": "Acme",
            "project": "estate",
            "inventory": "prod",
            "playbook": "check.yml",
            "ask_limit_on_launch": True,
        },
    ),
    (
        "schedule",
        {
            "name": "nightly",
            "organization": "Acme",
            "unified_job_template": "Check",
            "rrule": "DTSTART:20240101T010000Z RRULE:FREQ=DAILY;INTERVAL=1",
        },
    ),
    ("role", {"team": "Developers", "role": "execute", "job_templates": ["Check"], "lookup_organization": "Acme"}),
    ("role", {"user": "dev", "role": "member", "target_team": "Developers", "lookup_organization": "Acme"}),
    ("settings", {"settings": {"SCHEDULE_MAX_JOBS": 5}}),
]
WORKFLOW: tuple[str, dict[str, Any]] = (
    "workflow_job_template",
    {
        "name": "Promote",
        "organization": "Acme",
        "labels": ["dtk"],
        "notification_templates_approvals": ["chat"],
        "workflow_nodes": [
            {
                "identifier": "check",
                "unified_job_template": {"name": "Check", "type": "job_template", "organization": {"name": "Acme"}},
                "related": {"success_nodes": [{"identifier": "gate"}]},
            },
            {
                "identifier": "gate",
                "unified_job_template": {"name": "Sure?", "type": "workflow_approval", "timeout": 900},
                "related": {"success_nodes": [{"identifier": "again"}]},
            },
            {
                "identifier": "again",
                "unified_job_template": {"name": "Check", "type": "job_template", "organization": {"name": "Acme"}},
            },
        ],
    },
)
APPROVER: tuple[str, dict[str, Any]] = ("role", {"user": "dev", "role": "approval", "workflow": "Promote"})
CANARIES = ("canary-password", "canary-key", "canary-ssh")


def run(controller: ControllerFake, task: tuple[str, dict[str, Any]], check: bool = False) -> dict[str, Any]:
    module, options = task
    result = run_module(f"awx.awx.{module}", json.loads(json.dumps(options)), controller.env, check)
    assert not result.get("failed"), (task, result)
    return result


@pytest.fixture
def empty() -> Iterator[ControllerFake]:
    with ControllerFake.start() as controller:
        yield controller
        assert controller.violations == []


@pytest.fixture(scope="module")
def applied() -> Iterator[ControllerFake]:
    """After a first application, each part of which made something."""
    with ControllerFake.start() as controller:
        results = [(task, run(controller, task)) for task in [*TASKS, WORKFLOW, APPROVER]]
        assert [task for task, result in results if not result["changed"]] == []
        yield controller
        assert controller.violations == []


def test_a_second_application_changes_nothing_but_approvals(applied: ControllerFake) -> None:
    """Measured at a real one: only a workflow with an approval says that it changed, with this warning."""
    before = applied.snapshot()
    assert [task for task in [*TASKS, APPROVER] if run(applied, task)["changed"]] == []
    workflow = run(applied, WORKFLOW)
    assert workflow["changed"]
    assert "The field identifier of workflow_approval_template" in str(workflow["warnings"])
    assert applied.snapshot() == before


def test_a_user_with_a_password_is_never_as_it_was_without_update_secrets(applied: ControllerFake) -> None:
    """Measured at a real one."""
    options = {"username": "dev", "password": "canary-password", "organization": "Acme"}
    assert run(applied, ("user", options))["changed"]
    assert not run(applied, ("user", {**options, "update_secrets": False}))["changed"]


def test_what_was_made_is_what_was_asked_for(applied: ControllerFake) -> None:
    deploy = applied.object("job_templates", "Deploy")
    assert json.loads(deploy["extra_vars"]) == {"dtk_env": "prod"}
    assert deploy["organization"] == applied.object("organizations", "Acme")["id"]
    assert deploy["summary_fields"]["project"]["name"] == "estate"
    assert [one["name"] for one in applied.below("job_templates", "Deploy", "credentials")] == ["aws", "ssh"]
    assert [one["name"] for one in applied.below("job_templates", "Deploy", "instance_groups")] == ["prod", "default"]
    assert [question["variable"] for question in applied.survey("job_templates", "Deploy")["spec"]] == [
        "app",
        "version",
        "batch",
    ]
    assert applied.secrets("credentials", "aws")["inputs"] == {"role": "arn", "key": "canary-key"}
    assert applied.object("projects", "estate")["status"] == "successful"
    nodes = {node["identifier"]: node for node in applied.objects("workflow_job_template_nodes")}
    assert nodes["check"]["success_nodes"] == [nodes["gate"]["id"]]
    assert nodes["gate"]["summary_fields"]["unified_job_template"]["unified_job_type"] == "workflow_approval"


@pytest.mark.parametrize("secret", CANARIES)
def test_a_secret_goes_in_and_never_comes_out(applied: ControllerFake, secret: str) -> None:
    assert any(secret in one.body for one in applied.writes())
    assert applied.leaks(secret) == []
    assert not applied.keeps_readable(secret)


def test_check_mode_only_asks(empty: ControllerFake) -> None:
    assert run(empty, TASKS[0], check=True)["changed"]
    assert empty.writes() == []
    assert empty.objects("organizations", name="Acme") == []


def test_a_changed_survey_changes_one_object(applied: ControllerFake) -> None:
    [(module, options)] = [task for task in TASKS if task[1].get("name") == "Deploy"]
    changed = {**options, "survey_spec": {**options["survey_spec"], "description": "Another one"}}
    applied.forget_calls()
    assert run(applied, (module, changed))["changed"]
    template = applied.object("job_templates", "Deploy")["id"]
    assert [one.path for one in applied.writes()] == [f"/api/v2/job_templates/{template}/survey_spec/"]
    assert run(applied, (module, options))["changed"]


def test_what_was_made_by_the_modules_is_taken_away_by_them(empty: ControllerFake) -> None:
    for task in [*TASKS, WORKFLOW]:
        run(empty, task)
    gone = [
        ("workflow_job_template", {"name": "Promote", "organization": "Acme"}),
        ("job_template", {"name": "Deploy", "organization": "Acme"}),
        ("project", {"name": "estate", "organization": "Acme"}),
        ("inventory", {"name": "prod", "organization": "Acme"}),
        ("organization", {"name": "Acme"}),
    ]
    for module, options in gone:
        assert run(empty, (module, {**options, "state": "absent"}))["changed"]
        assert not run(empty, (module, {**options, "state": "absent"}))["changed"]
    assert empty.objects("workflow_job_template_nodes") == []
    assert empty.objects("workflow_approval_templates") == []
    assert empty.objects("credentials") == []


def test_a_token_is_shown_once(empty: ControllerFake) -> None:
    made = run(empty, ("token", {"description": "for CI", "scope": "read"}))["ansible_facts"]["controller_token"]
    assert empty.call("GET", "me", token=made["token"])[0] == 200
    assert empty.call("POST", "labels", {}, token=made["token"])[0] == 403
    assert empty.call("GET", f"tokens/{made['id']}")[1]["token"] == "************"
    assert not empty.keeps_readable(made["token"])


def test_a_password_does_instead_of_a_token(empty: ControllerFake) -> None:
    """The modules make a token of it, and take it back at the end."""
    known = {name: value for name, value in empty.env.items() if "TOKEN" not in name}
    login = {"CONTROLLER_USERNAME": "admin", "CONTROLLER_PASSWORD": ControllerFake.PASSWORD}
    before = len(empty.objects("tokens"))
    assert run_module("awx.awx.organization", {"name": "Acme"}, {**known, **login})["changed"]
    assert len(empty.objects("tokens")) == before
    wrong = run_module("awx.awx.organization", {"name": "Acme"}, {**known, **login, "CONTROLLER_PASSWORD": "guess"})
    assert "401" in wrong["msg"]


def test_a_copy_is_like_what_it_is_copied_from(applied: ControllerFake) -> None:
    options = {"name": "Deploy too", "copy_from": "Deploy", "organization": "Acme"}
    assert run(applied, ("job_template", options))["copied"]
    copied, deploy = (applied.object("job_templates", name) for name in ("Deploy too", "Deploy"))
    assert copied["playbook"] == deploy["playbook"]
    assert applied.survey("job_templates", "Deploy too") == applied.survey("job_templates", "Deploy")
    assert [one["name"] for one in applied.below("job_templates", "Deploy too", "labels")] == ["dtk"]
    assert run(applied, ("workflow_job_template", {"name": "Promote too", "copy_from": "Promote"}))["copied"]
    workflow = applied.object("workflow_job_templates", "Promote too")["id"]
    nodes = applied.objects("workflow_job_template_nodes", workflow_job_template=workflow)
    assert {node["identifier"]: len(node["success_nodes"]) for node in nodes} == {"check": 1, "gate": 1, "again": 0}
    for module, name in (("job_template", "Deploy too"), ("workflow_job_template", "Promote too")):
        run(applied, (module, {"name": name, "state": "absent"}))


def test_many_hosts_and_jobs_at_once(applied: ControllerFake) -> None:
    hosts = [{"name": f"bulk-{number}"} for number in range(3)]
    made = run(applied, ("bulk_host_create", {"inventory": "prod", "hosts": hosts}))
    assert made["changed"]
    again = run_module("awx.awx.bulk_host_create", {"inventory": "prod", "hosts": hosts}, applied.env)
    assert "Duplicates found: ['bulk-0', 'bulk-1', 'bulk-2']" in str(again["response"])
    ids = [host["id"] for host in applied.objects("hosts") if host["name"].startswith("bulk-")]
    assert run(applied, ("bulk_host_delete", {"hosts": ids}))["changed"]
    assert not [host for host in applied.objects("hosts") if host["name"].startswith("bulk-")]
    check = applied.object("job_templates", "Check")["id"]
    jobs = [{"unified_job_template": check, "identifier": name} for name in ("a", "b")]
    launched = run(applied, ("bulk_job_launch", {"jobs": jobs, "wait": True, "interval": 0.1}))
    assert launched["job_info"]["status"] in {"pending", "successful"}
    assert applied.objects("workflow_jobs", name="Bulk Job Launch")[0]["status"] == "successful"


PLAY = """
- hosts: localhost
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - awx.awx.organization:
        name: Acme
    - awx.awx.credential_type:
        name: AWS role
        kind: cloud
        inputs: {fields: [{id: role, label: Role}]}
        injectors: {env: {ROLE: !unsafe "{{ role }}"}}
    - awx.awx.label:
        name: dtk
        organization: Acme
"""


def test_ansible_playbook_gets_on_with_it(empty: ControllerFake, tmp_path: Path) -> None:
    """In processes of their own, with everything packed as for a host."""
    play = tmp_path / "play.yml"
    play.write_text(PLAY, encoding="utf-8")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", str(play)],
        env={**os.environ, **empty.env, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=3" in done.stdout
    assert empty.object("credential_types", "AWS role")["injectors"] == {"env": {"ROLE": "{{ role }}"}}
