# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import stat
import subprocess
import tarfile
import tempfile
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import archive
from ansible_collections.sysops.dtk.plugins.module_utils._host.archive import Limits, Scan
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import ArchiveError, FetchError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit._host.support import (
    compress,
    folder,
    hardlink,
    hostile_members,
    member,
    pack,
    sample,
    symlink,
    tar,
    tree,
)

FORMATS = ["tar.gz", "tar.xz", "tar.zst"]


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    made = tmp_path / "dest"
    made.mkdir()
    return made


def unpack(data: bytes, dest: Path, archive_format: str = "tar.gz", **options: Any) -> Scan:
    return archive.extract(io.BytesIO(data), archive_format, str(dest), **options)


def scan_bytes(data: bytes, folder_: Path, archive_format: str = "tar.gz", limits: Limits | None = None) -> Scan:
    path = folder_ / "artifact"
    path.write_bytes(data)
    return archive.scan(str(path), archive_format, limits)


PLAIN = [
    folder("./"),
    folder("./bin"),
    member("./bin/run", b"#!/bin/sh\n", mode=0o700),
    member("deep/er/file", b"x" * 700_000, mode=0o666),
    member("empty"),
    symlink("bin/latest", "run"),
    symlink("deep/er/up", "../../bin/latest"),
    symlink("itself", "."),
    symlink("dangling", "not/there"),
    hardlink("twin", "./bin/run"),
    hardlink("triplet", "twin"),
    folder("bin"),
    member("caf\u00e9 \U0001f600", b"name"),
    member("latin-\udce9", b"not UTF-8"),
    member("x" * 255, b"longest name"),
    member("/".join(["p" * 100] * 9), b"long path"),
]


