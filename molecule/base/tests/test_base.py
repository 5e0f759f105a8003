# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host after good and bad runs, and after one that died half-way: what is declared is what it goes by."""

from __future__ import annotations

from typing import Any

import pytest

# Never an answer of 255, which testinfra takes for a connection of its own that failed.
SSH = (
    "timeout 20 ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o IdentitiesOnly=yes"
    " -i /var/lib/molecule/alice"
)


def test_the_host_is_well(host: Any) -> None:
    assert host.check_output("systemctl is-system-running") == "running"


@pytest.mark.parametrize("name", ["jq", "libpq5", "chrony", "openssh-server", "sudo"])
def test_the_packages_are_there(host: Any, name: str) -> None:
    assert host.package(name).is_installed


@pytest.mark.parametrize("unit", ["ssh.service", "chrony.service"])
def test_the_services_start_with_the_machine(host: Any, unit: str) -> None:
    assert host.service(unit).is_enabled
    assert host.service(unit).is_running


# --- people ---------------------------------------------------------------------------------------------------------


def test_a_person_logs_in_by_key_and_becomes_root(host: Any) -> None:
    assert host.check_output(f"{SSH} alice@127.0.0.1 sudo -n id -un") == "root"


def test_a_person_is_in_the_declared_groups(host: Any) -> None:
    assert set(host.user("alice").groups) == {"alice", "adm", "people"}
    assert host.user("alice").shell == "/bin/bash"


def test_a_home_is_nobody_elses(host: Any) -> None:
    assert host.file("/home/alice").mode == 0o700
    assert host.file("/home/alice/.ssh/authorized_keys").user == "alice"
    assert host.file("/home/alice/.ssh/authorized_keys").mode == 0o600


def test_who_is_in_no_allowed_group_cannot_log_in(host: Any) -> None:
    keys = "/home/bob/.ssh/authorized_keys"
    host.check_output(f"ssh-keygen -y -f /var/lib/molecule/alice | install -D -o bob -m 0600 /dev/stdin {keys}")
    done = host.run(f"{SSH} bob@127.0.0.1 true || exit 3")
    assert done.rc == 3
    assert "Permission denied (publickey)" in done.stderr


def test_sudo_allows_what_is_declared(host: Any) -> None:
    listed = host.check_output("sudo -l -U bob")
    assert "(root) NOPASSWD: /usr/bin/systemctl restart hello.service" in listed
    assert host.check_output("sudo -u bob sudo -n /usr/bin/printf %s a:b,c=d#e") == "a:b,c=d#e"
    assert "(ALL : ALL) NOPASSWD: ALL" in host.check_output("sudo -l -U alice")


@pytest.mark.parametrize("command", ["/usr/bin/id", "/usr/bin/systemctl restart ssh.service", "/usr/bin/printf %s c=d"])
def test_sudo_allows_nothing_else(host: Any, command: str) -> None:
    done = host.run(f"sudo -u bob sudo -n {command}")
    assert done.rc == 1
    assert "a password is required" in done.stderr


@pytest.mark.parametrize("setting", ["env_reset", "use_pty", "!requiretty", "timestamp_timeout=5"])
def test_the_policy_of_sudo(host: Any, setting: str) -> None:
    assert setting in host.check_output("sudo -l -U alice")


def test_who_has_left_is_gone(host: Any) -> None:
    assert not host.user("carol").exists
    assert not host.file("/etc/sudoers.d/60-dtk").contains("carol")


# --- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        *(
            "passwordauthentication no",
            "kbdinteractiveauthentication no",
            "permitemptypasswords no",
            "x11forwarding no",
        ),
        *("permitrootlogin without-password", "maxauthtries 2", "allowgroups people", "allowgroups root"),
    ],
)
def test_what_sshd_goes_by(host: Any, line: str) -> None:
    assert line in host.check_output("sshd -T").splitlines()


def test_limits_of_a_login(host: Any) -> None:
    assert host.check_output(f"{SSH} alice@127.0.0.1 'ulimit -Hn; ulimit -Hu; ulimit -Hc'") == "800\n2000\n0"


def test_limits_of_a_unit_that_says_nothing(host: Any) -> None:
    shown = host.check_output("systemd-run --quiet --wait --pipe sh -c 'ulimit -Hn; ulimit -Hc'")
    assert shown == "800\n0"


@pytest.mark.parametrize(
    ("name", "value"), [("net.core.somaxconn", 1024), ("net.ipv4.ip_local_port_range", "20000\t60000")]
)
def test_kernel_parameters(host: Any, name: str, value: int | str) -> None:
    assert host.sysctl(name) == value


def test_the_journal_keeps_to_its_limit(host: Any) -> None:
    said = host.check_output("journalctl --no-pager --unit=systemd-journald --grep='System Journal' --output=cat")
    assert "max 48.0M" in said.splitlines()[-1]


def test_the_clock_asks_the_declared_servers(host: Any) -> None:
    sources = host.check_output("chronyc -c -N sources -a").splitlines()
    assert [line.split(",")[2] for line in sources] == ["192.0.2.123"]
    assert host.check_output("date +%Z") in ("CET", "CEST")


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        *(("/etc/sudoers.d/60-dtk", 0o440), ("/etc/ssh/sshd_config.d/60-dtk.conf", 0o600)),
        *(("/etc/security/limits.d/60-dtk.conf", 0o644), ("/etc/systemd/system.conf.d/60-dtk.conf", 0o644)),
        *(("/etc/sysctl.d/60-dtk.conf", 0o644), ("/etc/systemd/journald.conf.d/60-dtk.conf", 0o644)),
        *(("/etc/chrony/chrony.conf", 0o644), ("/etc/motd.d/60-dtk", 0o644)),
    ],
)
def test_files_belong_to_root(host: Any, path: str, mode: int) -> None:
    file = host.file(path)
    assert (file.user, file.group, file.mode) == ("root", "root", mode)


def test_who_logs_in_is_told_where(host: Any) -> None:
    assert "web in demo: Answers people" in host.check_output(f"echo exit | {SSH} -tt alice@127.0.0.1")


# --- the runtime ----------------------------------------------------------------------------------------------------


def test_the_runtime_is_in_use(host: Any) -> None:
    assert host.check_output("/opt/dtk/venv/bin/python -c 'import sys; print(sys.prefix)'").startswith("/opt/dtk/")
    assert host.file("/opt/dtk/current").linked_to.startswith("/opt/dtk/runtimes/")


def test_nothing_is_left_behind(host: Any) -> None:
    assert host.check_output("find /var/tmp /tmp -name 'dtk-*'") == ""
    assert not host.file("/usr/sbin/policy-rc.d").exists
