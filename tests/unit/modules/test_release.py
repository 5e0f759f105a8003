# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import socket
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ..run_module import run_ansible, run_module

SECRET = "X-Amz-Signature=0123456789abcdef"


def artifact(folder: Path, version: str) -> dict[str, Any]:
    """An artifact of one file, and its manifest."""
    data = f"{version}\n".encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("VERSION")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    packed = gzip.compress(buffer.getvalue(), mtime=0)
    path = folder / f"hello-{version}.tar.gz"
    path.write_bytes(packed)
    manifest = {
        "app": "hello",
        "version": version,
        "sha256": hashlib.sha256(packed).hexdigest(),
        "size": len(packed),
        "unpacked_size": len(data),
        "files": 1,
        "format": "tar.gz",
        "created": "2026-01-01T00:00:00Z",
    }
    return {"version": version, "manifest": manifest, "source": str(path)}


class Host:
    """An app on this machine, in a folder of its own and with no unit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "srv" / "hello"

    def options(self, version: str, state: str, **more: Any) -> dict[str, Any]:
        given = {"app": "hello", "root": str(self.folder / "srv"), "state": state, "activation": "none"}
        return {**given, "dead_man": False, "lock_timeout": 1, "version": version, **more}

    def release(self, version: str, state: str, check: bool = False, **more: Any) -> dict[str, Any]:
        return run_module("release", self.options(version, state, **more), {}, check)

    def stage(self, version: str, check: bool = False, **more: Any) -> dict[str, Any]:
        return self.release(state="staged", check=check, **{**artifact(self.folder, version), **more})

    def info(self, **more: Any) -> dict[str, Any]:
        return run_module("release_info", {"app": "hello", "root": str(self.folder / "srv"), **more}, {})

    def files(self) -> dict[str, float]:
        return {str(path): path.lstat().st_mtime_ns for path in self.folder.rglob("*")}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_life_of_two_releases(host: Host) -> None:
    assert host.stage("1")["outcome"] == "staged"
    again = host.stage("1")
    assert (again["changed"], again["outcome"], again["bytes_fetched"]) == (False, "unchanged", 0)
    first = host.release("1", "active", deploy="d1", fence=1, by="alice")
    assert (first["changed"], first["outcome"], first["current"], first["previous"]) == (True, "active", "1", None)
    assert host.release("1", "active")["outcome"] == "unchanged"
    second = host.release(state="active", deploy="d2", fence=2, **artifact(host.folder, "2"))
    assert (second["current"], second["previous"], second["last_good"], second["fence"]) == ("2", "1", "2", 2)
    assert second["bytes_fetched"] > 0 and {"fetch_unpack", "switched"} <= set(second["seconds"])
    assert second["path"] == str(host.home / "releases" / "2")
    back = host.release("2", "reverted", deploy="d2", fence=2)
    assert (back["changed"], back["outcome"], back["current"]) == (True, "reverted", "1")
    assert host.release("2", "reverted", deploy="d2", fence=2)["outcome"] == "unchanged"
    assert host.release("2", "absent")["changed"] is True
    assert host.release("2", "absent")["changed"] is False


def test_old_releases_are_removed_after_an_activation(host: Host) -> None:
    for version in ("1", "2", "3", "4"):
        host.stage(version)
        done = host.release(version, "active", keep=2)
    assert done["pruned"] == ["2"]
    assert [item["version"] for item in host.info()["releases"]] == ["3", "4"]
    assert done["diff"]["after"] == {"current": "4", "releases": ["3", "4"]}


@pytest.mark.parametrize("state", ["staged", "active", "reverted", "absent"])
def test_check_mode_tells_the_same_diff_and_changes_nothing(host: Host, state: str) -> None:
    for version in ("1", "2", "3"):
        host.stage(version)
    host.release("1", "active")
    host.release("2", "active", deploy="d2", keep=9)
    more: dict[str, Any] = {
        "staged": artifact(host.folder, "4"),
        "active": {**artifact(host.folder, "4"), "keep": 2},
        "reverted": {"version": "2", "deploy": "d2"},
        "absent": {"version": "3"},
    }[state]
    before = host.files()
    foreseen = host.release(state=state, check=True, **more)
    assert host.files() == before
    done = host.release(state=state, **more)
    assert foreseen["changed"] is done["changed"] is True
    assert foreseen["diff"] == done["diff"]
    assert foreseen["diff"]["before"] != foreseen["diff"]["after"]


def test_check_mode_on_a_host_that_knows_nothing(host: Host) -> None:
    assert host.stage("1", check=True)["changed"] is True
    assert host.release("1", "active", check=True)["diff"]["after"] == {"current": "1", "releases": ["1"]}
    assert not host.home.exists()


@pytest.mark.parametrize(
    ("state", "more", "message"),
    [
        ("active", {"version": "9"}, "release 9 of hello is not on this host.*stage it first"),
        ("staged", {"version": "9"}, "give its manifest and its source"),
        ("active", {"version": ".hidden"}, "version '.hidden' is not allowed"),
        ("active", {"version": "1", "app": "../x"}, "app name '../x' is not allowed"),
        ("active", {"version": "1", "fence": 3}, "slot 3 comes too late.*slot 5"),
        ("active", {"version": "1", "health": {"successes": 1}}, "health names no probe"),
        ("active", {"version": "1", "unit": "hello"}, "'hello' is no name of a unit"),
        ("active", {"version": "1", "unit": "no-such.service", "activation": "restart"}, "no-such.service|systemd"),
        ("reverted", {"version": "1", "fence": 3}, "slot 3 comes too late"),
        ("absent", {"version": "1"}, "1 .*current|current.* 1"),
    ],
)
def test_bad_input_is_one_message_and_changes_nothing(
    host: Host, state: str, more: dict[str, Any], message: str
) -> None:
    host.stage("1")
    host.release("1", "active", fence=5)
    before = host.files()
    failed = host.release(state=state, **more)
    assert failed["failed"] is True, failed
    assert re.search(message, failed["msg"])
    assert "\n" not in failed["msg"] and "Traceback" not in json.dumps(failed)
    after = {path: at for path, at in host.files().items() if not path.endswith(".lock")}
    assert after == {path: at for path, at in before.items() if not path.endswith(".lock")}


def test_a_failed_activation_returns_everything(host: Host) -> None:
    for version in ("1", "2"):
        host.stage(version)
    host.release("1", "active")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/health"
        health = {"http": {"url": url}, "deadline": 0.2, "interval": 0.01}
        failed = host.release("2", "active", health=health, activation="none")
    assert failed["failed"] is True and failed["outcome"] == "failed"
    assert failed["phase"] == "probing" and failed["current"] == "1"
    # The release before does not answer either, so nothing is claimed that is not proven.
    assert failed["reverted"] is False and "was not healthy" in failed["revert_error"]
    assert url in failed["msg"] and "raise health.deadline" in failed["msg"]
    assert os.readlink(host.home / "current") == "releases/1"
    told = host.info()["transaction"]
    assert (told["from"], told["to"], told["phase"]) == ("1", "2", "reverting")
    assert host.release("2", "active")["outcome"] == "active"
    assert host.info()["transaction"] is None


def test_a_hook_that_fails_is_quoted(host: Host) -> None:
    host.stage("1")
    hooks = {"pre": [{"command": ["/bin/sh", "-c", "echo no database; exit 3"]}]}
    failed = host.release("1", "active", hooks=hooks)
    assert "failed with exit code 3, its output ends with: no database" in failed["msg"]
    assert (failed["phase"], failed["reverted"], failed["current"]) == ("pre", True, None)


def test_a_presigned_url_is_never_shown(host: Host) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        source = f"http://127.0.0.1:{nobody.getsockname()[1]}/hello.tar.gz?{SECRET}"
        failed = host.stage("1", source=source)
    assert failed["failed"] is True
    assert SECRET not in json.dumps({**failed, "invocation": None})


def test_info(host: Host) -> None:
    assert host.info()["exists"] is False
    assert host.info()["current"] is None
    host.stage("1")
    host.stage("2")
    host.release("1", "active", deploy="d1", by="alice", fence=4)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        told = host.info(health={"tcp": {"port": listener.getsockname()[1]}})
    assert (told["exists"], told["current"], told["last_good"], told["fence"]) == (True, "1", "1", 4)
    assert (told["deploy"], told["activated_by"], told["transaction"], told["unit_state"]) == (
        "d1",
        "alice",
        None,
        None,
    )
    assert [(item["version"], item["failed"]) for item in told["releases"]] == [("1", False), ("2", False)]
    assert told["health"] == {"ok": True, "detail": "connected"}
    assert host.info(health={"tcp": {"port": 1}})["health"]["ok"] is False


def test_info_of_a_broken_state_names_the_file(host: Host) -> None:
    host.home.mkdir(parents=True)
    (host.home / "state.json").write_text("{")
    failed = host.info()
    assert failed["failed"] is True and str(host.home / "state.json") in failed["msg"]


def test_it_runs_packed_by_ansible(host: Host) -> None:
    done = run_ansible("release", {**host.options("1", "active"), **artifact(host.folder, "1")}, {})
    assert (done["_status"], done["outcome"], done["current"]) == ("CHANGED", "active", "1")
    told = run_ansible("release_info", {"app": "hello", "root": str(host.folder / "srv")}, {})
    assert (told["_status"], told["current"]) == ("SUCCESS", "1")
