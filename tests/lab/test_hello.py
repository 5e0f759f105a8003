# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""hello keeps its promises on a real host: they are what the tests of deploys under traffic rest on."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, LabHost
from tests.lab.artifacts import build_release
from tests.lab.traffic import PORT, Traffic


@pytest.fixture(scope="module")
def host() -> Iterator[LabHost]:
    with Lab.up("hello", hosts=1) as lab:
        yield lab.hosts[0]


@pytest.fixture
def served(host: LabHost, tmp_path: Path) -> LabHost:
    """The host with release 1 running, and release 2 beside it."""
    host.exec(["systemctl", "stop", "hello.service", "hello.socket"])
    host.exec(["rm", "-rf", "/srv/hello", "/etc/hello"])
    for version in ("1", "2"):
        put(host, version, tmp_path)
    switch(host, "1")
    host.exec(["systemctl", "reset-failed"])
    host.exec(["systemctl", "start", "hello.service"])
    return host


def put(host: LabHost, version: str, folder: Path, **kwargs: bool) -> None:
    archive = build_release(version, folder, **kwargs)
    unpack = 'mkdir -p "$1" && base64 -d | tar xz -C "$1"'
    encoded = base64.b64encode(archive.read_bytes()).decode()
    host.exec(["sh", "-c", unpack, "sh", f"/srv/hello/releases/{version}"], input=encoded)


def switch(host: LabHost, version: str) -> None:
    host.exec(["ln", "-sfn", f"releases/{version}", "/srv/hello/current"])


def release(host: LabHost) -> str:
    return get(host, "/")[1]["release"]


def get(host: LabHost, path: str) -> tuple[int, dict]:
    connection = http.client.HTTPConnection(host.address, PORT, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    answer = response.status, json.loads(response.read())
    connection.close()
    return answer


def wait_for_requests(traffic: Traffic, more: int) -> None:
    wanted, deadline = traffic.requests + more, time.monotonic() + 30
    while traffic.requests < wanted:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("act", ["reload", "restart"])
def test_no_request_is_lost_however_often_the_release_changes(served: LabHost, act: str) -> None:
    with Traffic([served] * 6, rate=40) as traffic:
        for version in ("2", "1", "2", "1", "2"):
            switch(served, version)
            served.exec(["systemctl", act, "hello.service"])
            assert release(served) == version
            wait_for_requests(traffic, 100)
        summary = traffic.stop()
    assert summary.failures == []
    assert {seen for _host, seen in summary.releases} == {"1", "2"}
    assert summary.requests > 500
    assert act == "restart" or summary.reopened == 0


def test_a_request_in_flight_ends_on_the_release_that_took_it(served: LabHost) -> None:
    answers: list[tuple[int, dict]] = []
    slow = threading.Thread(target=lambda: answers.append(get(served, "/slow/2")))
    slow.start()
    served.exec(["sh", "-c", "until ss -Htn state established sport = :8080 | grep -q .; do :; done"])
    switch(served, "2")
    served.exec(["systemctl", "reload", "hello.service"])
    assert release(served) == "2"
    slow.join()
    assert answers == [(200, {"app": "hello", "release": "1", "host": "web-1"})]


def test_a_kept_connection_is_told_to_close(served: LabHost) -> None:
    connection = http.client.HTTPConnection(served.address, PORT, timeout=10)
    seen = []
    for _ in range(2):
        connection.request("GET", "/")
        response = connection.getresponse()
        seen.append((response.headers["Connection"], json.loads(response.read())["release"]))
        switch(served, "2")
        served.exec(["systemctl", "reload", "hello.service"])
    connection.close()
    assert seen == [("keep-alive", "1"), ("close", "1")]


def test_a_worker_that_does_not_come_up_leaves_the_old_one_in_place(served: LabHost) -> None:
    served.write("/srv/hello/releases/3/app.py", Path("examples/hello/app.py").read_text())  # no VERSION: cannot start
    switch(served, "3")
    done = served.exec(["systemctl", "reload", "hello.service"], check=False)
    assert done.returncode != 0
    assert release(served) == "1"
    assert "the old worker stays" in served.exec(["journalctl", "-u", "hello.service", "--no-pager"]).stdout


def test_hup_alone_reloads_too(served: LabHost) -> None:
    switch(served, "2")
    served.exec(["systemctl", "kill", "--kill-who=main", "--signal=HUP", "hello.service"])
    deadline = time.monotonic() + 10
    while release(served) != "2":
        assert time.monotonic() < deadline


def test_settings_are_read_by_the_next_worker(served: LabHost) -> None:
    served.write("/etc/hello/config.json", '{"greeting": "hi", "maintenance": true}')
    assert "greeting" not in get(served, "/")[1]
    served.exec(["systemctl", "reload", "hello.service"])
    assert get(served, "/health") == (503, {"app": "hello", "release": "1", "host": "web-1", "greeting": "hi"})
    served.write("/etc/hello/config.json", '{"greeting": 7}')
    assert served.exec(["systemctl", "reload", "hello.service"], check=False).returncode != 0
    assert get(served, "/")[1]["greeting"] == "hi"


def test_health_knows_broken_and_poisoned_releases(served: LabHost, tmp_path: Path) -> None:
    assert get(served, "/health")[0] == 200
    served.write("/etc/hello/poison", "0.9 1\n")
    assert get(served, "/health")[0] == 500
    assert get(served, "/")[0] == 200
    put(served, "4", tmp_path, broken=True)
    switch(served, "4")
    served.exec(["systemctl", "restart", "hello.service"])
    assert get(served, "/health") == (500, {"app": "hello", "release": "4", "host": "web-1"})


def test_a_dead_worker_is_replaced(served: LabHost) -> None:
    served.exec(["pkill", "-KILL", "-f", "app.py worker"])
    assert release(served) == "1"  # the connection waits in systemd's socket for the next start


def test_without_a_release_nothing_starts_and_nothing_fails(served: LabHost) -> None:
    served.exec(["rm", "/srv/hello/current"])
    served.exec(["systemctl", "stop", "hello.socket", "hello.service"])
    began = time.monotonic()
    served.exec(["systemctl", "start", "hello.service"])
    assert time.monotonic() - began < 3
    assert served.exec(["systemctl", "is-active", "hello.service"], check=False).stdout.strip() == "inactive"
    with pytest.raises(ConnectionError):
        get(served, "/")
    assert served.exec(["systemctl", "is-system-running"]).stdout.strip() == "running"
