# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import cli
from ansible_collections.sysops.dtk.plugins.module_utils._host.layout import Layout
from ansible_collections.sysops.dtk.plugins.module_utils._host.state import State, Transaction, load, save


def arguments(root: Path, transaction: str = "t1") -> list[str]:
    return ["revert", "--root", str(root), "--app", "hello", "--transaction", transaction, "--grace", "0"]


@pytest.fixture
def abandoned(tmp_path: Path) -> Layout:
    """Transaction t1 has moved the link from 1 to 2 and then died; no unit is involved."""
    layout = Layout("hello", str(tmp_path))
    for version in ("1", "2"):
        Path(layout.release(version)).mkdir(parents=True)
    Path(layout.current).symlink_to("releases/2")
    ends = {"from_version": "1", "to_version": "2", "phase": "switched"}
    died = {"pid": 2**22 + 1, "pid_start": "gone", "deadman": "x"}
    rest = {"fence": 3, "deploy": "d1", "started_at": "2026-01-01T00:00:00Z", "spec": {"mode": "none"}}
    save(layout, State("hello", current="1", last_good="1", transaction=Transaction(id="t1", **ends, **died, **rest)))
    return layout


def test_revert_goes_back(abandoned: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments(Path(abandoned.root))) == 0
    assert "hello was left in phase switched" in capsys.readouterr().out
    assert Path(abandoned.current).readlink() == Path("releases/1")
    assert load(abandoned) == State("hello", current="1", last_good="1")


def test_revert_of_another_transaction_does_nothing(abandoned: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    before = load(abandoned)
    assert cli.main(arguments(Path(abandoned.root), "t0")) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert (load(abandoned), Path(abandoned.current).readlink()) == (before, Path("releases/2"))


def test_trouble_is_one_sentence_and_an_exit_code(abandoned: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    Path(abandoned.release("1")).rmdir()
    assert cli.main(arguments(Path(abandoned.root))) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and "release 1 is not on this host any more" in printed.err
    assert load(abandoned).transaction is not None


def test_a_command_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.main([])
    assert raised.value.code == 2
    assert "usage" in capsys.readouterr().err
