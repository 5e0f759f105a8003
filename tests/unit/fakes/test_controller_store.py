# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of the Controller of the tests: found, unique, joined, deleted, and with their secrets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.controller import ControllerFake

from .estate_of_controller import furnish


@pytest.fixture(scope="module")
def furnished() -> Iterator[ControllerFake]:
    """For what only looks."""
    with ControllerFake.start() as fake:
        furnish(fake)
        for number in range(30):
            assert fake.call("POST", "labels", {"name": f"Label-{number:02}", "organization": 1})[0] == 201
        yield fake
        assert fake.violations == []


@pytest.fixture
def controller() -> Iterator[ControllerFake]:
    with ControllerFake.start() as fake:
        furnish(fake)
        yield fake
        assert fake.violations == []


def where(controller: ControllerFake, kind: str, name: str, below: str = "") -> str:
    return f"{kind}/{controller.object(kind, name)['id']}/{below}".rstrip("/")


# --- finding ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "query", "names"),
    [
        ("job_templates", {"name": "Deploy"}, ["Deploy"]),
        ("job_templates", {"name": "deploy"}, []),
        ("job_templates", {"name__iexact": "deploy"}, ["Deploy"]),
        ("job_templates", {"name__in": "Deploy,Check"}, ["Deploy", "Check"]),
        ("job_templates", {"name__startswith": "Ch"}, ["Check"]),
        ("job_templates", {"name__regex": "^.e"}, ["Deploy"]),
        ("job_templates", {"not__name": "Check"}, ["Deploy"]),
        ("job_templates", {"or__name": "Check", "or__id": "0"}, ["Check"]),
        ("job_templates", {"labels__name": "dtk"}, ["Deploy"]),
        ("job_templates", {"project__name": "estate", "survey_enabled": "true"}, ["Deploy"]),
        ("job_templates", {"search": "dep"}, ["Deploy"]),
        ("job_templates", {"order_by": "name"}, ["Check", "Deploy"]),
        ("job_templates", {"order_by": "-name"}, ["Deploy", "Check"]),
        ("job_templates", {"execution_environment__isnull": "true"}, ["Deploy", "Check"]),
        ("job_templates", {"forks__gte": "1"}, []),
        ("projects", {"organization__name": "Acme"}, ["estate"]),
        ("credentials", {"credential_type__kind": "cloud"}, ["aws"]),
        ("execution_environments", {"organization": "None", "managed": "false"}, ["AWX EE (latest)"]),
        ("unified_job_templates", {"type": "workflow_job_template"}, ["Promote"]),
        ("unified_job_templates", {"name": "Deploy", "type": "job_template,project"}, ["Deploy"]),
        ("labels", {"name__contains": "-0", "page_size": "3", "page": "2"}, ["Label-03", "Label-04", "Label-05"]),
    ],
)
def test_lists_are_filtered(furnished: ControllerFake, kind: str, query: dict[str, str], names: list[str]) -> None:
    status, page = furnished.call("GET", kind, **query)
    assert (status, [one["name"] for one in page["results"]]) == (200, names)


