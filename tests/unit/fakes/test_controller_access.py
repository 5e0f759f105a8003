# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what in the Controller of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.controller import ControllerFake
from tests.fakes.controller.tables import ROLES
from tests.unit.run_module import run_module

from .estate_of_controller import furnish

FORBIDDEN = (403, {"detail": "You do not have permission to perform this action."})
KINDS = ("job_templates", "workflow_job_templates", "projects", "inventories", "credentials")


@pytest.fixture(scope="module")
def furnished() -> Iterator[ControllerFake]:
    """For what only looks, or is refused."""
    with ControllerFake.start() as fake:
        furnish(fake)
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


def seen(controller: ControllerFake, token: str) -> dict[str, list[str]]:
    answers = {kind: controller.call("GET", kind, token=token)[1]["results"] for kind in KINDS}
    return {kind: [one["name"] for one in found] for kind, found in answers.items()}


# --- who are you ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "guessed"])
def test_without_a_good_token_nothing_is_told(furnished: ControllerFake, token: str) -> None:
    status, answer = furnished.call("GET", "job_templates", token=token)
    assert (status, answer["detail"].split(".")[0]) == (401, "Authentication credentials were not provided")
    assert furnished.call("GET", "ping", token="guessed")[0] == 401


def test_the_modules_say_that_a_token_is_bad(furnished: ControllerFake) -> None:
    result = run_module("awx.awx.label", {"name": "x", "organization": "Acme"}, furnished.env_of("guessed"))
    assert result["msg"] == "Invalid authentication credentials for /api/v2/organizations/ (HTTP 401)."


def test_a_token_that_is_deleted_opens_nothing(controller: ControllerFake) -> None:
    token = controller.token_of("dev")
    mine = controller.objects("tokens")[-1]
    assert controller.call("GET", "me", token=token)[1]["results"][0]["username"] == "dev"
    assert controller.call("DELETE", f"tokens/{mine['id']}", token=token)[0] == 204
    assert controller.call("GET", "me", token=token)[0] == 401


def test_tokens_of_others_are_not_seen(controller: ControllerFake) -> None:
    token = controller.add_user("new")
    seen_by_new = controller.call("GET", "tokens", token=token)[1]["results"]
    assert {one["summary_fields"]["user"]["username"] for one in seen_by_new} == {"new"}
    assert {one["token"] for one in seen_by_new} == {"************"}


def test_asking_for_the_head_changes_nothing(furnished: ControllerFake) -> None:
    assert furnished.call("HEAD", where(furnished, "job_templates", "Deploy", "survey_spec")) == (200, "")


def test_a_token_to_read_with_changes_nothing(furnished: ControllerFake) -> None:
    token = furnished.token_of("admin", scope="read")
    assert furnished.call("GET", "labels", token=token)[0] == 200
    assert furnished.call("POST", "labels", {"name": "x", "organization": 1}, token=token) == FORBIDDEN


# --- what may you -----------------------------------------------------------------------------------------------


def test_somebody_new_sees_nothing_and_changes_nothing(controller: ControllerFake) -> None:
    token = controller.add_user("new")
    assert seen(controller, token) == {kind: [] for kind in KINDS}
    deploy = where(controller, "job_templates", "Deploy")
    for method, path, body in (
        ("GET", deploy, None),
        ("PATCH", deploy, {"description": "mine"}),
        ("DELETE", deploy, None),
        ("POST", f"{deploy}/launch", {"extra_vars": {}}),
        ("POST", f"{deploy}/survey_spec", {}),
        ("POST", f"{deploy}/labels", {"id": 1}),
        ("POST", "organizations", {"name": "Mine"}),
        ("POST", "projects", {"name": "mine", "organization": 2}),
        ("POST", "credential_types", {"name": "mine", "kind": "cloud"}),
        ("PATCH", "settings/all", {"SCHEDULE_MAX_JOBS": 1}),
    ):
        assert controller.call(method, path, body, token=token) == FORBIDDEN, (method, path)


def test_an_auditor_sees_all_and_changes_nothing(controller: ControllerFake) -> None:
    token = controller.add_user("auditor", auditor=True)
    assert seen(controller, token) == seen(controller, controller.token)
    for kind, name in (("job_templates", "Deploy"), ("schedules", "nightly"), ("inventories", "staging")):
        assert controller.call("PATCH", where(controller, kind, name), {"description": "x"}, token=token) == FORBIDDEN


def test_the_modules_say_that_a_permission_is_missing(controller: ControllerFake) -> None:
    token = controller.add_user("auditor", auditor=True)
    options = {"name": "mine", "organization": "Acme"}
    result = run_module("awx.awx.label", options, controller.env_of(token))
    assert result["msg"] == "You don't have permission to POST to /api/v2/labels/ (HTTP 403)."


def test_who_may_execute_launches_and_sees_only_that(controller: ControllerFake) -> None:
    controller.grant("job_templates", "Check", "execute_role", user="dev")
    token = controller.token_of("dev")
    assert seen(controller, token)["job_templates"] == ["Check"]
    assert controller.call("POST", where(controller, "job_templates", "Check", "launch"), {}, token=token)[0] == 201
    assert (
        controller.call("PATCH", where(controller, "job_templates", "Check"), {"limit": "x"}, token=token) == FORBIDDEN
    )
    assert controller.call("POST", where(controller, "job_templates", "Deploy", "launch"), {}, token=token) == FORBIDDEN
    [job] = controller.call("GET", "jobs", token=token)[1]["results"]
    assert job["summary_fields"]["user_capabilities"] == {"edit": False, "delete": False}


