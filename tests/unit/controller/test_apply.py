# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of an estate, brought to a Controller with the modules of awx.awx."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils import controllers

from tests.fakes.controller import ControllerFake
from tests.unit.controller.estate import arguments, buttons
from tests.unit.controller.harness import Applier, ansible, write_estate
from tests.unit.emulated_aws import EmulatedAws, build_archive, fresh, server
from tests.unit.run_module import run_module

CANARY = "canary-9f3e-that-nobody-may-see"
SMALL = ("deploy", "plan", "promote_release", "report", "undo", "verdict")
Content = dict[str, list[dict[str, Any]]]


@pytest.fixture
def small() -> Content:
    """One app in production: few objects, one of each kind."""
    given = arguments(buttons={name: buttons()[name] for name in SMALL})
    del given["settings"]["envs"]["beta"]
    return controllers.content(controllers.make_files(**given))


@pytest.fixture
def aws() -> Iterator[EmulatedAws]:
    with server() as endpoint:
        yield fresh(endpoint)


def named(content: Content, variable: str, name: str) -> dict[str, Any]:
    return next(item for item in content[variable] if item["name"] == name)


def test_a_whole_estate_is_created_once_and_its_secrets_are_never_seen(
    controller: ControllerFake, aws: EmulatedAws, tmp_path: Path
) -> None:
    estate = str(write_estate(tmp_path, aws.bucket))
    environ = {**controller.env, **aws.environ(), "CANARY": CANARY, "TOKEN": controller.token}
    del environ["CONTROLLER_OAUTH_TOKEN"]

    first = ansible(environ, "-i", estate, "sysops.dtk.controller", "-vvvv")
    assert (first.code, first.changed) == (0, True), first.output
    assert "missing: workflow Promote shop to prod" in first.output
    assert [template["name"] for template in controller.objects("job_templates")].count("Deploy shop to prod") == 1
    assert controller.secrets("credentials", "ssh")["inputs"]["ssh_key_data"] == CANARY
    assert (CANARY in first.output, controller.token in first.output, controller.leaks(CANARY)) == (False, False, [])

    controller.forget_calls()
    second = ansible(environ, "-i", estate, "sysops.dtk.controller", "-vvvv")
    assert (second.code, second.changed, controller.writes()) == (0, False, []), second.output
    assert (CANARY in second.output, controller.token in second.output) == (False, False)

    archive = build_archive(tmp_path / "shop-2.0.0.tar.gz", "2.0.0")
    release = {"app": "shop", "version": "2.0.0", "src": str(archive), "bucket": aws.bucket}
    run_module("artifact", release, aws.environ())
    refreshed = ansible(environ, "-i", estate, "sysops.dtk.controller_versions")
    assert (refreshed.code, refreshed.changed) == (0, True), refreshed.output
    other = re.findall(r"other: ([\w ]+) \(survey\)", refreshed.output)
    templates = ["Deploy shop to prod", "Plan shop in prod", "Roll back shop in prod", "Verdict on shop in prod"]
    assert other == [*(f"job template {name}" for name in templates), "workflow Promote shop to prod"]
    offered = controller.survey("workflow_job_templates", "Promote shop to prod")["spec"][0]["choices"]
    assert offered == ["2.0.0"]

    written = ansible(environ, "-i", estate, "sysops.dtk.controller_write", "-e", f"controller_write={tmp_path}/out")
    assert written.code == 0, written.output
    assert (tmp_path / "out" / "playbooks" / "deploy.yml").exists()
    texts = [path.read_text("utf-8") for path in (tmp_path / "out").rglob("*.yml")]
    assert not [text for text in texts if CANARY in text]
    foreign = [line for text in texts for line in text.splitlines() if "{{" in line]
    assert foreign
    assert all("!unsafe" in line for line in foreign)


def test_what_differs_is_changed_and_nothing_else(controller: ControllerFake, apply: Applier, small: Content) -> None:
    dry = apply(small, check=True)
    assert (dry["changed"], controller.writes()) == (True, [])
    assert apply(small)["missing"] == dry["missing"]

    changed = copy.deepcopy(small)
    survey = named(changed, "controller_templates", "Verdict on shop in prod")["survey_spec"]
    survey["spec"][1]["question_name"] = "For how long?"
    before = controller.snapshot()
    again = apply(changed)
    assert (again["missing"], again["other"]) == ([], ["job template Verdict on shop in prod"])
    assert controller.survey("job_templates", "Verdict on shop in prod") == survey
    after = controller.snapshot()
    differing = [
        one["name"] for old, one in zip(before["job_templates"], after["job_templates"], strict=True) if old != one
    ]
    assert differing == ["Verdict on shop in prod"]
    assert {kind for kind in after if after[kind] != before[kind]} == {"job_templates"}

    named(changed, "controller_workflows", "Promote shop to prod")["workflow_nodes"][0]["related"]["success_nodes"] = [
        {"identifier": "deploy"}
    ]
    assert apply(changed)["other"] == ["workflow Promote shop to prod"]
    assert apply(changed)["changed"] is False

    rotated = apply(changed, rotate=True)
    assert (rotated["changed"], rotated["other"]) == (True, ["credential ssh"])


