# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings go from Parameter Store to the fleet in waves, and come back from where they do harm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Fleet

PATH = "/dtk/demo/hello/config"


@pytest.fixture
def settings(fleet: Fleet) -> Iterator[Fleet]:
    """The fleet, with no settings in Parameter Store and none on the hosts; the same again afterwards."""
    clear(fleet)
    yield fleet
    clear(fleet)


def clear(fleet: Fleet) -> None:
    ssm = fleet.lab.boto("ssm")
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/dtk", Recursive=True)
    for page in pages:
        for name in (p["Name"] for p in page["Parameters"] if "/deploy/" not in p["Name"]):
            ssm.delete_parameter(Name=name)
    for host in fleet.lab.hosts:
        host.exec(["sh", "-c", "rm -rf /etc/hello; systemctl reload hello.service"])


def put(fleet: Fleet, **values: str) -> None:
    for name, value in values.items():
        fleet.lab.boto("ssm").put_parameter(Name=f"{PATH}/{name}", Value=value, Type="String", Overwrite=True)


def on_disk(fleet: Fleet) -> list[Any]:
    texts = [host.exec(["cat", "/etc/hello/config.json"], check=False).stdout for host in fleet.lab.hosts]
    return [json.loads(text) if text else None for text in texts]


def open_transactions(fleet: Fleet) -> list[str]:
    states = {host.name: host.exec(["cat", "/srv/hello/config/state.json"]).stdout for host in fleet.lab.hosts}
    return [name for name, text in states.items() if json.loads(text)["transaction"]]


def greetings(fleet: Fleet) -> set[str | None]:
    answers = (host.exec(["curl", "-fsS", "-m", "5", "http://127.0.0.1:8080/"]).stdout for host in fleet.lab.hosts)
    return {json.loads(answer).get("greeting") for answer in answers}


def reloads(fleet: Fleet) -> list[str]:
    """What changes on each host with every reload of the unit."""
    asked = ["systemctl", "show", "--property=ExecReload", "--value", "hello.service"]
    return [host.exec(asked).stdout for host in fleet.lab.hosts]


def test_settings_reach_the_fleet_and_a_second_run_changes_nothing(settings: Fleet) -> None:
    settings.lab.boto("ssm").put_parameter(Name="/dtk/_shared/colour", Value="red", Type="String")
    settings.lab.boto("ssm").put_parameter(Name="/dtk/demo/_shared/colour", Value="green", Type="String")
    put(settings, greeting="good day", **{"limits/size.int": "7"})
    before = settings.slots()[-1]
    run = settings.play("config")
    assert run.rc == 0, run.out
    assert "CONFIGURE hello in demo" in run.text and "hello has its settings in demo" in run.text, run.out
    assert on_disk(settings) == [{"colour": "green", "greeting": "good day", "limits": {"size": 7}}] * 4
    assert greetings(settings) == {"good day"}
    newest = settings.slots()[-1]
    assert (newest["stable"], newest["target"], newest["act"]) == (before["stable"], None, "released")

    reloaded = reloads(settings)
    again = settings.play("config")
    assert again.rc == 0, again.out
    recap = [line for line in again.out.splitlines() if line.startswith("web-") and "changed=" in line]
    assert len(recap) == 4 and all("changed=0" in line for line in recap), again.out
    assert reloads(settings) == reloaded


def test_settings_that_do_harm_return_and_the_rest_of_the_fleet_never_sees_them(settings: Fleet) -> None:
    put(settings, greeting="good day")
    assert settings.play("config").rc == 0
    put(settings, greeting="closed", **{"maintenance.bool": "true"})
    run = settings.play("config")
    assert run.rc != 0
    assert "the settings of hello were halted in demo" in run.text, run.out
    assert "Parameter Store still holds the new ones" in run.text and "/health" in run.text, run.out
    assert on_disk(settings) == [{"greeting": "good day"}] * 4
    assert greetings(settings) == {"good day"}
    assert settings.slots()[-1]["target"] is None


def test_settings_that_a_later_wave_refuses_return_where_they_were_live(settings: Fleet) -> None:
    put(settings, greeting="good day")
    assert settings.play("config").rc == 0
    put(settings, greeting="good night")
    # A host whose app is unhealthy for a reason of its own, in whichever wave it is, stops the change.
    sick = settings.lab.hosts[-1]
    sick.exec(["sh", "-c", "echo 1.0.0 > /etc/hello/poison"])
    run = settings.play("config", waves=[3, "100%"])
    sick.exec(["rm", "/etc/hello/poison"])
    assert run.rc != 0
    assert sick.name in run.text, run.out
    assert on_disk(settings) == [{"greeting": "good day"}] * 4
    assert greetings(settings) == {"good day"}
    # The way back of the sick host could not be proven either, so it is still open: the next run ends it.
    put(settings, greeting="good day")
    again = settings.play("config")
    assert again.rc == 0, again.out
    assert open_transactions(settings) == []


def test_check_mode_shows_what_would_change_and_changes_nothing(settings: Fleet) -> None:
    put(settings, greeting="good day", api_token="canary-7f3a")
    # Its name tells nobody that it is a secret.
    settings.lab.boto("ssm").put_parameter(Name=f"{PATH}/db/dsn", Value="canary-9c1e", Type="SecureString")
    slots = settings.slots()
    run = settings.play("config", "--check", "--diff", "-vvv")
    assert run.rc == 0, run.out
    assert "greeting" in run.text and "good day" in run.text and "api_token" in run.text, run.out
    assert "db.dsn" in run.text, run.out
    assert "canary" not in run.out
    assert on_disk(settings) == [None] * 4
    assert settings.slots() == slots


def test_settings_that_cannot_be_read_stop_before_any_host_and_give_the_claim_back(settings: Fleet) -> None:
    none = settings.play("config")
    assert none.rc != 0
    assert f"{PATH} in this region" in none.text and "write the settings first" in none.text, none.out
    put(settings, port="80", **{"port.int": "80"})
    twice = settings.play("config")
    assert twice.rc != 0
    assert f"{PATH}/port" in twice.text and f"{PATH}/port.int" in twice.text, twice.out
    assert on_disk(settings) == [None] * 4
    newest = settings.slots()[-1]
    assert (newest["target"], newest["act"]) == (None, "released")


def test_a_deploy_and_a_change_of_settings_never_meet(settings: Fleet) -> None:
    put(settings, greeting="good day")
    settings.hold("alice@laptop", "https://controller.example/#/jobs/4711")
    try:
        run = settings.play("config")
        assert run.rc != 0
        assert "alice@laptop" in run.text and "takeover=true" in run.text, run.out
    finally:
        assert settings.play("config", takeover=True).rc == 0
