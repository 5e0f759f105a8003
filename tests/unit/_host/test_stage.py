# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import errno
import json
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import archive, files, state
from ansible_collections.sysops.dtk.plugins.module_utils._host import stage as staging
from ansible_collections.sysops.dtk.plugins.module_utils._host.archive import Limits
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import (
    ArchiveError,
    FetchError,
    HostError,
    LockError,
    SpaceError,
    StageError,
)
from ansible_collections.sysops.dtk.plugins.module_utils._host.layout import MARKER, Layout
from ansible_collections.sysops.dtk.plugins.module_utils._host.lock import app_lock
from ansible_collections.sysops.dtk.plugins.module_utils._host.manifest import Manifest
from ansible_collections.sysops.dtk.plugins.module_utils._host.stage import absent, installed, stage
from ansible_collections.sysops.dtk.plugins.module_utils._host.state import State, Transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit._host.support import (
    CANARY,
    QUICK,
    ArtifactServer,
    Reply,
    hostile_members,
    manifest_of,
    member,
    pack,
    sample,
    sample_manifest,
    small_disk,
    symlink,
    tree,
)

ARTIFACT = sample()
MANIFEST = sample_manifest(ARTIFACT)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    root = tmp_path / "srv"
    root.mkdir()
    return Layout("hello", str(root))


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "artifact"
    path.write_bytes(ARTIFACT)
    return str(path)


@pytest.fixture
def server() -> Iterator[ArtifactServer]:
    running = ArtifactServer()
    yield running
    running.close()


def names(layout: Layout) -> list[str]:
    """What stands in the folder of releases, hidden names included."""
    return sorted(os.listdir(layout.releases)) if os.path.isdir(layout.releases) else []


def failure(kind: type[HostError], layout: Layout, manifest: Manifest, source: str, **options: Any) -> str:
    """The message of a failed staging, after a look for leftovers and secrets."""
    before = names(layout)
    with pytest.raises(kind) as caught:
        stage(layout, manifest, source, options=QUICK, **options)
    assert names(layout) == before, "no partial, no release"
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


# --- what goes well ---


@pytest.mark.parametrize("archive_format", ["tar.gz", "tar.xz", "tar.zst"])
def test_a_release_is_fetched_verified_and_made_visible(
    archive_format: str, layout: Layout, server: ArtifactServer
) -> None:
    artifact = sample(archive_format=archive_format)
    manifest = sample_manifest(artifact, format=archive_format)
    server.replies = [Reply(artifact)]
    result = stage(layout, manifest, server.url)
    assert (result.changed, result.path, result.bytes_fetched) == (True, layout.release("1.0.0"), len(artifact))
    assert set(result.seconds) == {"fetch_unpack", "sync"}
    assert names(layout) == ["1.0.0"]
    found = tree(Path(result.path))
    assert sorted(found) == [MARKER, "bin", "bin/run", "noise"]
    assert found["bin/run"][1:] == (0o755, b"#!/bin/sh\n")
    assert os.stat(result.path).st_mode & 0o7777 == 0o755
    assert os.path.isdir(layout.shared)
    document = json.loads(Path(layout.marker("1.0.0")).read_text())
    assert document["manifest"] == manifest.to_dict()
    assert installed(layout)["1.0.0"].manifest == manifest


def test_what_is_there_is_not_fetched_again(layout: Layout, source: str) -> None:
    stage(layout, MANIFEST, source)
    again = stage(layout, MANIFEST, "http://127.0.0.1:1/never")
    assert (again.changed, again.bytes_fetched, again.path) == (False, 0, layout.release("1.0.0"))


def test_check_mode_changes_nothing(layout: Layout, tmp_path: Path) -> None:
    before = tree(tmp_path)
    assert stage(layout, MANIFEST, "http://127.0.0.1:1/never", check=True).changed
    assert tree(tmp_path) == before


def test_check_mode_of_what_is_there(layout: Layout, source: str) -> None:
    stage(layout, MANIFEST, source)
    assert not stage(layout, MANIFEST, source, check=True).changed


def test_a_release_belongs_to_its_owner(layout: Layout, source: str) -> None:
    nobody = pwd.getpwnam("nobody")
    stage(layout, MANIFEST, source, owner="nobody")
    for name in ("", "bin", "bin/run", "noise"):
        status = os.lstat(os.path.join(layout.release("1.0.0"), name))
        assert (status.st_uid, status.st_gid) == (nobody.pw_uid, nobody.pw_gid)
    assert os.stat(layout.marker("1.0.0")).st_uid == os.getuid()
    assert os.stat(layout.releases).st_uid == os.getuid()


