# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app's settings on a real host: killed at any instant it has the old ones or the new ones, file and process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.sysops.dtk.plugins.module_utils import app_config

from .conftest import COLLECTIONS, GOOD, HEALTH, NEW, Hello

CANARY = "CANARYc0ffee"
FILE = "/etc/hello/config.json"
OLD = {"greeting": "old", "password": CANARY}
FRESH = {"greeting": "fresh", "password": CANARY}
BAD = {"greeting": "bad", "maintenance": True}
REFUSED = {"greeting": 'no "quotes", says hello, and its reload fails'}
UNIT = {"unit": "hello.service", "activation": "reload", "health": HEALTH, "unit_timeout": 15}
LOOK = f"""
tr -d '\\n' <{FILE}; echo
curl -fsS -m 5 http://127.0.0.1:8080/ || echo; echo
tr -d '\\n' </srv/hello/config/state.json; echo
echo $(systemctl list-units --all --plain --no-legend 'dtk-deadman-*' | cut -d ' ' -f 1)
journalctl --sync; journalctl -u hello.service -o cat --no-pager | grep -c '^Reloaded hello' || true
ls -A /etc/hello
"""


@dataclass(frozen=True)
class Look:
    """A host at one moment: what the file says, what the app has read, and what is going on."""

    file: dict[str, Any] | None
    greeting: str | None
    state: dict[str, Any]
    switches: list[str]
    reloads: int
    names: list[str]


class Settings:
    """The settings of hello, driven through the very code that a module sends there."""

    def __init__(self, hello: Hello) -> None:
        self.hello = hello
        self.host = hello.host

    def options(self, config: Any = None, **more: Any) -> dict[str, Any]:
        given = {"app": "hello", **UNIT, **more}
        done = ArgumentSpecValidator(app_config.OPTIONS).validate(given)
        assert not done.errors.messages, done.errors.messages
        return {**done.validated_parameters, "config": config}

    def run(self, config: Any = None, kill: Any = None, **more: Any) -> dict[str, Any]:
        """The answer; {} if it was killed."""
        request = {"options": self.options(config, **more), **({"kill": kill} if kill else {})}
        argv = ["/usr/bin/python3", "/opt/dtk/config_driver.py"]
        done = self.host.exec(argv, input=json.dumps(request), check=False)
        assert done.returncode == (137 if kill else 0), done.stderr
        assert CANARY not in done.stdout + done.stderr
        return {} if kill else json.loads(done.stdout)

    def look(self) -> Look:
        lines = self.host.exec(["sh", "-c", LOOK], check=False).stdout.splitlines()
        served = json.loads(lines[1] or "{}")
        state = json.loads(lines[3] or "null") or {"transaction": None, "current": None}
        return Look(
            json.loads(lines[0] or "null"), served.get("greeting"), state, lines[4].split(), int(lines[5]), lines[6:]
        )

    def whole(self) -> str | None:
        """The greeting that the file and the process agree on, with nothing left open or lying about."""
        seen = self.look()
        assert seen.state["transaction"] is None, seen
        assert (seen.file or {}).get("greeting") == seen.greeting, seen
        assert set(seen.names) <= {"config.json", "config.env"}, seen
        return seen.greeting

    def wait_until_whole(self, greeting: str, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while True:
            seen = self.look()
            settled = seen.state["transaction"] is None and not seen.switches
            if settled and seen.greeting == greeting == (seen.file or {}).get("greeting"):
                return
            assert time.monotonic() < deadline, (seen, self.hello.journal())
            time.sleep(0.2)

    def ansible(self, pipelining: bool, *words: str) -> str:
        """What a program of Ansible, as talkative as it gets, prints of its work on the host."""
        environ = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)}
        environ = {**os.environ, **self.hello.lab.environ, **environ, "ANSIBLE_PIPELINING": str(pipelining)}
        program = str(Path(sys.executable).with_name(words[0]))
        command = [program, "-i", f"{self.host.address},", "-vvvvvv", "--diff", *words[1:]]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def module(self, pipelining: bool, config: Any) -> str:
        given = json.dumps({"app": "hello", **UNIT, "config": config})
        return self.ansible(pipelining, "ansible", "all", "-m", "sysops.dtk.app_config", "-a", given)

    def leaks(self) -> list[str]:
        """Places on the host that hold a secret and should not."""
        where = f"grep -rl {CANARY} /tmp /root /var/tmp /run /var/log /usr/local/lib/dtk /srv/hello/config/state.json"
        journal = f"journalctl --no-pager | grep {CANARY}"
        return self.host.exec(["sh", "-c", f"{where} 2>/dev/null; {journal}"], check=False).stdout.splitlines()


