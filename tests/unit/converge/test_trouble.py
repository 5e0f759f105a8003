# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that cannot come up says why, and is given up at its deadline: not before, and by a tag for whoever looks."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils import converge, converge_acts, converge_beats
from ansible_collections.sysops.dtk.plugins.module_utils._aws import errors
from ansible_collections.sysops.dtk.plugins.module_utils._core.boot_protocol import Activate
from ansible_collections.sysops.dtk.plugins.module_utils.converge_orders import Orders

from tests.emulation import REGION
from tests.unit.converge.world import CANARY, ENV, HOOK, App, World

DEADLINE = 4


@pytest.fixture
def app(world: World, monkeypatch: pytest.MonkeyPatch) -> App:
    """hello, published and stable; it is tried again sooner, and not for so long."""
    monkeypatch.setattr(converge_acts, "PAUSE_S", 0.3)
    monkeypatch.setattr(converge_acts, "GRACE_S", 2)
    monkeypatch.setattr(errors, "CALL_TRIES", 2)
    app = world.app()
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.options(deadline=DEADLINE)
    return app


def abandoned(world: World, reason: str) -> None:
    """The host gave up at its deadline for this reason, and said so wherever it could."""
    began = time.monotonic()
    run = world.converge()
    assert run.rc == 1, run.out
    assert time.monotonic() - began < DEADLINE + 3
    assert reason in run.end["reason"], run.out
    assert len(run.of("wait")) > 1, "it gave up at once: its group would launch the next one a minute later"
    assert world.tags()["dtk:boot"].startswith("failed: ")
    world.aws.autoscaling.wait_for(lambda: world.state.startswith("Terminat") or world.state == "gone")


# --- what may pass --------------------------------------------------------------------------------------------------

PASSING: dict[str, Callable[[World], None]] = {
    "SSM throttles": lambda world: world.aws.fault("ssm", "ThrottlingException", times=3),
    "SSM is down": lambda world: world.aws.fault("ssm", "InternalServerError", times=3),
    "S3 is down": lambda world: world.aws.fault("s3", 503, times=4),
    "S3 hangs up": lambda world: world.aws.drop("s3:GET", times=2),
    "EC2 throttles": lambda world: world.aws.fault("ec2:CreateTags", "RequestLimitExceeded", times=3),
    "Auto Scaling throttles": lambda world: world.aws.fault("autoscaling", "Throttling", times=3),
    "the answer of the group gets lost": lambda world: world.aws.lose("autoscaling:CompleteLifecycleAction", times=1),
}


@pytest.mark.parametrize("trouble", PASSING)
def test_what_passes_delays_it(world: World, app: App, trouble: str) -> None:
    world.launch()
    world.options(deadline=30)
    PASSING[trouble](world)
    run = world.converge()
    assert run.rc == 0, run.out
    assert app.release == "1.0.0"
    world.wait_for("InService")


def test_an_app_that_needs_a_while_to_be_healthy_gets_it(world: World, app: App) -> None:
    world.launch()
    world.options(deadline=30)
    app.down = True
    timer = threading.Timer(1.5, lambda: setattr(app, "down", False))
    timer.start()
    run = world.converge()
    assert run.rc == 0, run.out
    assert len(run.of("activate")) > 1
    assert world.tags()["dtk:app:hello"] == "1.0.0 slot 2 ok"


# --- what does not --------------------------------------------------------------------------------------------------


def test_without_parameter_store(world: World, app: App) -> None:
    world.launch()
    world.aws.fault("ssm", "InternalServerError")
    abandoned(world, "InternalServerError")
    assert app.release is None


def test_without_s3(world: World, app: App) -> None:
    world.launch()
    world.aws.fault("s3", 503)
    abandoned(world, f"Cannot read s3://{world.bucket}/hello/1.0.0.json")
    assert app.release is None


def test_without_a_release_that_the_log_names(world: World, app: App) -> None:
    world.stable("2.0.0")
    world.launch()
    abandoned(world, f"hello has no release 2.0.0 in bucket {world.bucket}")


def test_with_an_artifact_that_is_not_the_one_of_the_manifest(world: World, app: App) -> None:
    key = "hello/1.0.0.tar.gz"
    s3 = world.aws.client("s3")
    size = s3.head_object(Bucket=world.bucket, Key=key)["ContentLength"]
    sha = json.loads(s3.get_object(Bucket=world.bucket, Key="hello/1.0.0.json")["Body"].read())["sha256"]
    s3.put_object(Bucket=world.bucket, Key=key, Body=b"\0" * size, Metadata={"sha256": sha})
    world.launch()
    abandoned(world, "it was damaged or tampered with")
    assert list((app.home / "releases").iterdir()) == []


