# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Controller of the tests keeps to the Controller's schema: what it serves, refuses and answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.controller import ControllerFake
from tests.fakes.controller.fields import Reader
from tests.fakes.controller.reduce import reduced
from tests.fakes.controller.schema import Field, Schema
from tests.fakes.controller.tables import FIELD_TYPES, NOTHING, target, type_of
from tests.fakes.controller.tables import UNSERVED as UNSERVED_KINDS

from .estate_of_controller import furnish

SCHEMA = Schema()
MODULES = Path(find_spec("ansible_collections.awx.awx").submodule_search_locations[0]) / "plugins" / "modules"
# Paths that need no object of ours, or which this Controller does not serve: nothing of ours comes near them.
UNSERVED = re.compile(
    r"/api/o/|role_metadata|role_definitions|role_\w+_assignments|/bulk/\w|config/(attach|subscriptions)|dashboard|host_metric_summary|mesh_visualizer|/metrics/"
    r"|settings/logging|schedules/zoneinfo|/tree/|/ansible_facts/|/health_check/|create_schedule"
    r"|credential_types/\{id\}/test|credentials/\{id\}/test|/callback/|children_summary|/(github|gitlab|bitbucket_dc)/"
    r"|notification_templates/\{id\}/test|ad_hoc_commands/\{id\}/(relaunch|events)|system_job_templates/\{id\}/launch"
    r"|system_jobs/\{id\}/cancel|/config/$"
)
COLLECTIONS = sorted(
    template
    for template, methods in SCHEMA.paths.items()
    if re.fullmatch(r"/api/(\{version\}|v2)/\w+/", template)
    and {"get", "post"} <= set(methods)
    and not UNSERVED.search(template)
)


@pytest.fixture(scope="module")
def furnished() -> Iterator[ControllerFake]:
    with ControllerFake.start() as controller:
        furnish(controller)
        for kind in ("job_templates", "workflow_job_templates"):
            for template in controller.objects(kind, name="Check") + controller.objects(kind, name="Promote"):
                assert controller.call("POST", f"{kind}/{template['id']}/launch", {})[0] == 201
        yield controller
        assert controller.violations == []


@pytest.fixture
def controller(furnished: ControllerFake) -> Iterator[ControllerFake]:
    yield furnished
    assert furnished.violations == []


def kind_in(template: str) -> str:
    return template.rstrip("/").rpartition("/")[2]


def test_every_path_that_can_be_read_is_answered_by_its_definition(controller: ControllerFake) -> None:
    """An answer that breaks its definition is a violation; what is not served says so, and nothing else does."""
    unserved = set()
    for template, methods in SCHEMA.paths.items():
        path = template.replace("{version}", "v2").replace("{category_slug}", "all")
        found = re.match(r"/api/v2/(\w+)/\{id\}/", path)
        row = next(iter(controller.world.store.all(found[1])), None) if found else None
        if "get" not in methods or (found and not row):
            continue
        status, answer = controller.call("GET", path.replace("{id}", str(row.id if row else 0)))
        if status == 501:
            unserved.add(template)
        else:
            assert status == 200, (path, answer)
    readable = {template for template, methods in SCHEMA.paths.items() if "get" in methods}
    assert unserved == {template for template in readable if template in unserved and UNSERVED.search(template)}


def endpoints() -> set[str]:
    """The collections that the awx.awx modules name."""
    found = set()
    for module in MODULES.glob("*.py"):
        text = module.read_text(encoding="utf-8")
        found |= set(re.findall(r"(?:get_one|get_exactly_one|resolve_name_to_id|get_all_endpoint)\(\s*'(\w+)'", text))
        found |= set(re.findall(r"endpoint='(\w+)'", text))
    return found


def test_every_collection_that_the_modules_ask_for_is_served(controller: ControllerFake) -> None:
    asked = endpoints()
    assert len(asked) > 20
    answers = {kind: controller.call("GET", kind)[0] for kind in asked - UNSERVED_KINDS}
    assert set(answers.values()) == {200}, answers


