# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters as Ansible calls them: over real hostvars, templated, in one play."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.sysops.dtk.plugins.filter import (
    app_hosts,
    deploy_states,
    deploy_verdict,
    status_table,
    stragglers,
)

COLLECTIONS = Path(__file__).resolve().parents[3] / ".cache" / "collections"
HOSTVARS: dict[str, dict[str, Any]] = {
    "web-1": {"dtk_apps": {"hello": {}}, "release_stage": {"changed": True}, "release_activate": {"current": "2"}},
    "web-2": {"dtk_apps": {"hello": {}}, "release_stage": {"unreachable": True, "msg": "timed out"}},
    "web-3": {"dtk_apps": {"hello": {}}, "release_gone": True},
}
INVENTORY = """
env_demo:
  hosts:
    web-1: {release_stage: {changed: true}, release_activate: {current: "2"}}
    web-2: {release_stage: {unreachable: true, msg: timed out}}
  vars:
    dtk_apps: {hello: {unit: "{{ inventory_hostname }}.service"}}
    availability_zone: eu-west-1a
    dtk_host_status: {exists: true, current: "2", health: {ok: true}}
"""
PLAY = """
- hosts: localhost
  gather_facts: false
  vars:
    targets: "{{ hostvars | sysops.dtk.app_hosts(groups, 'demo', 'hello') }}"
    states: "{{ hostvars | sysops.dtk.deploy_states(['web-1', 'web-2', 'web-3']) }}"
  tasks:
    - ansible.builtin.copy:
        dest: "{{ out }}"
        mode: "0600"
        content: >-
          {{ {'targets': targets, 'states': states, 'verdict': states | sysops.dtk.deploy_verdict('1', 3),
              'table': hostvars | sysops.dtk.status_table(targets, {'n': 3, 'stable': '2'})} | to_json }}
"""


def filters(plugin: Any) -> Any:
    (function,) = plugin.FilterModule().filters().values()
    return function


def test_in_a_play(tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    (tmp_path / "play.yml").write_text(PLAY)
    out = tmp_path / "out.json"
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-i",
        "inventory.yml",
        "play.yml",
        "-e",
        f"out={out}",
    ]
    environ = {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_PYTHON_INTERPRETER": sys.executable}
    subprocess.run(command, cwd=tmp_path, env={**os.environ, **environ}, check=True, capture_output=True, timeout=120)
    found = json.loads(out.read_text())
    assert found["targets"] == [
        {"name": name, "az": "eu-west-1a", "spec": {"unit": f"{name}.service"}} for name in ("web-1", "web-2")
    ]
    assert {host: state["state"] for host, state in found["states"].items()} == {
        "web-1": "active",
        "web-2": "unreachable",
        "web-3": "gone",
    }
    assert (found["verdict"]["halt"], found["verdict"]["unreachable"]) == (False, ["web-2"])
    assert found["table"][1].split() == ["web-1", "eu-west-1a", "2", "-", "ok", "-"]


def test_states_and_verdict_of_plain_dictionaries() -> None:
    states = filters(deploy_states)(HOSTVARS, ["web-1", "web-2", "web-3", "web-4"])
    assert [state["state"] for state in states.values()] == ["active", "unreachable", "gone", "gone"]
    assert filters(deploy_verdict)(states, 0)["text"][1] == "  web-2: unreachable: timed out"


def test_a_change_of_settings_has_states_of_its_own() -> None:
    hostvars = {"web-1": {**HOSTVARS["web-2"], "app_config_stage": {}, "app_config_activate": {"failed": True}}}
    assert filters(deploy_states)(hostvars, ["web-1"], "config")["web-1"]["state"] == "failed"
    assert filters(deploy_states)(hostvars, ["web-1"])["web-1"]["state"] == "unreachable"


def test_errors_are_errors_of_filters() -> None:
    with pytest.raises(AnsibleFilterError, match="The env prod is not in the inventory"):
        filters(app_hosts)(HOSTVARS, {}, "prod", "hello")
    with pytest.raises(AnsibleFilterError, match="budget is 'lots'"):
        filters(deploy_verdict)({}, "lots")
    with pytest.raises(AnsibleFilterError, match="action is 'paint'; it must be one of deploy, rollback, config"):
        filters(deploy_states)(HOSTVARS, ["web-1"], "paint")


def test_what_module_targets_told_of_a_host_counts() -> None:
    done = {"release_stage": {"changed": True}, "release_activate": {"current": "2"}}
    late = {"web-2": "unhealthy in web after 6 s"}
    hostvars = {
        "web-1": {**done, "dtk_returned": {"late": late}},
        "web-2": {**done, "dtk_returned": {"late": late}},
        "web-3": {**done, "dtk_drained": {"skipped": True}, "dtk_returned": {"skipped": True}},
        "web-4": {**done, "dtk_returned": {"msg": "Traceback", "failed": False}},
        "web-5": {"release_stage": {"changed": True}, "dtk_drained": {"late": {"web-5": "still there"}}},
        "web-6": {"release_stage": {"unreachable": True}},
    }
    states = filters(deploy_states)(hostvars, list(hostvars), "deploy", {"web-6": "terminated"})
    assert {host: state["state"] for host, state in states.items()} == {
        "web-1": "active",
        "web-2": "failed",
        "web-3": "active",
        "web-4": "failed",
        "web-5": "failed",
        "web-6": "gone",
    }
    assert (states["web-2"]["refused"], states["web-4"]["message"]) == (True, "Traceback")
    assert filters(deploy_verdict)(states, 3)["refused"] == ["web-2", "web-4"]


def test_stragglers_of_an_inventory_that_has_changed() -> None:
    hostvars = {
        "web-1": {"release_stage": {}, "release_activate": {"current": "2"}},
        "web-7": {"dtk_lifecycle_state": "Pending:Wait"},
    }
    rows = [{"name": "web-1"}, {"name": "web-7"}]
    plan = {"app": "hello", "version": "2", "action": "deploy"}
    assert [one["name"] for one in filters(stragglers)(hostvars, rows, plan)] == ["web-7"]
    assert filters(stragglers)(hostvars, rows, plan, ["web-7", "web-7"]) == []
    with pytest.raises(AnsibleFilterError, match="action is 'paint'"):
        filters(stragglers)(hostvars, rows, {**plan, "action": "paint"})


def test_a_host_that_never_answered_is_a_row() -> None:
    lines = filters(status_table)({"web-1": {}}, [{"name": "web-1", "az": "a"}])
    assert lines[1].split() == ["web-1", "a", "?", "-", "error", "?"]
