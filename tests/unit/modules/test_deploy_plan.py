# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.emulated_aws import EmulatedAws, build_archive
from tests.unit.run_module import run_ansible, run_module

HOSTS = [
    {"name": "web-1", "az": "eu-west-1a", "instance_id": "i-1"},
    {"name": "web-2", "az": "eu-west-1b", "instance_id": "i-2", "current": "0.9"},
    {"name": "web-3", "az": "eu-west-1a"},
]


@pytest.fixture
def options(aws: EmulatedAws, tmp_path: Path) -> dict[str, Any]:
    archive = build_archive(tmp_path / "hello-1.0.0.tar.gz", "1.0.0")
    source = {"app": "hello", "version": "1.0.0", "src": str(archive), "bucket": aws.bucket}
    assert run_module("artifact", source, aws.environ())["changed"]
    return {
        "app": "hello",
        "env": "demo",
        "prefix": aws.prefix,
        "bucket": aws.bucket,
        "version": "1.0.0",
        "hosts": HOSTS,
        "owner": "alice",
    }


def log(aws: EmulatedAws, **options: Any) -> dict[str, Any]:
    return run_module(
        "deploy_log_info", {"app": "hello", "env": "demo", "prefix": aws.prefix, **options}, aws.environ()
    )


def test_check_plans_and_claims_nothing_then_the_claim_holds(aws: EmulatedAws, options: dict[str, Any]) -> None:
    dry = run_module("deploy_plan", options, aws.environ(), check=True)
    assert (dry["changed"], dry["plan"]["fence"], log(aws)["n"]) == (False, 1, 0)
    wet = run_module("deploy_plan", options, aws.environ())
    assert (wet["changed"], wet["plan"]["fence"], wet["plan"]["waves"]) == (True, 1, [1, 2])
    assert wet["text"][0] == "DEPLOY hello in demo: (0.9 on 1, unknown on 2) -> 1.0.0"
    assert dry["text"][2:] == wet["text"][2:]
    refused = run_module("deploy_plan", {**options, "owner": "bob"}, aws.environ())
    assert refused["msg"].startswith("hello in demo is held by alice since ")
    assert "run again with takeover=true" in refused["msg"]
    taken = run_module("deploy_plan", {**options, "owner": "bob", "takeover": True}, aws.environ())
    assert taken["plan"]["fence"] == 2
    assert any("took over from alice" in line for line in taken["text"])


def test_a_run_that_died_is_taken_over_at_once(aws: EmulatedAws, options: dict[str, Any]) -> None:
    """The first claim carries the process of its ansible command, which is over when the second one comes."""
    first = run_ansible("deploy_plan", options, aws.environ())
    assert first["_status"] == "CHANGED"
    assert log(aws)["target"]["process"]
    second = run_module("deploy_plan", {**options, "owner": "bob"}, aws.environ())
    assert "took over from alice, whose process is gone" in second["plan"]["warnings"]


def test_rollback_without_a_version(aws: EmulatedAws, options: dict[str, Any]) -> None:
    refused = run_module("deploy_plan", {**options, "action": "rollback", "version": None}, aws.environ())
    assert "hello in demo has no earlier release in its deploy log to roll back to" in refused["msg"]


def test_options_from_a_command_line_are_strings(aws: EmulatedAws, options: dict[str, Any]) -> None:
    given = {"waves": "1,rest", "budget": "1", "min_healthy": "1", "per_az": "true", "claim": "false"}
    plan = run_module("deploy_plan", {**options, **given}, aws.environ())["plan"]
    assert (plan["waves"], plan["budget"], plan["claimed"]) == ([1, 1, 1], 1, False)
    assert log(aws)["n"] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hosts": []}, "There is no host to deploy to."),
        ({"version": "2.0.0"}, "hello has no release 2.0.0 in bucket"),
        ({"waves": []}, "waves is empty"),
        ({"min_healthy": "100%"}, "min_healthy asks for 3 healthy hosts, but only 3 of 3 are healthy now"),
        ({"budget": "lots"}, "budget is 'lots'"),
        ({"bucket": "no-such-bucket"}, "the bucket does not exist"),
    ],
)
def test_bad_input(aws: EmulatedAws, options: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    failed = run_module("deploy_plan", {**options, **changes}, aws.environ())
    assert failed["failed"]
    assert message in failed["msg"]
    assert log(aws)["n"] == 0


@pytest.mark.parametrize(
    ("without", "message"),
    [
        ("AWS_ACCESS_KEY_ID", "there are no AWS credentials. Give them by the option profile"),
        ("AWS_DEFAULT_REGION", "no AWS region is set. Give the option region, or set AWS_REGION."),
    ],
)
def test_a_missing_part_of_the_environment(
    aws: EmulatedAws, options: dict[str, Any], without: str, message: str
) -> None:
    hidden = {without, "AWS_SECRET_ACCESS_KEY"} if "KEY" in without else {without}
    environ = {name: value for name, value in aws.environ().items() if name not in hidden}
    failed = run_module("deploy_plan", options, environ)
    assert message in failed["msg"]


def test_an_endpoint_that_nobody_listens_on(options: dict[str, Any], aws: EmulatedAws) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = "http://{}:{}".format(*unused.getsockname())
        began = time.monotonic()
        failed = run_module("deploy_plan", {**options, "endpoint_url": endpoint}, aws.environ())
    assert f"{endpoint} cannot be reached" in failed["msg"]
    assert time.monotonic() - began < 20
