# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image that Automation Controller runs jobs in: ansible-builder takes it, and it holds what is imported."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.test_architecture import PLUGINS, ROOT, STDLIB, imports_of, python_files

META = ROOT / "meta"
LISTED = META / "requirements-ee.txt"


def pins(path: Path) -> dict[str, str]:
    """Package to version; a requirement of any other form is an error."""
    lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    found = [re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[\w+\])?==([0-9][0-9A-Za-z.]*)", line) for line in lines]
    assert all(found), lines
    return {match[1].lower(): match[2] for match in found if match}


def packages_of(requirement: str) -> set[str]:
    """A package and what it brings."""
    needed = importlib.metadata.requires(requirement) or []
    return {requirement, *(re.match(r"[A-Za-z0-9._-]+", line)[0].lower() for line in needed if "extra ==" not in line)}


def test_every_import_is_satisfied_by_exactly_what_is_listed() -> None:
    top = {found.top for path in python_files(PLUGINS) for found in imports_of(path)}
    foreign = {name for name in top - STDLIB if name not in {"ansible", "ansible_collections"}}
    known = importlib.metadata.packages_distributions()
    wanted = {known[name][0].lower() for name in foreign if name in known}
    assert foreign <= set(known), f"imported, and no package has it: {sorted(foreign - set(known))}"
    assert wanted - packages_of("ansible-core") == set(pins(LISTED))


def test_collections_that_are_imported_or_called_are_listed() -> None:
    definition = yaml.safe_load((META / "execution-environment.yml").read_text("utf-8"))
    listed = {item["name"] for item in definition["dependencies"]["galaxy"]["collections"]}
    texts = [path.read_text("utf-8") for folder in ("playbooks", "roles", "plugins") for path in source(ROOT / folder)]
    # What documentation only points to is not called.
    pattern = re.compile(r"(?<!M\()(?<!module: )\b(?:((?:amazon|ansible|community|sysops)\.\w+)\.\w+|(awx\.awx)\b)")
    called = {found[1] or found[2] for text in texts for found in pattern.finditer(text)}
    assert called - {"ansible.builtin", "ansible.legacy", *NAMES_THAT_ARE_NO_COLLECTIONS} == listed


def source(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in {".py", ".yml"} and "__pycache__" not in path.parts]


# Python packages of ansible-core.
NAMES_THAT_ARE_NO_COLLECTIONS = {
    *("ansible.errors", "ansible.module_utils", "ansible.plugins", "ansible.utils", "ansible.parsing"),
    *("ansible.template", "ansible.inventory", "ansible.executor", "ansible.playbook", "ansible.vars"),
}


def test_what_is_tested_is_what_is_shipped() -> None:
    installed = {name: importlib.metadata.version(name) for name in pins(LISTED)}
    assert pins(LISTED) == installed
    definition = yaml.safe_load((META / "execution-environment.yml").read_text("utf-8"))["dependencies"]
    for key in ("ansible_core", "ansible_runner"):
        name, _, version = definition[key]["package_pip"].partition("==")
        assert version == importlib.metadata.version(name)


def test_ansible_builder_takes_the_definition(tmp_path: Path) -> None:
    builder = str(Path(sys.executable).with_name("ansible-builder"))
    command = [builder, "create", "--file", str(META / "execution-environment.yml"), "--context", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    built = tmp_path / "_build"
    assert (built / "requirements.txt").read_text("utf-8") == LISTED.read_text("utf-8")
    assert (built / "bindep.txt").read_text("utf-8") == (META / "bindep.txt").read_text("utf-8")
    assert "ansible-core==" in (tmp_path / "Containerfile").read_text("utf-8")


@pytest.mark.parametrize("name", ["bindep.txt", "requirements-ee.txt"])
def test_ansible_builder_finds_the_files_of_an_installed_collection(name: str) -> None:
    """It looks for them at the collection's root then."""
    assert (ROOT / name).resolve() == META / name
