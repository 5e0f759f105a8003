# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import files
from ansible_collections.sysops.dtk.plugins.module_utils._host.layout import Layout
from ansible_collections.sysops.dtk.plugins.module_utils._host.prune import prune, prune_plan
from ansible_collections.sysops.dtk.plugins.module_utils._host.state import State
from hypothesis import given
from hypothesis import strategies as st

from tests.unit._host.support import sample_manifest

ALL = ["1", "2", "3", "4", "5", "6"]
SIX = State("hello", current="6", previous="5", last_good="6")


@pytest.mark.parametrize(
    ("state", "present", "keep", "keep_failed", "removed"),
    [
        pytest.param(SIX, [], 5, 2, [], id="nothing there"),
        pytest.param(SIX, ALL, 6, 2, [], id="just enough"),
        pytest.param(SIX, ALL, 5, 2, ["1"], id="one too many"),
        pytest.param(SIX, ALL, 2, 2, ["1", "2", "3", "4"], id="only what is in use"),
        pytest.param(SIX, ALL, 0, 0, ["1", "2", "3", "4"], id="what is in use stays even with keep 0"),
        pytest.param(SIX, ALL, -3, -1, ["1", "2", "3", "4"], id="negative is 0"),
        pytest.param(
            State("hello", current="1", previous="2", last_good="3"), ALL, 3, 0, ["4", "5", "6"], id="in use and oldest"
        ),
        pytest.param(
            State("hello", current="6", last_good="6", failed=("2", "3", "4")),
            ALL,
            3,
            1,
            ["2", "3"],
            id="failed ones have their own quota",
        ),
        pytest.param(
            State("hello", current="6", last_good="6", failed=("1", "2", "3", "4", "5")),
            ALL,
            5,
            0,
            ["1", "2", "3", "4", "5"],
            id="failed ones don't use the room of good ones",
        ),
        pytest.param(
            State("hello", current="6", last_good="6", failed=("6",)), ["6"], 0, 0, [], id="a failed one in use stays"
        ),
        pytest.param(State("hello"), ALL, 2, 2, ["1", "2", "3", "4"], id="a host that only staged"),
    ],
)
def test_plan(state: State, present: list[str], keep: int, keep_failed: int, removed: list[str]) -> None:
    assert prune_plan(state, present, keep, keep_failed) == removed


def test_what_the_link_serves_stays() -> None:
    assert "1" not in prune_plan(SIX, ALL, 0, 0, served="1")


some = st.none() | st.sampled_from(ALL)


@given(
    st.builds(
        State,
        app=st.just("hello"),
        current=some,
        previous=some,
        last_good=some,
        failed=st.lists(st.sampled_from(ALL), unique=True).map(tuple),
        transaction=st.none(),
    ),
    st.permutations(ALL),
    st.integers(0, 7),
    st.integers(0, 7),
    some,
)
def test_whatever_the_state(state: State, present: list[str], keep: int, keep_failed: int, served: str | None) -> None:
    removed = prune_plan(state, present, keep, keep_failed, served)
    kept = [version for version in present if version not in removed]
    in_use = (state.in_use() | {served}) & set(present)
    assert in_use <= set(kept)
    assert removed == [version for version in present if version in removed], "oldest first"
    good = [version for version in kept if version not in state.failed or version in in_use]
    failed = [version for version in kept if version in state.failed and version not in in_use]
    assert len(good) <= max(keep, len(in_use))
    assert len(failed) <= keep_failed
    assert prune_plan(state, kept, keep, keep_failed, served) == [], "a second run has nothing to do"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout("hello", str(tmp_path))
    for number, version in enumerate(ALL):
        folder = Path(made.release(version), "deep")
        folder.mkdir(parents=True)
        manifest = sample_manifest(b"x", version=version).to_dict()
        # Staged in the order of ALL; the times of the folders say the opposite.
        document = {"schema": 1, "manifest": manifest, "staged_at": f"2026-01-0{number + 1}T00:00:00.000000Z"}
        Path(made.marker(version)).write_text(json.dumps(document))
        os.utime(made.release(version), (9 - number, 9 - number))
    return made


def test_old_releases_go_by_the_time_of_staging(layout: Layout) -> None:
    assert prune(layout, SIX, 3, 0) == (["1", "2", "3"], [])
    assert sorted(os.listdir(layout.releases)) == ["4", "5", "6"]
    assert prune(layout, SIX, 3, 0) == ([], [])


def test_what_the_toolkit_did_not_make_stays(layout: Layout) -> None:
    os.mkdir(os.path.join(layout.releases, "by-hand"))
    os.unlink(layout.marker("1"))
    assert prune(layout, SIX, 0, 0) == (["2", "3", "4"], [])
    assert sorted(os.listdir(layout.releases)) == ["1", "5", "6", "by-hand"]


def test_a_served_release_that_the_state_forgot_stays(layout: Layout) -> None:
    os.symlink(layout.link_target("1"), layout.current)
    assert "1" not in prune(layout, SIX, 0, 0)[0]


def test_a_release_that_cannot_be_removed_is_a_warning_and_the_rest_goes(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = files.remove_tree

    def stubborn(path: str) -> None:
        if "/.2." in path and os.path.exists(path):
            raise OSError(errno.EBUSY, "Device or resource busy", path)
        real(path)

    monkeypatch.setattr(files, "remove_tree", stubborn)
    removed, warnings = prune(layout, SIX, 2, 0)
    assert removed == ["1", "3", "4"]
    assert len(warnings) == 1
    assert "old release 2 can't be removed" in warnings[0]
    assert "busy" in warnings[0]
    assert "2" not in os.listdir(layout.releases), "half a release is never visible"