@pytest.mark.parametrize(
    ("kind", "query", "words"),
    [
        ("job_templates", {"colour": "blue"}, "JobTemplate has no field named 'colour'"),
        ("job_templates", {"project__colour": "blue"}, "Project has no field named 'colour'"),
        ("users", {"password__startswith": "c"}, "Filtering on password fields is not allowed. (password)"),
        ("credentials", {"inputs__icontains": "c"}, "Filtering on password fields is not allowed. (inputs)"),
        ("job_templates", {"id": "many"}, "Field 'id' expected a number but got 'many'."),
        ("job_templates", {"survey_enabled": "perhaps"}, 'Unable to parse "perhaps" as boolean'),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(
    furnished: ControllerFake, kind: str, query: dict[str, str], words: str
) -> None:
    assert furnished.call("GET", kind, **query) == (400, {"detail": words})


def test_pages_lead_to_each_other(furnished: ControllerFake) -> None:
    status, first = furnished.call("GET", "labels", name__startswith="Label", page_size=20)
    assert (status, first["count"], len(first["results"]), first["previous"]) == (200, 30, 20, None)
    status, second = furnished.call("GET", first["next"])
    assert (status, len(second["results"]), second["next"]) == (200, 10, None)
    assert furnished.call("GET", second["previous"])[1] == first
    assert furnished.call("GET", "labels", page=9) == (404, {"detail": "Invalid page."})


def test_an_object_is_found_by_its_name_and_its_organizations(furnished: ControllerFake) -> None:
    assert furnished.call("GET", "job_templates/Deploy++Acme")[1]["name"] == "Deploy"
    assert furnished.call("GET", "job_templates/Deploy++Other")[0] == 404


# --- being the only one -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "answer"),
    [
        ("organizations", "Acme", {"name": ["Organization with this Name already exists."]}),
        ("users", "dev", {"username": ["A user with that username already exists."]}),
        ("teams", "Developers", {"__all__": ["Team with this Organization and Name already exists."]}),
        ("labels", "dtk", {"__all__": ["Label with this Name and Organization already exists."]}),
        ("projects", "estate", {"__all__": ["Project with this (name, organization) combination already exists."]}),
        (
            "job_templates",
            "Deploy",
            {"__all__": ["JobTemplate with this (name, organization) combination already exists."]},
        ),
        ("schedules", "nightly", {"__all__": ["Schedule with this Unified job template and Name already exists."]}),
        ("credential_types", "AWS role", {"__all__": ["Credential type with this Name and Kind already exists."]}),
    ],
)
def test_a_name_is_taken_once(furnished: ControllerFake, kind: str, name: str, answer: dict[str, Any]) -> None:
    body = furnished.object(kind, name)
    operation = furnished.world.schema.operation(f"/api/{{version}}/{kind}/", "post")
    fields = furnished.world.schema.fields(operation.body)
    again = {key: value for key, value in body.items() if key in fields and not fields[key].read_only}
    assert furnished.call("POST", kind, again) == (400, answer)


def test_another_organization_may_have_the_same_name(controller: ControllerFake) -> None:
    assert controller.call("POST", "labels", {"name": "dtk", "organization": 1})[0] == 201
    status, _ = controller.call("PATCH", where(controller, "organizations", "Default"), {"name": "Acme"})
    assert status == 400


# --- lists below ------------------------------------------------------------------------------------------------


def test_a_list_is_joined_and_left(controller: ControllerFake) -> None:
    labels = where(controller, "job_templates", "Check", "labels")
    id = controller.object("labels", "dtk")["id"]
    assert controller.call("POST", labels, {"id": id}) == (204, "")
    assert controller.call("POST", labels, {"id": id}) == (204, "")
    assert [one["id"] for one in controller.call("GET", labels)[1]["results"]] == [id]
    summary = controller.object("job_templates", "Check")["summary_fields"]["labels"]
    assert (summary["count"], summary["results"][0]["name"]) == (1, "dtk")
    assert controller.call("POST", labels, {"id": id, "disassociate": True}) == (204, "")
    assert controller.call("GET", labels)[1]["count"] == 0
    assert controller.call("POST", labels, {"id": 999})[0] == 400
    assert controller.call("POST", labels, {"id": "dtk"}) == (400, {"msg": '"id" field must be an integer.'})


def test_a_label_that_nobody_carries_goes(controller: ControllerFake) -> None:
    labels = where(controller, "job_templates", "Deploy", "labels")
    id = controller.object("labels", "dtk")["id"]
    assert controller.call("POST", labels, {"id": id, "disassociate": True})[0] == 204
    assert controller.objects("labels") == []


def test_a_template_has_one_credential_of_a_type(controller: ControllerFake) -> None:
    body = {
        "name": "other",
        "organization": controller.object("organizations", "Acme")["id"],
        "credential_type": controller.object("credential_types", "AWS role")["id"],
    }
    other = controller.call("POST", "credentials", body)[1]["id"]
    status, answer = controller.call("POST", where(controller, "job_templates", "Deploy", "credentials"), {"id": other})
    assert (status, answer) == (400, {"error": "Cannot assign multiple AWS role credentials."})


def test_variables_are_read_and_written_as_a_whole(controller: ControllerFake) -> None:
    data = where(controller, "inventories", "staging", "variable_data")
    assert controller.call("PUT", data, {"a": 1}) == (200, {"a": 1})
    assert controller.call("GET", data) == (200, {"a": 1})
    assert controller.object("inventories", "staging")["variables"] == '{"a": 1}'


def test_an_inventory_is_told_as_ansible_reads_it(controller: ControllerFake) -> None:
    web = where(controller, "hosts", "web-1")
    assert controller.call("PATCH", web, {"variables": "port: 80"})[0] == 200
    inventory = controller.object("inventories", "staging")["id"]
    assert controller.call("POST", "hosts", {"name": "off", "inventory": inventory, "enabled": False})[0] == 201
    assert controller.call("POST", "hosts", {"name": "db-1", "inventory": inventory})[0] == 201
    script = f"inventories/{inventory}/script"
    assert controller.call("GET", script) == (200, {"all": {"hosts": ["db-1"]}, "web": {"hosts": ["web-1"]}})
    assert controller.call("GET", script, hostvars=1)[1]["_meta"] == {"hostvars": {"web-1": {"port": 80}, "db-1": {}}}


# --- deleting ---------------------------------------------------------------------------------------------------


def gone(controller: ControllerFake, kind: str, name: str) -> int:
    return controller.call("DELETE", where(controller, kind, name))[0]


def test_an_organization_takes_what_is_its_own(controller: ControllerFake) -> None:
    assert gone(controller, "organizations", "Acme") == 204
    for kind in ("teams", "credentials", "labels", "notification_templates"):
        assert controller.objects(kind) == [], kind
    assert controller.object("projects", "estate")["organization"] is None
    assert controller.below("job_templates", "Deploy", "credentials") == []
    assert controller.objects("users", username="dev")


def test_an_inventory_takes_its_content_and_leaves_templates(controller: ControllerFake) -> None:
    assert gone(controller, "inventories", "staging") == 202
    for kind in ("hosts", "groups", "inventory_sources"):
        assert controller.objects(kind) == [], kind
    deploy = controller.object("job_templates", "Deploy")
    assert deploy["inventory"] is None
    answers = {"extra_vars": {"app": "api", "version": "1.0"}}
    assert controller.call("POST", f"job_templates/{deploy['id']}/launch", answers) == (
        400,
        {"inventory": ["Job Template 'inventory' is missing or undefined."]},
    )


def test_a_template_takes_its_schedules_and_empties_nodes(controller: ControllerFake) -> None:
    assert gone(controller, "job_templates", "Check") == 204
    assert controller.objects("schedules") == []
    nodes = {
        node["identifier"]: node["unified_job_template"] for node in controller.objects("workflow_job_template_nodes")
    }
    assert nodes["check"] is None
    assert controller.call("POST", where(controller, "workflow_job_templates", "Promote", "launch"), {})[0] == 400


def test_a_workflow_takes_its_nodes_and_approvals(controller: ControllerFake) -> None:
    assert gone(controller, "workflow_job_templates", "Promote") == 204
    assert controller.objects("workflow_job_template_nodes") == []
    assert controller.objects("workflow_approval_templates") == []


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("credential_types", "AWS role", "Credential types that are in use cannot be deleted"),
        ("credential_types", "Machine", "Deletion not allowed for managed credential types"),
        ("instance_groups", "default", "Deletion not allowed for managed instance groups"),
    ],
)
def test_what_others_need_stays(furnished: ControllerFake, kind: str, name: str, words: str) -> None:
    assert furnished.call("DELETE", where(furnished, kind, name)) == (403, {"detail": words})