def test_a_group_alone_is_enough(layout: Layout, source: str) -> None:
    stage(layout, MANIFEST, source, group="daemon")
    status = os.stat(os.path.join(layout.release("1.0.0"), "noise"))
    assert (status.st_uid, status.st_gid) == (os.getuid(), 1)


def test_nobody_else_can_enter_while_root_unpacks(layout: Layout, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    real = archive.extract

    def spying(stream: Any, archive_format: str, dest: str, *rest: Any) -> Any:
        modes.append((os.stat(dest).st_mode & 0o7777, os.stat(dest).st_uid))
        return real(stream, archive_format, dest, *rest)

    monkeypatch.setattr(archive, "extract", spying)
    stage(layout, MANIFEST, source, owner="nobody")
    assert modes == [(0o700, os.getuid())]


def test_leftovers_of_killed_runs_are_removed_and_reported(layout: Layout, source: str) -> None:
    for name in (".0.9.partial", ".1.0.0.partial", ".0.8.removed"):
        Path(layout.releases, name, "deep").mkdir(parents=True)
    Path(layout.releases, "by-hand").mkdir()
    result = stage(layout, MANIFEST, source)
    assert sorted(result.pruned) == [".0.8.removed", ".0.9.partial", ".1.0.0.partial"]
    assert names(layout) == ["1.0.0", "by-hand"]


def test_two_at_once_fetch_once(layout: Layout, server: ArtifactServer) -> None:
    server.replies = [Reply(ARTIFACT)]
    results = []
    threads = [threading.Thread(target=lambda: results.append(stage(layout, MANIFEST, server.url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.changed for result in results) == [False, False, False, True]
    assert len(server.requests) == 1


def test_staging_does_not_wait_for_an_activation(layout: Layout, source: str) -> None:
    with app_lock(layout, 0):
        assert stage(layout, MANIFEST, source, lock_timeout_s=0).changed


# --- what is refused before anything is written ---


@pytest.mark.parametrize(
    ("changes", "options", "says"),
    [
        pytest.param({"app": "other"}, {}, "manifest is of app other and this is hello", id="another app's manifest"),
        pytest.param({"files": 11}, {"limits": Limits(entries=10)}, "entries 11, above the limit of 10", id="entries"),
        pytest.param({}, {"limits": Limits(unpacked_size=9)}, "unpacked_size 300010, above the limit of 9", id="bytes"),
        pytest.param({}, {"owner": "no-such-user"}, "owner 'no-such-user' is no user", id="owner"),
        pytest.param({}, {"group": "no-such-group"}, "group 'no-such-group' is no group", id="group"),
        pytest.param({"unpacked_size": 2**62}, {"limits": Limits(10, 2**63)}, "free bytes", id="space"),
        pytest.param({"files": 2**62}, {"limits": Limits(2**63, 10**9)}, "needs", id="space for entries"),
    ],
)
@pytest.mark.parametrize("check", [False, True], ids=["run", "check"])
def test_a_request_that_cannot_work(
    changes: dict[str, Any], options: dict[str, Any], says: str, check: bool, layout: Layout, source: str
) -> None:
    manifest = dataclasses.replace(MANIFEST, **changes)
    assert says in failure(StageError, layout, manifest, source, check=check, **options)


def test_other_bytes_under_the_same_version_are_refused(layout: Layout, source: str) -> None:
    stage(layout, MANIFEST, source)
    other = dataclasses.replace(MANIFEST, sha256="0" * 64)
    message = failure(StageError, layout, other, source)
    assert MANIFEST.sha256 in message
    assert "a version is immutable" in message


def spoil_with_text(marker: Path) -> None:
    marker.write_text("{")


def spoil_with_pipe(marker: Path) -> None:
    marker.unlink()
    os.mkfifo(marker)


def spoil_with_link(marker: Path) -> None:
    marker.unlink()
    marker.symlink_to("/etc/passwd")


def spoil_with_other_schema(marker: Path) -> None:
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "schema": 2}))


@pytest.mark.parametrize(
    "spoil", [Path.unlink, spoil_with_text, spoil_with_pipe, spoil_with_link, spoil_with_other_schema]
)
def test_a_folder_without_a_good_marker_is_not_taken_for_a_release(spoil: Any, layout: Layout, source: str) -> None:
    stage(layout, MANIFEST, source)
    spoil(Path(layout.marker("1.0.0")))
    assert f"has no good {MARKER}" in failure(StageError, layout, MANIFEST, source)
    assert installed(layout) == {}


# --- what is wrong with the artifact ---


def flipped(at: float) -> bytes:
    data = bytearray(ARTIFACT)
    data[int(len(data) * at)] ^= 1
    return bytes(data)


@pytest.mark.parametrize("at", [0, 0.0001, 0.5, 0.9, 0.99999])
def test_a_tampered_artifact_is_called_so(at: float, layout: Layout, server: ArtifactServer) -> None:
    server.replies = [Reply(flipped(at))]
    message = failure(StageError, layout, MANIFEST, server.url)
    assert "has sha256" in message
    assert MANIFEST.sha256 in message
    assert "damaged or tampered with" in message


@pytest.mark.parametrize("size", [0, 1, 100_000, len(ARTIFACT) - 1])
def test_a_truncated_artifact_is_called_so(size: int, layout: Layout, server: ArtifactServer) -> None:
    server.replies = [Reply(ARTIFACT[:size])]
    message = failure(FetchError, layout, MANIFEST, server.url)
    assert f"has {size} bytes and the manifest says {len(ARTIFACT)}" in message


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({"files": 2}, StageError, "holds 3 entries of 300010 bytes and the manifest says 2 of 300010"),
        ({"files": 4}, StageError, "holds 3 entries"),
        ({"unpacked_size": 300_011}, StageError, "the manifest says 3 of 300011"),
        ({"unpacked_size": 300_009}, ArchiveError, "above the limit of 300009 bytes"),
        ({"format": "tar.xz"}, ArchiveError, "xz stream is damaged"),
    ],
    ids=["fewer files", "more files", "more bytes", "fewer bytes", "other format"],
)
def test_a_manifest_that_lies_is_found_out(
    changes: dict[str, Any], kind: type[HostError], says: str, layout: Layout, source: str
) -> None:
    assert says in failure(kind, layout, dataclasses.replace(MANIFEST, **changes), source)


