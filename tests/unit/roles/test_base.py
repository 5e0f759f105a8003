# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role base on both families of distributions, as far as that can be told without a host: names, files, messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.sysops.dtk.plugins.module_utils._core.server_role_keys import SERVER_ROLE

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "base"
SERVER = {
    "name": "web",
    "description": "Answers people",
    "packages": ["jq", {"debian": "libpq5", "amazon": "libpq"}, {"debian": None, "amazon": ["nc", "tar"]}],
    "users": [
        {"name": "alice", "groups": ["adm"], "sudo": "all"},
        {"name": "bob", "sudo": ["/usr/bin/systemctl restart web.service", r"/bin/echo a:b,c=d \ #e"]},
        {"name": "carol", "sudo": "all", "state": "absent"},
        {"name": "dave"},
    ],
    "limits": {"nofile": 65536, "nproc": 8192},
    "sysctl": {"net.core.somaxconn": 4096, "net.ipv4.ip_local_port_range": "20000 60000"},
    "journald": {"max_use": "500M", "rate_burst": 0},
    "time": {"servers": ["169.254.169.123", "time.example.com"]},
    "ssh": {"allow_groups": ["adm", "ops"]},
}
FILES = {
    "sudoers": r"""
        # Written by the Deploy Toolkit, role sysops.dtk.base, from dtk_server_role.users.
        Defaults env_reset
        Defaults use_pty
        Defaults timestamp_timeout=5
        # Automation has no terminal.
        Defaults !requiretty

        alice ALL=(ALL:ALL) NOPASSWD: ALL

        bob ALL=(root) NOPASSWD: /usr/bin/systemctl restart web.service
        bob ALL=(root) NOPASSWD: /bin/echo a\:b\,c\=d \\ \#e
        """,
    "sshd.conf": """
        # Written by the Deploy Toolkit, role sysops.dtk.base, from dtk_server_role.ssh.
        # sshd keeps the first value that it meets, and reads this folder in the order of names.
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        PermitEmptyPasswords no
        PermitRootLogin no
        MaxAuthTries 4
        X11Forwarding no
        AllowGroups adm ops
        """,
    "limits.conf": """
        # Written by the Deploy Toolkit, role sysops.dtk.base, from dtk_server_role.limits: for logins.
        # A dump of memory would hold secrets. The asterisk stands for everybody but root.
        * - core 0
        root - core 0
        * - nofile 65536
        root - nofile 65536
        * - nproc 8192
        root - nproc 8192
        """,
    "system.conf": """
        # Written by the Deploy Toolkit, role sysops.dtk.base, from dtk_server_role.limits: defaults of units.
        [Manager]
        DefaultLimitCORE=0
        DefaultLimitNOFILE=65536
        DefaultLimitNPROC=8192
        """,
    "sysctl.conf": """
        # Written by the Deploy Toolkit, role sysops.dtk.base, from dtk_server_role.sysctl.
        net.core.somaxconn = 4096
        net.ipv4.ip_local_port_range = 20000 60000
        """,
    "journald.conf": """
        # Written by the Deploy Toolkit, role sysops.dtk.base, from dtk_server_role.journald.
        [Journal]
        Storage=persistent
        SystemMaxUse=500M
        RateLimitBurst=0
        """,
    "motd": """
        web in prod: Answers people
        """,
}
CHRONY = """
        # Written by the Deploy Toolkit, role sysops.dtk.base, from dtk_server_role.time.
        # These servers and no others: Amazon's smear leap seconds, which must not be mixed with time that jumps.
        server 169.254.169.123 iburst prefer minpoll 4 maxpoll 4
        server time.example.com iburst
        driftfile {drift}
        # A clock that is far off jumps, but only just after the start.
        makestep 1.0 3
        rtcsync
        """
# What the package managers say, recorded: apt 2.6.1, dnf 4.14.0.
APT = """\
E: Unable to locate package no-such-package
E: Package 'awk' has no installation candidate
E: Unable to locate package libnosuch1.2
E: Couldn't find any package by glob 'libnosuch1.2'
E: Couldn't find any package by regex 'libnosuch1.2'
"""
DNF = """\
Error: Unable to find a match: no-such-package nor-such
"""
# Hosts, each with the facts of a system: two families that are known, others, and one whose server role is wrong.
SYSTEMS = {
    "debian": ("Debian", "Debian", "12"),
    "amazon": ("RedHat", "Amazon", "2023"),
    "fedora": ("RedHat", "Fedora", "42"),
    "amazon2": ("RedHat", "Amazon", "2"),
    "sles": ("Suse", "SLES", "15"),
    "wrong": ("Debian", "Debian", "12"),
}
FAMILIES = ("amazon", "debian")
SHOWN = (
    *(
        "__base_packages",
        "__base_missing",
        "__base_unknown",
        "__base_services",
        "__base_ssh_effective",
        "__base_python",
    ),
    *("__base_people", "__base_leavers", "__base_groups"),
)
TEMPLATES = sorted((ROLE / "templates").glob("*.j2"))
PLAY = """
- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - block:
        - ansible.builtin.set_fact:
            os_family: "{{ system[0] }}"
            distribution: "{{ system[1] }}"
            distribution_major_version: "{{ system[2] }}"
            cacheable: true
        - ansible.builtin.include_role: {name: sysops.dtk.base, tasks_from: _platform.yml, public: true}
        - ansible.builtin.copy:
            dest: "{{ playbook_dir }}/{{ inventory_hostname }}.json"
            mode: "0600"
            content: CONTENT
      rescue:
        - ansible.builtin.copy:
            dest: "{{ playbook_dir }}/{{ inventory_hostname }}.txt"
            mode: "0600"
            content: "{{ ansible_failed_result.msg }}"
"""


