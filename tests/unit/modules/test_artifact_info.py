# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

from tests.unit.emulated_aws import EmulatedAws, build_archive
from tests.unit.run_module import run_module


def test_what_is_published_and_what_is_half_published(aws: EmulatedAws, tmp_path: Path) -> None:
    for version in ("1.0.0", "1.0.1"):
        archive = build_archive(tmp_path / f"{version}.tar.gz", version)
        published = {"app": "hello", "version": version, "src": str(archive), "bucket": aws.bucket}
        run_module("artifact", published, aws.environ())
    aws.client("s3").put_object(Bucket=aws.bucket, Key="hello/1.0.2.tar.gz", Body=b"its manifest is still to come")
    listed = run_module("artifact_info", {"apps": ["hello", "shop"], "bucket": aws.bucket}, aws.environ())
    assert (listed["changed"], listed["versions"]["shop"]) == (False, [])
    assert sorted(listed["versions"]["hello"]) == ["1.0.0", "1.0.1"]
    one = run_module("artifact_info", {"apps": ["hello"], "bucket": aws.bucket, "count": 1}, aws.environ())
    assert len(one["versions"]["hello"]) == 1


def test_bad_input(aws: EmulatedAws) -> None:
    failed = run_module("artifact_info", {"apps": ["hello"], "bucket": "no-such-bucket"}, aws.environ())
    assert "the bucket does not exist" in failed["msg"]
    failed = run_module("artifact_info", {"apps": ["../x"], "bucket": aws.bucket}, aws.environ())
    assert "'../x'" in failed["msg"]
