# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import grp
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import config_files
from ansible_collections.sysops.dtk.plugins.module_utils._host.layout import Layout
from ansible_collections.sysops.dtk.plugins.module_utils._host.state import State, Transaction, save

from tests.unit.emulated_aws import EmulatedAws

from ..run_module import run_ansible, run_module

CANARY = "CANARYc0ffee"
FIRST = {"greeting": "hello", "db": {"host": "a", "password": CANARY}}
SECOND = {"greeting": "bye", "db": {"host": "a", "password": f"{CANARY}2"}, "port": 8080}


class Host:
    """An app with a release on this machine, in a folder of its own and with no unit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.etc = folder / "etc" / "hello"
        self.file = self.etc / "config.json"
        self.home = folder / "srv" / "hello"
        self.store = self.home / "config" / "versions"

    def release(self) -> None:
        (self.home / "releases" / "1.0.0").mkdir(parents=True)
        (self.home / "current").symlink_to("releases/1.0.0")

    def options(self, config: Any = None, **more: Any) -> dict[str, Any]:
        given = {"app": "hello", "root": str(self.folder / "srv"), "path": str(self.etc / "config.{format}")}
        given |= {"activation": "none", "dead_man": False, "lock_timeout": 1}
        # As text, which is how the action plugin hands a module its settings.
        return {**given, **({} if config is None else {"config": json.dumps(config)}), **more}

    def run(self, config: Any = None, check: bool = False, environ: dict[str, str] | None = None, **more: Any) -> Any:
        result = run_module("app_config", self.options(config, **more), environ or {}, check)
        assert CANARY not in json.dumps({**result, "invocation": None})
        return result

    def tree(self) -> Any:
        return json.loads(self.file.read_text()) if self.file.exists() else None

    def files(self) -> dict[str, Any]:
        """All but the lock, whose text tells who held it last."""
        found = (path for path in self.folder.rglob("*") if path.name != ".lock")
        return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_mode) for path in found}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.release()
    return made


@contextlib.contextmanager
def health(folder: Path) -> Iterator[dict[str, Any]]:
    """Healthy unless the greeting is `bad`."""
    script = f"! grep -q bad {folder}/etc/hello/config.json"
    yield {"command": {"argv": ["/bin/sh", "-c", script]}, "successes": 1, "interval": 0.01, "deadline": 0.2}


def test_the_life_of_settings(host: Host) -> None:
    first = host.run(FIRST, deploy="d1", fence=1, by="alice")
    assert (first["changed"], first["outcome"], first["phase"]) == (True, "active", "committed")
    assert first["changes"] == {"added": ["db.host", "db.password", "greeting"], "changed": [], "removed": []}
    assert host.tree() == FIRST
    again = host.run(FIRST, deploy="d1", fence=1)
    assert (again["changed"], again["outcome"], again["files"][0]["changed"]) == (False, "unchanged", False)
    second = host.run(SECOND, deploy="d2", fence=2)
    assert second["changes"] == {"added": ["port"], "changed": ["db.password", "greeting"], "removed": []}
    assert (second["previous"], second["fence"]) == (first["current"], 2)
    back = host.run(state="reverted", deploy="d2", fence=2)
    assert (back["changed"], back["outcome"], back["current"]) == (True, "reverted", first["current"])
    assert back["changes"]["removed"] == ["port"]
    assert host.tree() == FIRST
    once_more = host.run(state="reverted", deploy="d2", fence=2)
    assert (once_more["changed"], once_more["outcome"]) == (False, "unchanged")
    assert host.tree() == FIRST


def test_a_deploy_that_did_nothing_here_is_not_undone(host: Host) -> None:
    host.run(FIRST, deploy="d1")
    assert host.run(state="reverted", deploy="d2")["outcome"] == "unchanged"
    assert host.run(state="reverted", deploy="d1")["outcome"] == "reverted"
    assert not host.file.exists()
    assert host.run(state="reverted", deploy="d1")["outcome"] == "unchanged"


def test_a_deploy_that_is_run_again_with_other_settings_returns_to_what_was_before_it(host: Host) -> None:
    host.run(FIRST, deploy="d1")
    host.run(SECOND, deploy="d2")
    host.run({"greeting": "third"}, deploy="d2")
    host.run(state="reverted", deploy="d2")
    assert host.tree() == FIRST


def test_files_are_what_they_should_be_and_copies_are_for_root(host: Host) -> None:
    host.run(FIRST, format=["env", "json", "yml"])
    host.run(SECOND, format=["env", "json", "yml"])
    assert {path.name for path in host.etc.iterdir()} == {"config.env", "config.json", "config.yml"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in host.etc.iterdir()} == {0o640}
    assert stat.S_IMODE(host.etc.stat().st_mode) == 0o755
    copies = list(host.store.iterdir())
    assert len(copies) == 2  # what is active, and the way back
    assert stat.S_IMODE(host.store.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for copy in copies for file in copy.iterdir()} == {0o600}
    assert CANARY not in (host.home / "config" / "state.json").read_text()


def test_owner_group_and_mode_are_kept_true(host: Host) -> None:
    group = next(entry.gr_name for entry in grp.getgrall() if entry.gr_gid not in (0, os.getegid()))
    host.run(FIRST)
    if os.geteuid() == 0:
        done = host.run(FIRST, group=group)
        assert (done["changed"], done["changes"]["changed"]) == (True, [])
        assert host.file.group() == group
        assert host.run(FIRST, group=group)["changed"] is False
    assert host.run(FIRST, mode="0600")["changed"] is True
    assert stat.S_IMODE(host.file.stat().st_mode) == 0o600
    host.file.chmod(0o666)
    assert host.run(FIRST, mode="0600")["changed"] is True
    assert stat.S_IMODE(host.file.stat().st_mode) == 0o600


def test_written_changes_files_only_and_active_then_finishes_it(host: Host) -> None:
    host.run(FIRST, deploy="d1")
    written = host.run(SECOND, state="written", deploy="d2")
    assert (written["outcome"], written["phase"], host.tree()) == ("written", "written", SECOND)
    assert host.run(SECOND, state="written", deploy="d2")["outcome"] == "unchanged"
    active = host.run(SECOND, deploy="d2")
    assert (active["changed"], active["outcome"], active["files"][0]["changed"]) == (True, "active", False)
    assert host.run(state="reverted", deploy="d2")["outcome"] == "reverted"
    assert host.tree() == FIRST


def test_what_was_only_written_is_undone_by_its_own_deploy_alone(host: Host) -> None:
    host.run(FIRST, deploy="d1")
    host.run(SECOND, state="written", deploy="d2")
    assert host.run(state="reverted", deploy="d3")["outcome"] == "unchanged"
    assert host.tree() == SECOND
    assert host.run(state="reverted", deploy="d2")["outcome"] == "reverted"
    assert host.tree() == FIRST


def test_a_bad_setting_returns(host: Host) -> None:
    with health(host.folder) as probe:
        host.run(FIRST, health=probe)
        failed = host.run({**FIRST, "greeting": "bad"}, health=probe)
        assert (failed["failed"], failed["outcome"], failed["phase"]) == (True, "failed", "probing")
        assert (failed["reverted"], failed["revert_error"]) == (True, None)
        assert "failed in phase probing" in failed["msg"] and "This host is back on config" in failed["msg"]
        assert host.tree() == FIRST
        assert host.run(FIRST, health=probe)["outcome"] == "unchanged"


def test_when_going_back_fails_too_both_are_told(host: Host) -> None:
    host.run(FIRST)
    probe = {"command": {"argv": ["/bin/false"]}, "deadline": 0.05, "interval": 0.01}
    failed = host.run(SECOND, health=probe)
    assert (failed["reverted"], host.tree()) == (False, FIRST)
    assert "was not healthy" in failed["revert_error"] and "Going back to config" in failed["msg"]
    assert host.run(SECOND)["outcome"] == "active"


def test_an_app_that_is_ill_with_unchanged_settings_is_told_and_left_alone(host: Host) -> None:
    host.run(FIRST)
    before = host.files()
    failed = host.run(FIRST, health={"command": {"argv": ["/bin/false"]}, "deadline": 0.05, "interval": 0.01})
    assert "the config of hello is unchanged, so nothing was done, but /bin/false was not healthy" in failed["msg"]
    assert host.files() == before


def test_without_a_release_files_are_written_and_no_unit_is_touched(tmp_path: Path) -> None:
    host = Host(tmp_path)
    done = host.run(FIRST, unit="hello.service", activation="restart", health={"tcp": {"port": 9}}, dead_man=True)
    assert (done["outcome"], host.tree()) == ("active", FIRST)
    assert done["note"] == "hello has no release on this host yet: the files are written, and no unit is touched"
    host.release()
    assert host.run(FIRST)["note"] is None


def test_files_of_others_are_put_back_as_they_were(host: Host) -> None:
    host.etc.mkdir(parents=True)
    host.file.write_text("by hand\n")
    host.file.chmod(0o604)
    done = host.run(FIRST, deploy="d1")
    assert done["changes"] is None
    host.run(state="reverted", deploy="d1")
    assert host.file.read_text() == "by hand\n"
    assert stat.S_IMODE(host.file.stat().st_mode) == 0o604


def test_a_change_by_hand_is_corrected_and_its_keys_are_told(host: Host) -> None:
    host.run(FIRST)
    host.file.write_text(json.dumps({"greeting": "hacked", "db": FIRST["db"]}))
    done = host.run(FIRST)
    assert (done["outcome"], done["changes"]["changed"], host.tree()) == ("active", ["greeting"], FIRST)


@pytest.mark.parametrize("state", ["written", "active", "reverted"])
def test_check_mode_tells_the_same_diff_and_changes_nothing(host: Host, state: str) -> None:
    host.run(FIRST, deploy="d1")
    host.run({**FIRST, "old": 1}, deploy="d2")
    more = {"deploy": "d2"} if state == "reverted" else {"config": SECOND, "deploy": "d3"}
    before = host.files()
    foreseen = host.run(state=state, check=True, **more)
    assert host.files() == before
    done = host.run(state=state, **more)
    assert foreseen["changed"] is done["changed"] is True
    same = ("diff", "changes", "outcome", "files")
    assert [foreseen[name] for name in same] == [done[name] for name in same]
    assert foreseen["diff"]["before"] != foreseen["diff"]["after"]
    after = host.files()
    assert host.run(state=state, check=True, **more)["changed"] is False
    assert host.files() == after


def test_the_diff_shows_no_sensitive_value(host: Host) -> None:
    host.run(FIRST)
    told = host.run(SECOND)["diff"]
    assert told["before"].splitlines()[1:] == ['db.host: "a"', "db.password: (sensitive)", 'greeting: "hello"']
    assert told["after"].splitlines()[1:] == [
        'db.host: "a"',
        "db.password: (sensitive, changed)",
        'greeting: "bye"',
        "port: 8080",
    ]
    own = host.run({"greeting": CANARY, "open": "x"}, sensitive=["greet*"])["diff"]
    assert own["after"].splitlines()[1:] == ["greeting: (sensitive, changed)", 'open: "x"']


def test_the_diff_shows_nothing_that_the_caller_calls_secure(host: Host) -> None:
    told = host.run({"db": {"dsn": CANARY}, "open": "x"}, secure=["db.dsn"])["diff"]
    assert told["after"].splitlines()[1:] == ["db.dsn: (sensitive)", 'open: "x"']


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"config": CANARY}, "config is text; give a dictionary"),
        ({"config": {"a": {"b": 1}, "a_b": CANARY}, "format": ["env"]}, "would both be the environment variable A_B"),
        ({"format": ["toml"]}, "toml"),
        ({"format": []}, "format is empty"),
        ({"format": ["env", "json"], "path": "/x/config"}, "one file for 2 formats; write {format}"),
        ({"path": "relative.json"}, "relative.json' is no absolute path|no absolute path"),
        ({"owner": "no-such-user"}, "the user no-such-user does not exist on this host; create it first"),
        ({"group": "no-such-group"}, "the group no-such-group does not exist on this host; create it first"),
        ({"mode": 640}, "mode 640 is no mode .* quoted"),
        ({"mode": "rw"}, "mode 'rw' is no mode"),
        ({"schema": {"required": ["size"]}}, "the config: size is required"),
        ({"app": "../x"}, "app name '../x' is not allowed"),
        ({"fence": 3}, "slot 3 comes too late.*slot 5"),
        ({"health": {"successes": 1}}, "health names no probe"),
        ({"unit": "hello"}, "'hello' is no name of a unit"),
        ({"unit": "no-such.service", "activation": "restart"}, "no-such.service|systemd"),
        ({"paths": ["/x"]}, "mutually exclusive"),
        ({"config": None}, "config, paths"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_bad_input_is_one_message_and_changes_nothing(
    host: Host, more: dict[str, Any], message: str, check: bool
) -> None:
    host.run(FIRST, fence=5)
    before = host.files()
    failed = host.run(check=check, **{"config": SECOND, **more})
    assert failed["failed"] is True, failed
    assert re.search(message, failed["msg"]), failed["msg"]
    assert "\n" not in failed["msg"] and "Traceback" not in json.dumps(failed)
    assert host.files() == before


def test_a_link_or_a_folder_in_the_place_of_the_file_is_refused(host: Host) -> None:
    host.etc.mkdir(parents=True)
    host.file.symlink_to("/etc/passwd")
    assert "is a symbolic link; remove it" in host.run(FIRST)["msg"]
    host.file.unlink()
    host.file.mkdir()
    assert "is not a file; remove it" in host.run(FIRST)["msg"]
    host.etc.rename(host.folder / "moved")
    host.etc.write_text("")
    assert f"{host.etc} is not a folder" in host.run(FIRST)["msg"]


def test_a_write_that_fails_leaves_the_old_files(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"format": ["env", "json"]}
    host.run(FIRST, **kinds)
    before = (host.etc / "config.env").read_text()
    replace = config_files._replace
    failures = []

    def fail_once(item: Any, data: bytes) -> None:
        if item.path.endswith("json") and not failures:
            failures.append(item)
            raise OSError(28, "No space left on device")
        replace(item, data)

    monkeypatch.setattr(config_files, "_replace", fail_once)
    failed = host.run(SECOND, **kinds)
    assert (failed["phase"], failed["reverted"]) == ("switched", True)
    assert "config.json: No space left on device" in failed["msg"]
    assert ((host.etc / "config.env").read_text(), host.tree()) == (before, FIRST)


def test_it_waits_for_a_release_that_was_interrupted(host: Host) -> None:
    died = {"phase": "probing", "pid": 2**22 + 1, "pid_start": "gone", "deadman": None, "fence": 1, "deploy": "d0"}
    ends = {"id": "t1", "from_version": None, "to_version": "1.0.0", "started_at": "2026-01-01T00:00:00Z"}
    layout = Layout("hello", str(host.folder / "srv"))
    save(layout, State("hello", transaction=Transaction(**ends, **died)))
    failed = host.run(FIRST)
    assert (
        "a deploy of hello to 1.0.0 was interrupted on this host in phase probing; run that deploy again"
        in (failed["msg"])
    )
    assert host.tree() is None
    assert host.run(FIRST, state="written")["outcome"] == "written"


def test_the_settings_are_not_in_what_a_module_was_called_with(host: Host) -> None:
    told = run_module("app_config", host.options(FIRST), {})
    assert told["invocation"]["module_args"]["config"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    assert CANARY not in json.dumps(told)
    assert told["app"] == "hello", "a value of the settings must not mask the result"


def test_a_host_reads_its_settings_itself(host: Host, aws: EmulatedAws) -> None:
    ssm = aws.client("ssm")
    for name, value, kind in (
        ("/_shared/log/level", "info", "String"),
        ("/prod/hello/config/log/level", "debug", "String"),
        ("/prod/hello/config/port.int", "8080", "String"),
        ("/prod/hello/config/login", CANARY, "SecureString"),
    ):
        ssm.put_parameter(Name=f"{aws.prefix}{name}", Value=value, Type=kind)
    paths = [f"{aws.prefix}/_shared", f"{aws.prefix}/prod/hello/config"]
    done = host.run(paths=paths, environ=aws.environ())
    assert (done["outcome"], done["changes"]["added"]) == ("active", ["log.level", "login", "port"])
    assert host.tree() == {"log": {"level": "debug"}, "port": 8080, "login": CANARY}
    assert "login: (sensitive)" in done["diff"]["after"]
    assert host.run(paths=paths, environ=aws.environ())["changed"] is False
    ssm.delete_parameter(Name=f"{aws.prefix}/prod/hello/config/login")
    assert "login: (sensitive)" in host.run(paths=paths, environ=aws.environ())["diff"]["before"]
    broken = host.run(paths=paths, schema={"properties": {"port": {"maximum": 80}}}, environ=aws.environ())
    assert "port: the rule maximum 80 does not hold" in broken["msg"]
    missing = host.run(paths=[f"{aws.prefix}/nowhere"], environ=aws.environ())
    assert f"Parameter Store has nothing at or below {aws.prefix}/nowhere" in missing["msg"]
    assert missing["current"] is not None


def test_it_runs_packed_by_ansible(host: Host) -> None:
    done = run_ansible("app_config", {**host.options(), "config": FIRST}, {"ANSIBLE_PIPELINING": "false"})
    assert (done["_status"], done["outcome"]) == ("CHANGED", "active")
    assert CANARY not in json.dumps(done)
    assert host.tree() == FIRST