@pytest.mark.parametrize("style", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_plain_archive_is_unpacked_as_tar_does(archive_format: str, style: int, dest: Path, tmp_path: Path) -> None:
    raw = tar(*PLAIN, style=style)
    found = unpack(compress(raw, archive_format), dest, archive_format)
    (tmp_path / "peer").mkdir()
    subprocess.run(["tar", "-x", "--no-same-owner", "-C", tmp_path / "peer"], input=raw, check=True)
    ours, peers = tree(dest), tree(tmp_path / "peer")
    assert {name: (kind, content) for name, (kind, _, content) in ours.items()} == {
        name: (kind, content) for name, (kind, _, content) in peers.items()
    }
    assert os.path.samefile(dest / "twin", dest / "bin" / "run")
    implied = 2 + 8  # deep, deep/er and the long path's folders
    assert found == Scan(len(PLAIN) + implied, sum(len(data) for _, data in PLAIN))
    assert scan_bytes(compress(raw, archive_format), tmp_path, archive_format) == found


def test_modes_follow_the_execute_bit_whatever_the_umask(dest: Path) -> None:
    old = os.umask(0o077)
    try:
        unpack(pack(folder("d", 0o700), member("d/x", mode=0o100), member("d/y", mode=0o666), member("i/z")), dest)
    finally:
        os.umask(old)
    modes = {name: mode for name, (_, mode, _) in tree(dest).items()}
    assert modes == {"d": 0o755, "d/x": 0o755, "d/y": 0o644, "i": 0o755, "i/z": 0o644}


def test_everything_belongs_to_the_owner_and_files_keep_their_time(dest: Path) -> None:
    info, data = member("d/f", b"1")
    info.mtime, info.uid, info.gid = 1_000_000_000, 77, 78
    unpack(pack((info, data), symlink("d/l", "f"), hardlink("h", "d/f")), dest, owner=(1234, 4321))
    for name in ("d", "d/f", "d/l", "h"):
        status = os.lstat(dest / name)
        assert (status.st_uid, status.st_gid) == (1234, 4321)
    assert os.stat(dest / "d" / "f").st_mtime == 1_000_000_000


@pytest.mark.parametrize("mtime", [-1, 2**40, float("nan"), float("inf")])
def test_an_absurd_time_is_no_error(dest: Path, mtime: float) -> None:
    info, data = member("f")
    info.pax_headers["mtime"] = str(mtime)
    unpack(pack((info, data)), dest)
    assert os.stat(dest / "f").st_mtime == 0


HOSTILE = [
    pytest.param([member("/etc/x")], "absolute path", id="absolute name"),
    pytest.param([member("../x")], "'..' in its path", id="dots"),
    pytest.param([member("a/../../x")], "'..' in its path", id="dots inside"),
    pytest.param([folder("..")], "'..' in its path", id="dots as a folder"),
    pytest.param([symlink("l", "/etc")], "absolute path '/etc'", id="absolute link"),
    pytest.param([symlink("l", "..")], "outside of the release", id="link to the parent"),
    pytest.param([symlink("a/l", "../../x")], "outside of the release", id="link above the root"),
    pytest.param([symlink("l", "a/../..")], "'..' after a name", id="link that hides its dots"),
    pytest.param(
        [folder("a/b/c"), symlink("a/b/c/up", "../../.."), symlink("m", "a/b/c/up/../secret")],
        "'..' after a name",
        id="link through a link",
    ),
    pytest.param([symlink("l", "")], "empty target", id="link to nothing"),
    pytest.param([symlink("l", "a\nb")], "control character", id="link with a newline"),
    pytest.param([symlink("l", "/tmp"), member("l/x")], "absolute path", id="link out, then write through"),
    pytest.param([symlink("l", "d"), folder("d"), member("l/x")], "below 'l', which is a symlink", id="write through"),
    pytest.param([symlink("l", "d"), member("l/a/b")], "below 'l', which is a symlink", id="write deep through"),
    pytest.param([member("f"), member("f/x")], "below 'f', which is a file", id="below a file"),
    pytest.param([symlink("l", "f"), member("l")], "appears twice", id="file replaces a link"),
    pytest.param([symlink("l", "d"), folder("l")], "appears twice", id="folder replaces a link"),
    pytest.param([folder("d"), symlink("d", "e")], "appears twice", id="link replaces a folder"),
    pytest.param([member("f"), member("./f")], "appears twice", id="same file"),
    pytest.param([member("f"), hardlink("f", "f")], "appears twice", id="hard link to itself"),
    pytest.param([member(".")], "appears twice", id="file in place of the root"),
    pytest.param([hardlink("h", "/etc/passwd")], "absolute path", id="hard link to an absolute path"),
    pytest.param([hardlink("h", "../x")], "'..' in its path", id="hard link out"),
    pytest.param([hardlink("h", "later"), member("later")], "no earlier file", id="hard link to a later file"),
    pytest.param([symlink("l", "f"), hardlink("h", "l")], "no earlier file", id="hard link to a link"),
    pytest.param([folder("d"), hardlink("h", "d")], "no earlier file", id="hard link to a folder"),
    pytest.param([member("f", mode=0o4755)], "mode 4755", id="setuid"),
    pytest.param([member("f", mode=0o2755)], "mode 2755", id="setgid"),
    pytest.param([folder("d", 0o1777)], "mode 1777", id="sticky"),
    pytest.param([member("f", kind=tarfile.CHRTYPE)], "character device", id="character device"),
    pytest.param([member("f", kind=tarfile.BLKTYPE)], "block device", id="block device"),
    pytest.param([member("f", kind=tarfile.FIFOTYPE)], "named pipe", id="named pipe"),
    pytest.param([member("f", kind=b"Z")], "unknown type", id="unknown type"),
    pytest.param([member("a\nb")], "control character", id="newline"),
    pytest.param([member("a\x1b[2J")], "control character", id="escape sequence"),
    pytest.param([member("a\x7fb")], "control character", id="delete"),
    pytest.param([member("x" * 256)], "above 255 bytes", id="name too long"),
    pytest.param([member("\u00e9" * 128)], "above 255 bytes", id="name too long in bytes"),
    pytest.param([member("y" * 256 + "/x")], "folder above 255", id="folder too long"),
    pytest.param([member("/".join("d" * 1600))], "above 3072 bytes", id="path too long"),
    pytest.param([symlink("l", "/".join("d" * 1600))], "above 3072 bytes", id="link too long"),
    pytest.param([member(".dtk-release.json")], "toolkit's own file", id="marker"),
    pytest.param([symlink("./.dtk-release.json", "x")], "toolkit's own file", id="marker as a link"),
    pytest.param([], "holds no file", id="empty archive"),
]


@pytest.mark.parametrize(("members", "says"), HOSTILE)
def test_a_hostile_archive_is_refused_by_scan_and_extract(
    members: list[Any], says: str, dest: Path, tmp_path: Path
) -> None:
    data = pack(*members)
    with pytest.raises(ArchiveError) as scanned:
        scan_bytes(data, tmp_path)
    with pytest.raises(ArchiveError) as extracted:
        unpack(data, dest)
    assert says in str(scanned.value)
    assert str(scanned.value) == str(extracted.value)
    assert str(scanned.value).isprintable(), "a name can't play with the terminal"
    assert len(str(scanned.value)) < 500


def sparse_archive(style: str, tmp_path: Path) -> bytes:
    with open(tmp_path / "holes", "wb") as stream:
        stream.truncate(10 * 1024**2)
        stream.write(b"x")
    command = ["tar", "-cS", "--format", style, "-C", tmp_path, "holes"]
    return compress(subprocess.run(command, check=True, capture_output=True).stdout)


@pytest.mark.parametrize("style", ["gnu", "pax"])
def test_sparse_files_are_refused(style: str, tmp_path: Path, dest: Path) -> None:
    with pytest.raises(ArchiveError, match=r"holes.* is a sparse file"):
        unpack(sparse_archive(style, tmp_path), dest)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        pytest.param(Limits(entries=2), "above the limit of 2 entries", id="entries"),
        pytest.param(Limits(unpacked_size=300_009), "above the limit of 300009 bytes", id="bytes"),
    ],
)
def test_limits_hold(limits: Limits, says: str, tmp_path: Path, dest: Path) -> None:
    with pytest.raises(ArchiveError, match=says):
        scan_bytes(sample(), tmp_path, limits=limits)
    with pytest.raises(ArchiveError, match=says):
        unpack(sample(), dest, limits=limits)


