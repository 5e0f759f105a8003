# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons and the playbooks behind them: what is asked is read, what is needed is given, and each one runs in a job."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible_runner
import pytest
import yaml
from ansible_collections.sysops.dtk.plugins.module_utils import controllers

from tests.fakes.controller import ControllerFake
from tests.unit.controller.estate import ROOT, arguments, buttons, settings
from tests.unit.controller.harness import COLLECTIONS
from tests.unit.emulated_aws import EmulatedAws, build_archive, fresh, server
from tests.unit.run_module import run_module

PLAYBOOKS = ROOT / "playbooks"
WITH_PLAYBOOK = {name: button for name, button in buttons().items() if "playbook" in button}
PLACE = {"app": {"app", "env"}, "role": {"role", "env"}, "env": {"env"}, "estate": set()}
# What a playbook takes from the estate and not from the run.
_OF_ESTATE = ("dtk_",)


@functools.cache
def text_of(playbook: str) -> str:
    """A playbook with all that it imports, without comments."""
    text = re.sub(r"(?m)(^|\s)#.*$", "", (PLAYBOOKS / f"{playbook}.yml").read_text("utf-8"))
    imported = re.findall(r"import_playbook: (?:sysops\.dtk\.)?(\w+?)(?:\.yml)?$", text, re.MULTILINE)
    return "\n".join([text, *(text_of(name) for name in imported if name != playbook)])


def demanded(playbook: str) -> set[str]:
    """Variables that a playbook refuses to begin without, as its own checks name them."""
    text = text_of(playbook)
    named = set(re.findall(r"\{name: (\w+), remedy: ", text))
    for listed in re.findall(r"loop: \[([\w, ]+)\]", text):
        named |= {word.strip() for word in listed.split(",")} & {"app", "env", "role"}
    return {name for name in named if not name.startswith(_OF_ESTATE)}


@pytest.mark.parametrize("name", WITH_PLAYBOOK)
def test_every_variable_of_a_survey_is_read_by_the_playbook(name: str) -> None:
    button = WITH_PLAYBOOK[name]
    given = {question["variable"] for question in button.get("asks", ())} | set(button.get("fixed", ()))
    declared = {*button.get("needs", ()), *button.get("reads", ())}
    assert given <= declared
    unread = {variable for variable in declared if not re.search(rf"\b{variable}\b", text_of(button["playbook"]))}
    assert unread == set()


@pytest.mark.parametrize("name", WITH_PLAYBOOK)
def test_every_variable_that_a_playbook_demands_is_asked_or_set(name: str) -> None:
    button = WITH_PLAYBOOK[name]
    asked = {question["variable"] for question in button.get("asks", ()) if question.get("required", True)}
    given = asked | set(button.get("fixed", ())) | PLACE[button["per"]]
    wanted = demanded(button["playbook"]) & set(button.get("needs", ()))
    assert wanted <= given
    # Rolling back needs no version although it is the playbook of deploys, which does.
    assert demanded(button["playbook"]) - {"version"} <= set(button.get("needs", ()))


def test_every_variable_of_a_workflow_is_read_by_one_of_its_steps() -> None:
    known = buttons()
    workflows = [button for button in known.values() if "workflow" in button]
    assert workflows
    for workflow in workflows:
        steps = [known[node["button"]] for node in workflow["workflow"] if "button" in node]
        read = {name for step in steps for name in (*step.get("needs", ()), *step.get("reads", ()))}
        assert {question["variable"] for question in workflow["asks"]} <= read
        for step in steps:
            asked = {one["variable"] for one in step.get("asks", ()) if one.get("required", True)}
            assert asked <= {question["variable"] for question in workflow["asks"]}


# --- as the Controller runs them ------------------------------------------------------------------------------------

