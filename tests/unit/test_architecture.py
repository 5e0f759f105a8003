# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of docs/architecture.md that a reader could break without noticing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
UTILS = PLUGINS / "module_utils"
OURS = "ansible_collections.sysops.dtk."
STDLIB = frozenset(sys.stdlib_module_names) | {"__future__"}
# Kinds of plugins that Ansible loads by name: everything else below plugins/ is a library or documentation.
KINDS = ("action", "callback", "filter", "inventory", "lookup", "modules")
MAX_LINES_OF_A_MODULE = 150
# Libraries that a host may lack: imported where they are needed, by these files only.
OPTIONAL_ON_HOSTS = {
    "fetch.py": frozenset({"boto3", "botocore"}),
    "config_schema.py": frozenset({"jsonschema"}),
    "role_file.py": frozenset({"yaml"}),
}


@dataclass(frozen=True)
class Import:
    name: str  # absolute, relative imports resolved
    relative: bool
    lazy: bool  # inside a function
    line: int

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]


def python_files(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def tracked_files() -> list[Path]:
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in out.split("\0") if name and (ROOT / name).is_file()]


def module_name(path: Path) -> str:
    return OURS + ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports_of(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    lazy_nodes = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    package = module_name(path).split(".")
    for node in ast.walk(tree):
        lazy = id(node) in lazy_nodes
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, False, lazy, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join([*package[: -node.level], node.module or ""]).rstrip(".") if node.level else node.module or ""
            )
            # `from package import module` names modules too, so each name counts.
            yield from (Import(f"{base}.{alias.name}", node.level > 0, lazy, node.lineno) for alias in node.names)


def offences(path: Path, allowed: Callable[[Import], bool]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{found.line} imports {found.name}"
        for found in imports_of(path)
        if not allowed(found)
    ]


def inside(package: Path) -> Callable[[Import], bool]:
    prefix = module_name(package) + "."
    return lambda found: found.name.startswith(prefix)


def ids(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)


# --- who may import whom ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["_core", "_host", "_aws"])
def test_the_layers_exist_and_their_package_files_are_empty(layer: str) -> None:
    files = python_files(UTILS / layer)
    assert [path for path in files if path.name != "__init__.py"], (
        f"{layer} has no modules: the rules below check nothing"
    )
    assert (UTILS / layer / "__init__.py").read_text(encoding="utf-8") == ""


@pytest.mark.parametrize("path", python_files(UTILS / "_core"), ids=ids)
def test_core_imports_only_the_standard_library_and_itself(path: Path) -> None:
    own = inside(UTILS / "_core")
    assert offences(path, lambda found: found.top in STDLIB or own(found)) == []


@pytest.mark.parametrize("path", python_files(UTILS / "_aws"), ids=ids)
def test_aws_imports_only_botocore_the_standard_library_and_itself(path: Path) -> None:
    own = inside(UTILS / "_aws")
    assert offences(path, lambda found: found.top in STDLIB or found.top == "botocore" or own(found)) == []


@pytest.mark.parametrize("path", python_files(UTILS / "_host"), ids=ids)
def test_host_code_imports_only_the_standard_library_and_its_neighbours(path: Path) -> None:
    """It also runs as a zipapp under another package name, so imports of neighbours are relative."""
    own = inside(UTILS / "_host")

    def allowed(found: Import) -> bool:
        if found.relative:
            return own(found)
        optional = OPTIONAL_ON_HOSTS.get(path.name, frozenset())
        return found.top in STDLIB or (found.lazy and found.top in optional)

    assert offences(path, allowed) == []


@pytest.mark.parametrize("path", sorted(UTILS.glob("[!_]*.py")), ids=ids)
def test_a_facade_joins_layers_and_imports_nothing_else(path: Path) -> None:
    ours = inside(UTILS)
    assert offences(path, lambda found: found.top in STDLIB or ours(found)) == []


@pytest.mark.parametrize("path", python_files(*(PLUGINS / kind for kind in KINDS)), ids=ids)
def test_a_plugin_imports_only_facades(path: Path) -> None:
    """Of this collection; Ansible, amazon.aws and the standard library are free to use."""

    def allowed(found: Import) -> bool:
        if found.name.startswith(OURS):
            below = found.name.removeprefix(OURS + "plugins.")
            return below.startswith(("module_utils.", "plugin_utils.")) and not below.split(".")[1].startswith("_")
        return found.top in STDLIB or found.top == "ansible" or found.name.startswith("ansible_collections.amazon.aws.")

    assert offences(path, allowed) == []


