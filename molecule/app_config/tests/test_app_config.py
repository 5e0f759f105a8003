# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host after changes, good and bad, and a pull: its files and its app agree, and nothing is left behind."""

from __future__ import annotations

import json
from typing import Any

import pytest

STORED = {"greeting": "Hello from the store", "login": "CANARYc0ffee-secure", "port": 8080}


def test_the_app_uses_the_settings(host: Any) -> None:
    answer = json.loads(host.check_output("curl --silent --fail --max-time 5 http://127.0.0.1:8080/health"))
    assert answer["greeting"] == STORED["greeting"]


def test_the_files_hold_them(host: Any) -> None:
    assert json.loads(host.file("/etc/hello/config.json").content_string) == STORED
    assert host.file("/etc/hello/config.env").content_string.splitlines() == [
        f'HELLO_GREETING="{STORED["greeting"]}"',
        f'HELLO_LOGIN="{STORED["login"]}"',
        'HELLO_PORT="8080"',
    ]


@pytest.mark.parametrize("name", ["config.json", "config.env"])
def test_only_root_and_the_app_may_read_them(host: Any, name: str) -> None:
    file = host.file(f"/etc/hello/{name}")
    assert (file.user, file.group, file.mode) == ("root", "hello", 0o640)


def test_the_state_file_tells_the_story(host: Any) -> None:
    state = json.loads(host.file("/srv/hello/config/state.json").content_string)
    assert state["current"] == state["last_good"]
    assert (state["transaction"], state["fence"]) == (None, 7)


def test_no_value_is_where_it_does_not_belong(host: Any) -> None:
    found = host.run("grep -rlE 'CANARYc0ffee' /tmp /var/tmp /root /run /var/log /srv/hello/config/state.json")
    assert found.stdout == ""
    assert host.run("journalctl --no-pager | grep -q CANARYc0ffee").rc == 1
    assert host.check_output("find /srv/hello/config/versions -perm /077") == ""


def test_nothing_is_armed_or_broken(host: Any) -> None:
    assert host.check_output("systemctl list-units --all --no-legend 'dtk-deadman-*'") == ""
    assert host.check_output("systemctl --failed --no-legend") == ""
    assert set(host.check_output("ls -A /etc/hello").split()) == {"config.env", "config.json"}
