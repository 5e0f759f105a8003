# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real systemd does to releases that are not good, and the module as Ansible sends it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import BROKEN, GOOD, HEALTH, NEW, Hello

ORDER = {"fence": 2, "deploy": "d1"}
# A program that runs for ever in release 1.0.0 and dies at once in any other. Its start always counts as a success.
CRASHING = """
[Unit]
StartLimitIntervalSec=60
StartLimitBurst=3
[Service]
Type=simple
ExecStart=/bin/sh -c 'grep -qx 1.0.0 /srv/hello/current/VERSION && exec sleep infinity; exit 1'
Restart=always
RestartSec=50ms
"""
NEVER_READY = "[Service]\nType=notify\nExecStart=/bin/sleep infinity\n"


@pytest.fixture
def unit(hello: Hello) -> Iterator[Any]:
    """Install a unit of one's own; it is gone after the test."""
    names = []

    def install(name: str, text: str) -> str:
        hello.host.write(f"/etc/systemd/system/{name}", text)
        hello.host.exec(["systemctl", "daemon-reload"])
        names.append(name)
        return name

    yield install
    for name in names:
        hello.host.exec(["sh", "-c", f"systemctl stop {name}; rm /etc/systemd/system/{name}; systemctl daemon-reload"])


@pytest.mark.parametrize("mode", ["reload", "restart"])
def test_there_and_back(hello: Hello, mode: str) -> None:
    done = hello.drive(order=ORDER, spec={"mode": mode})
    assert done.rc == 0, done.answer
    assert hello.whole() == NEW
    back = hello.drive(call="revert", order=ORDER, spec={"mode": mode})
    assert (back.rc, back.answer["outcome"]) == (0, "reverted"), back.answer
    assert hello.whole() == GOOD
    assert hello.look().switches == ()


@pytest.mark.parametrize("mode", ["reload", "restart"])
def test_an_unhealthy_release_is_left_by_itself(hello: Hello, mode: str) -> None:
    failed = hello.drive(version=BROKEN, order=ORDER, spec={"mode": mode})
    assert (failed.rc, failed.answer["reverted"], failed.answer["phase"]) == (1, True, "probing"), failed
    assert "status 500" in failed.answer["error"]
    assert hello.whole() == GOOD
    seen = hello.look()
    assert (seen.state["failed"], seen.switches) == ([BROKEN], ())


def test_a_reload_that_is_refused_is_a_failure(hello: Hello) -> None:
    hello.host.exec(["sh", "-c", f"mv /srv/hello/releases/{NEW}/VERSION /var/tmp/"])
    try:
        failed = hello.drive(order=ORDER)
    finally:
        hello.host.exec(["sh", "-c", f"mv /var/tmp/VERSION /srv/hello/releases/{NEW}/"])
    assert (failed.rc, failed.answer["reverted"], failed.answer["phase"]) == (1, True, "restarted"), failed
    assert "systemctl reload hello.service failed" in failed.answer["error"]
    assert hello.whole() == GOOD


def test_a_unit_that_crashes_again_and_again_never_counts_as_started(hello: Hello, unit: Any) -> None:
    spec = {"unit": unit("crashing.service", CRASHING), "mode": "restart", "health": None}
    assert hello.drive(version=GOOD, spec=spec).rc == 0
    failed = hello.drive(order=ORDER, spec=spec)
    assert (failed.rc, failed.answer["reverted"]) == (1, True), failed
    assert "crashing.service" in failed.answer["error"]
    # Its start limit was used up by the bad release, and the good one was started all the same.
    assert hello.host.exec(["systemctl", "is-active", "crashing.service"], check=False).stdout.strip() == "active"


def test_a_unit_that_never_becomes_ready_is_given_up_in_time(hello: Hello, unit: Any) -> None:
    spec = {"unit": unit("never.service", NEVER_READY), "mode": "restart", "unit_timeout": 1}
    began = time.monotonic()
    failed = hello.drive(order=ORDER, spec=spec)
    assert time.monotonic() - began < 20
    assert "took longer than 1 s" in failed.answer["error"]
    assert hello.look().link == GOOD