def test_limits_may_be_reached(dest: Path) -> None:
    assert unpack(sample(), dest, limits=Limits(3, 300_010)) == Scan(3, 300_010)


def test_folders_that_are_only_implied_count(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="limit of 50 entries"):
        scan_bytes(pack(member("/".join("d" * 60))), tmp_path, limits=Limits(entries=50))


def bomb(archive_format: str) -> bytes:
    """A tiny artifact whose only file claims, and has, 64 MiB."""
    return pack(member("zeros", bytes(64 * 1024**2)), archive_format=archive_format)


@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_bomb_stops_at_the_limit(archive_format: str, dest: Path) -> None:
    with pytest.raises(ArchiveError, match="above the limit of 1000 bytes"):
        unpack(bomb(archive_format), dest, archive_format, limits=Limits(100, 1000))
    assert tree(dest) == {}


@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_bomb_behind_the_end_mark_stops_too(archive_format: str, dest: Path) -> None:
    data = compress(tar(member("f")) + bytes(32 * 1024**2), archive_format)
    with pytest.raises(ArchiveError, match="unpacks to more than"):
        unpack(data, dest, archive_format, limits=Limits(10, 1000))


def test_a_header_that_claims_gigabytes_is_not_read_into_memory(dest: Path) -> None:
    info = tarfile.TarInfo("huge")
    info.type, info.size = tarfile.XHDTYPE, 4 * 1024**3
    with pytest.raises(ArchiveError, match="has a header of"):
        unpack(compress(info.tobuf() + bytes(1024**2)), dest)


def test_headers_upon_headers_are_damage_and_no_crash(dest: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 0
    with pytest.raises(ArchiveError, match="damaged"):
        unpack(compress(info.tobuf() * 5000), dest)


@pytest.mark.parametrize("size", [-1, -512, -(2**40)])
def test_a_negative_size_is_damage_and_no_endless_loop(size: int, dest: Path) -> None:
    info = tarfile.TarInfo("f")
    info.size = size
    with pytest.raises(ArchiveError, match=r"negative size|damaged|end mark"):
        unpack(compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)), dest)


