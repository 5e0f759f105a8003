# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import runtime
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import UnitError

FOLDER = Path(runtime.__file__).parent


def neighbours(name: str) -> set[str]:
    """Modules of the package that a module, or the facade, imports, also within functions."""
    facade = name in runtime.FACADES
    path = FOLDER.parent / f"{name}.py" if facade else FOLDER / f"{name}.py"
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            module = (node.module or "").removeprefix("_host").removeprefix(".") if facade else node.module
            found |= {module} if module else {alias.name for alias in node.names}
    return found


def test_the_list_of_modules_is_what_the_command_line_and_the_facade_need() -> None:
    needed, new = set(), {"cli"}.union(*map(neighbours, runtime.FACADES))
    while new:
        needed |= new
        new = {other for name in new for other in neighbours(name)} - needed
    needed -= set(runtime.FACADES)
    assert set(runtime.MODULES) == needed
    assert list(runtime.MODULES) == sorted(needed)


def run(path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-I", path, *arguments], capture_output=True, text=True, check=False)


def test_it_is_one_file_that_runs_and_makes_the_same_file_again(tmp_path: Path) -> None:
    path = runtime.ensure(str(tmp_path / "lib"))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o755
    done = run(path, "revert", "--root", str(tmp_path), "--app", "hello", "--transaction", "t1")
    assert (done.returncode, done.stdout) == (0, "transaction t1 of hello is closed, nothing to do\n"), done.stderr
    # A switch that goes back may have to arm another one: then its zip is where the sources come from.
    again = tmp_path / "again"
    script = f"""import sys
sys.path.insert(0, {path!r})
from dtk_host._host import runtime
print(runtime.ensure({str(again)!r}))"""
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == Path(path).read_bytes()
    assert Path(done.stdout.strip()).name == Path(path).name


def test_it_is_written_once_and_old_ones_go(tmp_path: Path) -> None:
    for number, age in enumerate((30, 20, 10)):
        old = tmp_path / f"host-{number:012}.pyz"
        old.write_bytes(b"old")
        os.utime(old, (10_000 - age, 10_000 - age))
    (tmp_path / "other").write_bytes(b"not ours")
    path = runtime.ensure(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == sorted(["host-000000000002.pyz", "other", os.path.basename(path)])
    before = os.stat(path)
    assert runtime.ensure(str(tmp_path)) == path
    assert os.stat(path) == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UnitError, match=r"cannot write .*file/lib.*dead_man=false"):
        runtime.ensure(str(tmp_path / "file" / "lib"))