@pytest.fixture
def settings(hello: Hello) -> Iterator[Settings]:
    driver = Path(__file__).with_name("config_driver.py").read_text(encoding="utf-8")
    hello.host.write("/opt/dtk/config_driver.py", driver)
    hello.host.exec(
        ["sh", "-c", f"rm -rf {FILE} /etc/hello/config.env /srv/hello/config; umask 022; mkdir -p /etc/hello"]
    )
    made = Settings(hello)
    first = made.run(OLD, deploy="d0", fence=1)
    assert first["outcome"] == "active", first
    assert made.whole() == "old"
    yield made
    hello.host.exec(
        ["sh", "-c", f"rm -rf {FILE} /etc/hello/config.env /srv/hello/config; systemctl reload hello.service"]
    )


ORDER = {"deploy": "d1", "fence": 2}
PHASES = ["begin", "armed", "switched", "write", "restarted", "probing", "committed"]
BOUNDARIES = [(phase, when) for phase in PHASES for when in ("before", "after")]
# From here on the dead-man switch has something to undo.
ARMED = BOUNDARIES[BOUNDARIES.index(("switched", "before")) : BOUNDARIES.index(("committed", "after"))]


@pytest.mark.parametrize(("phase", "when"), BOUNDARIES)
def test_killed_the_same_command_again_finishes_it(settings: Settings, phase: str, when: str) -> None:
    settings.run(FRESH, kill={"phase": phase, "when": when}, **ORDER)
    assert settings.look().file in (OLD, FRESH)
    again = settings.run(FRESH, **ORDER)
    assert again["outcome"] == ("unchanged" if (phase, when) == ("committed", "after") else "active"), again
    assert settings.whole() == "fresh"
    settings.wait_until_whole("fresh")  # the first one's switch must find nothing to do
    back = settings.run(state="reverted", **ORDER)
    assert back["outcome"] == "reverted"
    assert settings.whole() == "old"


@pytest.mark.parametrize(("phase", "when"), ARMED)
def test_killed_and_nobody_comes_back_the_host_returns_by_itself(settings: Settings, phase: str, when: str) -> None:
    settings.run(FRESH, kill={"phase": phase, "when": when}, **ORDER)
    settings.wait_until_whole("old")
    assert settings.look().file == OLD


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_goes_back_it_still_gets_there(settings: Settings, when: str) -> None:
    settings.run(BAD, kill={"phase": "reverting", "when": when}, **ORDER)
    settings.wait_until_whole("old")


def test_files_that_are_only_written_after_a_kill_leave_the_unit_with_what_was_proven(settings: Settings) -> None:
    settings.run(BAD, kill={"phase": "probing", "when": "after"}, **ORDER)
    assert settings.run(FRESH, state="written", **ORDER)["outcome"] == "written"
    seen = settings.look()
    assert (seen.file, seen.greeting, seen.state["transaction"]["phase"]) == (FRESH, "old", "written")
    assert settings.run(FRESH, **ORDER)["outcome"] == "active"
    settings.run(state="reverted", **ORDER)
    assert settings.whole() == "old"
    settings.wait_until_whole("old")


def test_killed_while_a_finished_change_is_reverted(settings: Settings) -> None:
    settings.run(FRESH, **ORDER)
    settings.run(state="reverted", kill={"phase": "reverting", "when": "after"}, **ORDER)
    settings.wait_until_whole("old")
    assert settings.run(state="reverted", **ORDER)["outcome"] == "unchanged"


