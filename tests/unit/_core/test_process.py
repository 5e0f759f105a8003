# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core import process


def test_we_are_alive() -> None:
    us = process.describe(os.getpid())
    assert us.split("/")[1] == str(os.getpid())
    assert not process.is_dead(us)


def test_a_process_that_ended_is_dead_even_before_anybody_waited_for_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        alive = process.describe(child.pid)
        assert not process.is_dead(alive)
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process.is_dead(alive)
    assert process.is_dead(alive)


def test_a_number_that_was_given_to_another_process_is_dead() -> None:
    assert process.is_dead(process.describe(os.getpid()).rpartition("/")[0] + "/1")


@pytest.mark.parametrize("text", [None, "", "elsewhere/1/1", "x", "a/b/c"])
def test_nothing_is_known_of_other_machines(text: str | None) -> None:
    assert not process.is_dead(text)


def test_nonsense_about_this_machine_proves_nothing() -> None:
    machine = process.describe(os.getpid()).split("/")[0]
    assert not process.is_dead(f"{machine}/-1/5")
    assert not process.is_dead(f"{machine}//5")


def test_a_process_that_does_not_exist_has_no_description() -> None:
    assert process.describe(2**22 + 1) is None


def test_the_controlling_process_is_the_one_at_the_top(tmp_path: Path) -> None:
    """A play, its fork and a shell in between: the play is the one whose death ends the deploy."""
    play = tmp_path / "ansible-playbook"
    shutil.copy(shutil.which("sh"), play)
    inner = (
        "from ansible_collections.sysops.dtk.plugins.module_utils._core import process\n"
        "print(process.controlling_process())\n"
    )
    fork = f"{play} -c 'sh -c \"$ASK; :\"; :'"
    ask = tmp_path / "ask.py"
    ask.write_text(inner)
    done = subprocess.run(
        [str(play), "-c", f"echo $$; {fork}; :"],
        env={**os.environ, "ASK": f"{sys.executable} {ask}", "PYTHONPATH": ":".join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    top, found = done.stdout.split()
    assert found.split("/")[1] == top


def test_without_a_play_there_is_no_controlling_process() -> None:
    assert process.controlling_process(1) is None