def test_what_is_not_of_the_schema_is_not_found(controller: ControllerFake) -> None:
    assert controller.call("GET", "buttons") == (404, {"detail": "The requested resource could not be found."})
    assert controller.call("GET", "labels/999")[0] == 404
    assert controller.call("DELETE", "labels/1") == (405, {"detail": 'Method "DELETE" not allowed.'})
    assert controller.call("POST", "jobs", {}) == (405, {"detail": 'Method "POST" not allowed.'})


# --- bodies -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", COLLECTIONS)
def test_what_is_required_is_demanded(controller: ControllerFake, template: str) -> None:
    body = SCHEMA.operation(template, "post").body
    required = SCHEMA.required(body)
    if not required:
        return
    status, answer = controller.call("POST", kind_in(template), {})
    assert (status, sorted(answer)) == (400, sorted(required))
    assert {tuple(problem) for problem in answer.values()} == {("This field is required.",)}


@pytest.mark.parametrize("template", COLLECTIONS)
def test_a_field_that_nobody_knows_is_refused(controller: ControllerFake, template: str) -> None:
    body = sound(controller, SCHEMA.operation(template, "post").body, kind_in(template)) | {"playbok": "x"}
    status, answer = controller.call("POST", kind_in(template), body)
    assert status == 400
    assert list(answer) == ["playbok"], answer


def sound(controller: ControllerFake, definition: str, kind: str) -> dict[str, Any]:
    """A body with what is required."""
    fields = SCHEMA.fields(definition)
    found = {}
    for name in SCHEMA.required(definition):
        field = fields[name]
        kinds = target(SCHEMA.kinds, kind, name, field.spec)
        if kinds:
            found[name] = controller.world.store.all(kinds)[0].id
        elif "enum" in field.spec:
            found[name] = field.spec["enum"][-1]
        else:
            found[name] = {"array": [], "object": {}, "integer": 1, "boolean": True}.get(field.type, "x")
    return found


# By what a field is: a value that it cannot have, and what is said of it.
WRONG: dict[str, tuple[Any, str]] = {
    "id": ("many", "Incorrect type. Expected pk value, received str."),
    "enum": ("blue", '"blue" is not a valid choice.'),
    "string": ([1], "Not a valid string."),
    "integer": ("many", "A valid integer is required."),
    "boolean": ("perhaps", "Must be a valid boolean."),
    "array": ("all", 'Expected a list of items but got type "str".'),
    "object": ([1], 'Expected a dictionary of items but got type "list".'),
}


def nature(kind: str, field: Field) -> str:
    if target(SCHEMA.kinds, kind, field.name, field.spec):
        return "id"
    return "enum" if "enum" in field.spec else field.type


@pytest.mark.parametrize("template", COLLECTIONS)
def test_values_of_the_wrong_type_are_refused_by_name(controller: ControllerFake, template: str) -> None:
    kind = kind_in(template)
    body = SCHEMA.operation(template, "post").body
    special = {name for where, name in FIELD_TYPES if where in {"", kind}}
    fields = [field for field in SCHEMA.fields(body).values() if not field.read_only and field.name not in special]
    expected = {field.name: [WRONG[nature(kind, field)][1]] for field in fields}
    given = {field.name: WRONG[nature(kind, field)][0] for field in fields}
    assert controller.call("POST", kind, given) == (400, expected)