@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_truncated_artifact_is_refused_wherever_it_ends(archive_format: str, tmp_path: Path) -> None:
    whole = sample(20_000, archive_format)
    cuts = sorted({0, 1, 10, len(whole) - 1, len(whole) - 5, *random.Random(1).sample(range(len(whole)), 12)})
    for cut in cuts:
        with pytest.raises(ArchiveError):
            scan_bytes(whole[:cut], tmp_path, archive_format)


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_a_tar_that_lost_its_end_inside_good_compression_is_refused(blocks: int, tmp_path: Path) -> None:
    raw = tar(member("a", b"1"), member("b", b"2"))
    with pytest.raises(ArchiveError, match=r"ends before its end mark|in the middle"):
        scan_bytes(compress(raw[: 512 * blocks]), tmp_path)


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path: Path) -> None:
    raw = bytearray(tar(member("a", b"1"), member("b", b"2")))
    raw[1024 + 5] ^= 1
    with pytest.raises(ArchiveError, match="end mark"):
        scan_bytes(compress(bytes(raw)), tmp_path)


@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_flipped_bit_is_found_by_the_checksum(archive_format: str, tmp_path: Path) -> None:
    data = bytearray(sample(5000, archive_format))
    data[-6 if archive_format == "tar.gz" else len(data) // 2] ^= 0x10
    with pytest.raises(ArchiveError, match="publish it again"):
        scan_bytes(bytes(data), tmp_path, archive_format)


@pytest.mark.parametrize("archive_format", ["tar.gz", "tar.xz", "tar.zst"])
def test_streams_may_be_concatenated(archive_format: str, tmp_path: Path) -> None:
    raw = tar(member("a", b"1" * 5000), member("b", b"2" * 5000))
    data = compress(raw[:3000], archive_format) + compress(raw[3000:], archive_format)
    assert scan_bytes(data, tmp_path, archive_format) == Scan(2, 10_000)


@pytest.mark.parametrize("tail", [b"garbage", b"\0\0\0\0junk"])
def test_garbage_behind_the_compressed_stream_is_refused(tail: bytes, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="gzip stream is damaged"):
        scan_bytes(sample(100) + tail, tmp_path)


@pytest.mark.parametrize("archive_format", FORMATS)
def test_another_format_than_promised_is_refused(archive_format: str, tmp_path: Path) -> None:
    other = "tar.xz" if archive_format == "tar.gz" else "tar.gz"
    with pytest.raises(ArchiveError, match=r"stream is damaged"):
        scan_bytes(sample(100, other), tmp_path, archive_format)


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"'zip' is unknown; use tar\.gz, tar\.xz or tar\.zst"):
        scan_bytes(b"", tmp_path, "zip")


def test_a_missing_archive_is_named() -> None:
    with pytest.raises(ArchiveError, match="cannot read the archive /not/there: No such file"):
        archive.scan("/not/there", "tar.gz")


def test_a_missing_zstd_is_named(dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ArchiveError, match=r"program zstd is missing.*install the package zstd"):
        unpack(b"", dest, "tar.zst")


