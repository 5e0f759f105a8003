# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role app_server where no host is needed: families of distributions, and steps of a toolchain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "app_server"
PRETEND = """#!/usr/bin/python
import json
import sys

# Facts of another machine. Ansible hands arguments over in a file or on stdin, this module has none.
print(json.dumps({"ansible_facts": FACTS}))
"""
RPM = """#!/bin/sh
# As rpm --query --queryformat 'installed %{NAME}\\n'
printf '%s\\n' "$*" >>"$(dirname "$0")/calls"
echo "installed python3.11"
echo "package libpq is not installed"
exit 1
"""


class Play:
    """A play on this machine that pretends to be another distribution."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "library").mkdir()
        (folder / "bin").mkdir()

    def run(
        self, facts: dict[str, str], tasks: list[dict[str, Any]], *words: str, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        given = {f"ansible_{name}": value for name, value in facts.items()}
        (self.folder / "library" / "pretend.py").write_text(PRETEND.replace("FACTS", repr(given)))
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {"app_server_role": {"name": "web"}, "app_server_apps": {}, **variables},
            "tasks": [{"pretend": None}, *tasks],
        }
        (self.folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        environ = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
        }
        return subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "play.yml", *words],
            cwd=self.folder,
            env=environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def ask(self, facts: dict[str, str], *names: str, **variables: Any) -> dict[str, Any]:
        """What variables of the role are on such a machine."""
        out = self.folder / "out.json"
        wanted = "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} | to_json }}"
        tasks = [role("_check"), role("_platform"), {"copy": {"dest": str(out), "content": wanted}}]
        done = self.run(facts, tasks, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(out.read_text())


def role(entry: str) -> dict[str, Any]:
    """A task that runs one file of the role, and keeps the role's variables for those after it."""
    return {"include_role": {"name": "sysops.dtk.app_server", "tasks_from": entry, "public": True}}


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(tmp_path)


def facts(family: str, distribution: str, major: str) -> dict[str, str]:
    return {"os_family": family, "distribution": distribution, "distribution_major_version": major}


DEBIAN, AMAZON = facts("Debian", "Debian", "12"), facts("RedHat", "Amazon", "2023")


def test_both_families_know_the_same_names() -> None:
    debian, amazon = (yaml.safe_load((ROLE / "vars" / f"{name}.yml").read_text()) for name in ("debian", "amazon"))
    assert set(debian) == set(amazon)


@pytest.mark.parametrize(
    ("machine", "family", "nologin", "packages"),
    [
        (DEBIAN, "debian", "/usr/sbin/nologin", ["python3", "libpq5"]),
        (facts("Debian", "Ubuntu", "24"), "debian", "/usr/sbin/nologin", ["python3", "libpq5"]),
        (AMAZON, "amazon", "/sbin/nologin", ["python3.11", "libpq"]),
    ],
    ids=lambda value: value["distribution"] if isinstance(value, dict) else "",
)
def test_a_machine_gets_what_its_family_calls_things(
    play: Play, machine: dict[str, str], family: str, nologin: str, packages: list[str]
) -> None:
    runtime = {"packages": [{"debian": "python3", "amazon": "python3.11"}, {"debian": "libpq5", "amazon": "libpq"}]}
    names = ("__app_server_family", "__app_server_nologin", "__app_server_packages")
    found = play.ask(machine, *names, app_server_role={"name": "web", "runtime": runtime})
    assert found == dict(zip(names, (family, nologin, packages), strict=True))


@pytest.mark.parametrize("machine", [facts("RedHat", "Amazon", "2"), facts("RedHat", "Rocky", "9")])
def test_an_unknown_distribution_is_refused_by_name(play: Play, machine: dict[str, str]) -> None:
    done = play.run(machine, [role("_platform")])
    assert done.returncode != 0
    text = " ".join(done.stdout.split())
    name = f"{machine['distribution']} {machine['distribution_major_version']}"
    assert f"localhost runs {name}, which the toolkit does not know: use a machine with Debian, or with Amazon" in text


def test_amazon_linux_is_asked_by_rpm_and_only_what_is_missing_would_be_installed(play: Play) -> None:
    program = play.folder / "bin" / "rpm"
    program.write_text(RPM)
    program.chmod(0o755)
    runtime = {"packages": [{"debian": "python3", "amazon": "python3.11"}, {"debian": "libpq5", "amazon": "libpq"}]}
    tasks = [role("_check"), role("_platform"), role("_packages")]
    done = play.run(AMAZON, tasks, "--check", app_server_role={"name": "web", "runtime": runtime})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "These packages would be installed: libpq." in done.stdout
    assert (play.folder / "bin" / "calls").read_text().split() == [
        *("--query", "--queryformat", "installed", "%{NAME}\\n", "python3.11", "libpq")
    ]


# --- the toolchain ----------------------------------------------------------------------------------------------------


def tool(play: Play, command: list[str], *words: str, **keys: Any) -> subprocess.CompletedProcess[str]:
    step = {
        "name": "ledger",
        "command": command,
        "creates": str(play.folder / "ledger"),
        "environment": {},
        "timeout": 60,
    }
    return play.run(DEBIAN, [{**role("_tool"), "vars": {"__app_server_tool": {**step, **keys}}}], *words)


def test_a_step_runs_once_with_its_environment(play: Play) -> None:
    script = 'echo "$INK $HOME" >>"$0"'
    command = ["/bin/sh", "-c", script, str(play.folder / "ledger")]
    first = tool(play, command, environment={"INK": "blue; $INK"})
    assert first.returncode == 0, first.stdout
    assert "changed=1" in first.stdout
    assert "changed=0" in tool(play, command).stdout
    assert (play.folder / "ledger").read_text() == "blue; $INK /root\n"


def test_a_step_is_foreseen_and_not_run_in_check_mode(play: Play) -> None:
    done = tool(play, ["/bin/sh", "-c", "exit 1"], "--check")
    assert done.returncode == 0, done.stdout
    assert "changed=1" in done.stdout


@pytest.mark.parametrize(
    ("script", "keys", "told"),
    [
        ("echo no ink >&2; echo at all; exit 7", {}, "ended with 7 on localhost. no ink at all"),
        ("sleep 60", {"timeout": 1}, "took longer than 1 s on localhost"),
        ("echo fine", {}, "has not made {creates} on localhost. fine"),
    ],
    ids=["fails", "hangs", "makes nothing"],
)
def test_a_step_that_goes_wrong_is_told_with_its_output(play: Play, script: str, keys: Any, told: str) -> None:
    done = tool(play, ["/bin/sh", "-c", script], **keys)
    assert done.returncode != 0
    text = " ".join(done.stdout.split())
    told = told.replace("{creates}", str(play.folder / "ledger"))
    assert f"The step ledger of dtk_server_role.runtime.toolchain {told}" in text


def test_a_step_whose_program_is_missing_is_told(play: Play) -> None:
    done = tool(play, ["/opt/no/such/program"])
    assert "The step ledger of dtk_server_role.runtime.toolchain ended with 127" in " ".join(done.stdout.split())
