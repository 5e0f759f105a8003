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
def options(aws: EmulatedAws, tmp_path: Path) -> dict[str, Any]:
    archive = build_archive(tmp_path / "hello-1.0.0.tar.gz", "1.0.0")
    return {"app": "hello", "version": "1.0.0", "src": str(archive), "bucket": aws.bucket}


def test_check_then_publish_then_nothing(aws: EmulatedAws, options: dict[str, Any]) -> None:
    environ = aws.environ()
    dry = run_module("artifact", options, environ, check=True)
    assert (dry["changed"], dry["diff"]["before"], dry["diff"]["after"]["version"]) == (True, {}, "1.0.0")
    wet = run_ansible("artifact", options, environ)
    assert (wet["_status"], wet["uri"]) == ("CHANGED", f"s3://{aws.bucket}/hello/1.0.0.tar.gz")
    again = run_module("artifact", options, environ)
    assert (again["changed"], again["manifest"]) == (False, wet["manifest"])
    assert again["diff"]["before"] == again["diff"]["after"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bucket": "no-such-bucket"}, "Cannot read s3://no-such-bucket/hello/1.0.0.json: the bucket does not exist"),
        ({"src": "/nonexistent.tar.gz"}, "Cannot read /nonexistent.tar.gz: No such file or directory"),
        ({"version": ".1"}, "the version '.1' is not allowed"),
        ({"limits": {"unpacked_size": 1}}, "the limit of 1 bytes"),
        ({"profile": "nope", "access_key": None}, "The config profile (nope) could not be found"),
    ],
)
def test_bad_input(aws: EmulatedAws, options: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    environ = aws.environ()
    if "profile" in changes:
        environ = {name: value for name, value in environ.items() if "KEY" not in name}
    failed = run_module("artifact", {**options, **changes}, environ)
    assert failed["failed"]
    assert message in failed["msg"]


def test_other_bytes_under_a_published_version(aws: EmulatedAws, options: dict[str, Any], tmp_path: Path) -> None:
    run_module("artifact", options, aws.environ())
    other = build_archive(tmp_path / "other.tar.gz", "other")
    failed = run_module("artifact", {**options, "src": str(other)}, aws.environ())
    assert "publish these bytes under a new version" in failed["msg"]
