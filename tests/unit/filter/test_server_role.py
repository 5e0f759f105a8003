# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of server roles as Ansible calls them: over templated variables, in one play."""

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
    server_role,
    server_role_accounts,
    server_role_packages,
)

COLLECTIONS = Path(__file__).resolve().parents[3] / ".cache" / "collections"
PLAY = """
- hosts: localhost
  gather_facts: false
  vars:
    port: 8080
    common: [jq]
    dtk_server_role:
      name: web
      packages: "{{ common + [{'debian': 'libpq5', 'amazon': 'libpq'}] }}"
      runtime: {packages: [python3]}
    dtk_apps:
      api:
        unit: "{{ 'api' }}.service"
        health: {tcp: {port: "{{ port }}"}}
        service:
          command: [/srv/api/current/serve, "--port={{ port }}"]
          sandbox: "{{ {'MemoryDenyWriteExecute': false} }}"
    resolved: "{{ dtk_server_role | sysops.dtk.server_role(dtk_apps) }}"
  tasks:
    - ansible.builtin.copy:
        dest: "{{ out }}"
        mode: "0600"
        content: >-
          {{ {'resolved': resolved, 'accounts': resolved.dtk_apps | sysops.dtk.server_role_accounts,
              'packages': dtk_server_role | sysops.dtk.server_role_packages('debian'),
              'runtime': dtk_server_role | sysops.dtk.server_role_packages('amazon', true)} | to_json }}
    - block:
        - ansible.builtin.debug:
            msg: "{{ dtk_server_role | sysops.dtk.server_role({'api': {'servce': {}, 'keep': 0}}) }}"
      rescue:
        - ansible.builtin.copy: {dest: "{{ out }}.error", mode: "0600", content: "{{ ansible_failed_result.msg }}"}
"""


def call(plugin: Any, *arguments: Any) -> Any:
    (function,) = plugin.FilterModule().filters().values()
    return function(*arguments)


def test_in_a_play(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAY)
    out = tmp_path / "out.json"
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "play.yml", "-e", f"out={out}"]
    environ = {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_PYTHON_INTERPRETER": sys.executable}
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **environ}, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    api = found["resolved"]["dtk_apps"]["api"]
    assert (api["unit"], api["owner"], api["health"]["tcp"]) == (
        "api.service",
        "api",
        {"host": "127.0.0.1", "port": 8080},
    )
    assert api["service"]["command"] == ["/srv/api/current/serve", "--port=8080"]
    assert (found["packages"], found["runtime"]) == (["jq", "libpq5"], ["python3"])
    assert found["accounts"]["group_names"] == ["api"]
    # All of it in one message, be the words around it those of this or that version of Ansible.
    error = Path(f"{out}.error").read_text()
    assert "The server role web has 2 problems:" in error
    assert "- dtk_apps.api.servce is no key of an app; did you mean service?" in error
    assert "- dtk_apps.api.keep is 0; it must be a whole number of 1 or more." in error


def test_errors_are_errors_of_filters() -> None:
    with pytest.raises(
        AnsibleFilterError, match=r"^The server role web has 1 problem:\n- dtk_apps.api.keep is 0; it must"
    ):
        call(server_role, {"name": "web"}, {"api": {"keep": 0}})
    with pytest.raises(
        AnsibleFilterError, match=r"^The server role has 2 problems:\n- dtk_server_role is 'web'; it must"
    ):
        call(server_role, "web", None)


def test_a_package_without_a_name_is_an_error_of_the_filter() -> None:
    with pytest.raises(AnsibleFilterError, match="no name for amazon; add one, or null"):
        call(server_role_packages, {"packages": [{"debian": "x"}]}, "amazon")


def test_accounts_of_no_app() -> None:
    assert call(server_role_accounts, {}) == {"group_names": [], "users": [], "folders": [], "writable": []}