ANSWERS: dict[str, dict[str, Any]] = {
    "deploy": {"version": "1.0.0", "preset": "careful", "why": "because"},
    "plan": {"version": "1.0.0", "preset": "halves"},
    "rollback": {"version": "", "why": ""},
    "undo": {},
    "verdict": {"version": "1.0.0", "watch": 1},
    "report": {},
    "status": {"app": "shop"},
    "config_change": {"app": "shop", "values": '{"db": {"pool": 20}}', "preset": "", "why": "more load"},
    "config_diff": {"app": "shop", "from": "beta"},
    "bake": {"role": "draft"},
    "promote": {"role": "api", "from_env": ""},
    "roll": {"role": "api"},
    "fleet": {"role": "api"},
    "controller_versions": {},
}
# How far each comes where hosts do not answer and nothing was ever deployed or baked: the job's status, and its words.
OUTCOMES = {
    "deploy": ("failed", "shop 1.0.0 was halted in prod; stable stays no release"),
    "plan": ("failed", "DEPLOY shop in prod: nothing -> 1.0.0"),
    "rollback": ("failed", "shop in prod"),
    "undo": ("failed", "shop in prod"),
    "verdict": ("failed", "stable is no release, and not 1.0.0"),
    "report": ("failed", "shop was not promoted to prod: the fleet is ill."),
    "status": ("successful", "unreachable"),
    "config_change": ("failed", "the settings of shop were halted in prod"),
    "config_diff": ("successful", "Config | The difference"),
    "bake": ("failed", "The server role draft has 1 problem"),
    "promote": ("failed", "candidate"),
    "roll": ("failed", "candidate"),
    "fleet": ("failed", "subnets"),
    "controller_versions": ("failed", "job template Deploy shop to beta: "),  # nothing was ever applied
}
ARTIFACTS = {
    "deploy": ("dtk_result_deploy", "halted"),
    "status": ("dtk_result_status", "bad"),
    "verdict": ("dtk_result_verdict", "bad"),
    "config_change": ("dtk_result_config", "halted"),
}


@dataclass(frozen=True)
class Job:
    status: str
    output: str
    artifacts: dict[str, Any]


@dataclass(frozen=True)
class Jobs:
    """Runs job templates of an estate as the Controller does: by ansible-runner, with its callback."""

    folder: Path
    environ: dict[str, str]
    templates: dict[str, dict[str, Any]]

    def run(self, name: str, answers: dict[str, Any], **more: Any) -> Job:
        template = self.templates[name]
        place = self.folder / re.sub(r"\W", "-", name)
        place.mkdir()
        # The Controller's own variables, then the template's, then the answers.
        own = {"awx_job_id": 7, "tower_job_id": 7, "awx_user_name": "dev", "tower_user_name": "dev"}
        ran = ansible_runner.run(
            private_data_dir=str(place),
            project_dir=str(self.folder / "project"),
            inventory=str(self.folder / "project" / "hosts.yml"),
            playbook=template["playbook"],
            extravars={**own, **template["extra_vars"], **answers, **more},
            envvars=self.environ,
            cmdline="--check" if template["job_type"] == "check" else "",
            quiet=True,
        )
        events = list(ran.events)
        stats = [event["event_data"] for event in events if event["event"] == "playbook_on_stats"]
        told = "\n".join(event["stdout"] for event in events)
        return Job(ran.status, re.sub(r"\x1b\[[0-9;]*m", "", told), stats[0].get("artifact_data", {}) if stats else {})


@pytest.fixture(scope="module")
def aws() -> Iterator[EmulatedAws]:
    with server() as endpoint:
        yield fresh(endpoint)


@pytest.fixture(scope="module")
def controller() -> Iterator[ControllerFake]:
    with ControllerFake.start() as fake:
        yield fake


@pytest.fixture(scope="module")
def jobs(aws: EmulatedAws, controller: ControllerFake, tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    folder = tmp_path_factory.mktemp("jobs")
    archive = build_archive(folder / "shop-1.0.0.tar.gz", "1.0.0")
    release = {"app": "shop", "version": "1.0.0", "src": str(archive), "bucket": aws.bucket}
    run_module("artifact", release, aws.environ())
    declared = settings(envs={"beta": {}, "prod": {"production": True}}, notify=[])
    known = buttons()
    content = controllers.content(
        controllers.make_files(**arguments(settings=declared, published={}, objects={}, buttons=known))
    )
    project(folder / "project", aws, declared)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "LC_ALL": "C.UTF-8", "PATH": path}
    whole = {**aws.environ(), **controller.env, **own}
    return Jobs(folder, whole, {item["name"]: item for item in content["controller_templates"]})