def test_a_hostile_archive_with_a_true_hash_leaves_nothing(layout: Layout, tmp_path: Path) -> None:
    artifact = pack(member("good", b"1"), symlink("l", "/etc"), member("l/x"))
    (tmp_path / "evil").write_bytes(artifact)
    manifest = manifest_of(artifact, files=3, unpacked_size=1)
    message = failure(ArchiveError, layout, manifest, str(tmp_path / "evil"))
    assert message.startswith(f"hello 1.0.0 from {tmp_path}/evil: the archive entry 'l' links to the absolute path")


@settings(max_examples=60, deadline=None)
@given(st.lists(hostile_members(), max_size=5))
def test_any_archive_gives_a_whole_release_or_no_trace(entries: list[Any]) -> None:
    # In memory: each example that gives a release syncs a disk that other tests keep busy.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        artifact = pack(*entries)
        Path(name, "artifact").write_bytes(artifact)
        try:
            found = archive.scan(f"{name}/artifact", "tar.gz")
        except ArchiveError:
            found = archive.Scan(len(entries), sum(len(data) for _, data in entries))
        manifest = manifest_of(artifact, files=found.entries, unpacked_size=found.unpacked_size)
        made = Layout("hello", name)
        try:
            stage(made, manifest, f"{name}/artifact")
        except HostError:
            assert names(made) == []
        else:
            assert names(made) == ["1.0.0"]
        assert sorted(os.listdir(name)) == ["artifact", "hello"]
        assert sorted(os.listdir(made.home)) == [".stage.lock", "releases", "shared"]


# --- what is wrong with the network ---


def test_a_broken_download_is_resumed_while_unpacking(layout: Layout, server: ArtifactServer) -> None:
    server.replies = [Reply(ARTIFACT, cut=100_000), Reply(ARTIFACT, cut=50_000), Reply(ARTIFACT)]
    result = stage(layout, MANIFEST, server.url, options=QUICK)
    assert result.bytes_fetched == len(ARTIFACT)
    assert len(server.requests) == 3