class FailingStream:
    """Gives some bytes, then fails as a source does."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, _size: int) -> bytes:
        data, self._data = self._data, b""
        if not data:
            raise FetchError("gone")
        return data


@pytest.mark.parametrize("archive_format", FORMATS)
def test_an_error_of_the_source_arrives_as_it_is(archive_format: str, dest: Path) -> None:
    with pytest.raises(FetchError, match="gone"):
        archive.extract(FailingStream(sample(400_000, archive_format)[:150_000]), archive_format, str(dest))


@pytest.mark.parametrize("archive_format", FORMATS)
def test_every_byte_of_the_source_is_read(archive_format: str, dest: Path) -> None:
    stream = io.BytesIO(sample(1000, archive_format))
    archive.extract(stream, archive_format, str(dest))
    assert stream.read() == b"", "the hash covers what stands behind the end mark"


def test_many_entries_take_little_memory(tmp_path: Path) -> None:
    raw = b"".join(tarfile.TarInfo(f"f{number}").tobuf() for number in range(4000)) + bytes(1024)
    data = compress(raw)
    tracemalloc.start()
    assert scan_bytes(data, tmp_path) == Scan(4000, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 1024**2


# --- whatever an archive holds ---


def assert_contained(top: Path, dest: Path) -> None:
    """Nothing but plain things below dest, no link that leads out, and nothing else changed."""
    assert set(os.listdir(top)) == {"dest", "outside", "artifact"}
    assert tree(top / "outside") == {"secret": (stat.S_IFREG, 0o600, b"untouched")}
    assert os.stat(top / "outside" / "secret").st_nlink == 1
    real = os.path.realpath(dest)
    for name, (kind, mode, _) in tree(dest).items():
        assert kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)
        assert kind == stat.S_IFLNK or mode in (0o644, 0o755)
        assert os.path.commonpath([real, os.path.realpath(dest / name)]) == real


@settings(max_examples=250, deadline=None)
@given(st.lists(hostile_members(), max_size=7), st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
@example([symlink("l", "../outside"), member("l/secret", b"!")], tarfile.PAX_FORMAT)
@example([folder("a/b"), symlink("a/b/l", "../.."), symlink("m", "a/b/l/a"), member("m/x")], tarfile.PAX_FORMAT)
@example([symlink("a", "b"), symlink("b", "a"), member("a/x")], tarfile.GNU_FORMAT)
def test_no_archive_changes_anything_outside(entries: list[Any], style: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        dest = top / "dest"
        dest.mkdir()
        (top / "outside").mkdir()
        (top / "outside" / "secret").write_bytes(b"untouched")
        (top / "outside" / "secret").chmod(0o600)
        data = compress(tar(*entries, style=style))
        try:
            extracted: object = unpack(data, dest)
        except ArchiveError as exc:
            extracted = str(exc)
        try:
            scanned: object = scan_bytes(data, top)
        except ArchiveError as exc:
            scanned = str(exc)
        assert scanned == extracted, "the publisher's scan says what a host will say"
        assert_contained(top, dest)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_damage_leads_out_or_crashes(data: st.DataObject) -> None:
    raw = bytearray(tar(folder("d"), member("d/f", b"1" * 700), symlink("d/l", "f"), hardlink("h", "d/f")))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, 4096))] = data.draw(st.integers(0, 255))
    top = Path(tempfile.mkdtemp())
    try:
        (top / "dest").mkdir()
        with contextlib.suppress(ArchiveError):
            unpack(compress(bytes(raw)), top / "dest")
        for name, (kind, _, _) in tree(top / "dest").items():
            assert os.path.realpath(top / "dest" / name).startswith(os.path.realpath(top / "dest"))
            assert kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)
        assert os.listdir(top) == ["dest"]
    finally:
        shutil.rmtree(top)


class Watched:
    """A stream that remembers who reads it, and may break after a while."""

    def __init__(self, data: bytes, breaks_after: int | None = None) -> None:
        self.threads: set[str] = set()
        self.position = 0
        self._data = data
        self._breaks_after = breaks_after

    def read(self, size: int) -> bytes:
        if self._breaks_after is not None and self.position >= self._breaks_after:
            raise FetchError("the connection broke")
        self.threads.add(threading.current_thread().name)
        data = self._data[self.position : self.position + min(size, 1000)]
        self.position += len(data)
        return data


@pytest.mark.parametrize("archive_format", ["tar.gz", "tar.xz"])
def test_it_reads_on_while_files_are_written_and_leaves_no_thread(tmp_path: Path, archive_format: str) -> None:
    before = threading.active_count()
    stream = Watched(sample(archive_format=archive_format))
    archive.extract(stream, archive_format, str(tmp_path))
    assert stream.position == len(stream._data)
    assert threading.current_thread().name not in stream.threads
    assert threading.active_count() == before


@pytest.mark.parametrize("archive_format", ["tar.gz", "tar.xz"])
def test_a_stream_that_breaks_is_told_as_it_broke(tmp_path: Path, archive_format: str) -> None:
    before = threading.active_count()
    with pytest.raises(FetchError, match="the connection broke"):
        archive.extract(Watched(sample(archive_format=archive_format), 50_000), archive_format, str(tmp_path))
    assert threading.active_count() == before


def test_an_archive_that_is_refused_at_its_beginning_is_not_read_to_its_end(tmp_path: Path) -> None:
    """And whoever reads on afterwards, for the hash, is the only one."""
    before = threading.active_count()
    data = pack(symlink("evil", "/etc/passwd"), member("padding", os.urandom(20 * archive.CHUNK)))
    stream = Watched(data)
    with pytest.raises(ArchiveError, match="evil"):
        archive.extract(stream, "tar.gz", str(tmp_path))
    assert threading.active_count() == before
    assert 0 < stream.position < len(data)
    assert stream.read(10) == data[stream.position - 10 : stream.position]