def text(indented: str) -> str:
    return "\n".join(line.removeprefix(" " * 8) for line in indented.strip("\n").split("\n")[:-1]) + "\n"


def content() -> str:
    """An expression for all that the tests want to know of a host."""
    files = ", ".join(f"'{path.stem}': lookup('ansible.builtin.template', '{path}')" for path in TEMPLATES)
    return f"{{{{ {{{', '.join(f'{name!r}: {name}' for name in SHOWN)}, 'files': {{{files}}}}} | to_json }}}}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the role makes of SERVER on each of SYSTEMS, by Ansible itself, in one play."""
    folder = tmp_path_factory.mktemp("base")
    hosts = {
        name: {
            "system": list(system),
            "base_server_role": {**SERVER, "limits": {"nofile": "many"}, "sysctls": {}} if name == "wrong" else SERVER,
            "__base_simulated": {"stderr": DNF if name == "amazon" else APT},
        }
        for name, system in SYSTEMS.items()
    }
    common = {
        "base_env": "prod",
        "__base_installed": {"stdout_lines": ["installed sudo", "not-installed chrony", "package jq is not installed"]},
        "ansible_python_interpreter": sys.executable,
    }
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}))
    (folder / "play.yml").write_text(PLAY.replace("CONTENT", json.dumps(content())))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.json", "play.yml"],
        cwd=folder,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
            "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def said(folder: Path, family: str) -> dict[str, Any]:
    return json.loads((folder / f"{family}.json").read_text())


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file(said: dict[str, Any], name: str) -> None:
    assert said["files"][name] == text(FILES[name])


def test_the_file_of_the_clock(said: dict[str, Any], family: str) -> None:
    drift = {"debian": "/var/lib/chrony/chrony.drift", "amazon": "/var/lib/chrony/drift"}[family]
    assert said["files"]["chrony.conf"] == text(CHRONY).format(drift=drift)


def test_every_template_is_compared() -> None:
    assert {path.stem for path in TEMPLATES} == {*FILES, "chrony.conf"}


def test_the_packages(said: dict[str, Any], family: str) -> None:
    expected = {
        "debian": ["ca-certificates", "chrony", "openssh-server", "python3-apt", "sudo", "tzdata", "jq", "libpq5"],
        "amazon": [
            *(
                "ca-certificates",
                "chrony",
                "openssh-server",
                "python3.11",
                "sudo",
                "tar",
                "tzdata",
                "jq",
                "libpq",
                "nc",
            ),
        ],
    }[family]
    assert said["__base_packages"] == expected
    assert said["__base_missing"] == sorted(set(expected) - {"sudo"})


def test_what_the_package_manager_does_not_know(said: dict[str, Any], family: str) -> None:
    expected = {"debian": ["no-such-package", "awk", "libnosuch1.2"], "amazon": ["no-such-package", "nor-such"]}
    assert said["__base_unknown"] == expected[family]


def test_services_and_the_files_that_they_read(said: dict[str, Any], family: str) -> None:
    time, ssh = {
        "debian": (("chrony.service", "/etc/chrony/chrony.conf"), "ssh.service"),
        "amazon": (("chronyd.service", "/etc/chrony.conf"), "sshd.service"),
    }[family]
    assert [(one["unit"], one["config"]) for one in said["__base_services"]] == [
        ("systemd-journald.service", "/etc/systemd/journald.conf.d/60-dtk.conf"),
        time,
        (ssh, "/etc/ssh/sshd_config.d/60-dtk.conf"),
    ]


def test_the_python_that_runs_the_toolkit(said: dict[str, Any], family: str) -> None:
    expected = {"debian": "/usr/bin/python3", "amazon": "/usr/bin/python3.11"}
    assert said["__base_python"] == expected[family]


def test_what_sshd_must_say(said: dict[str, Any]) -> None:
    said = said["__base_ssh_effective"]
    assert {"permitrootlogin no", "maxauthtries 4", "allowgroups adm", "allowgroups ops"} < set(said)


def test_people_leavers_and_groups(said: dict[str, Any]) -> None:
    assert [one["name"] for one in said["__base_people"]] == ["alice", "bob", "dave"]
    assert [one["name"] for one in said["__base_leavers"]] == ["carol"]
    assert said["__base_groups"] == ["adm", "ops"]


# --- names and refusals ---------------------------------------------------------------------------------------------


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_both_families_name_the_same_things() -> None:
    debian, amazon = load(ROLE / "vars" / "debian.yml"), load(ROLE / "vars" / "amazon.yml")
    assert list(debian) == list(amazon)
    assert {name: type(value) for name, value in debian.items()} == {
        name: type(value) for name, value in amazon.items()
    }
    assert not set(debian) & set(load(ROLE / "vars" / "main.yml"))


@pytest.mark.parametrize(("host", "name"), [("fedora", "Fedora 42"), ("amazon2", "Amazon 2"), ("sles", "SLES 15")])
def test_another_distribution_is_refused(folder: Path, host: str, name: str) -> None:
    assert (folder / f"{host}.txt").read_text() == (
        f"{host} runs {name}, which the toolkit does not know: use a machine with Debian, or with Amazon Linux 2023."
    )


def test_a_bad_server_role_is_refused_with_all_that_is_wrong(folder: Path) -> None:
    message = (folder / "wrong.txt").read_text()
    assert "dtk_server_role.limits.nofile is 'many'" in message
    assert "dtk_server_role.sysctls is no key of a server role" in message


def test_the_argument_spec_has_the_keys_of_a_server_role() -> None:
    spec = load(ROLE / "meta" / "argument_specs.yml")["argument_specs"]["install"]["options"]["base_server_role"][
        "options"
    ]
    assert set(spec) == set(SERVER_ROLE.keys)
