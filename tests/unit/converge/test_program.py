# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that boots comes to what its log calls stable, and tells its group."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.converge.world import CANARY, ENV, World
from tests.unit.fakes.fleet import WEB

COLLECTIONS = Path(__file__).resolve().parents[3] / ".cache" / "collections"
PROGRAM = "ansible_collections.sysops.dtk.plugins.module_utils.converge"


def calls(world: World, service: str) -> dict[str, int]:
    """What was asked of a service since the last reset, by the names of the calls."""
    found = {name.split(":")[1]: number for name, number in world.aws.calls().items() if name.startswith(f"{service}:")}
    return dict(sorted(found.items()))


# --- a new instance -------------------------------------------------------------------------------------------------


def test_a_new_instance_comes_up_on_the_stable_release_and_goes_into_service(world: World) -> None:
    app = world.app()
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.launch()
    run = world.converge()
    assert run.rc == 0, run.out
    assert app.release == "1.0.0"
    world.wait_for("InService")
    tags = world.tags()
    assert tags["dtk:app:hello"] == "1.0.0 slot 2 ok"
    assert re.fullmatch(r"ok \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", tags["dtk:boot"])
    assert run.end["apps"] == {"hello": {"release": "1.0.0", "slot": 2, "state": "ok"}}
    assert run.end["place"] == "pending"
    assert run.end["changed"]


def test_it_needs_few_calls(world: World) -> None:
    world.app()
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.launch()
    world.aws.reset()
    assert world.converge().rc == 0
    assert calls(world, "ssm") == {"GetParameters": 1, "GetParametersByPath": 1}
    assert calls(world, "ec2") == {"CreateTags": 1}
    assert calls(world, "s3") == {"GET": 2}
    assert calls(world, "autoscaling") == {"CompleteLifecycleAction": 1, "DescribeAutoScalingInstances": 1}


def test_several_apps_cost_one_more_listing_each_and_one_second_look_for_all(world: World) -> None:
    for name in ("api", "hello", "worker"):
        world.app(name)
        world.publish("1.0.0", name)
        world.stable("1.0.0", name)
    world.launch()
    world.aws.reset()
    run = world.converge()
    assert run.rc == 0, run.out
    assert [app.release for app in world.apps.values()] == ["1.0.0"] * 3
    assert calls(world, "ssm") == {"GetParameters": 1, "GetParametersByPath": 3}
    assert calls(world, "ec2") == {"CreateTags": 1}
    assert set(world.tags()) == {"dtk:app:api", "dtk:app:hello", "dtk:app:worker", "dtk:boot"}


def test_the_program_runs_by_itself(world: World) -> None:
    """As a process: with nothing but its environment, from a folder that has nothing to do with it."""
    app = world.app()
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.launch()
    done = by_itself(world, {"JOURNAL_STREAM": "8:1"})
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert app.release == "1.0.0"
    assert all(line.startswith("{") for line in done.stdout.splitlines()), done.stdout  # its caller reads them
    world.wait_for("InService")


def test_systemd_is_told_how_grave_a_line_is(world: World) -> None:
    world.app()
    world.start_alone()
    with (world.host / "journal").open("w+") as journal:
        found = os.fstat(journal.fileno())
        by_itself(world, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}, stdout=journal)
        journal.seek(0)
        lines = journal.read().splitlines()
    assert lines and all(line.startswith("<6>{") for line in lines), lines


def by_itself(world: World, environ: dict[str, str], **streams: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", PROGRAM, *world.arguments()],
        env={**world.environ(), "PYTHONPATH": str(COLLECTIONS), **environ},
        cwd="/",
        text=True,
        timeout=120,
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )


def test_during_a_deploy_it_comes_up_on_what_is_stable(world: World) -> None:
    app = world.app()
    for version in ("1.0.0", "1.1.0"):
        world.publish(version)
    world.stable("1.0.0")
    world.claim("1.1.0")
    world.launch()
    assert world.converge().rc == 0
    assert app.release == "1.0.0"
    assert world.tags()["dtk:app:hello"] == "1.0.0 slot 3 ok"