def test_with_an_app_that_does_not_become_healthy(world: World, app: App) -> None:
    world.publish("1.1.0", broken=True)
    world.stable("1.1.0")
    world.launch()
    abandoned(world, "was not healthy")
    assert world.tags()["dtk:app:hello"] == "1.1.0 slot 4 failed"
    assert app.release is None


def test_with_settings_that_break_it(world: World, app: App) -> None:
    world.app(config={"format": ["env"], "path": str(world.host / "config.env")})
    world.setting(f"/{ENV}/hello/config/db.host", "a")
    world.setting(f"/{ENV}/hello/config/db/host", "b")
    world.launch()
    abandoned(world, "")


def test_with_a_hook_of_another_name(world: World, app: App) -> None:
    world.launch(hook="somebody-elses")
    run = world.converge()
    assert run.rc == 1
    assert "waits for this instance, but not by a hook dtk-converge" in run.end["reason"]
    assert world.state == "Pending:Wait"


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"dtk:env": ""}, "does not know its env: it has no tag dtk:env"),
        ({"dtk:env": "Not An Env"}, "The env 'Not An Env' is not allowed"),
        ({"dtk:role": "worker"}, "tagged dtk:role=worker, but it was made for the server role web"),
        ({"dtk:prefix": "dtk"}, "The prefix 'dtk' is not a path"),
        ({"dtk:bucket": ""}, "does not know the bucket of the releases"),
    ],
)
def test_with_a_launch_template_that_points_nowhere(world: World, app: App, tags: dict[str, str], reason: str) -> None:
    world.launch(**tags)
    abandoned(world, reason)
    assert app.release is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "this host has no server role"),
        ("- a list", "holds no mapping"),
        ("a: b: c", "is neither JSON nor YAML"),
        ("{}", "lacks dtk_server_role or dtk_apps"),
    ],
)
def test_without_a_good_server_role(world: World, app: App, text: str | None, reason: str) -> None:
    path = world.host / "server_role.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    world.launch()
    abandoned(world, reason)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "is no JSON"), ("[]", "holds no JSON object"), ('{"dedline": 3}', "unknown dedline"), ('{"env": 3}', "env")],
)
def test_with_options_that_cannot_be_read(
    world: World, app: App, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    """It cannot know its deadline then, so it takes the usual one; until then somebody may correct the file."""
    monkeypatch.setitem(converge_acts.boot_facts.DEFAULTS, "deadline", DEADLINE)
    world.launch()
    (world.host / "converge.json").write_text(text)
    monkeypatch.setattr(world, "environ", lambda: {**World.environ(world), "AWS_ENDPOINT_URL": world.aws.endpoint})
    abandoned(world, reason)


def test_without_the_group_it_ends_all_the_same(world: World, app: App) -> None:
    world.launch()
    world.aws.fault("autoscaling", 503)
    began = time.monotonic()
    run = world.converge()
    assert run.rc == 1
    assert "Cannot ask Auto Scaling about the instance" in run.end["reason"]
    assert time.monotonic() - began < 30
    assert app.release == "1.0.0"


def test_without_metadata(world: World, app: App) -> None:
    world.launch()
    world.url = "http://127.0.0.1:9/"
    run = world.converge()
    assert run.rc == 1
    assert (
        "the instance metadata service at http://127.0.0.1:9 does not answer (Connection refused" in run.end["reason"]
    )


# --- heartbeats -----------------------------------------------------------------------------------------------------


def test_the_group_keeps_waiting_while_it_is_at_work(world: World, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converge_beats, "FIRST_S", 0.2)
    world.launch()
    world.options(deadline=3)
    app.down = True
    run = world.converge()
    assert run.rc == 1
    beats = [one["result"] for one in run.of("beat")]
    assert beats[:1] == ["done"]
    assert world.aws.calls()[f"autoscaling:RecordLifecycleActionHeartbeat:{REGION}"] == len(beats)


def test_heartbeats_end_with_the_deadline(monkeypatch: pytest.MonkeyPatch, world: World, app: App) -> None:
    """A program that hangs must not hold its group up for ever."""
    monkeypatch.setattr(converge_beats, "FIRST_S", 0.05)
    world.launch()
    notes: list[str] = []
    client = world.aws.client("autoscaling")
    beats = converge_beats.Beats(
        lambda service: client,
        world.instance,
        HOOK,
        0.3,
        time.monotonic() + 1,
        lambda event, **told: notes.append(event),
    )
    beats.start()
    beats.join(timeout=10)
    assert not beats.is_alive()
    assert 3 <= len(notes) <= 12


def test_a_heartbeat_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch, world: World, app: App) -> None:
    monkeypatch.setattr(converge_beats, "FIRST_S", 0.05)
    world.launch()
    world.aws.fault("autoscaling:RecordLifecycleActionHeartbeat", "Throttling", times=20)
    notes: list[str] = []
    client = world.aws.client("autoscaling")
    beats = converge_beats.Beats(
        lambda service: client,
        world.instance,
        HOOK,
        300,
        time.monotonic() + 30,
        lambda event, **told: notes.append(told["result"]),
    )
    beats.start()
    deadline = time.monotonic() + 30
    while "done" not in notes and time.monotonic() < deadline:
        time.sleep(0.05)
    beats.stop()
    beats.join(timeout=10)
    assert notes[0] == "failed"
    assert notes[-1] == "done"


