# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example estate makes a whole Controller, and the program that CI presses buttons with works."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import yaml
from ansible_collections.sysops.dtk.plugins.module_utils import controllers

from tests import controller_page
from tests.fakes.controller import ControllerFake, Result, Work
from tests.unit.controller.estate import ROOT, buttons

EXAMPLE = ROOT / "inventories" / "example" / "group_vars"
CI = ROOT / "examples" / "ci"


def content() -> dict[str, list[dict[str, object]]]:
    every = yaml.safe_load((EXAMPLE / "all.yml").read_text("utf-8"))
    declared = every["dtk_controller"]
    objects = {key: every[key] for key in ("controller_credentials", "controller_notifications")}
    rows = []
    for role in declared["roles"]:
        variables = yaml.safe_load((EXAMPLE / f"role_{role}.yml").read_text("utf-8"))
        apps = sorted(variables["dtk_apps"])
        rows += [
            {"env": env, "role": role, "apps": apps, "image": True, "fleet": "dtk_fleet" in variables}
            for env in declared["envs"]
        ]
    return controllers.content(controllers.make_files(declared, rows, buttons(), {}, objects))


def test_the_example_estate_makes_a_controller() -> None:
    names = {item["name"] for item in content()["controller_templates"]}
    assert {"Deploy shop to beta", "Deploy shop-worker to prod", "Status of prod", "Refresh releases"} <= names


@pytest.mark.parametrize("path", sorted(CI.glob("*.yml")), ids=lambda path: path.name)
def test_ci_presses_buttons_that_there_are(path) -> None:
    whole = content()
    known = {item["name"] for item in [*whole["controller_templates"], *whole["controller_workflows"]]}
    pressed = set(re.findall(r"press\.py '([^']+)'", path.read_text("utf-8")))
    assert pressed
    assert pressed <= known
    assert yaml.safe_load(path.read_text("utf-8"))


def press(controller: ControllerFake, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CI / "press.py"), *arguments, "--organization", "Shop", "--every", "0.05"]
    return subprocess.run(command, env=controller.env, capture_output=True, text=True, check=False)


def test_a_button_pressed_from_ci_ends_as_the_job_ends(controller: ControllerFake) -> None:
    organization = controller.call("POST", "organizations", {"name": "Shop"})[1]["id"]
    project = {"name": "Estate", "organization": organization, "scm_type": "git", "scm_url": "https://x.example.com/e"}
    made = controller.call("POST", "projects", project)[1]["id"]
    inventory = controller.call("POST", "inventories", {"name": "i", "organization": organization})[1]["id"]
    template = {"name": "Deploy", "project": made, "playbook": "a.yml", "inventory": inventory, "survey_enabled": True}
    id = controller.call("POST", "job_templates", template)[1]["id"]
    question = {"question_name": "?", "variable": "version", "type": "text", "required": True, "min": 1, "max": 9}
    survey = {"name": "", "description": "", "spec": [{**question, "question_description": "", "default": ""}]}
    controller.call("POST", f"job_templates/{id}/survey_spec", survey)
    assert controller.wait()

    def runs(work: Work) -> Result:
        good = work.variables["version"] == "1.0.1"
        text = "1 host serves" if good else "it is ill"
        return Result("successful" if good else "failed", artifacts={"dtk_result_deploy": {"text": text}})

    controller.run(runs)
    well = press(controller, "Deploy", "--answers", '{"version": "1.0.1"}')
    assert (well.returncode, "1 host serves" in well.stdout, "Deploy: successful" in well.stdout) == (0, True, True), (
        well
    )
    ill = press(controller, "Deploy", "--answers", '{"version": "1.0.2"}')
    assert (ill.returncode, "it is ill" in ill.stdout, "Deploy: failed" in ill.stdout) == (1, True, True), ill
    refused = press(controller, "Deploy")
    assert (refused.returncode, "variables_needed_to_start" in refused.stderr) == (1, True), refused


def test_the_tables_of_keys_are_up_to_date() -> None:
    text = controller_page.PAGE.read_text("utf-8")
    assert controller_page.page(text) == text, "run: python -m tests.controller_page"