def test_host_code_runs_on_python_3_9() -> None:
    modules = ("release.py", "release_info.py", "app_config.py", "app_units.py")
    # With `paths`, app_config reads Parameter Store on the host itself.
    read_there = ("app_config.py", "settings_read.py", "_aws/ssm_tree.py", "_aws/errors.py", "_core/config_tree.py")
    # The units of apps are made on the host, too, from the server role.
    described = ("app_accounts", "errors", "sandbox", "server_role", "server_role_keys", "shape", "unit_file")
    units = ("app_units.py", "server_roles.py", *(f"_core/{name}.py" for name in described))
    files = [
        UTILS / "host.py",
        *(UTILS / name for name in (*read_there, *units)),
        *(PLUGINS / "modules" / name for name in modules),
    ]
    command = [str(Path(sys.executable).with_name("vermin")), "--no-tips", "--violations", "--target=3.9-"]
    run = subprocess.run(
        [*command, str(UTILS / "_host"), *map(str, files)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


# --- modules ----------------------------------------------------------------------------------------------------

MODULES = sorted((PLUGINS / "modules").glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_every_module_supports_check_mode_and_says_so(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    keywords = {
        keyword.arg: ast.literal_eval(keyword.value)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "supports_check_mode"
    }
    assert keywords == {"supports_check_mode": True}
    documentation = yaml.safe_load(
        re.search(r'^DOCUMENTATION = r?"""(.*?)"""', text, re.DOTALL | re.MULTILINE).group(1)
    )
    assert documentation["attributes"]["check_mode"]["support"] == "full"


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_a_module_is_glue(path: Path) -> None:
    """Options, client, one call, result. What needs more lines belongs into a layer, where it can be tested alone."""
    text = path.read_text(encoding="utf-8")
    code = re.sub(r'^(DOCUMENTATION|EXAMPLES|RETURN) = r?""".*?"""', "", text, flags=re.DOTALL | re.MULTILINE)
    assert len([line for line in code.splitlines() if line.strip()]) <= MAX_LINES_OF_A_MODULE


def test_the_action_group_holds_exactly_the_modules_that_talk_to_aws() -> None:
    group = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]["dtk"]
    named = {entry for entry in group if isinstance(entry, str)}
    assert named == {path.stem for path in MODULES if "AnsibleAWSModule(" in path.read_text(encoding="utf-8")}


# --- roles ------------------------------------------------------------------------------------------------------

ROLES = sorted(path for path in (ROOT / "roles").glob("*") if path.is_dir())


def load(path: Path) -> dict:
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


@pytest.mark.parametrize("role", ROLES, ids=ids)
def test_a_role_declares_every_variable_that_it_reads_from_its_caller(role: Path) -> None:
    options = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = load(role / "defaults" / "main.yml")
    required = {name for name, option in options.items() if option.get("required")}
    assert set(options) - required == set(defaults)
    documented = {name: option["default"] for name, option in options.items() if "default" in option}
    assert {name: defaults[name] for name in documented} == documented


@pytest.mark.parametrize("role", ROLES, ids=ids)
def test_each_entry_point_of_a_role_has_a_spec_and_the_reverse(role: Path) -> None:
    specs = load(role / "meta" / "argument_specs.yml")["argument_specs"]
    entries = {path.stem for path in (role / "tasks").glob("[!_]*.yml")}
    assert set(specs) == entries


@pytest.mark.parametrize("role", ROLES, ids=ids)
def test_a_role_never_looks_up_and_never_names_a_host_or_group(role: Path) -> None:
    for path in sorted(role.rglob("*.yml")):
        text = path.read_text(encoding="utf-8")
        found = re.findall(
            r"\b(?:lookup|query|q)\(|(?<![\w.])groups(?:\[|\.\w|\s*\|)|\bhostvars\b|\bdelegate_to:", text
        )
        assert found == [], f"{path.relative_to(ROOT)} uses {found}"


def test_no_playbook_has_a_name_that_breaks_its_full_name() -> None:
    """A folder of the same name beside it, or a hyphen, and `ansible-playbook sysops.dtk.NAME` finds nothing."""
    playbooks = sorted((ROOT / "playbooks").glob("*.yml"))
    assert playbooks
    assert [path.name for path in playbooks if path.with_suffix("").exists() or "-" in path.stem] == []


# --- the whole repository -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("needed", ["from __future__ import annotations", "SPDX-License-Identifier: GPL-3.0-or-later"])
def test_every_python_file_postpones_annotations_and_names_its_licence(needed: str) -> None:
    lacking = [
        path
        for path in tracked_files()
        if path.suffix == ".py" and path.stat().st_size and needed not in path.read_text("utf-8")
    ]
    assert [ids(path) for path in lacking] == []


def test_no_file_silences_a_check_or_names_a_developers_machine() -> None:
    # Put together here, so that this file does not find itself.
    words = ["no" + "qa", "TO" + "DO", "FIX" + "ME", r"(?<![\w.}])/wo" + "rk/", "/ro" + "ot/.pyenv", "/tmp/" + "dtk"]
    forbidden = re.compile("|".join(words))
    found = []
    for path in tracked_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{ids(path)}:{number} {line.strip()}" for number, line in enumerate(lines, 1) if forbidden.search(line)
        ]
    assert found == []


def test_the_built_collection_holds_what_users_need_and_no_more(tmp_path: Path) -> None:
    galaxy = str(Path(sys.executable).with_name("ansible-galaxy"))
    command = [galaxy, "collection", "build", str(ROOT), "--output-path", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    (archive,) = tmp_path.glob("sysops-dtk-*.tar.gz")
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    tops = {name.partition("/")[0] for name in names}
    documents = {"CONTRIBUTING.md", "LICENSE", "README.md", "changelogs", "docs", "requirements.yml"}
    documents |= {"bindep.txt", "requirements-ee.txt"}  # where ansible-builder looks for them
    assert tops == documents | {"FILES.json", "MANIFEST.json", "meta", "playbooks", "plugins", "roles", "schemas"}
    assert [name for name in names if "__pycache__" in name or name.endswith(".pyc")] == []
