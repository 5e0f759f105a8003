# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bad input and a broken world get: one message with the thing, the value and the remedy; nothing half done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.lab.artifacts import build_release

from .conftest import Fleet

SPEC = {
    "unit": "hello.service",
    "activation": "reload",
    "owner": "hello",
    "group": "hello",
    "health": {
        "http": {"url": "http://127.0.0.1:8080/health", "status": [200], "body": '"release": "{version}"'},
        "successes": 2,
        "interval": 0.1,
        "timeout": 1,
        "deadline": 5,
    },
    "deploy": {"waves": [1, "100%"]},
}


def refused(
    fleet: Fleet, playbook: str, *words: str, environ: dict[str, str | None] | None = None, **extra: Any
) -> None:
    """The run ends with an error that has all the words, and neither a host nor the log changed."""
    before = fleet.snapshot()
    run = fleet.play(playbook, environ=environ, **extra)
    assert run.rc != 0, run.out
    missing = [word for word in words if word not in run.text]
    assert not missing, f"not said: {missing}\n{run.out}"
    assert "Traceback" not in run.out
    assert fleet.snapshot() == before


def test_an_unknown_app(fleet: Fleet) -> None:
    refused(fleet, "deploy", "helo", "hello", app="helo", version="1.0.1")


def test_an_unknown_env(fleet: Fleet) -> None:
    refused(fleet, "deploy", "prod", "demo", env="prod", version="1.0.1")


def test_an_unknown_version(fleet: Fleet) -> None:
    refused(fleet, "deploy", "9.9.9", "1.0.1", version="9.9.9")


def test_a_version_that_is_no_version(fleet: Fleet) -> None:
    refused(fleet, "deploy", "../etc", version="../etc")


@pytest.mark.parametrize("missing", ["app", "env", "version"])
def test_a_missing_variable(fleet: Fleet, missing: str) -> None:
    values = {"app": "hello", "env": "demo", "version": "1.0.1"}
    refused(fleet, "deploy", f"-e {missing}=", **{**values, missing: ""})


def test_a_limit_is_refused(fleet: Fleet) -> None:
    before = fleet.snapshot()
    run = fleet.play("deploy", "--limit", fleet.lab.hosts[0].name, version="1.0.1")
    assert run.rc != 0
    assert "--limit" in run.text and "waves" in run.text, run.out
    assert fleet.snapshot() == before


def test_waves_that_are_no_waves(fleet: Fleet) -> None:
    refused(fleet, "deploy", "waves", "zero", version="1.0.1", waves=["zero"])


def test_missing_credentials(fleet: Fleet) -> None:
    refused(
        fleet,
        "deploy",
        "credentials",
        version="1.0.1",
        environ={
            "AWS_ACCESS_KEY_ID": None,
            "AWS_SECRET_ACCESS_KEY": None,
            "AWS_SESSION_TOKEN": None,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        },
    )


@contextmanager
def changed_artifact(fleet: Fleet, version: str, change: Any) -> Iterator[None]:
    """The artifact's bytes are others than the manifest says; its metadata still claims the old ones."""
    s3, key = fleet.lab.boto("s3"), f"hello/{version}.tar.gz"
    kept = s3.get_object(Bucket="dtk-releases", Key=key)
    body, metadata = kept["Body"].read(), kept["Metadata"]
    s3.put_object(Bucket="dtk-releases", Key=key, Body=change(body), Metadata=metadata)
    try:
        yield
    finally:
        s3.put_object(Bucket="dtk-releases", Key=key, Body=body, Metadata=metadata)


def forget(fleet: Fleet, version: str) -> None:
    """Take a release from the hosts, so that it has to be fetched."""
    for host in fleet.lab.hosts:
        host.exec(["rm", "-rf", f"/srv/hello/releases/{version}"])