def test_a_unit_is_reloaded_only_if_the_content_differs(settings: Settings) -> None:
    before = settings.look().reloads
    assert settings.run(OLD)["outcome"] == "unchanged"
    assert settings.look().reloads == before
    assert settings.run(FRESH, state="written", **ORDER)["outcome"] == "written"
    seen = settings.look()
    assert (seen.reloads, seen.file, seen.greeting) == (before, FRESH, "old")
    assert settings.run(FRESH, **ORDER)["files"][0]["changed"] is False
    assert (settings.look().reloads, settings.whole()) == (before + 1, "fresh")
    assert settings.run(FRESH, **ORDER)["changed"] is False
    assert settings.look().reloads == before + 1


def test_what_was_only_written_is_reverted_without_a_reload(settings: Settings) -> None:
    before = settings.look().reloads
    settings.run(FRESH, state="written", **ORDER)
    assert settings.run(state="reverted", **ORDER)["outcome"] == "reverted"
    assert (settings.look().reloads, settings.whole()) == (before, "old")


@pytest.mark.parametrize(
    ("config", "phase", "words"),
    [(BAD, "probing", "status 503"), (REFUSED, "restarted", "systemctl reload hello.service failed")],
)
def test_bad_settings_are_left_by_themselves(
    settings: Settings, config: dict[str, Any], phase: str, words: str
) -> None:
    failed = settings.run(config, **ORDER)
    assert (failed["failed"], failed["phase"], failed["reverted"]) == (True, phase, True), failed
    assert words in failed["msg"]
    assert settings.whole() == "old"
    assert settings.look().switches == []


def test_a_health_probe_that_never_answers(settings: Settings) -> None:
    health = {"http": {"url": "http://127.0.0.1:9/health"}, "deadline": 1, "interval": 0.1}
    failed = settings.run(FRESH, health=health, **ORDER)
    assert (failed["reverted"], failed["phase"]) == (False, "probing")
    assert "raise health.deadline" in failed["msg"] and "was not healthy" in failed["revert_error"]
    assert (settings.look().file, settings.look().greeting) == (OLD, "old")
    assert settings.run(OLD)["outcome"] == "active"
    assert settings.whole() == "old"


def test_a_unit_that_does_not_run_is_started(settings: Settings) -> None:
    settings.host.exec(["systemctl", "stop", "hello.service"])
    assert settings.run(FRESH, **ORDER)["outcome"] == "active"
    assert settings.whole() == "fresh"


def test_files_belong_to_root_and_the_app(settings: Settings) -> None:
    settings.run(FRESH, format=["env", "json"])
    listed = settings.host.exec(["stat", "-c", "%U %G %a", FILE, "/etc/hello/config.env"]).stdout.split("\n")
    assert listed[:2] == ["root hello 640"] * 2
    store = settings.host.exec(["find", "/srv/hello/config/versions", "-perm", "/077"]).stdout
    assert store == "", "copies are for root only"


def test_systemd_and_the_shell_read_an_environment_file_alike(settings: Settings) -> None:
    values = ["$HOME", "`id`", "a'b\"c\\d", "two\nlines", "tab\there", "  blanks  ", "#no comment", "ünï 🐧", "\\", ""]
    tree = {f"v{number}": value for number, value in enumerate(values)}
    settings.run(tree, state="written", format=["env"], sensitive=[])
    show = f"import json, os; print(json.dumps([os.environ.get('V' + str(n)) for n in range({len(values)})]))"
    run = ["systemd-run", "--quiet", "--pipe", "--wait", "-p", "EnvironmentFile=/etc/hello/config.env"]
    by_systemd = settings.host.exec([*run, "/usr/bin/python3", "-c", show]).stdout
    by_shell = settings.host.exec(["sh", "-c", f'set -a; . /etc/hello/config.env; exec python3 -c "{show}"']).stdout
    assert json.loads(by_systemd) == json.loads(by_shell) == values