# --- secrets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["canary-password", "canary-key", "canary-webhook", "canary-default"])
def test_secrets_are_kept_sealed_and_shown_as_such(furnished: ControllerFake, secret: str) -> None:
    assert any(secret in one.body for one in furnished.exchanges)
    for kind in furnished.world.schema.kinds:
        for one in furnished.objects(kind):
            furnished.call("GET", one["url"])
    assert furnished.leaks(secret) == []
    assert not furnished.keeps_readable(secret)


def test_a_secret_that_comes_back_as_asterisks_stays(controller: ControllerFake) -> None:
    aws = where(controller, "credentials", "aws")
    shown = controller.call("GET", aws)[1]["inputs"]
    assert shown == {"role": "arn", "key": "$encrypted$"}
    assert controller.call("PATCH", aws, {"inputs": {**shown, "role": "other"}})[0] == 200
    assert controller.secrets("credentials", "aws")["inputs"] == {"role": "other", "key": "canary-key"}


@pytest.mark.parametrize(
    ("kind", "body", "answer"),
    [
        (
            "credentials",
            {"inputs": {"nay": "x"}},
            {"inputs": ["Additional properties are not allowed ('nay' was unexpected)"]},
        ),
        (
            "credential_types",
            {"injectors": {"env": {"X": "{{ nay }}"}}},
            {"injectors": ["X uses an undefined field ('nay' is undefined)"]},
        ),
        ("credential_types", {"kind": "ssh"}, {"kind": ["Must be 'cloud' or 'net', not ssh"]}),
        (
            "notification_templates",
            {"notification_configuration": {"url": "x"}},
            {"notification_configuration": ["Missing required fields for Notification Configuration: ['headers']."]},
        ),
        ("projects", {"scm_url": ""}, {"scm_url": ["SCM URL is required."]}),
        ("inventory_sources", {"source_project": None}, {"source_project": ["Project required for scm type sources."]}),
        ("job_templates", {"playbook": ""}, {"playbook": ["Must select playbook for project."]}),
        (
            "job_templates",
            {"inventory": None},
            {"inventory": ["You must either set a default value or ask to prompt on launch."]},
        ),
    ],
)
def test_rules_beyond_the_schema_hold(
    furnished: ControllerFake, kind: str, body: dict[str, Any], answer: dict[str, Any]
) -> None:
    row = next(one for one in furnished.objects(kind) if not one.get("managed"))
    assert furnished.call("PATCH", f"{kind}/{row['id']}", body) == (400, answer)


def test_a_playbook_must_be_in_the_project_if_that_is_known(controller: ControllerFake) -> None:
    controller.set_playbooks(["deploy.yml"])
    deploy = where(controller, "job_templates", "Deploy")
    assert controller.call("PATCH", deploy, {"playbook": "gone.yml"}) == (
        400,
        {"playbook": ["Playbook not found for project."]},
    )
    assert controller.call("PATCH", deploy, {"playbook": "deploy.yml"})[0] == 200
    assert controller.call("GET", where(controller, "projects", "estate", "playbooks")) == (200, ["deploy.yml"])
