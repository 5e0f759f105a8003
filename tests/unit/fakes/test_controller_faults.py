# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Controller of the tests in trouble: broken, throttling, cut off, gone, half done, and older than one thinks."""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.controller import ControllerFake
from tests.unit.run_module import run_module

LABEL = {"name": "dtk", "organization": "Default"}


@pytest.fixture
def controller() -> Iterator[ControllerFake]:
    with ControllerFake.start() as fake:
        yield fake
        assert fake.violations == []


def label(controller: ControllerFake, **options: Any) -> dict[str, Any]:
    return run_module("awx.awx.label", {**LABEL, **options}, controller.env)


def test_a_broken_one_answers_so_as_often_as_it_is_told(controller: ControllerFake) -> None:
    controller.fail(502, path="/labels/", times=2)
    assert [controller.call("GET", "labels")[0] for _ in range(3)] == [502, 502, 200]
    controller.fail(500)
    assert "The host sent back a server error" in label(controller)["msg"]
    assert label(controller)["changed"]


def test_it_throttles(controller: ControllerFake) -> None:
    controller.fail(429, method="POST", path="/labels/")
    words = {"detail": "Request was throttled. Expected available in 1 second."}
    assert controller.call("POST", "labels", {"name": "x", "organization": 1}) == (429, words)
    assert controller.call("POST", "labels", {"name": "x", "organization": 1})[0] == 201


@pytest.mark.parametrize("carried_out", [False, True])
def test_it_hangs_up_in_the_middle_of_an_answer(controller: ControllerFake, carried_out: bool) -> None:
    controller.fail(0, method="POST", path="/labels/", carried_out=carried_out)
    with pytest.raises(http.client.IncompleteRead):
        controller.call("POST", "labels", {"name": "dtk", "organization": 1})
    assert len(controller.objects("labels")) == carried_out
    assert label(controller)["changed"] is not carried_out


def test_the_modules_say_that_an_answer_was_cut_off(controller: ControllerFake) -> None:
    controller.fail(0, path="/organizations/")
    assert "Failed to read response body" in label(controller)["msg"]


def test_nobody_listens_and_then_somebody_does_again(controller: ControllerFake) -> None:
    with controller.unreachable():
        assert "Connection refused" in label(controller)["msg"]
    assert label(controller)["changed"]


def test_an_application_stops_half_way_and_goes_on(controller: ControllerFake) -> None:
    controller.fail_after_writes(2)
    results = [label(controller, name=name) for name in ("a", "b", "c")]
    assert [result.get("failed", False) for result in results] == [False, False, True]
    assert [one["name"] for one in controller.objects("labels")] == ["a", "b"]
    controller.heal()
    assert [label(controller, name=name)["changed"] for name in ("a", "b", "c")] == [False, False, True]


def test_an_older_one_does_not_know_a_field(controller: ControllerFake) -> None:
    controller.without_field("job_templates", "prevent_instance_group_fallback")
    options = {
        "name": "Deploy",
        "organization": "Default",
        "project": "estate",
        "inventory": "prod",
        "playbook": "deploy.yml",
        "prevent_instance_group_fallback": True,
    }
    for module in ("project", "inventory"):
        name = {"project": "estate", "inventory": "prod"}[module]
        assert run_module(f"awx.awx.{module}", {"name": name, "organization": "Default"}, controller.env)["changed"]
    for _ in range(2):  # It takes no notice of it, again and again.
        assert run_module("awx.awx.job_template", options, controller.env).get("failed") is None
    assert "prevent_instance_group_fallback" not in controller.object("job_templates", "Deploy")
    assert "prevent_instance_group_fallback" not in controller.call("OPTIONS", "job_templates")[1]["actions"]["POST"]


def test_a_lenient_one_drops_what_nobody_knows(controller: ControllerFake) -> None:
    body = {"name": "x", "organization": 1, "colour": "blue"}
    assert controller.call("POST", "labels", body)[0] == 400
    controller.be_lenient()
    assert controller.call("POST", "labels", body)[0] == 201


def test_what_is_no_json_is_refused(controller: ControllerFake) -> None:
    connection = http.client.HTTPConnection(controller.url.removeprefix("http://"))
    connection.request("POST", "/api/v2/labels/", "{", {"Authorization": f"Bearer {controller.token}"})
    response = connection.getresponse()
    assert (response.status, b"JSON parse error" in response.read()) == (400, True)
    connection.close()


def test_many_at_once_make_what_one_after_the_other_makes(controller: ControllerFake) -> None:
    def make(number: int) -> int:
        return controller.call("POST", "labels", {"name": f"label-{number % 20}", "organization": 1})[0]

    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(pool.map(make, range(40)))
    assert statuses == {201: 20, 400: 20}
    assert sorted(one["id"] for one in controller.objects("labels")) == [*range(1, 21)]
    assert controller.calls() == {"POST /api/v2/labels/": 40}


def test_it_can_be_served_by_hand() -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "tests.fakes.controller"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = [process.stdout.readline().strip() for _ in range(3)]
            known = dict(line.removeprefix("export ").split("=", 1) for line in lines)
            connection = http.client.HTTPConnection(known["CONTROLLER_HOST"].removeprefix("http://"))
            connection.request(
                "GET", "/api/v2/me/", headers={"Authorization": f"Bearer {known['CONTROLLER_OAUTH_TOKEN']}"}
            )
            assert connection.getresponse().status == 200
            connection.close()
        finally:
            process.terminate()
