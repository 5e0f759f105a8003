# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs playbooks against a Controller for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.sysops.dtk.plugins.module_utils import controllers

from tests.fakes.controller import ControllerFake
from tests.unit.controller.estate import OBJECTS, ROOT, settings

COLLECTIONS = ROOT / ".cache" / "collections"
_PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - block:
        - sysops.dtk.controller_objects: "{{ options }}"
          register: result
      always:
        - ansible.builtin.copy: {dest: "{{ out }}", mode: "0600", content: "{{ result | to_json }}"}
          check_mode: false
"""


@dataclass(frozen=True)
class Ran:
    code: int
    output: str

    @property
    def changed(self) -> bool:
        """Whether any task said so."""
        return "changed=0" not in next(line for line in self.output.splitlines() if line.startswith("localhost "))


def ansible(environ: dict[str, str], *arguments: str) -> Ran:
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    # All is plain HTTP on loopback, and each module would read the certificates of all authorities.
    base |= {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
    environment = {**base, "LC_ALL": "C.UTF-8", "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), **environ}
    command = [str(Path(sys.executable).with_name("ansible-playbook")), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    return Ran(run.returncode, run.stdout + run.stderr)


def write_estate(folder: Path, bucket: str) -> Path:
    """The estate as files, its secrets behind a lookup; the inventory's path."""
    objects = yaml.safe_load(json.dumps(OBJECTS))
    looked_up = "{{ lookup('ansible.builtin.env', 'CANARY') }}"
    objects["controller_credentials"][0]["inputs"]["ssh_key_data"] = looked_up
    objects["controller_notifications"][0]["notification_configuration"]["password"] = looked_up
    variables = folder / "group_vars"
    variables.mkdir(parents=True)
    declared = settings()
    declared["envs"] = {"prod": declared["envs"]["prod"]}  # enough to have one of each kind
    del declared["envs"]["prod"]["extra_vars"]
    # The token is looked up, too, as in an estate that keeps it in Secrets Manager.
    objects["controller_token"] = "{{ lookup('ansible.builtin.env', 'TOKEN') }}"
    (variables / "all.yml").write_text(
        json.dumps({"dtk_controller": declared, "dtk_bucket": bucket, **objects}), "utf-8"
    )
    role = {"dtk_server_role": {"name": "api", "image": {"base": "ami-1"}}, "dtk_apps": {"shop": {}}, "dtk_fleet": {}}
    (variables / "role_api.yml").write_text(json.dumps(role), "utf-8")
    inventory = folder / "hosts.yml"
    inventory.write_text("all: {}\n", "utf-8")
    return inventory


class Applier:
    """Applies content with the plugin alone."""

    def __init__(self, controller: ControllerFake, folder: Path) -> None:
        self._controller, self._folder = controller, folder
        (folder / "play.yml").write_text(_PLAYBOOK, "utf-8")

    def __call__(
        self, content: dict[str, Any], *, check: bool = False, token: str = "", **options: Any
    ) -> dict[str, Any]:
        out = self._folder / "result.json"
        out.unlink(missing_ok=True)
        given = self._folder / "given.yml"
        given.write_text(controllers.to_yaml({"options": {"content": content, **options}, "out": str(out)}), "utf-8")
        environ = self._controller.env_of(token) if token else self._controller.env
        run = ansible(environ, str(self._folder / "play.yml"), "-e", f"@{given}", *(["--check"] if check else []))
        found = json.loads(out.read_text("utf-8"))
        assert run.code == (2 if found.get("failed") else 0), run.output
        return found