def test_a_commit_while_it_comes_up_is_followed_before_it_goes_into_service(world: World) -> None:
    app = world.app()
    for version in ("1.0.0", "1.1.0"):
        world.publish(version)
    world.stable("1.0.0")
    world.claim("1.1.0")
    world.launch()

    def commit() -> None:
        app.asked = lambda: None
        world.commit()

    app.asked = commit
    run = world.converge()
    assert run.rc == 0, run.out
    assert [one["version"] for one in run.of("activate")] == ["1.0.0", "1.1.0"]
    assert app.release == "1.1.0"
    assert world.tags()["dtk:app:hello"] == "1.1.0 slot 4 ok"


@pytest.mark.parametrize("claimed", [False, True], ids=["no log", "first deploy under way"])
def test_without_a_stable_release_it_goes_into_service_with_nothing(world: World, claimed: bool) -> None:
    app = world.app()
    if claimed:
        world.claim("1.0.0")
    world.launch()
    assert world.converge().rc == 0
    assert app.release is None
    world.wait_for("InService")
    assert world.tags()["dtk:app:hello"] == f"none slot {int(claimed)} empty"


def test_on_its_way_into_the_warm_pool_it_stages_and_later_converges(world: World) -> None:
    app = world.app()
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.launch(warm=True)
    assert world.boot().rc == 0
    assert app.release is None
    assert (app.home / "releases" / "1.0.0" / "VERSION").exists()
    assert world.tags()["dtk:app:hello"] == "1.0.0 slot 2 staged"
    world.wait_for("Warmed:Stopped")
    world.fleet.client.set_desired_capacity(AutoScalingGroupName=WEB, DesiredCapacity=1)
    world.wait_for("Pending:Wait")
    assert world.boot().rc == 0
    world.wait_for("InService")
    assert app.release == "1.0.0"


def test_without_a_group_it_converges_and_tells_nobody(world: World) -> None:
    app = world.app()
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.start_alone()
    world.aws.reset()
    run = world.converge()
    assert run.rc == 0, run.out
    assert app.release == "1.0.0"
    assert world.tags()["dtk:app:hello"] == "1.0.0 slot 2 ok"
    assert calls(world, "autoscaling") == {}


def test_an_instance_that_nobody_has_in_an_env_is_left_alone(world: World) -> None:
    """Such as one that an image is built or tested on. Asked for by hand it says what is missing."""
    world.app()
    world.start_alone(**{"dtk:env": ""})
    world.aws.reset()
    run = world.converge()
    assert run.rc == 0, run.out
    assert run.end["reason"].startswith("this host is in no group and has no tag dtk:env")
    assert calls(world, "ssm") == calls(world, "ec2") == calls(world, "autoscaling") == {}
    world.options(deadline=1)
    by_hand = world.converge("--now")
    assert (by_hand.rc, "does not know its env" in by_hand.end["reason"]) == (1, True)


def test_without_metadata_it_goes_by_its_file(world: World) -> None:
    app = world.app()
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.options(metadata=False, env=ENV, prefix=world.prefix, bucket=world.bucket, region="eu-west-1")
    world.aws.reset()
    environ = world.aws.environ()
    del environ["AWS_ENDPOINT_URL"], environ["AWS_DEFAULT_REGION"]
    world.environ = lambda: {"PATH": os.environ["PATH"], **environ}  # type: ignore[method-assign]
    run = world.converge()
    assert run.rc == 0, run.out
    assert app.release == "1.0.0"
    assert calls(world, "ec2") == {}


# --- settings -------------------------------------------------------------------------------------------------------


def test_its_settings_are_there_before_the_release_is_activated(world: World) -> None:
    path = world.host / "etc" / "config.{format}"
    app = world.app(config={"format": ["json", "env"], "path": str(path)})
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.setting("/_shared/greeting", "hello")
    world.setting(f"/{ENV}/hello/config/greeting", "good morning")
    world.setting(f"/{ENV}/hello/config/password", CANARY, "SecureString")
    world.launch()
    seen: list[str] = []
    app.asked = lambda: seen.append((world.host / "etc" / "config.json").read_text(encoding="utf-8"))
    run = world.converge()
    assert run.rc == 0, run.out
    assert json.loads(seen[0]) == {"greeting": "good morning", "password": CANARY}
    assert (world.host / "etc" / "config.env").exists()
    assert CANARY not in run.out
    assert [one["outcome"] for one in run.of("settings")] == ["active"]


def test_an_app_without_any_settings_gets_no_file(world: World) -> None:
    world.app(config={"format": ["json"], "path": str(world.host / "config.json")})
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.launch()
    run = world.converge()
    assert run.rc == 0, run.out
    assert run.of("settings") == [{"event": "settings", "app": "hello", "found": "none"}]
    assert not (world.host / "config.json").exists()


