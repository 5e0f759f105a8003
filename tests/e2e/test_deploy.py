# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys as users see them: under traffic, with releases that fail, and what a failure leaves behind."""

from __future__ import annotations

from tests.lab.traffic import Traffic

from .conftest import Fleet


def test_a_deploy_and_a_rollback_under_traffic_lose_no_request(fleet: Fleet) -> None:
    traffic = Traffic(fleet.lab.hosts, rate=40)
    traffic.start()
    deployed = fleet.play("deploy", version="1.0.1")
    serving = fleet.serving()
    rolled_back = fleet.play("rollback")
    summary = traffic.stop()

    assert deployed.rc == 0, deployed.out
    assert set(serving.values()) == {"1.0.1"}
    assert rolled_back.rc == 0, rolled_back.out
    assert set(fleet.serving().values()) == {"1.0.0"}
    assert summary.requests > 500
    assert summary.failures == []
    assert {release for _host, release in summary.releases} == {"1.0.0", "1.0.1"}
    # Two tasks a host, whatever else a deploy can do; what is once for a wave is counted for its first host.
    for host in fleet.lab.hosts[1:]:
        assert "ok=2 " in rolled_back.tasks(host.name) and "skipped=0" in rolled_back.tasks(host.name), rolled_back.out


def test_a_rollback_downloads_nothing(fleet: Fleet) -> None:
    assert fleet.play("deploy", version="1.0.1").rc == 0
    s3 = fleet.lab.boto("s3")
    kept = s3.get_object(Bucket="dtk-releases", Key="hello/1.0.0.tar.gz")
    body, metadata = kept["Body"].read(), kept["Metadata"]
    # An artifact that nobody can unpack any more shows that nobody tried. It keeps its size and its metadata, which
    # is what the plan looks at.
    s3.put_object(Bucket="dtk-releases", Key="hello/1.0.0.tar.gz", Body=b"\0" * len(body), Metadata=metadata)
    try:
        run = fleet.play("rollback")
    finally:
        s3.put_object(Bucket="dtk-releases", Key="hello/1.0.0.tar.gz", Body=body, Metadata=metadata)
    assert run.rc == 0, run.out
    assert set(fleet.serving().values()) == {"1.0.0"}


def test_a_second_run_changes_nothing_on_the_hosts(fleet: Fleet) -> None:
    assert fleet.play("deploy", version="1.0.1").rc == 0
    before = [fleet.state(host) for host in fleet.lab.hosts]
    again = fleet.play("deploy", version="1.0.1")
    assert again.rc == 0, again.out
    for host in fleet.lab.hosts:
        assert f"{host.name} : ok=" in " ".join(again.out.split()), again.out
        recap = next(line for line in again.out.splitlines() if line.startswith(host.name) and "changed=" in line)
        assert "changed=0" in recap, again.out
    after = [fleet.state(host) for host in fleet.lab.hosts]
    assert [s["activated_at"] for s in after] == [s["activated_at"] for s in before]


def test_a_release_that_fails_in_the_canary_touches_no_other_host(fleet: Fleet) -> None:
    others = {host.name: fleet.state(host)["activated_at"] for host in fleet.lab.hosts}
    run = fleet.play("deploy", version="1.0.2-broken")
    assert run.rc != 0
    assert "1.0.2-broken" in run.text and "/health" in run.text, run.out
    assert set(fleet.serving().values()) == {"1.0.0"}
    touched = [host.name for host in fleet.lab.hosts if "1.0.2-broken" in fleet.state(host)["failed"]]
    assert len(touched) == 1, "the canary, and nobody else"
    untouched = [h for h in fleet.lab.hosts if h.name not in touched]
    assert {h.name: fleet.state(h)["activated_at"] for h in untouched} == {h.name: others[h.name] for h in untouched}
    newest = fleet.slots()[-1]
    assert newest["target"] is None and newest["stable"] == "1.0.0" and newest["why"]


def test_a_release_that_fails_in_the_second_wave_returns_the_first(fleet: Fleet) -> None:
    plan = fleet.play("deploy", "--check", version="1.0.3-poisoned")
    assert plan.rc == 0, plan.out
    # every host but one refuses the release: whichever is the canary may be the one which takes it
    canary = fleet.lab.hosts[0]
    for host in fleet.lab.hosts[1:]:
        host.exec(["sh", "-c", "mkdir -p /etc/hello; echo 1.0.3-poisoned > /etc/hello/poison"])
    try:
        run = fleet.play("deploy", version="1.0.3-poisoned", waves=[1, "100%"])
    finally:
        for host in fleet.lab.hosts[1:]:
            host.exec(["rm", "-f", "/etc/hello/poison"])
    assert run.rc != 0
    assert set(fleet.serving().values()) == {"1.0.0"}
    assert fleet.releases() == {host.name: "1.0.0" for host in fleet.lab.hosts}
    assert fleet.state(canary)["transaction"] is None
    assert fleet.slots()[-1]["stable"] == "1.0.0"


def test_a_budget_lets_a_deploy_go_on_without_the_host_that_failed(fleet: Fleet) -> None:
    last = fleet.lab.hosts[-1]
    last.exec(["sh", "-c", "mkdir -p /etc/hello; echo 1.0.3-poisoned > /etc/hello/poison"])
    try:
        run = fleet.play("deploy", version="1.0.3-poisoned", waves=["100%"], budget=1)
    finally:
        last.exec(["rm", "-f", "/etc/hello/poison"])
    assert run.rc == 0, run.out
    serving = fleet.serving()
    assert serving.pop(last.name) == "1.0.0"
    assert set(serving.values()) == {"1.0.3-poisoned"}
    assert last.name in run.text
    assert fleet.slots()[-1]["stable"] == "1.0.3-poisoned"


def test_check_prints_the_plan_and_changes_nothing(fleet: Fleet) -> None:
    before = fleet.snapshot()
    run = fleet.play("deploy", "--check", version="1.0.1")
    assert run.rc == 0, run.out
    assert "1.0.0" in run.text and "1.0.1" in run.text and "wave" in run.text.lower(), run.out
    assert fleet.snapshot() == before


def test_the_deploy_never_prints_the_presigned_url(fleet: Fleet) -> None:
    run = fleet.play("deploy", "-vvvv", version="1.0.1")
    assert run.rc == 0, run.out
    assert "X-Amz-Signature" not in run.out
    assert "Signature=" not in run.out


def test_status_shows_one_row_for_each_host(fleet: Fleet) -> None:
    straggler = fleet.lab.hosts[-1]
    straggler.exec(["systemctl", "stop", "hello.service", "hello.socket"])
    try:
        run = fleet.play("status")
    finally:
        straggler.exec(["systemctl", "start", "hello.socket", "hello.service"])
    assert run.rc == 0, run.out
    rows = [line for line in run.out.splitlines() if any(h.name in line for h in fleet.lab.hosts) and "1.0.0" in line]
    assert len(rows) == len(fleet.lab.hosts), run.out
    for host in fleet.lab.hosts:
        row = next(line for line in rows if host.name in line)
        assert host.az in row
