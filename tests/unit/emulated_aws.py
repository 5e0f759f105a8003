# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulated AWS on loopback for the tests that talk to one."""

from __future__ import annotations

import contextlib
import functools
import io
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"


@functools.cache
def _client(endpoint: str, service: str) -> Any:
    """Making a client takes longer than most calls; a client may be shared by threads, the default session may not."""
    return boto3.session.Session().client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="an-access-key",
        aws_secret_access_key="not-a-secret-at-all",
    )


@dataclass(frozen=True)
class EmulatedAws:
    """One running server. Every test takes its own bucket and prefix, so one server serves them all."""

    endpoint: str
    bucket: str
    prefix: str

    def client(self, service: str) -> Any:
        return _client(self.endpoint, service)

    def environ(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "an-access-key",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret-at-all",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        }


@contextlib.contextmanager
def server() -> Iterator[str]:
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        yield "http://{}:{}".format(*moto.get_host_and_port())
    finally:
        moto.stop()


def fresh(endpoint: str) -> EmulatedAws:
    mark = uuid.uuid4().hex[:12]
    aws = EmulatedAws(endpoint=endpoint, bucket=f"releases-{mark}", prefix=f"/test/{mark}")
    aws.client("s3").create_bucket(Bucket=aws.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return aws


def build_archive(path: Path, text: str) -> Path:
    """A release with one file."""
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("VERSION")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    return path
