# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command says is known while it runs, and it runs no longer than it may."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.lab.streamed import stream


class EnoughError(Exception):
    pass


def collected(script: str, **options: object) -> tuple[int, list[tuple[str, str]]]:
    said: list[tuple[str, str]] = []
    code = stream(["sh", "-c", script], lambda *line: said.append(line), lambda: None, **options)
    return code, said


def test_every_line_comes_with_its_channel() -> None:
    code, said = collected("echo a; echo b >&2; printf 'no end of line'; printf '\\377\\n' >&2; exit 7")
    assert code == 7
    assert [line for channel, line in said if channel == "Stdout"] == ["a", "no end of line"]
    assert [line for channel, line in said if channel == "Stderr"] == ["b", "\N{REPLACEMENT CHARACTER}"]


def test_a_file_is_its_input(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("1\n2\n")
    assert collected("cat", stdin=tmp_path / "in") == (0, [("Stdout", "1"), ("Stdout", "2")])
    assert collected("cat") == (0, [])


def test_lines_are_known_while_the_command_waits_for_us(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    os.mkfifo(go_on)
    said = []

    def answer(channel: str, line: str) -> None:
        said.append((channel, line))
        if line == "ready":
            go_on.write_text("go\n")

    assert stream(["sh", "-c", f"echo ready; cat '{go_on}'"], answer, lambda: None) == 0
    assert said == [("Stdout", "ready"), ("Stdout", "go")]


def test_what_it_leaves_running_is_not_waited_for() -> None:
    began = time.monotonic()
    assert collected("sleep 20 & echo over") == (0, [("Stdout", "over")])
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("script", ["exec sleep 60", "sleep 60 & wait", "exec >&- 2>&-; sleep 60", "yes"])
def test_what_takes_too_long_is_ended(script: str, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"it took longer than 0\.5 s"):
        collected(f"echo $$ >'{tmp_path}/pid'; {script}", timeout=0.5)
    assert time.monotonic() - began < 30
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_tick_may_end_it(tmp_path: Path) -> None:
    def tick() -> None:
        if (tmp_path / "pid").exists():
            raise EnoughError

    with pytest.raises(EnoughError):
        stream(
            ["sh", "-c", f"echo $$ >'{tmp_path}/new' && mv '{tmp_path}/new' '{tmp_path}/pid'; sleep 60"], print, tick
        )
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()