def test_settings_are_read_at_each_boot_and_not_between(world: World) -> None:
    """On hosts in service they change by the playbook config, wave by wave, with its gates."""
    path = world.host / "config.json"
    world.app(config={"format": ["json"], "path": str(path)})
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.setting(f"/{ENV}/hello/config/greeting", "one")
    world.launch()
    assert world.converge().rc == 0
    world.setting(f"/{ENV}/hello/config/greeting", "two")
    assert not world.converge().end["changed"]
    assert json.loads(path.read_text()) == {"greeting": "one"}
    assert world.boot().end["changed"]
    assert json.loads(path.read_text()) == {"greeting": "two"}
    world.setting(f"/{ENV}/hello/config/greeting", "three")
    assert world.converge("--now").end["changed"]
    assert json.loads(path.read_text()) == {"greeting": "three"}


# --- later ----------------------------------------------------------------------------------------------------------


def test_a_host_that_is_where_it_should_be_stays_and_costs_two_calls(world: World) -> None:
    app = world.app()
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.launch()
    assert world.converge().rc == 0
    world.wait_for("InService")
    world.aws.reset()
    world.aws.fault("s3", 503)
    run = world.boot()
    assert run.rc == 0, run.out
    assert app.release == "1.0.0"
    assert not run.end["changed"]
    assert calls(world, "ssm") == {"GetParameters": 2}
    assert calls(world, "ec2") == {}
    assert calls(world, "s3") == {}
    assert "CompleteLifecycleAction" not in calls(world, "autoscaling")


def test_a_host_in_service_is_left_to_the_deploy_that_holds_the_claim(world: World) -> None:
    app = world.app()
    for version in ("1.0.0", "1.1.0"):
        world.publish(version)
    world.stable("1.0.0")
    world.launch()
    assert world.converge().rc == 0
    world.wait_for("InService")
    world.claim("1.1.0")
    run = world.converge()
    assert run.rc == 0
    assert run.end["apps"]["hello"]["state"] == "held"
    assert run.end["place"] == "serving"
    world.commit()
    assert world.converge().rc == 0
    assert app.release == "1.1.0"


def test_a_release_that_fails_in_service_is_tried_once_and_again_only_by_hand(world: World) -> None:
    """A host in service must not be restarted each five minutes by a release that is not for it."""
    app = world.app()
    world.publish("1.0.0")
    world.publish("1.1.0", broken=True)
    world.stable("1.0.0")
    world.launch()
    assert world.converge().rc == 0
    world.wait_for("InService")
    world.stable("1.1.0")
    first = world.converge()
    assert first.rc == 1
    assert "was not healthy" in first.end["reason"]
    assert app.release == "1.0.0"
    assert world.tags()["dtk:app:hello"] == "1.1.0 slot 4 failed"
    assert world.tags()["dtk:boot"].startswith("failed: ")
    second = world.converge()
    assert second.rc == 1
    assert second.end["reason"] == "1.1.0 failed here before"
    assert second.of("activate") == []
    assert len(world.converge("--now").of("activate")) == 1
    world.options(retry_after=0)
    assert len(world.converge().of("activate")) == 1
    assert world.state == "InService"


def test_check_tells_and_changes_nothing(world: World) -> None:
    app = world.app()
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.launch()
    world.aws.reset()
    run = world.converge("--check")
    assert run.rc == 0, run.out
    assert run.end["changed"]
    assert run.end["apps"]["hello"] == {"release": "1.0.0", "slot": 2, "state": "ok"}
    assert not app.home.exists()
    assert not (world.host / "var").exists()
    assert world.state == "Pending:Wait"
    assert calls(world, "ec2") == {}


def test_two_runs_at_once_take_turns(world: World) -> None:
    app = world.app()
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.launch()
    environ = {**world.environ(), "PYTHONPATH": str(COLLECTIONS)}
    command = [sys.executable, "-m", PROGRAM, *world.arguments()]
    runs = [subprocess.Popen(command, env=environ, cwd="/", stdout=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [json.loads(run.communicate(timeout=120)[0].splitlines()[-1]) for run in runs]
    assert [end["ok"] for end in ends] == [True, True]
    assert sorted(end["changed"] for end in ends) == [False, True]
    assert app.release == "1.0.0"
