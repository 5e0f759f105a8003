# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Controller of a team has: one of each kind that deploys need."""

from __future__ import annotations

from typing import Any

from tests.fakes.controller import ControllerFake

SURVEY = {
    "name": "Deploy",
    "description": "What, and which version of it",
    "spec": [
        {
            "type": "multiplechoice",
            "question_name": "App",
            "variable": "app",
            "required": True,
            "choices": ["api", "web"],
            "default": "api",
        },
        {"type": "text", "question_name": "Version", "variable": "version", "required": True, "min": 2, "max": 10},
        {
            "type": "integer",
            "question_name": "Hosts at once",
            "variable": "batch",
            "required": False,
            "min": 1,
            "max": 5,
        },
        {"type": "password", "question_name": "Pin", "variable": "pin", "required": False, "default": "canary-default"},
    ],
}


def make(controller: ControllerFake, path: str, **body: Any) -> dict[str, Any]:
    status, answer = controller.call("POST", path, body)
    assert status in {200, 201}, (path, answer)
    return answer


def join(controller: ControllerFake, path: str, id: int) -> None:
    assert controller.call("POST", path, {"id": id})[0] == 204


def furnish(controller: ControllerFake) -> None:
    """Organization Acme with all that belongs to it."""
    acme = make(controller, "organizations", name="Acme")["id"]
    team = make(controller, "teams", name="Developers", organization=acme)["id"]
    dev = make(controller, f"organizations/{acme}/users", username="dev", password="canary-password")["id"]
    join(controller, f"teams/{team}/users", dev)
    kind = make(
        controller,
        "credential_types",
        name="AWS role",
        kind="cloud",
        inputs={"fields": [{"id": "role", "label": "Role"}, {"id": "key", "label": "Key", "secret": True}]},
        injectors={"env": {"ROLE": "{{ role }}", "KEY": "{{ key }}"}},
    )["id"]
    credential = make(
        controller,
        "credentials",
        name="aws",
        organization=acme,
        credential_type=kind,
        inputs={"role": "arn", "key": "canary-key"},
    )["id"]
    make(controller, "execution_environments", name="dtk", organization=acme, image="quay.io/acme/dtk:1")
    project = make(
        controller, "projects", name="estate", organization=acme, scm_type="git", scm_url="https://git.invalid/estate"
    )["id"]
    inventory = make(controller, "inventories", name="staging", organization=acme)["id"]
    host = make(controller, "hosts", name="web-1", inventory=inventory)["id"]
    group = make(controller, "groups", name="web", inventory=inventory)["id"]
    join(controller, f"groups/{group}/hosts", host)
    make(
        controller,
        "inventory_sources",
        name="fleet",
        inventory=inventory,
        source="scm",
        source_project=project,
        source_path="staging.dtk.yml",
    )
    label = make(controller, "labels", name="dtk", organization=acme)["id"]
    chat = make(
        controller,
        "notification_templates",
        name="chat",
        organization=acme,
        notification_type="webhook",
        notification_configuration={"url": "https://chat.invalid", "headers": {}, "password": "canary-webhook"},
    )["id"]
    deploy = make(
        controller,
        "job_templates",
        name="Deploy",
        project=project,
        inventory=inventory,
        playbook="deploy.yml",
        extra_vars='{"dtk_env": "staging"}',
        survey_enabled=True,
    )["id"]
    make(controller, f"job_templates/{deploy}/survey_spec", **SURVEY)
    join(controller, f"job_templates/{deploy}/labels", label)
    join(controller, f"job_templates/{deploy}/credentials", credential)
    join(controller, f"job_templates/{deploy}/notification_templates_error", chat)
    check = make(
        controller,
        "job_templates",
        name="Check",
        project=project,
        inventory=inventory,
        playbook="check.yml",
        ask_variables_on_launch=True,
        ask_limit_on_launch=True,
    )["id"]
    make(
        controller,
        "schedules",
        name="nightly",
        unified_job_template=check,
        rrule="DTSTART:20240101T010000Z RRULE:FREQ=DAILY;INTERVAL=1",
    )
    workflow(controller, acme, check, deploy)


def workflow(controller: ControllerFake, organization: int, check: int, deploy: int) -> None:
    """Check, let somebody approve it, deploy; a failure is checked again."""
    promote = make(
        controller, "workflow_job_templates", name="Promote", organization=organization, ask_variables_on_launch=True
    )["id"]
    nodes = f"workflow_job_templates/{promote}/workflow_nodes"
    first = make(controller, nodes, identifier="check", unified_job_template=check)["id"]
    gate = make(controller, nodes, identifier="gate")["id"]
    make(controller, f"workflow_job_template_nodes/{gate}/create_approval_template", name="Sure?", timeout=60)
    last = make(
        controller,
        nodes,
        identifier="deploy",
        unified_job_template=deploy,
        extra_data={"app": "api", "version": "1.0"},
    )["id"]
    rescue = make(controller, nodes, identifier="rescue", unified_job_template=check)["id"]
    join(controller, f"workflow_job_template_nodes/{first}/success_nodes", gate)
    join(controller, f"workflow_job_template_nodes/{gate}/success_nodes", last)
    join(controller, f"workflow_job_template_nodes/{last}/failure_nodes", rescue)
