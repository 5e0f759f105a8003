# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import hooks
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import HookError, SpecError


def context(folder: Path, transaction: str = "", previous: str | None = "1.0.0") -> hooks.HookContext:
    # A test in another process that ends what its transaction left would end what has the same id here.
    return hooks.HookContext("hello", "1.0.1", previous, str(folder), transaction or uuid.uuid4().hex)


def shell(script: str, timeout: float = 10) -> tuple[hooks.Hook, ...]:
    return hooks.from_list("pre", [{"command": ["/bin/sh", "-c", script], "timeout": timeout}])


def alive(pid_file: Path) -> bool:
    """Whether the process that wrote its number there still runs."""
    try:
        text = Path(f"/proc/{pid_file.read_text().strip()}/stat").read_text()
    except FileNotFoundError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def test_a_hook_knows_its_activation_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    hooks.run_hooks("pre", shell("env > seen; pwd > where"), context(tmp_path))
    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines())
    expected = {
        "DTK_APP": "hello",
        "DTK_RELEASE": "1.0.1",
        "DTK_PREVIOUS": "1.0.0",
        "DTK_PHASE": "pre",
        "DTK_RELEASE_DIR": str(tmp_path),
    }
    assert expected.items() <= seen.items()
    assert "AWS_SECRET_ACCESS_KEY" not in seen
    assert (tmp_path / "where").read_text().strip() == str(tmp_path)


def test_a_relative_command_begins_in_the_release(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "migrate"
    program.write_text("#!/bin/sh\necho done > ran\n")
    program.chmod(0o755)
    hooks.run_hooks("pre", hooks.from_list("pre", [{"command": ["bin/migrate"]}]), context(tmp_path, previous=None))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["/bin/sh", "-c", "echo out; echo err >&2; exit 7"], r"pre hook .* failed with exit code 7.*out\nerr"),
        (["/bin/false"], "it printed nothing"),
        (["bin/gone"], "cannot be run: No such file"),
        (["/etc/passwd"], "cannot be run: Permission denied"),
        (["/bin/sh", "-c", "yes x | head -c 100000; echo the end; exit 1"], "x\nthe end"),
    ],
)
def test_a_hook_that_fails_names_itself_and_the_end_of_its_output(
    tmp_path: Path, command: list[str], message: str
) -> None:
    with pytest.raises(HookError, match=message) as raised:
        hooks.run_hooks("pre", hooks.from_list("pre", [{"command": command}]), context(tmp_path))
    assert len(str(raised.value)) < 2500


def test_the_first_failure_ends_it(tmp_path: Path) -> None:
    both = (*shell("exit 1"), *shell("touch second"))
    with pytest.raises(HookError):
        hooks.run_hooks("pre", both, context(tmp_path))
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize("trap", ["", "trap '' TERM;"], ids=["obedient", "deaf to SIGTERM"])
def test_a_hook_that_hangs_is_ended_with_its_children(tmp_path: Path, trap: str) -> None:
    script = f"{trap} echo begun; sh -c '{trap} echo $$ > child; sleep 60; :' & sleep 60; :"
    began = time.monotonic()
    with pytest.raises(HookError, match=r"ended after its timeout of 0.5 s.*begun"):
        hooks.run_hooks("pre", shell(script, timeout=0.5), context(tmp_path))
    assert time.monotonic() - began < 10
    deadline = time.monotonic() + 5  # a killed process needs a moment to be gone
    while alive(tmp_path / "child"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_daemon_that_a_hook_leaves_behind_does_not_hold_us(tmp_path: Path) -> None:
    began = time.monotonic()
    hooks.run_hooks("pre", shell("echo hi; sleep 5 & :", timeout=20), context(tmp_path, transaction="t-daemon"))
    assert time.monotonic() - began < 4
    assert hooks.kill_leftovers("t-daemon") == 1


def test_leftovers_are_found_by_their_transaction_only(tmp_path: Path) -> None:
    mine = hooks.environment("pre", context(tmp_path, transaction="t-mine"))
    with (
        subprocess.Popen(["/bin/sleep", "60"], env=mine, start_new_session=True) as found,
        subprocess.Popen(["/bin/sleep", "60"], env={**mine, "DTK_TRANSACTION": "t-mine-2"}) as other,
    ):
        try:
            assert hooks.kill_leftovers("t-mine") == 1
            assert found.wait(5) == -9
            assert other.poll() is None
        finally:
            other.kill()
            found.kill()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("true", r"hooks.pre is 'true'"),
        (["true"], r"hooks.pre\[0\]"),
        ([{"command": "true"}], r"hooks.pre\[0\].command"),
        ([{"command": ["true"]}, {"command": []}], r"hooks.pre\[1\].command"),
        ([{"command": ["true"], "timeout": 0}], "timeout is 0"),
        ([{"command": ["true"], "timeout": "soon"}], "timeout is 'soon'"),
        ([{"command": ["true"], "user": "x"}], "give a mapping with command and timeout"),
    ],
)
def test_from_list_refuses(data: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        hooks.from_list("pre", data)


def test_nothing_is_no_hooks() -> None:
    assert hooks.from_list("pre", None) == hooks.from_list("pre", []) == ()
    assert hooks.total_timeout(()) == 0
