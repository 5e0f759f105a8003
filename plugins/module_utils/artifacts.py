# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: releases in S3. A release is an artifact and its manifest, written once and in this order."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ._aws import s3
from ._aws.errors import AwsError
from ._core.deploy_log import stamp
from ._core.errors import CoreError
from ._host.errors import HostError
from ._host.manifest import FORMATS, Manifest, artifact_key, check_app, check_version, from_json, manifest_key

_NEWEST = 5


class ReleaseError(CoreError):
    """A release that is not there, or not what its manifest says."""


FAILURES = (AwsError, CoreError, HostError)


@dataclass(frozen=True)
class Source:
    """A file that is to become a release."""

    path: str
    format: str
    sha256: str
    size: int


def load(client: Any, bucket: str, app: str, version: str, look: bool = True) -> Manifest:
    """The manifest of a published release, after a look at the artifact that it describes.

    Without that look for who is about to fetch the artifact and compare every byte of it.
    """
    manifest = _published(client, bucket, app, version)
    if manifest is None:
        raise ReleaseError(_unknown(client, bucket, app, version))
    if (manifest.app, manifest.version) != (app, version):
        raise ReleaseError(
            f"s3://{bucket}/{manifest_key(app, version)} describes {manifest.app} {manifest.version} "
            f"instead of {app} {version}. Publish the release again under a new version."
        )
    key = artifact_key(app, version, manifest.format)
    fault = _disagreement(manifest, s3.head(client, bucket, key)) if look else ""
    if fault:
        raise ReleaseError(
            f"The manifest and the artifact of {app} {version} in bucket {bucket} disagree: {fault}. "
            "Do not deploy it; publish the release again under a new version."
        )
    return manifest


def versions(client: Any, bucket: str, apps: list[str], count: int) -> dict[str, list[str]]:
    """The releases of each app that were published last, newest first."""
    return {check_app(app): _newest(client, bucket, app, count) for app in apps}


def location(bucket: str, manifest: Manifest) -> dict[str, str]:
    """Where the artifact of a release is."""
    key = artifact_key(manifest.app, manifest.version, manifest.format)
    return {"bucket": bucket, "key": key, "uri": f"s3://{bucket}/{key}"}


def presigned(bucket: str, key: str, seconds: int) -> str:
    """A link by which anybody can fetch an artifact for a while."""
    return s3.presigned(bucket, key, seconds)


def publish(
    client: Any,
    bucket: str,
    app: str,
    version: str,
    path: str,
    *,
    now: datetime,
    limits: dict[str, int] | None = None,
    source_revision: str | None = None,
    check: bool = False,
) -> dict[str, Any]:
    """Write a release unless it is there already; other bytes under the same version are refused."""
    check_app(app)
    check_version(version)
    source = _source(path)
    known = _published(client, bucket, app, version)
    if known is not None:
        _refuse_other_bytes(bucket, known, source.sha256, known.sha256)
    manifest = known or _describe(app, version, source, limits or {}, source_revision, now)
    wrote_artifact = _write_artifact(client, bucket, manifest, source, check)
    wrote_manifest = known is None and _write_manifest(client, bucket, manifest, check)
    return {
        "changed": wrote_artifact or wrote_manifest,
        "manifest": manifest.to_dict(),
        "uri": location(bucket, manifest)["uri"],
        "manifest_uri": f"s3://{bucket}/{manifest_key(app, version)}",
    }


def _published(client: Any, bucket: str, app: str, version: str) -> Manifest | None:
    text = s3.read(client, bucket, manifest_key(app, version))
    return None if text is None else from_json(text.decode("utf-8", "replace"))


def _unknown(client: Any, bucket: str, app: str, version: str) -> str:
    names = _newest(client, bucket, app, _NEWEST)
    if not names:
        return f"No release of {app} is published in bucket {bucket}. Check app and bucket, or publish one first."
    return (
        f"{app} has no release {version} in bucket {bucket}. The newest are {', '.join(names)}. "
        "Correct the version or publish it first."
    )


def _newest(client: Any, bucket: str, app: str, count: int) -> list[str]:
    keys = s3.newest_keys(client, bucket, f"{app}/", ".json", count)
    return [key.removeprefix(f"{app}/").removesuffix(".json") for key in keys]


def _disagreement(manifest: Manifest, artifact: dict[str, Any] | None) -> str:
    if artifact is None:
        return "the artifact is missing"
    if artifact["size"] != manifest.size:
        return f"the manifest says {manifest.size} bytes, the artifact has {artifact['size']}"
    stored = artifact["metadata"].get("sha256", "none")
    if stored != manifest.sha256:
        return f"the manifest says sha256 {manifest.sha256}, the artifact carries {stored}"
    return ""


def _source(path: str) -> Source:
    archive_format = next((known for known in FORMATS if path.endswith(f".{known}")), None)
    if archive_format is None:
        raise ReleaseError(f"{path} is no known archive. Its name must end with .{', .'.join(FORMATS)}.")
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while chunk := stream.read(1024 * 1024):
                digest.update(chunk)
            size = stream.tell()
    except OSError as exc:
        raise ReleaseError(f"Cannot read {path}: {exc.strerror}. Check the option src.") from exc
    if not 0 < size <= s3.MAX_PUT_BYTES:
        raise ReleaseError(f"{path} has {size} bytes; a release has between 1 byte and {s3.MAX_PUT_BYTES}.")
    return Source(path=os.path.abspath(path), format=archive_format, sha256=digest.hexdigest(), size=size)


def _describe(
    app: str, version: str, source: Source, limits: dict[str, int], source_revision: str | None, now: datetime
) -> Manifest:
    from ._host.archive import Limits, scan

    found = scan(source.path, source.format, Limits(**limits))
    return Manifest(
        app=app,
        version=version,
        sha256=source.sha256,
        size=source.size,
        unpacked_size=found.unpacked_size,
        files=found.entries,
        format=source.format,
        created=stamp(now),
        source_revision=source_revision,
    )


def _refuse_other_bytes(bucket: str, manifest: Manifest, ours: str, theirs: str) -> None:
    if ours != theirs:
        raise ReleaseError(
            f"{manifest.app} {manifest.version} is already in bucket {bucket} with other bytes: sha256 {theirs} there, "
            f"{ours} here. A version is written once; publish these bytes under a new version."
        )


def _write_artifact(client: Any, bucket: str, manifest: Manifest, source: Source, check: bool) -> bool:
    """Write the artifact unless it is there, for instance because an earlier run died before the manifest."""
    key = artifact_key(manifest.app, manifest.version, manifest.format)
    found = s3.head(client, bucket, key)
    if found is None and check:
        return True
    if found is None:
        with open(source.path, "rb") as body:
            written = s3.create(
                client,
                bucket,
                key,
                body,
                sha256=source.sha256,
                content_type="application/octet-stream",
                metadata={"sha256": source.sha256},
            )
        if written:
            return True
        found = s3.head(client, bucket, key) or {"metadata": {}}
    _refuse_other_bytes(bucket, manifest, source.sha256, found["metadata"].get("sha256", "none"))
    return False


def _write_manifest(client: Any, bucket: str, manifest: Manifest, check: bool) -> bool:
    if check:
        return True
    text = manifest.to_json().encode("utf-8")
    key = manifest_key(manifest.app, manifest.version)
    digest = hashlib.sha256(text).hexdigest()
    if s3.create(client, bucket, key, text, sha256=digest, content_type="application/json"):
        return True
    known = _published(client, bucket, manifest.app, manifest.version)
    _refuse_other_bytes(bucket, manifest, manifest.sha256, known.sha256 if known else "none")
    return False