@pytest.mark.parametrize("way", ["read-only", "full"])
def test_a_file_system_that_cannot_be_written_changes_nothing(settings: Settings, way: str) -> None:
    mount = {
        "read-only": ["mount --bind /etc/hello /etc/hello", "mount -o remount,bind,ro /etc/hello"],
        "full": [
            "cp -a /etc/hello /var/tmp/etc",
            "mount -t tmpfs -o size=64k none /etc/hello",
            "cp -a /var/tmp/etc/. /etc/hello/",
            "cat /dev/zero >/etc/hello/filler; true",
        ],
    }[way]
    words = {"read-only": "Read-only file system", "full": "No space left on device"}[way]
    settings.host.exec(["sh", "-c", "; ".join(mount)])
    try:
        failed = settings.run(FRESH, **ORDER)
        seen = settings.look()
    finally:
        settings.host.exec(["sh", "-c", "umount /etc/hello; rm -rf /var/tmp/etc"])
    assert f"cannot write {FILE}: {words}" in failed["msg"], failed
    assert (seen.file, seen.greeting, seen.state["transaction"]) == (OLD, "old", None)


def test_a_unit_that_is_not_there_changes_nothing(settings: Settings) -> None:
    before = settings.look()
    failed = settings.run(FRESH, unit="no-such.service", **ORDER)
    assert "no-such.service is not-found on this host; install its unit file first" in failed["msg"]
    assert settings.look() == before


def test_a_release_that_is_being_switched_comes_first(settings: Settings) -> None:
    killed = settings.hello.drive(version=NEW, order={"fence": 2}, kill={"phase": "switched", "when": "after"})
    assert killed.rc == 137
    failed = settings.run(FRESH, **ORDER)
    assert f"a deploy of hello to {NEW} was interrupted on this host in phase switched" in failed["msg"]
    settings.hello.wait_until_whole(GOOD)
    assert settings.run(FRESH, **ORDER)["outcome"] == "active"


def test_no_secret_is_told_by_the_module_or_left_on_the_host(settings: Settings) -> None:
    settings.host.exec(["sh", "-c", "rm -rf /usr/local/lib/dtk"])
    # By the module, which leaves the program there; by the program; by the module again, as a file.
    for greeting, pipelining in (("by-module", True), ("by-program", True), ("by-file", False)):
        printed = settings.module(pipelining, {"greeting": greeting, "password": f"{CANARY}-{greeting}"})
        assert settings.whole() == greeting
        assert f'+greeting: "{greeting}"' in printed
        assert CANARY not in printed
    assert settings.leaks() == []


PLAY = """
- hosts: all
  gather_facts: false
  vars:
    app_config_app: hello
    app_config_spec: {spec}
    app_config_config: "{{{{ good }}}}"
    app_config_deploy: d1
  tasks:
    - import_role: {{name: sysops.dtk.app_config, tasks_from: install}}
    - import_role: {{name: sysops.dtk.app_config, tasks_from: configure}}
    - import_role: {{name: sysops.dtk.app_config, tasks_from: run}}
    - import_role: {{name: sysops.dtk.app_config, tasks_from: revert}}
    - import_role: {{name: sysops.dtk.app_config, tasks_from: main}}
    - block:
        - import_role: {{name: sysops.dtk.app_config, tasks_from: main}}
          vars:
            app_config_config: "{{{{ bad }}}}"
      rescue:
        - assert: {{that: app_config_activate.reverted}}
"""


def test_no_secret_is_told_by_the_role(settings: Settings, tmp_path: Path) -> None:
    play, variables = tmp_path / "play.yml", tmp_path / "vars.json"
    play.write_text(PLAY.format(spec=json.dumps({**UNIT, "config": {"schema": {"required": ["greeting"]}}})))
    bad = {**FRESH, "maintenance": True}
    variables.write_text(json.dumps({"good": FRESH, "bad": bad}))
    printed = settings.ansible(True, "ansible-playbook", str(play), "-e", f"@{variables}")
    assert "failed in phase probing" in printed and "status 503" in printed
    assert CANARY not in printed
    assert settings.whole() == "fresh"
    assert settings.leaks() == []
