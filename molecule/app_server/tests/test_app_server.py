# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host after all that: hello serves from a sandbox, and the app without a release waits and listens nowhere."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

METADATA = "169.254.169.254"


@pytest.fixture
def pid(host: Any) -> str:
    return host.check_output("systemctl show --property=MainPID --value hello.service")


def inside(host: Any, pid: str, command: str) -> Any:
    """Run as the app, and with its view of the file system."""
    return host.run(f"nsenter --target {pid} --mount setpriv --reuid=hello --regid=hello --clear-groups {command}")


def test_the_service_answers_on_its_port(host: Any) -> None:
    assert host.service("hello.service").is_running
    assert host.socket("tcp://0.0.0.0:8080").is_listening
    answer = json.loads(host.check_output("curl --silent --fail --max-time 5 http://127.0.0.1:8080/health"))
    assert (answer["app"], answer["release"]) == ("hello", "1.0.1")


@pytest.mark.parametrize("unit", ["hello.service", "idle.service"])
def test_systemd_finds_it_hardly_exposed(host: Any, unit: str) -> None:
    """Of the unit as it is loaded, where the role has asked about its file."""
    report = host.check_output(f"systemd-analyze security --no-pager {unit}")
    assert float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", report)[1]) <= 3.0


def test_the_kernel_holds_it_in(host: Any, pid: str) -> None:
    status = dict(re.findall(r"^(\w+):\s*(.*)$", host.file(f"/proc/{pid}/status").content_string, re.MULTILINE))
    assert {status[name] for name in ("CapBnd", "CapEff", "CapAmb", "CapInh")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    limits = host.file(f"/proc/{pid}/limits").content_string
    assert re.search(r"Max core file size\s+0\s+0", limits)


@pytest.mark.parametrize("path", ["/srv/hello/x", "/srv/hello/current/x", "/etc/hello/x", "/usr/x", "/var/lib/x", "/x"])
def test_it_cannot_write_outside(host: Any, pid: str, path: str) -> None:
    # Root can't either: the place itself is read-only for the app.
    done = host.run(f"nsenter --target {pid} --mount touch {path}")
    assert done.rc != 0
    assert "Read-only file system" in done.stderr


@pytest.mark.parametrize("path", ["/srv/hello/shared/x", "/run/hello/x", "/tmp/x"])
def test_it_can_write_where_it_may(host: Any, pid: str, path: str) -> None:
    assert inside(host, pid, f"touch {path}").rc == 0
    assert path != "/tmp/x" or not host.file(path).exists


def test_it_sees_neither_home_folders_nor_other_processes(host: Any, pid: str) -> None:
    assert inside(host, pid, "ls /root").rc != 0
    # Only processes of its own: the others are not hidden, they are not there.
    assert inside(host, pid, "cat /proc/1/comm").rc != 0
    assert inside(host, pid, f"cat /proc/{pid}/comm").rc == 0


def test_it_cannot_reach_the_instance_metadata_service(host: Any) -> None:
    join = "echo $$ >/sys/fs/cgroup/system.slice/hello.service/cgroup.procs"
    ask = f"curl --silent --max-time 2 --output /dev/null --write-out %{{http_code}} http://{METADATA}/"
    host.check_output(f"ip address replace {METADATA}/32 dev lo")
    host.check_output(f"systemd-run --unit=metadata /usr/bin/python3 -m http.server --bind {METADATA} 80")
    try:
        assert host.check_output(f"{ask} --retry 20 --retry-connrefused --retry-delay 1") == "200"
        # As a process of the service: what is allowed is a matter of its control group.
        assert host.run(f"sh -c '{join}; {ask}'").stdout == "000"
        assert host.run(f"sh -c '{join}; {ask.replace(METADATA, '127.0.0.1:8080')}'").stdout == "200"
    finally:
        host.run("systemctl stop metadata.service")
        host.run(f"ip address delete {METADATA}/32 dev lo")


def test_each_app_has_an_account_of_its_own(host: Any, pid: str) -> None:
    hello, idle = host.user("hello"), host.user("idle")
    assert hello.uid != idle.uid
    assert {hello.shell, idle.shell} == {"/usr/sbin/nologin"}
    assert (hello.home, host.file("/srv/hello/shared").user) == ("/srv/hello", "hello")
    assert host.check_output(f"stat --format=%U /proc/{pid}") == "hello"
    assert inside(host, pid, "ls /etc/idle").rc != 0
    assert inside(host, pid, "ls /etc/hello").rc == 0


@pytest.mark.parametrize(
    ("path", "owner", "mode"),
    [
        ("/srv/hello", "root:root", 0o755),
        ("/srv/hello/releases", "root:root", 0o755),
        ("/srv/hello/shared", "hello:hello", 0o750),
        ("/etc/hello", "root:hello", 0o750),
        ("/var/lib/shelf", "idle:idle", 0o750),
        ("/etc/systemd/system/hello.service", "root:root", 0o644),
        ("/etc/dtk/server_role.yml", "root:root", 0o644),
    ],
)
def test_files_and_folders_belong_to_whom_they_should(host: Any, path: str, owner: str, mode: int) -> None:
    file = host.file(path)
    assert (f"{file.user}:{file.group}", file.mode) == (owner, mode)


def test_an_app_without_a_release_waits_and_listens_nowhere(host: Any) -> None:
    assert host.service("idle.service").is_enabled
    assert host.service("idle.socket").is_enabled
    assert not host.service("idle.service").is_running
    assert not host.socket("tcp://0.0.0.0:9090").is_listening
    assert not host.file("/run/idle.sock").exists


def test_the_first_release_brings_it_up(host: Any) -> None:
    """Its program comes from the runtime's package and toolchain, so the release is an empty folder."""
    host.check_output("ln --symbolic --force --no-dereference releases /srv/idle/current")
    host.check_output("systemctl start idle.service")
    try:
        assert host.socket("tcp://0.0.0.0:9090").is_listening
        assert host.file("/run/idle.sock").mode == 0o660
        assert host.file("/var/lib/idle").user == "idle"
        said = "journalctl --unit=idle.service --identifier=idle --output=cat --no-pager"
        host.check_output("journalctl --sync")
        # As the server role has it: nothing was replaced on the way, neither by systemd nor by a shell.
        assert host.check_output(said) == 'a "quoted" \\ saying, 100 % $HOME | 5 % $HOME \\'
    finally:
        host.run("systemctl stop idle.service idle.socket")
        host.run("rm /srv/idle/current")


def test_the_unit_says_what_changed_last(host: Any, pid: str) -> None:
    environment = host.file(f"/proc/{pid}/environ").content_string.split("\0")
    assert "COLOUR=blue & green" in environment
    assert "DTK_ENV=demo" in environment


def test_nothing_is_left_behind(host: Any) -> None:
    assert host.check_output("systemctl --failed --no-legend") == ""
    assert host.check_output("ls /tmp | grep --count ^dtk-units- || true") == "0"
    assert host.file("/opt/tools/bin/python").exists
    assert not host.file("/usr/sbin/policy-rc.d").exists