@pytest.mark.parametrize(
    ("kind", "field", "value", "words"),
    [
        ("organizations", "name", "x" * 513, "Ensure this field has no more than 512 characters."),
        ("organizations", "name", "", "This field may not be blank."),
        ("organizations", "name", "  ", "This field may not be blank."),
        ("organizations", "name", None, "This field may not be blank."),
        ("organizations", "max_hosts", -1, "Ensure this value is greater than or equal to 0."),
        ("job_templates", "forks", 2**31, "Ensure this value is less than or equal to 2147483647."),
        ("job_templates", "inventory", 999, 'Invalid pk "999" - object does not exist.'),
        ("job_templates", "extra_vars", "a: [", "Cannot parse as JSON"),
        ("job_templates", "extra_vars", "[1]", "Cannot parse as JSON"),
        ("users", "username", "no spaces", "Enter a valid username."),
        ("teams", "organization", None, "This field may not be null."),
    ],
)
def test_values_out_of_bounds_are_refused(
    controller: ControllerFake, kind: str, field: str, value: Any, words: str
) -> None:
    status, answer = controller.call("POST", kind, {field: value})
    assert status == 400
    assert answer[field][0].startswith(words)


def test_a_body_that_is_no_object_is_refused(controller: ControllerFake) -> None:
    assert controller.call("POST", "labels", [1]) == (
        400,
        {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]},
    )


def test_what_is_only_to_be_read_is_not_changed(controller: ControllerFake) -> None:
    label = controller.object("labels", "dtk")
    status, answer = controller.call("PATCH", f"labels/{label['id']}", {"id": 77, "url": "/x/", "created": "long ago"})
    assert status == 200
    assert {**answer, "modified": ""} == {**label, "modified": ""}


def test_texts_that_are_null_become_empty_where_the_real_ones_do() -> None:
    reader = Reader(SCHEMA, lambda *_: True)
    values, _ = reader.read("JobTemplate", "job_templates", {"description": None, "survey_enabled": None}, partial=True)
    assert values == {"description": "", "survey_enabled": False}
    values, _ = reader.read("Schedule", "schedules", {"limit": None}, partial=True)
    assert values == {"limit": None}
    assert ("schedules", "limit") in NOTHING


# --- what it derives --------------------------------------------------------------------------------------------


def test_types_are_the_names_of_models() -> None:
    assert [type_of(kind) for kind in ("inventories", "job_templates", "tokens", "receptor_addresses")] == [
        "inventory",
        "job_template",
        "o_auth2_access_token",
        "receptor_address",
    ]


def test_the_schema_that_is_kept_says_where_it_comes_from() -> None:
    path = Path(__file__).parents[2] / "fakes" / "controller" / "schema.json"
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert "AWX 24.6.1" in first
    assert "Apache License 2.0" in first


def test_a_dump_of_a_controller_becomes_a_schema() -> None:
    reference = {"$ref": "#/definitions/Thing"}
    page = {"properties": {"count": {}, "results": {"items": reference, "type": "array"}}, "type": "object"}
    things = {
        "get": {"body": None, "responses": {"200": page}},
        "post": {"body": reference, "responses": {"201": reference}},
    }
    foreign = {"get": {"body": None, "responses": {"200": None}}}
    name = {"type": "string", "title": "Name", "description": "Of the thing", "maxLength": 9}
    dump = {
        "definitions": {"Thing": {"properties": {"name": name}, "required": ["name"], "type": "object"}},
        "paths": {"/api/{version}/things/": things, "/api/debug/": foreign},
    }
    schema = Schema(json.loads("\n".join(reduced(dump))))
    assert list(schema.paths) == ["/api/{version}/things/"]
    assert schema.operation("/api/{version}/things/", "get") == (None, 200, "[Thing]")
    assert schema.operation("/api/{version}/things/", "post") == ("Thing", 201, "Thing")
    assert schema.fields("Thing")["name"].spec == {"type": "string", "maxLength": 9}
    assert schema.required("Thing") == ["name"]


def test_forms_are_made_of_the_definitions(controller: ControllerFake) -> None:
    """OPTIONS tells which fields there are; that is how an older API is told from a newer one."""
    status, answer = controller.call("OPTIONS", "job_templates")
    assert status == 200
    fields = answer["actions"]["POST"]
    assert fields["name"]["required"]
    assert fields["job_type"]["enum"] == ["run", "check"]
    assert "created" not in fields
