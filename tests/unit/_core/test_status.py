# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.sysops.dtk.plugins.module_utils._core.status import status_lines, status_reasons

LOG = {"n": 7, "stable": "1.0.1", "target": {"release": "1.0.2"}, "at": "T", "by": "alice", "previous": ["1.0.0"]}


def row(name: str, **info: object) -> dict[str, object]:
    return {"name": name, "az": "a", "info": info}


def test_a_fleet() -> None:
    rows = [
        row("web-10", current="1.0.1", activated_at="S", health={"ok": True}),
        row("web-2", current="1.0.0", activated_at="S", health={"ok": False}),
        row("web-3", current="1.0.2", unit_state="active", health=None),
        row("web-4", msg="no route", unreachable=True),
        row("web-5", msg="bad state file", failed=False),
        row("web-6", current=None, exists=False),
        row("web-7", current="1.0.1", transaction="switched"),
        {"name": "web-8"},
        {"name": "web-9", "az": "a", "info": None},
    ]
    assert status_lines(rows, {**LOG, "holder": "bob until U"}) == [
        "HOST    AZ       RELEASE  SINCE  HEALTH       DRIFT",
        "web-2   a        1.0.0    S      FAILING      not 1.0.1",
        "web-3   a        1.0.2    -      active       next release",
        "web-4   a        ?        -      unreachable  ?",
        "web-5   a        ?        -      error        ?",
        "web-6   a        none     -      -            not 1.0.1",
        "web-7   a        1.0.1    -      -            activation unfinished",
        "web-8   unknown  none     -      -            not 1.0.1",
        "web-9   a        ?        -      error        ?",
        "web-10  a        1.0.1    S      ok           -",
        "",
        "9 hosts: 1 on 1.0.0, 2 on 1.0.1, 1 on 1.0.2, 3 on ?, 2 on none; 1 healthy; 8 drifting",
        "stable: 1.0.1 (slot 7, T, by alice)",
        "can be rolled back to: 1.0.0",
        "held by bob until U",
    ]


def test_behind_load_balancers() -> None:
    hosts = {
        "web-1": {"serves": True, "states": {"http": "healthy", "tcp": "healthy"}, "trouble": ""},
        "web-2": {"serves": True, "states": {"http": "not registered"}, "trouble": "not registered in http"},
        "web-3": {"serves": False, "lifecycle_state": "Standby", "states": {"http": "not registered"}, "trouble": ""},
        "web-4": {"serves": False, "lifecycle_state": "", "states": {}, "trouble": ""},
        "web-5": {"serves": True, "states": {}, "trouble": ""},
    }
    rows = [row(name, current="1.0.1", health={"ok": True}) for name in hosts]
    lines = status_lines(
        rows, {**LOG, "target": None}, {"hosts": hosts, "suspended": {"web": ["AZRebalance", "Launch"]}}
    )
    assert lines[:6] == [
        "HOST   AZ  RELEASE  SINCE  HEALTH  DRIFT  TARGETS",
        "web-1  a   1.0.1    -      ok      -      healthy",
        "web-2  a   1.0.1    -      ok      -      not registered in http",
        "web-3  a   1.0.1    -      ok      -      Standby",
        "web-4  a   1.0.1    -      ok      -      has left its Auto Scaling group",
        "web-5  a   1.0.1    -      ok      -      -",
    ]
    assert lines[8:10] == [
        "not in every target group: web-2; the next deploy puts them back",
        "suspended in Auto Scaling group web: AZRebalance, Launch",
    ]
    busy = status_lines(rows, {**LOG, "held": True}, {"hosts": hosts})
    assert "not in every target group: web-2; a deploy is at work on them, or has died" in busy
    for fate in ("expired", "dead"):
        over = status_lines(rows, {**LOG, "held": True, fate: True}, {"hosts": hosts})
        assert "not in every target group: web-2; the next deploy puts them back" in over


def test_load_balancers_that_do_not_answer() -> None:
    lines = status_lines([row("web-1", current="1.0.1")], LOG, {"msg": "Cannot read the target groups web: denied"})
    assert lines[1].split()[-1] == "?"
    assert "load balancers: Cannot read the target groups web: denied" in lines


def test_an_image_roll_that_nobody_watches() -> None:
    found = {"hosts": {"web-1": {}}, "target_groups": [], "refreshes": {"web": "instance refresh r-1: InProgress 50 %"}}
    lines = status_lines([row("web-1", current="1.0.1")], LOG, found)
    assert "web has an instance refresh r-1: InProgress 50 %; the playbook roll sees it through" in lines
    assert "TARGETS" not in lines[0], "it was not asked for load balancers"


def test_whether_a_fleet_is_well() -> None:
    log = {"stable": "1.0.1"}
    well = [
        row("web-1", current="1.0.1", health={"ok": True}),
        row("web-2", current="1.0.1", unit_state="active", health=None),
    ]
    assert status_reasons(well, log) == status_reasons(well, log, "1.0.1") == []
    assert status_reasons(well, log, "1.0.2") == ["stable is 1.0.1, and not 1.0.2"]
    assert status_reasons(well, {**log, "held": True, "holder": "bob until U"}) == ["a deploy is at work: bob until U"]
    assert status_reasons(well, {**log, "held": True, "dead": True}) == []
    ill = [
        row("web-2", current="1.0.0", health={"ok": False}),
        {"name": "web-3", "info": None},
        row("web-4", current="1.0.1"),
    ]
    assert status_reasons(ill, log) == [
        "web-2 is FAILING",
        "web-2 serves 1.0.0: not 1.0.1",
        "web-3 is error",
        "web-3 serves ?: ?",
        "web-4 tells no health",
    ]
    assert status_reasons([], log) == ["no hosts"]


def test_without_hosts_or_log() -> None:
    assert status_lines([])[-1] == "no hosts"
    assert status_lines([], {"n": 0, "stable": None})[-1] == "deploy log: empty"
