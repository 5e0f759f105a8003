# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.emulated_aws import EmulatedAws, build_archive
from tests.unit.run_module import run_ansible, run_module


@pytest.fixture
def place(aws: EmulatedAws) -> dict[str, Any]:
    return {"app": "hello", "env": "demo", "prefix": aws.prefix}


@pytest.fixture
def claimed(aws: EmulatedAws, place: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    archive = build_archive(tmp_path / "hello-1.0.0.tar.gz", "1.0.0")
    source = {"app": "hello", "version": "1.0.0", "src": str(archive), "bucket": aws.bucket}
    run_module("artifact", source, aws.environ())
    asked = {**place, "bucket": aws.bucket, "version": "1.0.0", "hosts": [{"name": "web-1"}]}
    return run_module("deploy_plan", asked, aws.environ())["plan"]


def test_renew_commit_and_read(aws: EmulatedAws, place: dict[str, Any], claimed: dict[str, Any]) -> None:
    ours = {**place, "id": claimed["id"]}
    renewed = run_module("deploy_log", {**ours, "state": "renewed", "min_slot": claimed["fence"]}, aws.environ())
    assert (renewed["changed"], renewed["slot"]["n"]) == (False, 1)
    longer = run_module("deploy_log", {**ours, "state": "renewed", "lease": 9000}, aws.environ())
    assert (longer["changed"], longer["slot"]["n"]) == (True, 2)
    dry = run_module("deploy_log", {**ours, "state": "committed"}, aws.environ(), check=True)
    assert (dry["changed"], dry["diff"]["after"]["stable"]) == (True, "1.0.0")
    assert run_module("deploy_log_info", place, aws.environ())["held"]
    wet = run_ansible("deploy_log", {**ours, "state": "committed", "why": "it is Friday"}, aws.environ())
    assert (wet["_status"], wet["slot"]["stable"], wet["slot"]["target"], wet["pruned"]) == (
        "CHANGED",
        "1.0.0",
        None,
        [],
    )
    again = run_module("deploy_log", {**ours, "state": "committed"}, aws.environ())
    assert not again["changed"]
    seen = run_ansible("deploy_log_info", place, aws.environ())
    assert (seen["_status"], seen["n"], seen["stable"], seen["held"]) == ("SUCCESS", 3, "1.0.0", False)
    assert [entry["act"] for entry in seen["history"]] == ["committed", "renewed", "claimed"]
    assert seen["why"] == "it is Friday"


def test_a_claim_of_somebody_else(aws: EmulatedAws, place: dict[str, Any], claimed: dict[str, Any]) -> None:
    failed = run_module("deploy_log", {**place, "id": "other", "state": "released"}, aws.environ())
    assert failed["msg"].startswith("Deploy other no longer owns the app: it is now held by ")
    assert claimed["id"] in failed["msg"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keep": 3}, "keep is 3, but the log must keep at least 10 entries."),
        ({"env": "../x"}, "The env '../x' is not allowed."),
        ({"min_slot": 99}, "ends at entry 1, but entry 99 was seen before."),
    ],
)
def test_bad_input(
    aws: EmulatedAws, place: dict[str, Any], claimed: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    failed = run_module("deploy_log", {**place, "id": claimed["id"], "state": "released", **changes}, aws.environ())
    assert message in failed["msg"]
    assert run_module("deploy_log_info", place, aws.environ())["held"]