def test_what_is_ours_and_not_declared_is_reported_and_pruned(
    controller: ControllerFake, apply: Applier, small: Content
) -> None:
    apply(small)
    admin = {"name": "By hand", "organization": controller.object("organizations", "Shop")["id"]}
    controller.call("POST", "inventories", admin)
    less = {variable: items for variable, items in copy.deepcopy(small).items() if variable != "controller_workflows"}
    less["controller_templates"] = [
        item for item in less["controller_templates"] if item["name"] != "Report on shop in prod"
    ]
    for item in less["controller_roles"]:
        item["job_templates"] = [name for name in item.get("job_templates", ()) if name != "Report on shop in prod"]
        item.pop("workflows", None)
    seen = apply(less, state="compared")
    assert (seen["changed"], seen["missing"], seen["other"]) == (False, [], [])
    gone = ["job template Report on shop in prod", "workflow Promote shop to prod"]
    assert [name for name in seen["extra"] if not name.startswith("grant ")] == gone[::-1]
    assert "grant read of Promote shop to prod to SysOps" not in seen["extra"]

    controller.forget_calls()
    dry = apply(less, state="pruned", check=True)
    assert (dry["changed"], dry["extra"], controller.writes()) == (True, seen["extra"], [])
    assert apply(less, state="pruned")["extra"] == seen["extra"]
    assert apply(less, state="compared")["extra"] == []
    assert [one["name"] for one in controller.objects("inventories")] == ["Shop prod", "By hand"]


def test_a_half_failed_application_resumes(controller: ControllerFake, apply: Applier, small: Content) -> None:
    controller.fail_after_writes(30)
    half = apply(small)
    assert half["failed"]
    assert "job template " in half["msg"]
    assert "Done so far: " in half["msg"]
    assert "Run it again when that is corrected; what is done is left as it is." in half["msg"]
    controller.heal()
    rest = apply(small)
    assert (rest.get("failed"), rest["changed"]) == (False, True)
    controller.forget_calls()
    assert (apply(small)["changed"], controller.writes()) == (False, [])


def test_a_token_that_is_not_accepted_or_may_not_write(
    controller: ControllerFake, apply: Applier, small: Content
) -> None:
    bad = apply(small, token="f" * 30)
    assert "does not accept who asks. Check controller_token" in bad["msg"]
    weak = apply(small, token=controller.add_user("eve"))
    assert "organization Shop: You don't have permission to POST to /api/v2/organizations/ (HTTP 403)" in weak["msg"]
    assert "Done so far: 0 of " in weak["msg"]


def test_a_collection_that_is_not_installed(controller: ControllerFake, apply: Applier, small: Content) -> None:
    lacking = apply(small, collection="example.controller")
    assert "The collection example.controller, whose modules change the Controller, is not installed" in lacking["msg"]
    assert controller.writes() == []


def test_nobody_answers(controller: ControllerFake, apply: Applier, small: Content) -> None:
    with controller.unreachable():
        lost = apply(small)
    assert f"Cannot reach the Controller at {controller.url}: " in lost["msg"]
    assert "controller_host" in apply(small, controller_host="http://127.0.0.1:1")["msg"]


def test_a_name_that_others_have_taken(controller: ControllerFake, apply: Applier, small: Content) -> None:
    controller.call("POST", "organizations", {"name": "Shop", "description": "Theirs"})
    controller.forget_calls()
    refused = apply(small)
    assert refused["msg"].startswith("organization Shop: there already, and not marked as ours (dtk). Nothing has been")
    assert controller.writes() == []
    assert apply(small, adopt=True)["other"] == ["organization Shop"]
    assert controller.object("organizations", "Shop")["description"] == "[dtk]"


def test_an_older_api_without_a_field(controller: ControllerFake, apply: Applier, small: Content) -> None:
    controller.without_field("job_templates", "job_slice_count")
    created = apply(small)
    assert "job template Deploy shop to prod: job_slice_count" in created["msg"]
    assert "took it and did not keep it" in created["msg"]
    controller.forget_calls()
    again = apply(small)
    assert "does not know job template Deploy shop to prod: job_slice_count" in again["msg"]
    assert controller.writes() == []