def test_a_dead_unit_is_noticed_before_the_health_deadline(hello: Hello, unit: Any) -> None:
    health = {"tcp": {"port": 9}, "deadline": 15}
    spec = {"unit": unit("crashing.service", CRASHING), "mode": "restart", "health": health}
    began = time.monotonic()
    failed = hello.drive(order=ORDER, spec={**spec, "dead_man": False})
    assert "crashing.service" in failed.answer["error"]
    assert time.monotonic() - began < 28  # the way back takes the one deadline, for nobody listens in 1.0.0 either


def test_a_health_url_that_never_answers(hello: Hello) -> None:
    health = {"http": {"url": "http://127.0.0.1:9/health"}, "deadline": 1, "interval": 0.1}
    failed = hello.drive(order=ORDER, spec={"health": health})
    assert "http://127.0.0.1:9/health was not healthy" in failed.answer["error"]
    assert "raise health.deadline" in failed.answer["error"]
    assert (hello.look().link, hello.look().serving) == (GOOD, GOOD)


def test_a_hook_that_hangs(hello: Hello) -> None:
    hook = {"command": ["/bin/sh", "-c", "echo waiting for the database; sleep 77.7 & sleep 77.7"], "timeout": 1}
    failed = hello.drive(order=ORDER, spec={"hooks": {"pre": [hook]}})
    assert "ended after its timeout of 1 s, its output ends with: waiting for the database" in failed.answer["error"]
    assert hello.host.exec(["pgrep", "-f", "sleep 77.7"], check=False).stdout == ""
    assert hello.whole() == GOOD


def test_a_unit_that_is_not_there_changes_nothing(hello: Hello) -> None:
    before = hello.look()
    failed = hello.drive(order=ORDER, spec={"unit": "no-such.service"})
    assert "no-such.service is not-found on this host; install its unit file first" in failed.answer["error"]
    assert hello.look() == before


def test_a_read_only_file_system_changes_nothing(hello: Hello) -> None:
    before = hello.look()
    hello.host.exec(["sh", "-ec", "mount --bind /srv/hello /srv/hello; mount -o remount,bind,ro /srv/hello"])
    try:
        failed = hello.drive(order=ORDER)
    finally:
        hello.host.exec(["umount", "/srv/hello"])
    assert failed.rc == 1 and "Read-only file system" in failed.answer["error"], failed
    assert hello.look() == before


def test_a_full_disk_changes_nothing_or_returns(hello: Hello) -> None:
    hello.host.exec(["sh", "-ec", "cp -a /srv/hello /var/tmp/hello; mount -t tmpfs -o size=2m none /srv/hello"])
    try:
        hello.host.exec(["sh", "-c", "cp -a /var/tmp/hello/. /srv/hello/; cat /dev/zero >/srv/hello/filler; true"])
        failed = hello.drive(order=ORDER)
        assert failed.rc == 1 and "No space left on device" in failed.answer["error"], failed
        assert (hello.look().link, hello.look().serving) == (GOOD, GOOD)
    finally:
        hello.host.exec(["sh", "-c", "umount -l /srv/hello; rm -rf /var/tmp/hello"])


def test_the_module_as_ansible_sends_it(hello: Hello) -> None:
    options = {"app": "hello", "unit": "hello.service", "activation": "reload", "health": HEALTH, "deploy": "d1"}
    done = hello.module(version=NEW, state="active", **options)
    assert (done["changed"], done["current"], done["previous"]) == (True, NEW, GOOD), done
    assert hello.module(version=NEW, state="active", **options)["outcome"] == "unchanged"
    failed = hello.module(version=BROKEN, state="active", **options)
    assert (failed["reverted"], failed["phase"], failed["current"]) == (True, "probing", NEW), failed
    assert hello.module(version=NEW, state="reverted", **options)["current"] == GOOD
    assert hello.whole() == GOOD
    assert hello.look().switches == ()


def test_the_module_killed_by_its_own_hook_is_undone_by_what_it_left_on_the_host(hello: Hello) -> None:
    hooks = {"post": [{"command": ["/bin/sh", "-c", "kill -9 $PPID"]}]}
    options = {"app": "hello", "unit": "hello.service", "activation": "reload", "health": HEALTH, "hooks": hooks}
    hello.host.exec(["sh", "-c", "rm -rf /usr/local/lib/dtk"])
    lost = hello.module(version=NEW, state="active", **options)
    assert (lost["module_stdout"], lost["module_stderr"].strip()) == ("", "Killed")
    seen = hello.look()
    assert seen.state["transaction"]["phase"] == "post" and seen.switches
    hello.wait_until_whole(GOOD, seconds=60)