@pytest.mark.parametrize("archive_format", ["tar.gz", "tar.zst"])
def test_an_artifact_replaced_meanwhile_is_fetched_from_its_beginning(
    archive_format: str, layout: Layout, server: ArtifactServer
) -> None:
    artifact = sample(archive_format=archive_format)
    old = sample(archive_format=archive_format, seed=b"old")
    server.replies = [Reply(old, cut=200_000, etag='"old"', length=False), Reply(artifact, etag='"new"')]
    result = stage(layout, sample_manifest(artifact, format=archive_format), server.url, options=QUICK)
    assert result.bytes_fetched == 200_000 + len(artifact)
    assert len(server.requests) == 3, "the second was refused by If-Match"
    assert names(layout) == ["1.0.0"]


def test_an_artifact_replaced_again_and_again_is_an_error(layout: Layout, server: ArtifactServer) -> None:
    server.replies = [Reply(ARTIFACT, cut=100_000, etag=f'"{number}"') for number in range(9)]
    assert "was replaced while it was read" in failure(FetchError, layout, MANIFEST, server.url)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refused_download_leaves_nothing(status: int, layout: Layout, server: ArtifactServer) -> None:
    server.replies = [Reply(status=status)]
    assert f"answered {status}" in failure(FetchError, layout, MANIFEST, server.url)


@pytest.mark.parametrize("status", [403, 500])
@pytest.mark.parametrize("archive_format", ["tar.gz", "tar.zst"])
def test_a_download_that_dies_half_way_leaves_nothing(
    archive_format: str, status: int, layout: Layout, server: ArtifactServer
) -> None:
    artifact = sample(archive_format=archive_format)
    server.replies = [Reply(artifact, cut=200_000), Reply(status=status)]
    message = failure(FetchError, layout, sample_manifest(artifact, format=archive_format), server.url)
    assert f"answered {status}" in message


# --- what is wrong with the disk ---


