# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils import artifacts
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import ArchiveError

from tests.unit.emulated_aws import EmulatedAws, build_archive

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def publish(aws: EmulatedAws, path: Path, version: str = "1.0.0", **options: Any) -> dict[str, Any]:
    return artifacts.publish(aws.client("s3"), aws.bucket, "hello", version, str(path), now=NOW, **options)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return build_archive(tmp_path / "hello.tar.gz", "1.0.0")


def test_publish_then_load(aws: EmulatedAws, archive: Path) -> None:
    done = publish(aws, archive, source_revision="3f2a9c1")
    manifest = artifacts.load(aws.client("s3"), aws.bucket, "hello", "1.0.0")
    assert done["changed"]
    assert done["uri"] == f"s3://{aws.bucket}/hello/1.0.0.tar.gz"
    assert manifest.to_dict() == done["manifest"]
    assert (manifest.size, manifest.files, manifest.unpacked_size) == (archive.stat().st_size, 1, 5)
    assert (manifest.source_revision, manifest.created) == ("3f2a9c1", "2026-01-31T12:00:00Z")


def test_the_same_again_changes_nothing(aws: EmulatedAws, archive: Path) -> None:
    first = publish(aws, archive)
    again = publish(aws, archive, source_revision="other")
    assert (again["changed"], again["manifest"]) == (False, first["manifest"])


def test_other_bytes_are_refused_with_both_hashes(aws: EmulatedAws, archive: Path, tmp_path: Path) -> None:
    ours = publish(aws, archive)["manifest"]["sha256"]
    with pytest.raises(artifacts.ReleaseError, match=f"already in bucket .* sha256 {ours} there, [0-9a-f]{{64}} here"):
        publish(aws, build_archive(tmp_path / "other.tar.gz", "other"))


def test_check_uploads_nothing(aws: EmulatedAws, archive: Path) -> None:
    done = publish(aws, archive, check=True)
    assert done["changed"]
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=aws.bucket)
    publish(aws, archive)
    assert not publish(aws, archive, check=True)["changed"]


@pytest.mark.parametrize("lost", ["hello/1.0.0.json", "hello/1.0.0.tar.gz"])
def test_half_a_release_is_completed(aws: EmulatedAws, archive: Path, lost: str) -> None:
    publish(aws, archive)
    aws.client("s3").delete_object(Bucket=aws.bucket, Key=lost)
    assert publish(aws, archive)["changed"]
    assert artifacts.load(aws.client("s3"), aws.bucket, "hello", "1.0.0").version == "1.0.0"


def test_the_half_of_another_release_is_not_completed(aws: EmulatedAws, archive: Path, tmp_path: Path) -> None:
    publish(aws, archive)
    aws.client("s3").delete_object(Bucket=aws.bucket, Key="hello/1.0.0.json")
    with pytest.raises(artifacts.ReleaseError, match="with other bytes"):
        publish(aws, build_archive(tmp_path / "other.tar.gz", "other"))


def test_of_racing_publishers_one_wins(aws: EmulatedAws, tmp_path: Path) -> None:
    files = [build_archive(tmp_path / f"{number}.tar.gz", str(number)) for number in range(4)]

    def race(path: Path) -> dict[str, Any] | None:
        try:
            return publish(aws, path)
        except artifacts.ReleaseError:
            return None

    with ThreadPoolExecutor(4) as pool:
        won = [result for result in pool.map(race, files) if result]
    assert len(won) == 1
    assert artifacts.load(aws.client("s3"), aws.bucket, "hello", "1.0.0").sha256 == won[0]["manifest"]["sha256"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("x.zip", "is no known archive"), ("missing.tar.gz", "Cannot read"), ("empty.tar.gz", "has 0 bytes")],
)
def test_files_that_are_no_release(aws: EmulatedAws, tmp_path: Path, name: str, message: str) -> None:
    if name.startswith("empty"):
        (tmp_path / name).touch()
    with pytest.raises(artifacts.ReleaseError, match=message):
        publish(aws, tmp_path / name)


def test_an_archive_that_a_host_would_refuse_is_not_published(aws: EmulatedAws, tmp_path: Path, archive: Path) -> None:
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(archive.read_bytes()[:-20])
    with pytest.raises(ArchiveError):
        publish(aws, broken)
    with pytest.raises(ArchiveError):
        publish(aws, archive, limits={"entries": 1, "unpacked_size": 2})
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=aws.bucket)


def rewrite(aws: EmulatedAws, key: str, body: bytes, **metadata: str) -> None:
    aws.client("s3").put_object(Bucket=aws.bucket, Key=key, Body=body, Metadata=metadata)


def test_a_manifest_and_an_artifact_that_disagree(aws: EmulatedAws, archive: Path) -> None:
    manifest = publish(aws, archive)["manifest"]
    body, client = archive.read_bytes(), aws.client("s3")
    cases = [
        (body + b"x", manifest["sha256"], f"the manifest says {len(body)} bytes, the artifact has {len(body) + 1}"),
        (body, "0" * 64, f"the manifest says sha256 {manifest['sha256']}, the artifact carries {'0' * 64}"),
    ]
    for content, digest, message in cases:
        rewrite(aws, "hello/1.0.0.tar.gz", content, sha256=digest)
        with pytest.raises(artifacts.ReleaseError) as caught:
            artifacts.load(client, aws.bucket, "hello", "1.0.0")
        assert message in str(caught.value)
    client.delete_object(Bucket=aws.bucket, Key="hello/1.0.0.tar.gz")
    with pytest.raises(artifacts.ReleaseError, match="the artifact is missing"):
        artifacts.load(client, aws.bucket, "hello", "1.0.0")


def test_a_manifest_of_another_release_or_none_at_all(aws: EmulatedAws, archive: Path) -> None:
    manifest = publish(aws, archive)["manifest"]
    rewrite(aws, "hello/2.json", json.dumps(manifest).encode())
    with pytest.raises(artifacts.ReleaseError, match=r"hello/2.json describes hello 1.0.0 instead of hello 2"):
        artifacts.load(aws.client("s3"), aws.bucket, "hello", "2")
    rewrite(aws, "hello/3.json", b"\xff{")
    with pytest.raises(artifacts.FAILURES, match="not valid JSON"):
        artifacts.load(aws.client("s3"), aws.bucket, "hello", "3")
