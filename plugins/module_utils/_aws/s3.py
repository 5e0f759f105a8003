# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""S3: the calls that publishing and planning need. The client is passed in, plain data comes out."""

from __future__ import annotations

import base64
from typing import Any, BinaryIO

from . import session
from .errors import ClientError, code_of, translated

MAX_PUT_BYTES = 5 * 1024**3

_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_EXISTS = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
_LIST_PAGES = 5


def read(client: Any, bucket: str, key: str) -> bytes | None:
    """An object's bytes, None if there is none."""
    with translated(f"read s3://{bucket}/{key}", client):
        try:
            return client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as exc:
            if code_of(exc) in _MISSING:
                return None
            raise


def head(client: Any, bucket: str, key: str) -> dict[str, Any] | None:
    """Size and metadata of an object, None if there is none."""
    with translated(f"look at s3://{bucket}/{key}", client):
        try:
            answer = client.head_object(Bucket=bucket, Key=key)
        except ClientError as exc:
            if code_of(exc) in _MISSING:
                return None
            raise
    return {"size": answer["ContentLength"], "metadata": answer.get("Metadata", {})}


def presigned(bucket: str, key: str, seconds: int) -> str:
    """A link to an object that is good for a while; signed here, no call is made."""
    with translated(f"sign a link to s3://{bucket}/{key}"):
        # The older signature, which botocore still prefers in some regions, opens no object that KMS encrypts.
        return link(session.client("s3", signature_version="s3v4"), bucket, key, seconds)


def link(client: Any, bucket: str, key: str, seconds: int) -> str:
    """As `presigned`, by a client that signs with version 4."""
    with translated(f"sign a link to s3://{bucket}/{key}", client):
        return client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=seconds)


def create(
    client: Any,
    bucket: str,
    key: str,
    body: bytes | BinaryIO,
    *,
    sha256: str,
    content_type: str,
    metadata: dict[str, str] | None = None,
) -> bool:
    """Write an object that must not exist yet; False if it does. S3 itself checks the bytes against the hash."""
    with translated(f"write s3://{bucket}/{key}", client):
        try:
            client.put_object(
                Bucket=bucket,
                Key=key,
                Body=body,
                IfNoneMatch="*",
                ContentType=content_type,
                Metadata=metadata or {},
                ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode("ascii"),
            )
        except ClientError as exc:
            if code_of(exc) in _EXISTS:
                return False
            raise
    return True


def delete(client: Any, bucket: str, key: str) -> None:
    """Delete an object; one that is not there is no error."""
    with translated(f"delete s3://{bucket}/{key}", client):
        client.delete_object(Bucket=bucket, Key=key)


def newest_keys(client: Any, bucket: str, prefix: str, suffix: str, count: int) -> list[str]:
    """The keys last written below a prefix, newest first, out of the first few thousand."""
    found: list[tuple[Any, str]] = []
    arguments: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
    with translated(f"list s3://{bucket}/{prefix}", client):
        for _page in range(_LIST_PAGES):
            page = client.list_objects_v2(**arguments)
            found += [(o["LastModified"], o["Key"]) for o in page.get("Contents", []) if o["Key"].endswith(suffix)]
            if not page.get("IsTruncated"):
                break
            arguments["ContinuationToken"] = page["NextContinuationToken"]
    return [key for _when, key in sorted(found, reverse=True)[:count]]


def bucket_exists(client: Any, bucket: str) -> bool:
    """Whether the bucket exists; only a plain 404 says no."""
    with translated(f"look at the bucket {bucket}", client):
        try:
            client.head_bucket(Bucket=bucket)
        except ClientError as exc:
            if code_of(exc) in _MISSING | {"NoSuchBucket"}:
                return False
            raise
    return True