@pytest.mark.parametrize(
    ("options", "what"),
    [pytest.param("size=2m", "bytes", id="bytes"), pytest.param("size=64m,nr_inodes=50", "inodes", id="inodes")],
)
def test_a_disk_too_small_is_seen_before_a_byte_is_fetched(
    options: str, what: str, source: str, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", options) as disk:
        message = failure(SpaceError, Layout("hello", str(disk)), MANIFEST, source)
        assert f"free {what} and hello 1.0.0 needs" in message
        assert "free some" in message


@pytest.mark.parametrize("options", ["size=200k", "size=4m,nr_inodes=8"], ids=["bytes", "inodes"])
def test_a_disk_that_fills_up_meanwhile_leaves_nothing_and_a_later_run_succeeds(
    options: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", options) as disk:
        layout = Layout("hello", str(disk))
        with monkeypatch.context() as patched:
            # As if the space had gone after the look at it.
            patched.setattr(staging, "_preflight", lambda *_args: None)
            message = failure(SpaceError, layout, MANIFEST, source)
        assert "ran out of bytes or inodes while writing hello 1.0.0" in message
        subprocess.run(["mount", "-o", "remount,size=64m,nr_inodes=1000", str(disk)], check=True)
        assert stage(layout, MANIFEST, source).changed


def test_a_read_only_root_is_named(source: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=64m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert "Read-only file system; make" in failure(LockError, Layout("hello", str(disk)), MANIFEST, source)


def test_a_disk_that_turns_read_only_meanwhile_is_named(
    layout: Layout, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(files, "sync_filesystem", broken)
    assert "read-only; remount it writable" in failure(StageError, layout, MANIFEST, source)


def test_a_write_error_at_the_sync_is_not_a_success(
    layout: Layout, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(files, "sync_filesystem", broken)
    assert "Input/output error" in failure(StageError, layout, MANIFEST, source)


def test_what_is_there_is_seen_on_a_read_only_root(source: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=64m") as disk:
        layout = Layout("hello", str(disk))
        stage(layout, MANIFEST, source)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert not stage(layout, MANIFEST, source).changed


# --- killed ---

RUN = """
import os, signal, sys
sys.path[:0] = {path!r}
from ansible_collections.sysops.dtk.plugins.module_utils._host import files, lock, manifest, stage
from ansible_collections.sysops.dtk.plugins.module_utils._host.layout import Layout

def die(*_args, **_options):
    os.kill(os.getpid(), signal.SIGKILL)

def after(real):
    def wrapped(*args, **options):
        real(*args, **options)
        die()
    return wrapped

{patch}
stage.stage(Layout("hello", {root!r}), manifest.from_json({manifest!r}), {source!r})
"""


def staging_process(layout: Layout, source: str, patch: str = "") -> subprocess.Popen[bytes]:
    code = RUN.format(path=sys.path, patch=patch, root=layout.root, manifest=MANIFEST.to_json(), source=source)
    return subprocess.Popen([sys.executable, "-c", code])


@pytest.mark.parametrize(
    ("patch", "left"),
    [
        pytest.param("stage._fetch_unpack = die", [".1.0.0.partial"], id="before unpacking"),
        pytest.param("stage._seal = die", [".1.0.0.partial"], id="before the marker"),
        pytest.param("files.sync_filesystem = die", [".1.0.0.partial"], id="before the sync"),
        pytest.param("os.rename = die", [".1.0.0.partial"], id="before the rename"),
        pytest.param("os.rename = after(os.rename)", ["1.0.0"], id="after the rename"),
    ],
)
def test_killed_at_a_boundary_a_plain_run_completes(patch: str, left: list[str], layout: Layout, source: str) -> None:
    assert staging_process(layout, source, patch).wait() == -signal.SIGKILL
    assert names(layout) == left
    assert sorted(installed(layout)) == [name for name in left if not name.startswith(".")]
    assert stage(layout, MANIFEST, source, lock_timeout_s=0).changed == (left != ["1.0.0"])
    assert names(layout) == ["1.0.0"]
    assert sorted(tree(Path(layout.release("1.0.0")))) == [MARKER, "bin", "bin/run", "noise"]


def test_killed_in_the_middle_of_the_download_a_plain_run_completes(layout: Layout, server: ArtifactServer) -> None:
    server.replies = [Reply(ARTIFACT, cut=200_000, hold=True), Reply(ARTIFACT)]
    process = staging_process(layout, server.url)
    try:
        half_written = Path(layout.partial("1.0.0"), "noise")
        while not (half_written.exists() and half_written.stat().st_size):
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    assert names(layout) == [".1.0.0.partial"]
    assert installed(layout) == {}
    result = stage(layout, MANIFEST, server.url, lock_timeout_s=0)
    assert result.changed
    assert result.pruned == (".1.0.0.partial",)
    assert names(layout) == ["1.0.0"]


# --- absent ---

TRANSACTION = Transaction("t", None, "1.0.0", "begin", 1, "b/1", None, 1, None, "2026-01-31T12:00:00Z")


@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
def test_a_release_that_nobody_uses_can_be_removed(check: bool, layout: Layout, source: str) -> None:
    stage(layout, MANIFEST, source)
    assert absent(layout, "1.0.0", check=check)
    assert names(layout) == (["1.0.0"] if check else [])


def test_what_is_absent_stays_absent(layout: Layout) -> None:
    assert not absent(layout, "1.0.0")
    assert not os.path.exists(layout.home)


@pytest.mark.parametrize(
    "used",
    [
        State("hello", current="1.0.0"),
        State("hello", previous="1.0.0"),
        State("hello", last_good="1.0.0"),
        State("hello", transaction=TRANSACTION),
        State("hello", transaction=dataclasses.replace(TRANSACTION, from_version="1.0.0", to_version="2")),
    ],
    ids=["current", "previous", "last good", "being activated", "being left"],
)
@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
def test_a_release_in_use_is_kept(used: State, check: bool, layout: Layout, source: str) -> None:
    stage(layout, MANIFEST, source)
    state.save(layout, used)
    with pytest.raises(StageError, match=r"release 1\.0\.0 of hello is current, .*; activate another one first"):
        absent(layout, "1.0.0", check=check)
    assert names(layout) == ["1.0.0"]


def test_a_release_that_only_the_link_names_is_kept(layout: Layout, source: str) -> None:
    stage(layout, MANIFEST, source)
    os.symlink(layout.link_target("1.0.0"), layout.current)
    with pytest.raises(StageError, match="activate another one first"):
        absent(layout, "1.0.0")


def test_a_removal_that_stops_half_way_shows_no_half_release(
    layout: Layout, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(layout, MANIFEST, source)
    removed = []

    def stopping(path: str) -> None:
        removed.append(path)
        if len(removed) == 2:
            raise OSError(errno.EIO, "broken", path)

    with monkeypatch.context() as patched:
        patched.setattr(files, "remove_tree", stopping)
        with pytest.raises(StageError, match=r"cannot remove .*broken"):
            absent(layout, "1.0.0")
    assert names(layout) == [".1.0.0.removed"]
    assert stage(layout, MANIFEST, source).pruned == (".1.0.0.removed",)
