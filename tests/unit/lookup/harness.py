# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookups as Ansible calls them: here in the process of the test, or in a play of its own."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible import constants
from ansible_collections.sysops.dtk.plugins.doc_fragments import lookup_aws
from ansible_collections.sysops.dtk.plugins.plugin_utils import lookup
from ansible_collections.sysops.dtk.plugins.plugin_utils.store import Store

from tests.emulation import Emulation

ROOT = Path(__file__).resolve().parents[3]
COLLECTIONS = ROOT / ".cache" / "collections"
SSM, SECRET = "sysops.dtk.ssm_config", "sysops.dtk.secret"


class Direct:
    """In place of the broker: the same store, without a process and a socket, but with JSON in between."""

    def __init__(self) -> None:
        self.store = Store()
        self.questions: list[dict[str, Any]] = []

    def ask(self, question: dict[str, Any]) -> list[dict[str, Any]] | None:
        self.questions.append(question)
        return json.loads(json.dumps(self.store.answer(json.loads(json.dumps(question)))))


def plugin(full_name: str) -> Any:
    """An instance with its options known to Ansible, which its loader would care for."""
    name = full_name.rpartition(".")[2]
    module = importlib.import_module(f"ansible_collections.sysops.dtk.plugins.lookup.{name}")
    options = yaml.safe_load(lookup_aws.ModuleDocFragment.DOCUMENTATION)["options"]
    options |= yaml.safe_load(module.DOCUMENTATION)["options"]
    constants.config.initialize_plugin_configuration_definitions("lookup", full_name, options)
    instance = module.LookupModule()
    instance._load_name = instance.ansible_name = full_name
    instance._redirected_names, instance.ansible_aliases = [], []
    return instance


def run(full_name: str, *terms: Any, variables: dict[str, Any] | None = None, **options: Any) -> list[Any]:
    """query() in a template, in a worker that has just begun."""
    lookup._answered.clear()
    lookup._options.clear()
    return plugin(full_name).run(list(terms), variables or {}, **options)


@dataclass
class Result:
    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout + self.stderr


@dataclass
class Play:
    """A playbook in a folder of its own, with its own temporary folder for Ansible."""

    aws: Emulation
    folder: Path
    variables: dict[str, Any] = field(default_factory=dict)
    host_variables: dict[str, dict[str, Any]] = field(default_factory=lambda: {"one": {}})
    tasks: list[dict[str, Any]] = field(default_factory=list)
    play: dict[str, Any] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def temporary_folders(self) -> list[Path]:
        return sorted(self.home.glob("tmp/ansible-local-*"))

    def environ(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
        settings = {
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_HOME": str(self.home),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_FORKS": "4",
            "ANSIBLE_NOCOLOR": "1",
        }
        return {**kept, **self.aws.environ(), **settings, **more}

    def command(self, *arguments: str) -> list[str]:
        """Writes what it needs, and says how to run it."""
        (self.folder / "group_vars").mkdir(parents=True, exist_ok=True)
        (self.folder / "ansible.cfg").touch()
        defaults = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"all": {"hosts": self.host_variables, "vars": defaults}}
        play = {"hosts": "all", "gather_facts": False, "tasks": self.tasks, **self.play}
        self._write("hosts.yml", inventory)
        self._write("group_vars/all.yml", self.variables)
        self._write("play.yml", [play])
        program = Path(sys.executable).with_name("ansible-playbook")
        return [str(program), "-i", str(self.folder / "hosts.yml"), str(self.folder / "play.yml"), *arguments]

    def run(self, *arguments: str, **environ: str) -> Result:
        done = subprocess.run(
            self.command(*arguments), env=self.environ(**environ), capture_output=True, text=True, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def _write(self, name: str, content: Any) -> None:
        (self.folder / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def debug(text: str, **more: Any) -> dict[str, Any]:
    return {"ansible.builtin.debug": {"msg": text}, **more}


def brokers(mark: str) -> list[int]:
    """Processes of brokers whose environment names this mark: what a run started, whoever its parent is by now."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if b"broker_server" in (path / "cmdline").read_bytes() and mark.encode() in (path / "environ").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return found
