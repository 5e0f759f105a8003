# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import files, state
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import StateError
from ansible_collections.sysops.dtk.plugins.module_utils._host.layout import Layout
from ansible_collections.sysops.dtk.plugins.module_utils._host.state import State, Transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit._host.support import small_disk

TRANSACTION = Transaction(
    id="t1",
    from_version="1.0",
    to_version="1.1",
    phase="switched",
    pid=7,
    pid_start="boot/9",
    deadman="dtk-deadman-hello",
    fence=4,
    deploy="d4",
    started_at="2026-01-31T12:00:00Z",
    spec={"unit": "hello.service", "mode": "reload"},
)
FULL = State(
    app="hello",
    current="1.0",
    previous="0.9",
    last_good="1.0",
    fence=4,
    activated_at="2026-01-30T12:00:00Z",
    activated_by="ops",
    deploy="d3",
    failed=("0.8", "0.7"),
    transaction=TRANSACTION,
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout("hello", str(tmp_path))
    os.makedirs(made.releases)
    return made


def test_no_file_is_a_host_that_never_had_a_release(layout: Layout) -> None:
    assert state.load(layout) == State("hello")


@pytest.mark.parametrize("value", [pytest.param(State("hello"), id="empty"), pytest.param(FULL, id="full")])
def test_what_was_saved_is_loaded(layout: Layout, value: State) -> None:
    state.save(layout, value)
    assert state.load(layout) == value


def test_the_document_is_as_promised(layout: Layout) -> None:
    old = os.umask(0o077)
    try:
        state.save(layout, FULL)
    finally:
        os.umask(old)
    document = json.loads(Path(layout.state_file).read_text())
    assert document["schema"] == 1
    assert document["transaction"]["from"] == "1.0"
    assert document["transaction"]["to"] == "1.1"
    assert os.stat(layout.state_file).st_mode & 0o7777 == 0o644, "whatever the umask"
    assert os.listdir(layout.home).count(".state.json.new") == 0


def test_in_use_is_all_that_may_be_needed_again() -> None:
    assert FULL.in_use() == {"1.0", "0.9", "1.1"}
    assert State("hello").in_use() == frozenset()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "not JSON", id="empty file"),
        pytest.param('{"schema": 1', "not JSON", id="torn file"),
        pytest.param("\x00" * 64, "not JSON", id="zeros after a crash"),
        pytest.param("[" * 100_000, "not JSON", id="deep nesting"),
        pytest.param("[]", "not a mapping", id="a list"),
        pytest.param('{"schema": 2, "app": "hello"}', "schema 2", id="newer schema"),
        pytest.param('{"schema": 1, "app": "other"}', "belongs to app 'other'", id="another app's"),
        pytest.param('{"schema": 1, "app": "hello"}', "fence is None", id="no fence"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_an_error_with_a_remedy(layout: Layout, text: str, says: str) -> None:
    Path(layout.state_file).write_text(text)
    with pytest.raises(StateError) as caught:
        state.load(layout)
    assert says in str(caught.value)
    assert layout.state_file in str(caught.value)
    assert ";" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("current", "../x"),
        ("previous", 7),
        ("fence", "4"),
        ("fence", True),
        ("failed", ["/"]),
        ("failed", None),
        ("transaction", {}),
        ("transaction", []),
        ("deploy", 3),
    ],
)
def test_a_wrong_field_is_refused(layout: Layout, field: str, value: Any) -> None:
    Path(layout.state_file).write_text(json.dumps({**state.to_dict(FULL), field: value}))
    with pytest.raises(StateError, match="can't be trusted"):
        state.load(layout)


versions = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,20}", fullmatch=True)


@given(
    st.builds(
        State,
        app=st.just("hello"),
        current=st.none() | versions,
        previous=st.none() | versions,
        fence=st.integers(min_value=0, max_value=99),
        activated_by=st.none() | st.text(),
        failed=st.lists(versions, max_size=4).map(tuple),
        transaction=st.none()
        | st.builds(Transaction, from_version=st.none() | versions, to_version=st.none() | versions, spec=st.just({})),
    )
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_state_survives_its_document(value: State) -> None:
    document = json.loads(json.dumps(state.to_dict(value)))
    assert state.from_dict(Layout("hello"), document) == value


def test_a_full_disk_keeps_the_old_state(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        layout = Layout("hello", str(disk))
        os.makedirs(layout.home)
        state.save(layout, FULL)
        with pytest.raises(OSError, match="No space"), open(disk / "ballast", "wb", buffering=0) as ballast:
            while True:
                ballast.write(b"x" * 4096)
        with pytest.raises(StateError, match=r"cannot write .*state\.json: No space left"):
            state.save(layout, State("hello"))
        assert state.load(layout) == FULL
        assert sorted(os.listdir(layout.home)) == ["state.json"]


def test_a_killed_writer_leaves_nothing_that_hinders_the_next(layout: Layout) -> None:
    Path(layout.home, ".state.json.new").write_text("torn")
    state.save(layout, FULL)
    assert state.load(layout) == FULL


@pytest.mark.parametrize(
    ("target", "version"),
    [("releases/1.0", "1.0"), ("{home}/releases/1.0", "1.0"), (None, None)],
)
def test_the_link_says_what_is_served(layout: Layout, target: str | None, version: str | None) -> None:
    if target:
        os.symlink(target.format(home=layout.home), layout.current)
    assert state.link_version(layout) == version


@pytest.mark.parametrize("target", ["/etc", "releases/..", "releases/.1.0.partial", "shared/x", "../other/releases/1"])
def test_a_link_to_elsewhere_is_an_error(layout: Layout, target: str) -> None:
    os.symlink(target, layout.current)
    with pytest.raises(StateError, match="points to"):
        state.link_version(layout)


def test_a_folder_in_place_of_the_link_is_an_error(layout: Layout) -> None:
    os.mkdir(layout.current)
    with pytest.raises(StateError, match="not a symbolic link"):
        state.link_version(layout)


def test_sync_works_with_and_without_syncfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_text("x")
    (tmp_path / "d" / "dangling").symlink_to("nowhere")
    files.sync_filesystem(str(tmp_path))
    monkeypatch.setattr("ctypes.CDLL", lambda *_args, **_options: object())
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    files.sync_filesystem(str(tmp_path))
    assert len(synced) == 3, "the file and both folders"