# --- what is told ---------------------------------------------------------------------------------------------------


def test_no_secret_and_no_link_is_in_the_journal(world: World, app: App) -> None:
    world.app(config={"format": ["json"], "path": str(world.host / "config.json")})
    world.setting(f"/{ENV}/hello/config/password", CANARY, "SecureString")
    world.launch()
    world.options(deadline=30)
    world.aws.drop("s3:GET", times=3, after=1)
    run = world.converge()
    assert run.rc == 0, run.out
    for secret in (CANARY, "X-Amz-", "Signature", "a-session-token"):
        assert secret not in run.out


def test_a_fault_in_the_program_is_told_and_is_no_silence(
    world: World, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.launch()

    def crash(_self: object, _effect: Activate) -> None:
        raise ZeroDivisionError(CANARY)

    monkeypatch.setattr(converge_acts.Acts, "_activate", crash)
    abandoned(world, "a fault of dtk-converge itself")


# --- many at once ---------------------------------------------------------------------------------------------------


def test_fifty_instances_that_boot_at_once_all_come_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameter Store answers 40 calls a second for a whole account."""
    hosts = 50
    app = world.app()
    world.publish("1.0.0")
    world.stable("1.0.0")
    made = {"LaunchTemplateId": world.fleet.template(), "Version": "1"}
    hooks = [world.fleet.hook(HOOK, DefaultResult="ABANDON", HeartbeatTimeout=300)]
    world.fleet.group(hosts, settled=False, LaunchTemplate=made, LifecycleHookSpecificationList=hooks, MaxSize=hosts)
    fleet = world.fleet
    world.aws.autoscaling.wait_for(lambda: len(fleet.ids("Pending:Wait")) == hosts, 60)
    world.aws.reset()
    world.aws.limit("ssm", rate=20, burst=5)
    for name, value in world.aws.environ().items():
        monkeypatch.setenv(name, value)
    start = threading.Barrier(hosts)

    def boot(instance: str) -> int:
        folder = world.host / instance
        (folder / "srv").mkdir(parents=True)
        spec = {**world.specs["hello"], "root": str(folder / "srv"), "health": None}
        role = {"dtk_server_role": {"name": "web"}, "dtk_apps": {"hello": spec}}
        (folder / "role.json").write_text(json.dumps(role))
        given = {"metadata": False, "instance_id": instance, "env": ENV, "prefix": world.prefix, "bucket": world.bucket}
        (folder / "converge.json").write_text(json.dumps({**given, "server_role": str(folder / "role.json")}))
        places = [str(folder / name) for name in ("converge.json", "var", "run")]
        with (folder / "out").open("w") as output:
            start.wait()
            return converge.run(Orders(*places), converge.Journal(output, marked=False))

    with ThreadPoolExecutor(hosts) as pool:
        codes = list(pool.map(boot, fleet.ids("Pending:Wait")))
    failed = [path.read_text() for path in Path(world.host).glob("i-*/out") if '"ok": true' not in path.read_text()]
    assert failed == []
    assert codes == [0] * hosts
    world.aws.autoscaling.wait_for(lambda: len(fleet.ids("InService")) == hosts, 60)
    throttled = sum(world.aws.throttled().values())
    counted = {name.split(":")[1]: number for name, number in world.aws.calls().items()}
    assert throttled > 0, "the limit was never met: this tested nothing"
    assert counted["GetParametersByPath"] + counted["GetParameters"] - throttled == 2 * hosts
    assert counted["CreateTags"] == hosts
    assert app.release is None