def test_a_team_gives_its_roles_to_its_members(controller: ControllerFake) -> None:
    """`dev` is a member of Developers; so grants the `role` module of awx.awx."""
    token = controller.token_of("dev")
    assert seen(controller, token)["job_templates"] == []
    options = {"team": "Developers", "role": "execute", "job_templates": ["Check"], "lookup_organization": "Acme"}
    assert run_module("awx.awx.role", options, controller.env)["changed"]
    assert not run_module("awx.awx.role", options, controller.env)["changed"]
    assert seen(controller, token)["job_templates"] == ["Check"]
    assert run_module("awx.awx.role", {**options, "state": "absent"}, controller.env)["changed"]
    assert seen(controller, token)["job_templates"] == []


def test_who_may_only_approve_sees_one_workflow_and_approves(controller: ControllerFake) -> None:
    """Measured at a real one: job templates, inventories and credentials are empty lists."""
    token = controller.add_user("boss")
    controller.grant("workflow_job_templates", "Promote", "approval_role", user="boss")
    expected: dict[str, list[str]] = {kind: [] for kind in KINDS} | {"workflow_job_templates": ["Promote"]}
    assert seen(controller, token) == expected
    promote = where(controller, "workflow_job_templates", "Promote", "launch")
    assert controller.call("POST", promote, {}, token=token) == FORBIDDEN
    assert controller.call("POST", promote, {})[0] == 201
    [waiting] = controller.call("GET", "workflow_approvals", token=token)[1]["results"]
    approve = f"workflow_approvals/{waiting['id']}/approve"
    controller.grant("workflow_job_templates", "Promote", "execute_role", user="dev")
    assert controller.call("POST", approve, {}, token=controller.token_of("dev")) == FORBIDDEN
    assert controller.call("POST", approve, {}, token=token)[0] == 204


@pytest.mark.parametrize(
    ("role", "able"),
    [
        ("admin_role", {"teams", "projects", "inventories", "labels"}),
        ("project_admin_role", {"projects"}),
        ("inventory_admin_role", {"inventories"}),
        ("member_role", {"labels"}),
        ("read_role", set()),
    ],
)
def test_roles_of_an_organization_let_make_things_in_it(controller: ControllerFake, role: str, able: set[str]) -> None:
    token = controller.add_user("maker")
    controller.grant("organizations", "Acme", role, user="maker")
    acme = controller.object("organizations", "Acme")["id"]
    bodies: dict[str, dict[str, Any]] = {
        kind: {"name": "made", "organization": acme} for kind in ("teams", "projects", "inventories", "labels")
    }
    made = {kind for kind, body in bodies.items() if controller.call("POST", kind, body, token=token)[0] == 201}
    assert made == able


def test_a_template_is_made_only_of_what_one_may_use(controller: ControllerFake) -> None:
    token = controller.add_user("maker")
    controller.grant("organizations", "Acme", "job_template_admin_role", user="maker")
    body = {
        "name": "Mine",
        "project": controller.object("projects", "estate")["id"],
        "inventory": controller.object("inventories", "staging")["id"],
        "playbook": "mine.yml",
    }
    assert controller.call("POST", "job_templates", body, token=token) == FORBIDDEN
    controller.grant("projects", "estate", "use_role", user="maker")
    controller.grant("inventories", "staging", "use_role", user="maker")
    assert controller.call("POST", "job_templates", body, token=token)[0] == 201


def test_who_makes_something_is_its_admin(controller: ControllerFake) -> None:
    token = controller.add_user("maker")
    controller.grant("organizations", "Acme", "inventory_admin_role", user="maker")
    acme = controller.object("organizations", "Acme")["id"]
    made = controller.call("POST", "inventories", {"name": "mine", "organization": acme}, token=token)[1]
    assert controller.call("DELETE", f"inventories/{made['id']}", token=token)[0] == 202


@pytest.mark.parametrize("kind", sorted(ROLES))
def test_roles_are_told_with_what_they_are_of(furnished: ControllerFake, kind: str) -> None:
    row = furnished.objects(kind)[0]
    told = row["summary_fields"]["object_roles"]
    assert set(told) == set(ROLES[kind])
    below = furnished.call("GET", f"{kind}/{row['id']}/object_roles", page_size=50)[1]["results"]
    assert {role["id"] for role in below} == {role["id"] for role in told.values()}
    assert {role["summary_fields"]["resource_id"] for role in below} == {row["id"]}


def test_a_team_is_no_member_of_an_organization(furnished: ControllerFake) -> None:
    role = furnished.object("organizations", "Acme")["summary_fields"]["object_roles"]["member_role"]["id"]
    team = furnished.object("teams", "Developers")["id"]
    status, answer = furnished.call("POST", f"roles/{role}/teams", {"id": team})
    assert (status, list(answer)) == (400, ["msg"])