def project(place: Path, aws: EmulatedAws, declared: dict[str, Any]) -> None:
    """The estate's repository: playbooks of one line, group_vars, and hosts that nobody reaches."""
    (place / "playbooks").mkdir(parents=True)
    for button in WITH_PLAYBOOK.values():
        line = [{"name": "Run it", "ansible.builtin.import_playbook": f"sysops.dtk.{button['playbook']}"}]
        (place / "playbooks" / f"{button['playbook']}.yml").write_text(json.dumps(line), "utf-8")
    variables = place / "group_vars"
    variables.mkdir()
    every = {"dtk_bucket": aws.bucket, "dtk_ssm_prefix": aws.prefix, "dtk_controller": declared}
    (variables / "all.yml").write_text(json.dumps(every), "utf-8")
    app = {"unit": "shop.service", "health": {"http": {"url": "http://127.0.0.1:1/"}}, "config": {"format": ["json"]}}
    draft = {
        "dtk_server_role": {"name": "draft", "image": {"base": "ami-1"}}
    }  # a bake is refused before it packs anything
    (variables / "role_draft.yml").write_text(json.dumps(draft), "utf-8")
    image = {"base": "ami-0123456789abcdef0"}
    fleet = {"subnets": ["subnet-0aa11bb22cc33dd44"], "min": 1, "max": 2}
    role = {"dtk_server_role": {"name": "api", "image": image}, "dtk_apps": {"shop": app}, "dtk_fleet": fleet}
    (variables / "role_api.yml").write_text(json.dumps(role), "utf-8")
    (place / "playbooks" / "group_vars").symlink_to("../group_vars")
    host = {"ansible_host": "127.0.0.1", "ansible_port": 1, "availability_zone": "eu-west-1a"}
    groups = {f"env_{env}": {"hosts": {f"{env}-1": host}} for env in ("beta", "prod")}
    groups["role_api"] = {"hosts": {"beta-1": {}, "prod-1": {}}}
    (place / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": groups}}), "utf-8")


@pytest.mark.parametrize("name", WITH_PLAYBOOK)
def test_each_button_runs_as_a_job(jobs: Jobs, name: str) -> None:
    title = WITH_PLAYBOOK[name]["title"].format(app="shop", role="api", env="prod")
    handed_on = {"dtk_result_verdict": {"verdict": "bad", "text": "the fleet is ill", "report": ""}}
    job = jobs.run(title, ANSWERS[name], **(handed_on if name == "report" else {}))
    status, words = OUTCOMES[name]
    assert (job.status, " is not given" in job.output) == (status, False), job.output
    assert words in job.output, job.output
    if name in ARTIFACTS:
        key, verdict = ARTIFACTS[name]
        assert job.artifacts[key]["verdict"] == verdict
        assert (job.artifacts[key]["app"], job.artifacts[key]["env"]) == ("shop", "prod")
        assert job.artifacts[key]["hosts"] == ["prod-1"]


def test_a_plan_hands_on_its_text_and_a_job_that_waits_is_named(jobs: Jobs, aws: EmulatedAws) -> None:
    job = jobs.run("Plan shop in beta", ANSWERS["plan"])
    plan = job.artifacts["dtk_result_plan"]
    assert "DEPLOY shop in beta: nothing -> 1.0.0" in plan["text"]
    assert plan["report"] == "https://controller.example.com/#/jobs/playbook/7"
    holder = {"app": "shop", "env": "beta", "prefix": aws.prefix, "bucket": aws.bucket, "version": "1.0.0"}
    claim = {**holder, "hosts": [{"name": "beta-1", "az": "a"}], "owner": "alice", "job_url": plan["report"]}
    assert run_module("deploy_plan", claim, aws.environ())["plan"]["claimed"]
    refused = jobs.run("Deploy shop to beta", ANSWERS["deploy"])
    assert refused.status == "failed"
    held = r"is held by alice since \S+ until .*, https://controller.example.com/#/jobs/playbook/7\)"
    assert re.search(held, refused.output), refused.output