def test_a_truncated_artifact_is_seen_by_the_plan(fleet: Fleet) -> None:
    forget(fleet, "1.0.1")
    with changed_artifact(fleet, "1.0.1", lambda body: body[: len(body) // 2]):
        refused(fleet, "deploy", "1.0.1", "bytes", version="1.0.1")


def test_a_tampered_artifact_is_seen_by_every_host(fleet: Fleet) -> None:
    forget(fleet, "1.0.1")
    with changed_artifact(fleet, "1.0.1", lambda body: body[:-40] + bytes(b ^ 0xFF for b in body[-40:])):
        run = fleet.play("deploy", version="1.0.1")
    assert run.rc != 0
    assert "1.0.1" in run.text, run.out
    assert set(fleet.serving().values()) == {"1.0.0"}
    for host in fleet.lab.hosts:
        kept = host.exec(["ls", "-A", "/srv/hello/releases"]).stdout.split()
        assert (
            not [name for name in kept if name.startswith((".", "1.0.1")) and name != "1.0.1"] and "1.0.1" not in kept
        )


def test_a_health_url_that_never_answers(fleet: Fleet) -> None:
    health = {**SPEC["health"], "http": {"url": "http://127.0.0.1:1/health"}, "deadline": 2}
    run = fleet.play("deploy", version="1.0.1", dtk_apps={"hello": {**SPEC, "health": health}})
    assert run.rc != 0
    assert "http://127.0.0.1:1/health" in run.text, run.out
    assert set(fleet.serving().values()) == {"1.0.0"}


def test_a_hook_that_hangs_is_ended_and_the_host_returns(fleet: Fleet) -> None:
    hooks = {"post": [{"command": ["sh", "-c", "sleep 3600 & wait"], "timeout": 2}]}
    run = fleet.play("deploy", version="1.0.1", dtk_apps={"hello": {**SPEC, "hooks": hooks}})
    assert run.rc != 0
    assert "sleep 3600" in run.text and "timeout" in run.text, run.out
    assert set(fleet.serving().values()) == {"1.0.0"}
    left = [h.name for h in fleet.lab.hosts if h.exec(["pgrep", "-f", "sleep 3600"], check=False).returncode == 0]
    assert left == []


def test_an_unreachable_host_stops_the_deploy_before_anything_is_live(fleet: Fleet) -> None:
    gone = fleet.lab.hosts[-1]
    # Sessions outlive their daemon, and Ansible keeps one open.
    gone.exec(["sh", "-c", "systemctl stop ssh; pkill -x sshd || true"])
    try:
        run = fleet.play("deploy", version="1.0.1")
    finally:
        gone.exec(["systemctl", "start", "ssh"])
    assert run.rc != 0
    assert gone.name in run.text and "unreachable" in run.text, run.out
    assert set(fleet.serving().values()) == {"1.0.0"}


def test_a_full_disk_is_seen_before_anything_is_written(fleet: Fleet) -> None:
    forget(fleet, "1.0.1")
    full = fleet.lab.hosts[-1]
    full.exec(
        [
            "sh",
            "-c",
            "cp -a /srv/hello /root/kept && mount -t tmpfs -o size=64k tmpfs /srv/hello/releases "
            "&& cp -a /root/kept/releases/1.0.0 /srv/hello/releases/",
        ]
    )
    try:
        run = fleet.play("deploy", version="1.0.1")
    finally:
        full.exec(["sh", "-c", "umount -l /srv/hello/releases; rm -rf /root/kept"])
    assert run.rc != 0
    assert full.name in run.text and "free" in run.text, run.out
    assert set(fleet.serving().values()) == {"1.0.0"}


def test_a_read_only_root(fleet: Fleet) -> None:
    forget(fleet, "1.0.1")
    stiff = fleet.lab.hosts[-1]
    stiff.exec(["sh", "-c", "mount --bind /srv /srv && mount -o remount,ro,bind /srv"])
    try:
        run = fleet.play("deploy", version="1.0.1")
    finally:
        stiff.exec(["umount", "-l", "/srv"])
    assert run.rc != 0
    assert stiff.name in run.text and "ead-only" in run.text, run.out
    assert set(fleet.serving().values()) == {"1.0.0"}


JOB = "https://controller.example/#/jobs/4711"


def test_an_app_held_by_another_deploy(fleet: Fleet) -> None:
    fleet.hold("alice@laptop", JOB)
    refused(fleet, "deploy", "alice@laptop", "2026-01-02T03:04:05Z", JOB, "takeover=true", version="1.0.1")
    over = fleet.play("deploy", version="1.0.1", takeover=True)
    assert over.rc == 0, over.out
    assert set(fleet.serving().values()) == {"1.0.1"}


@pytest.mark.parametrize("lease", [pytest.param(2, id="seen by a renewal"), pytest.param(900, id="seen at the commit")])
def test_a_deploy_that_loses_its_claim_returns_what_it_had_activated(fleet: Fleet, lease: int) -> None:
    run = fleet.play_until(
        "TASK [sysops.dtk.release : Run | Switch",
        "deploy",
        lambda _process: fleet.hold("alice@laptop", JOB),
        version="1.0.1",
        lease=lease,
    )
    assert run.rc != 0
    assert "alice@laptop" in run.text, run.out
    assert set(fleet.serving().values()) == {"1.0.0"}
    assert fleet.slots()[-1]["by"] == "alice@laptop"


def test_a_version_is_written_once(fleet: Fleet) -> None:
    again = fleet.publish("1.0.1")
    assert again.rc == 0 and "published already" in again.text, again.out
    other = build_release("1.0.1", fleet.work / "other", padding_bytes=10_000)
    run = fleet.play("publish", version="1.0.1", artifact=str(other))
    assert run.rc != 0
    assert "1.0.1" in run.text and "sha256" in run.text, run.out


def test_publishing_a_file_that_is_not_there(fleet: Fleet) -> None:
    run = fleet.play("publish", version="7.0.0", artifact="dist/nothing.tar.gz")
    assert run.rc != 0
    assert "dist/nothing.tar.gz" in run.text, run.out
